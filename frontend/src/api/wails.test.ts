import { afterEach, describe, expect, it, vi } from 'vitest';
import type { News } from './backend';
import { noNews } from './fake';
import { inWindow, WailsBackend } from './wails';

/** Puts into the page what Wails does: the bound methods and its runtime. */
function bind(methods: Record<string, (...of: unknown[]) => Promise<unknown>>, hear: (name: string, call: (news: News) => void) => () => void = () => () => undefined) {
  vi.stubGlobal('go', { desktop: { Desktop: methods } });
  vi.stubGlobal('runtime', { EventsOnMultiple: (name: string, call: (news: News) => void) => hear(name, call) });
}

afterEach(() => vi.unstubAllGlobals());

describe('in the window', () => {
  it('a call goes to the bound method, with an argument only where it has one', async () => {
    const given: unknown[][] = [];
    bind({
      Status: async (...of) => given.push(of),
      Curl: async (...of) => given.push(of),
    });
    expect(inWindow()).toBe(true);
    await new WailsBackend().status();
    await new WailsBackend().curl(7);
    expect(given).toEqual([[], [7]]);
  });

  it('a call that fails rejects with the problem that its text is', async () => {
    const problem = { kind: 'not_found', where: '', message: 'Opening #7: it is gone.', line: 0, column: 0 };
    bind({ Exchange: () => Promise.reject(JSON.stringify(problem)), Curl: () => Promise.reject(new Error('out of memory')) });
    await expect(new WailsBackend().exchange(7)).rejects.toMatchObject({ problem });
    await expect(new WailsBackend().curl(7)).rejects.toMatchObject({ message: 'out of memory', problem: { kind: 'internal' } });
  });

  it('a dialog that was cancelled gives no file', async () => {
    bind({ SaveAuthority: async () => '', SaveExport: async () => '/tmp/a.har' });
    expect(await new WailsBackend().saveAuthority()).toBeNull();
    expect(await new WailsBackend().saveExport({ format: 'har', selection: { seqs: [1], all: false, filter: '' }, redact: true })).toBe('/tmp/a.har');
  });

  it('the news are heard until they are stopped', () => {
    let tell: (news: News) => void = () => undefined;
    const stopped = vi.fn();
    bind({}, (name, call) => {
      expect(name).toBe('news');
      tell = call;
      return stopped;
    });
    const heard: number[] = [];
    const connected: boolean[] = [];
    const stop = new WailsBackend().listen((news) => heard.push(news.total), (yes) => connected.push(yes));
    tell({ ...noNews, total: 5 });
    stop();
    expect([heard, connected, stopped.mock.calls.length]).toEqual([[5], [true], 1]);
  });
});

it('outside of it there is no window', () => {
  expect(inWindow()).toBe(false);
});
