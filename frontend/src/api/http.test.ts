import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { News } from './backend';
import { noNews } from './fake';
import { HttpBackend } from './http';

const asked: { path: string; init: RequestInit }[] = [];
let answers: (() => Response | Promise<Response>)[] = [];

beforeEach(() => {
  asked.length = 0;
  answers = [];
  vi.stubGlobal('fetch', async (path: string, init: RequestInit) => {
    asked.push({ path, init });
    const answer = answers.shift();
    if (!answer) throw new TypeError('Failed to fetch');
    return answer();
  });
});

afterEach(() => vi.unstubAllGlobals());

const json = (value: unknown, status = 200, headers: Record<string, string> = {}) => () =>
  new Response(JSON.stringify(value), { status, headers: { 'Content-Type': 'application/json', ...headers } });

describe('a call', () => {
  it('goes to its name with its argument, and gives the answer', async () => {
    answers = [json({ rows: [], matching: 3, total: 9 })];
    const query = { filter: 'status >= 500', after: 0, skip: 0, limit: 1, count: true };
    expect(await new HttpBackend().exchanges(query)).toEqual({ rows: [], matching: 3, total: 9 });
    expect(asked[0]?.path).toBe('/api/call/exchanges');
    expect(asked[0]?.init).toMatchObject({ method: 'POST', body: JSON.stringify(query), headers: { 'Content-Type': 'application/json' } });
  });

  it('without an argument sends null', async () => {
    answers = [json({})];
    await new HttpBackend().status();
    expect(asked[0]?.init.body).toBe('null');
  });

  it('that is refused fails with the problem it was told', async () => {
    const problem = { kind: 'invalid', where: '', message: 'Reading the filter: no.', line: 0, column: 4 };
    answers = [json({ problem }, 400)];
    await expect(new HttpBackend().checkFilter('x')).rejects.toMatchObject({ message: 'Reading the filter: no.', problem });
  });

  it.each([
    ['nobody answers', () => Promise.reject(new TypeError('x')), 'it does not answer'],
    ['the key is missing', () => new Response('The key is missing or another one.', { status: 401 }), 'The key is missing'],
    ['a stranger answers', () => new Response('', { status: 502 }), 'it answered 502'],
  ])('when %s fails in words', async (_, answer, words) => {
    answers = [answer];
    await expect(new HttpBackend().status()).rejects.toMatchObject({ message: expect.stringContaining(words), problem: { kind: 'unavailable' } });
  });
});

describe('a file', () => {
  it.each([
    ['attachment; filename="proxycache.har"', 'proxycache.har'],
    ['attachment; filename="say \\"hi\\".json"', 'say "hi".json'],
    ['', 'exchanges.json'],
  ])('told as %j is saved as %s', async (disposition, want) => {
    const saved: string[] = [];
    vi.stubGlobal('URL', Object.assign(URL, { createObjectURL: () => 'blob:x', revokeObjectURL: () => undefined }));
    vi.spyOn(HTMLAnchorElement.prototype, 'click').mockImplementation(function (this: HTMLAnchorElement) {
      saved.push(this.download);
    });
    answers = [json([], 200, disposition ? { 'Content-Disposition': disposition } : {})];
    const request = { format: 'har', selection: { seqs: [], all: true, filter: '' }, redact: true };
    expect(await new HttpBackend().saveExport(request)).toBe(want);
    expect(saved).toEqual([want]);
    expect(asked[0]?.path).toBe('/api/export');
  });
});

describe('the news', () => {
  class Source {
    static made: Source[] = [];
    onopen: (() => void) | null = null;
    onmessage: ((event: { data: string }) => void) | null = null;
    onerror: (() => void) | null = null;
    closed = false;
    constructor(readonly url: string) {
      Source.made.push(this);
    }
    close() {
      this.closed = true;
    }
  }

  beforeEach(() => {
    Source.made = [];
    vi.useFakeTimers();
    vi.stubGlobal('EventSource', Source);
  });
  afterEach(() => vi.useRealTimers());

  it('are heard, and a lost stream is begun anew, ever more slowly', () => {
    const heard: News[] = [];
    const connected: boolean[] = [];
    const stop = new HttpBackend().listen((news) => heard.push(news), (yes) => connected.push(yes));
    Source.made[0]?.onopen?.();
    Source.made[0]?.onmessage?.({ data: JSON.stringify({ ...noNews, total: 4 }) });
    expect([Source.made[0]?.url, heard[0]?.total, connected]).toEqual(['/api/news', 4, [true]]);

    Source.made[0]?.onerror?.();
    expect([Source.made[0]?.closed, connected]).toEqual([true, [true, false]]);
    vi.advanceTimersByTime(500);
    expect(Source.made).toHaveLength(2);
    Source.made[1]?.onerror?.();
    vi.advanceTimersByTime(999);
    expect(Source.made).toHaveLength(2);
    vi.advanceTimersByTime(1);
    expect(Source.made).toHaveLength(3);

    stop();
    expect(Source.made[2]?.closed).toBe(true);
  });

  it('are not asked for again after they were stopped', () => {
    const stop = new HttpBackend().listen(() => undefined, () => undefined);
    Source.made[0]?.onerror?.();
    stop();
    vi.advanceTimersByTime(60_000);
    expect(Source.made).toHaveLength(1);
  });
});
