import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { FakeBackend } from '../../api/fake';
import { row } from '../../api/fakedata';
import { Live } from '../../api/live.svelte';
import { Toasts } from '../../ui/toasts.svelte';
import { Start } from './start.svelte';

let backend: FakeBackend;
let live: Live;
let leave: () => void;

beforeEach(() => {
  backend = new FakeBackend({ rows: 3 });
  live = new Live(backend);
});
afterEach(() => {
  leave();
  live.close();
});

function open(): Start {
  const start = new Start({ backend, live, toasts: new Toasts(), links: { openExchange: vi.fn(), openTraffic: vi.fn(), openRoute: vi.fn() } });
  leave = start.watch();
  return start;
}

it('counts what arrives while it asks for the last ones, and once', async () => {
  const start = open();
  const arrived = { ...row(4), started: Date.now(), door: 'forward' as const, replayOf: 0 };
  backend.rows.push(arrived);
  await vi.waitUntil(() => start.captured.count > 0);
  backend.emit({ rows: [arrived] });
  expect([start.captured.count, start.captured.last?.seq, start.last[0]?.seq]).toEqual([1, 4, 4]);
});

it('does not count what was there before it', async () => {
  const start = open();
  await vi.waitUntil(() => start.last.length > 0);
  expect(start.captured.count).toBe(0);
});
