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

function open(toasts = new Toasts()): Start {
  const start = new Start({ backend, live, toasts, links: { openExchange: vi.fn(), openTraffic: vi.fn(), openRoute: vi.fn() } });
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

it('says that nothing listens where it was put in front', async () => {
  const toasts = new Toasts();
  const start = open(toasts);
  await vi.waitUntil(() => start.ports !== null);
  const putInFront = async (target: string) => {
    const name = `port-${target}`;
    const { document } = backend.theConfig;
    backend.theConfig = {
      ...backend.theConfig,
      document: {
        ...document,
        upstreams: [...document.upstreams, { name, settings: { targets: [{ url: `http://localhost:${target}` }] } }],
        routes: [{ name, when: `host = "${name}.localhost"`, to: name, off: false, lenient: [], cells: [] }, ...document.routes],
      },
    };
    return { route: name, url: `http://${name}.localhost:8080`, revision: backend.theConfig.revision };
  };
  backend.putInFront = putInFront;
  const here = start.ports?.[0]?.port ?? 0;
  await start.putInFront(String(here));
  await start.putInFront('4567');
  expect(toasts.items.map((toast) => toast.text.replace(/^\S+ /, ''))).toEqual([
    'now passes through here.',
    'now passes through here, but nothing listens on port 4567 yet: start your server there.',
  ]);
});

it('offers to put a route back only while nothing else was changed', async () => {
  const toasts = new Toasts();
  const start = open(toasts);
  await start.remove(backend.theConfig.document.routes[0]?.name ?? '');
  expect(toasts.items).toHaveLength(1);
  await backend.apply({ base: backend.theConfig.revision, document: { ...backend.theConfig.document, routes: [] } });
  expect(toasts.items).toEqual([]);
});
