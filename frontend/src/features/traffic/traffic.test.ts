import { flushSync } from 'svelte';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Exchange, ExchangeQuery, Place, Row } from '../../api/backend';
import { FakeBackend } from '../../api/fake';
import { row } from '../../api/fakedata';
import { Live } from '../../api/live.svelte';
import { Toasts } from '../../ui/toasts.svelte';
import { PAGE } from './pages.svelte';
import { Traffic } from './traffic.svelte';

/** A store of so many rows that are made when they are asked for. */
class Huge extends FakeBackend {
  queries: ExchangeQuery[] = [];
  constructor(private readonly size: number) {
    super({ rows: 0 });
  }
  override async exchanges(query: ExchangeQuery) {
    this.queries.push(query);
    const first = query.after + query.skip;
    const rows = Array.from({ length: Math.max(0, Math.min(query.limit, this.size - first)) }, (_, i): Row => row(first + i + 1));
    return { rows, matching: query.count ? this.size : -1, total: this.size };
  }
}

const opened: (Exchange | Place)[] = [];
let traffic: Traffic;

function start(backend: FakeBackend): { live: Live; toasts: Toasts } {
  const live = new Live(backend);
  const toasts = new Toasts();
  traffic = new Traffic({ backend, live, toasts, links: { showOnComb: (x) => opened.push(x), openCell: (p) => opened.push(p) } });
  return { live, toasts };
}

const settle = () => vi.advanceTimersByTimeAsync(1_000);

beforeEach(() => {
  vi.useFakeTimers();
  opened.length = 0;
});
afterEach(() => {
  traffic.close();
  vi.useRealTimers();
});

describe('the window over the store', () => {
  it('opens a million rows with a few pages and reaches each of them', async () => {
    const backend = new Huge(1_000_000);
    start(backend);
    await settle();
    expect(traffic.pages.count).toBe(1_000_000);
    traffic.pages.show(999_960, 999_999);
    await settle();
    expect(traffic.pages.at(999_999)?.seq).toBe(1_000_000);
    expect(traffic.pages.at(500_000)).toBeUndefined();
    expect((await traffic.pages.row(500_000))?.seq).toBe(500_001);
  });

  it('holds a bounded number of rows however far it is scrolled', async () => {
    start(new Huge(1_000_000));
    await settle();
    for (let at = 0; at < 1_000_000; at += 20_011) {
      traffic.pages.show(at, at + 40);
      await settle();
      expect(traffic.pages.at(at + 20)?.seq).toBe(at + 21);
    }
    expect(traffic.pages.held).toBeLessThanOrEqual(24 * PAGE);
  });

  it('asks for a page behind the nearest one it knows', async () => {
    const backend = new Huge(100_000);
    start(backend);
    await settle();
    traffic.pages.show(50_000, 50_040);
    await settle();
    backend.queries.length = 0;
    traffic.pages.show(50_200, 50_240);
    await settle();
    expect(backend.queries.every((query) => query.skip < 3 * PAGE && query.after > 49_000)).toBe(true);
  });

  it('finds the index of an exchange that is not in memory', async () => {
    start(new Huge(1_000_000));
    await settle();
    expect(await traffic.pages.indexOf(654_321)).toBe(654_320);
    expect(await traffic.pages.indexOf(2_000_000)).toBe(-1);
  });

  it('says why rows could not be loaded', async () => {
    const backend = new FakeBackend({ rows: 5 });
    backend.fail('exchanges', 'Reading the list: the disk is gone.');
    start(backend);
    await settle();
    expect(traffic.pages.problem).toContain('the disk is gone');
  });
});

describe('rows that arrive', () => {
  it('stand at the end, and change where they stand', async () => {
    const backend = new FakeBackend({ rows: 99 });
    start(backend);
    await settle();
    for (let i = 0; i < 3; i++) backend.arrive({ state: 'pending', status: 0 });
    await settle();
    expect(traffic.pages.count).toBe(102);
    expect(traffic.pages.at(101)?.seq).toBe(102);
    backend.change(101, { state: 'done', status: 418 });
    expect(traffic.pages.at(100)?.status).toBe(418);
  });

  it('are counted while the end is out of sight', async () => {
    const backend = new FakeBackend({ rows: 50 });
    start(backend);
    await settle();
    backend.arrive();
    expect(traffic.fresh).toBe(0);
    traffic.atEnd(false);
    backend.arrive();
    backend.arrive();
    expect(traffic.fresh).toBe(2);
    traffic.follow();
    expect([traffic.fresh, traffic.following]).toEqual([0, true]);
  });

  it('appear under a filter only when they match', async () => {
    const backend = new FakeBackend({ rows: 30 });
    start(backend);
    traffic.filter.type('status = 418');
    await settle();
    expect(traffic.pages.count).toBe(0);
    backend.arrive({ status: 200 });
    backend.arrive({ status: 0, state: 'pending' });
    await settle();
    expect(traffic.pages.count).toBe(0);
    backend.change(32, { status: 418, state: 'done' });
    await settle();
    expect([traffic.pages.count, traffic.pages.at(0)?.seq, traffic.pages.total]).toEqual([1, 32, 32]);
  });

  it('load again after a reset', async () => {
    const backend = new FakeBackend({ rows: 30 });
    start(backend);
    await settle();
    backend.rows = backend.rows.slice(10);
    backend.emit({ reset: true });
    await settle();
    expect([traffic.pages.count, traffic.pages.at(0)?.seq]).toEqual([20, 11]);
  });
});

describe('the filter', () => {
  it('keeps the last good one in force and says where the new one is wrong', async () => {
    start(new FakeBackend({ rows: 60 }));
    traffic.filter.type('method = POST');
    await settle();
    const matching = traffic.pages.count;
    expect(matching).toBeGreaterThan(0);
    expect(matching).toBeLessThan(60);
    traffic.filter.type('method =');
    await settle();
    expect(traffic.filter.problem?.column).toBeGreaterThan(0);
    expect([traffic.filter.inForce, traffic.pages.count]).toEqual(['method = POST', matching]);
    traffic.filter.type('');
    await settle();
    expect([traffic.filter.problem, traffic.pages.count]).toEqual([null, 60]);
  });
});

describe('the selection', () => {
  beforeEach(async () => {
    start(new FakeBackend({ rows: 300 }));
    await settle();
  });

  it('moves with the keys and opens the exchange', async () => {
    traffic.move(1);
    await settle();
    traffic.move(1);
    await settle();
    expect([traffic.choice.cursor, traffic.detail.exchange?.row.seq]).toEqual([1, 2]);
    traffic.move(-1_000);
    await settle();
    expect(traffic.detail.exchange?.row.seq).toBe(1);
  });

  it('grows by ranges and single rows', async () => {
    await traffic.choose(10);
    await traffic.choose(13, 'range');
    expect([...traffic.choice.seqs]).toEqual([11, 12, 13, 14]);
    await traffic.choose(250, 'toggle');
    await traffic.choose(12, 'toggle');
    expect([...traffic.choice.seqs]).toEqual([11, 12, 14, 251]);
  });

  it('takes all that match without naming them', async () => {
    traffic.filter.type('method = GET');
    await settle();
    traffic.choice.chooseAll();
    expect(traffic.choice.selection).toEqual({ seqs: [], all: true, filter: 'method = GET' });
    expect(traffic.choice.size).toBe(traffic.pages.count);
  });

  it('leaves the end when a row further up is chosen', async () => {
    await traffic.choose(10);
    expect(traffic.following).toBe(false);
    await traffic.choose(299);
    expect(traffic.following).toBe(true);
  });
});

describe('what is done with exchanges', () => {
  it('removes what is chosen and takes it back', async () => {
    const backend = new FakeBackend({ rows: 20 });
    const { toasts } = start(backend);
    await settle();
    await traffic.choose(4);
    await traffic.choose(6, 'range');
    await traffic.remove();
    await settle();
    expect(traffic.pages.count).toBe(17);
    expect(toasts.items.at(-1)?.text).toBe('Removed 3 exchanges.');
    expect(traffic.canUndo).toBe(true);
    await traffic.undo();
    await settle();
    flushSync();
    expect([traffic.pages.count, traffic.canUndo]).toEqual([20, false]);
  });

  it('takes back a removal that is still under way', async () => {
    const backend = new FakeBackend({ rows: 20 });
    start(backend);
    await settle();
    await traffic.choose(4);
    const removed = traffic.remove();
    expect(traffic.canUndo).toBe(true);
    await Promise.all([removed, traffic.undo()]);
    await settle();
    flushSync();
    expect([traffic.pages.count, traffic.canUndo, backend.calls.some((call) => call.name === 'undoRemove')]).toEqual([20, false, true]);
    await traffic.choose(4);
    await traffic.remove();
    backend.fail('remove', 'Deleting exchanges: the disk is full.');
    await traffic.choose(6);
    await Promise.all([traffic.remove(), traffic.undo()]);
    expect([traffic.pages.count, traffic.canUndo]).toEqual([19, true]);
  });

  it('sends again and watches the new one', async () => {
    const backend = new FakeBackend({ rows: 20 });
    start(backend);
    await settle();
    await traffic.choose(4);
    await traffic.replay();
    await settle();
    expect(traffic.detail.exchange?.row).toMatchObject({ seq: 21, replayOf: 5 });
    expect(traffic.choice.cursor).toBe(20);
  });

  it('mocks it and leads to the cell', async () => {
    const backend = new FakeBackend({ rows: 20 });
    const { toasts } = start(backend);
    await settle();
    await traffic.choose(0);
    await traffic.mock();
    toasts.items.at(-1)?.other?.run();
    expect(opened).toMatchObject([{ cell: 'mock' }]);
  });

  it('exports what is asked for, without secrets unless they are wanted', async () => {
    const backend = new FakeBackend({ rows: 20 });
    start(backend);
    await settle();
    await traffic.export('har', 'all');
    expect(backend.calls.at(-1)?.argument).toEqual({ format: 'har', redact: true, selection: { seqs: [], all: true, filter: '' } });
  });

  it('says what was refused', async () => {
    const backend = new FakeBackend({ rows: 20 });
    const { toasts } = start(backend);
    await settle();
    await traffic.choose(0);
    backend.fail('curl', 'Copying #1: it is gone.');
    await traffic.copyCurl();
    expect(toasts.items.at(-1)).toMatchObject({ text: 'Copying #1: it is gone.', tone: 'bad' });
  });
});

it('a mock is taken back with the route that was made for it, and nothing else', async () => {
  const backend = new FakeBackend({ rows: 3 });
  const { toasts } = start(backend);
  await settle();
  const { routes } = backend.theConfig.document;
  const cell = { id: 'mock', use: 'mock', when: '', off: false, settings: {} };
  backend.mockThis = async () => {
    const made = { name: 'example-com', when: 'host = "example.com"', to: '', off: false, lenient: [], cells: [cell] };
    backend.theConfig = { ...backend.theConfig, document: { ...backend.theConfig.document, routes: [made, ...routes] } };
    return { route: 'example-com', cell: 'mock', revision: backend.theConfig.revision };
  };
  await traffic.mock(1);
  expect(toasts.items.map((toast) => [toast.action?.label, toast.other?.label])).toEqual([['Undo', 'Edit']]);
  toasts.undo();
  await settle();
  expect(backend.theConfig.document.routes).toEqual(routes);
});

it('what was brought back by the keys is not offered to be brought back any more', async () => {
  const { toasts } = start(new FakeBackend({ rows: 3 }));
  await settle();
  await traffic.choose(1);
  await traffic.remove();
  expect(toasts.items).toHaveLength(1);
  await traffic.undo();
  expect(toasts.items).toEqual([]);
});
