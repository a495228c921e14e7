import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Body } from '../../api/backend';
import { FakeBackend } from '../../api/fake';
import { Live } from '../../api/live.svelte';
import { Toasts } from '../../ui/toasts.svelte';
import { Beginning, STEP } from './beginning.svelte';
import BodyView from './BodyView.svelte';
import { charText, hexText, offsetText } from './hex';
import { Highlighted } from './highlight';
import { JsonError, parseJson, pathOf, printJson, valueOf, type JsonNode } from './json';
import { marked } from './marks';
import { part } from './part';
import { PIECE, Pieces } from './pieces.svelte';
import { sniff } from './sniff';
import { Traffic } from './traffic.svelte';
import { stretches, Tree } from './tree.svelte';

const utf8 = (text: string) => new TextEncoder().encode(text);

/** Serves bytes with ranges, as /body does, and writes down what was asked for. */
class Served {
  readonly asked: string[] = [];
  urls: string[] = [];
  status = 206;
  tellsTotal = true;
  constructor(public bytes: Uint8Array) {}

  fetch = async (url: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const range = new Headers(init?.headers).get('Range') ?? '';
    this.asked.push(range);
    this.urls.push(String(url));
    if (this.status >= 400) return new Response('Undoing the content coding: it is broken. Look at the bytes as sent.', { status: this.status });
    if (this.status === 200) return new Response(this.bytes.slice());
    const [, from = 0, last = 0] = (/(\d+)-(\d+)/.exec(range) ?? []).map(Number);
    const bytes = this.bytes.slice(from, last + 1);
    const total = this.tellsTotal ? this.bytes.length : '*';
    if (bytes.length === 0) return new Response('', { status: 416, headers: { 'Content-Range': `bytes */${this.bytes.length}` } });
    return new Response(bytes, { status: 206, headers: { 'Content-Range': `bytes ${from}-${from + bytes.length - 1}/${total}` } });
  };
}

let served: Served;

function serve(bytes: Uint8Array): Served {
  served = new Served(bytes);
  vi.stubGlobal('fetch', served.fetch);
  return served;
}

afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

describe('a part', () => {
  it('is all that is asked for', async () => {
    serve(utf8('0123456789'));
    const read = async (from: number, length: number) => {
      const { bytes, total } = await part('/body/1/response', from, length);
      return [new TextDecoder().decode(bytes), total];
    };
    expect([await read(4, 3), await read(8, 10), await read(20, 10)]).toEqual([['456', 10], ['89', 10], ['', 10]]);
  });

  it('is read no further than it is needed when ranges are not answered', async () => {
    let pulled = 0;
    const stream = new ReadableStream<Uint8Array>({ pull: (to) => to.enqueue(new Uint8Array(1_000).fill(++pulled)) }, { highWaterMark: 0 });
    vi.stubGlobal('fetch', async () => new Response(stream));
    const { bytes, total } = await part('/body/1/response', 1_500, 1_000);
    expect([bytes.length, bytes[0], bytes[999], total]).toEqual([1_000, 2, 3, -1]);
    expect(pulled).toBe(3);
  });

  it('is refused in the words of the server', async () => {
    serve(utf8('x')).status = 422;
    await expect(part('/body/1/response', 0, 1)).rejects.toThrow('Look at the bytes as sent');
  });
});

describe('the beginning of a body', () => {
  it('grows by steps, and never asks for more', async () => {
    serve(new Uint8Array(STEP * 2 + 10));
    const beginning = new Beginning('/body/1/response');
    await beginning.more();
    expect([beginning.bytes.length, beginning.complete]).toEqual([STEP, false]);
    await beginning.more();
    await beginning.more();
    await beginning.more();
    expect([beginning.bytes.length, beginning.complete]).toEqual([STEP * 2 + 10, true]);
    expect(served.asked).toEqual([`bytes=0-${STEP - 1}`, `bytes=${STEP}-${2 * STEP - 1}`, `bytes=${2 * STEP}-${3 * STEP - 1}`]);
  });

  it('finds the end of one whose length is not known', async () => {
    serve(new Uint8Array(STEP + 5)).tellsTotal = false;
    const beginning = new Beginning('/body/1/response?decoded=1');
    await beginning.more();
    expect([beginning.total, beginning.complete]).toEqual([-1, false]);
    await beginning.more();
    expect([beginning.total, beginning.complete]).toEqual([STEP + 5, true]);
  });

  it('reads on when there is more', async () => {
    serve(utf8('data: 1\n'));
    const beginning = new Beginning('/body/1/response');
    await beginning.more();
    served.bytes = utf8('data: 1\ndata: 2\n');
    beginning.grew();
    await vi.waitFor(() => expect(new TextDecoder().decode(beginning.bytes)).toBe('data: 1\ndata: 2\n'));
  });
});

describe('pieces of a body', () => {
  it('are fetched where they are looked at, and only there', async () => {
    const bytes = new Uint8Array(200 * PIECE).map((_, i) => i >> 16);
    serve(bytes);
    const pieces = new Pieces('/body/1/response', bytes.length);
    pieces.show(150 * PIECE + 5, 150 * PIECE + 900);
    pieces.show(150 * PIECE + 900, 150 * PIECE + 1_800);
    await vi.waitFor(() => expect(pieces.at(150 * PIECE, 2)).toEqual(new Uint8Array([150, 150])));
    expect(served.asked).toEqual([`bytes=${150 * PIECE}-${151 * PIECE - 1}`]);
    expect(pieces.at(0, 2)).toBeUndefined();
  });

  it('are let go of', async () => {
    serve(new Uint8Array(100 * PIECE));
    const pieces = new Pieces('/body/1/response', 100 * PIECE);
    for (let i = 0; i < 100; i++) {
      pieces.show(i * PIECE, i * PIECE + 1);
      await vi.waitFor(() => expect(pieces.at(i * PIECE, 1)).toBeDefined(), { interval: 1 });
    }
    expect(pieces.held).toBeLessThanOrEqual(32);
  });
});

describe('hexadecimal', () => {
  it('shows sixteen bytes and their characters', () => {
    const bytes = utf8('GET / HTTP/1.1\r\n');
    expect(offsetText(0xa3f0)).toBe('0000a3f0');
    expect(hexText(bytes)).toBe('47 45 54 20 2f 20 48 54  54 50 2f 31 2e 31 0d 0a');
    expect(charText(bytes)).toBe('GET / HTTP/1.1··');
  });

  it('keeps its columns on a short line', () => {
    expect(hexText(new Uint8Array([255])).length).toBe(hexText(new Uint8Array(16)).length);
  });
});

describe('what a body is', () => {
  const cases: [type: string, body: string | number[], kind: string, lie: string][] = [
    ['application/json', '{"a":1}', 'json', ''],
    ['application/problem+json; charset=utf-8', '[]', 'json', ''],
    ['text/html', '{"a":1}', 'json', 'Declared as text/html, but it is JSON.'],
    ['application/json', '<!doctype html><p>', 'html', 'Declared as application/json, but it is HTML.'],
    ['text/plain', '{"a":1}', 'json', 'Declared as text/plain, but it is JSON.'],
    ['text/plain', '[INFO] started', 'text', ''],
    ['text/markdown', '{"a":1}', 'text', ''],
    ['', '{"a":1}', 'json', ''],
    ['', 'hello', 'text', ''],
    ['image/png', [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a], 'image', ''],
    ['application/octet-stream', [0xff, 0xd8, 0xff, 0xe0], 'image', ''],
    ['image/png', 'not found', 'text', 'Declared as image/png, but it is text.'],
    ['image/svg+xml', '<svg xmlns="http://www.w3.org/2000/svg"/>', 'image', ''],
    ['application/json', [0x1f, 0x8b, 8, 0, 0], 'binary', 'Declared as application/json, but it is gzip.'],
    ['text/plain', [1, 2, 0, 4], 'binary', 'Declared as text/plain, but it is binary.'],
    ['application/x-www-form-urlencoded', 'a=1&b=2', 'form', ''],
    ['text/css', 'a { b: c }', 'css', ''],
  ];
  it.each(cases)('%j with %j is %s', (type, body, kind, lie) => {
    const bytes = typeof body === 'string' ? utf8(body) : new Uint8Array(body);
    expect(sniff(type, bytes)).toMatchObject({ kind, lie });
  });
});

describe('JSON', () => {
  const text = '{"items":[{"id":12345678901234567890,"n":1.0,"name":"caf\\u00e9"},{"id":2}],"a-b":null,"items":[]}';
  const child = (node: JsonNode, ...path: number[]): JsonNode => path.reduce((at, i) => at.children[i] as JsonNode, node);

  it('keeps the spelling of what was sent', () => {
    const root = parseJson(text);
    expect(child(root, 0, 0, 0).text).toBe('12345678901234567890');
    expect(child(root, 0, 0, 1).text).toBe('1.0');
    expect(child(root, 0, 0, 2).text).toBe('"caf\\u00e9"');
    expect(valueOf(child(root, 0, 0, 2))).toBe('café');
    expect(printJson(root).replaceAll(/\s/g, '')).toBe(text);
    expect(root.children.map((one) => one.key)).toEqual(['"items"', '"a-b"', '"items"']);
  });

  it('says where each value stands', () => {
    const root = parseJson(text);
    expect(pathOf(child(root, 0, 1, 0))).toBe('$.items[1].id');
    expect(pathOf(child(root, 1))).toBe('$["a-b"]');
  });

  it.each([['{"a":}', 5], ['{"a" 1}', 5], ['[1,2', 4], ['[1,]', 3], ['{"a":1} x', 7], ['', 0], ['{a:1}', 1], ['01', 1]])('is not %j, from character %i on', (wrong, at) => {
    const fault = (() => {
      try {
        parseJson(wrong);
      } catch (error) {
        return error;
      }
    })();
    expect(fault).toBeInstanceOf(JsonError);
    expect((fault as JsonError).at).toBe(at);
  });

  it('counts its lines as it is printed', () => {
    const root = parseJson(text);
    expect(root.lines).toBe(printJson(root).split('\n').length);
    const tree = new Tree(root);
    tree.foldAll(false);
    expect(tree.lines.length).toBe(root.lines);
    expect(tree.lines.map((line) => line.number)).toEqual(Array.from({ length: root.lines }, (_, i) => i + 1));
  });

  it('folds and unfolds, and keeps the numbers of the lines', () => {
    const tree = new Tree(parseJson('{"a":[1,2,3],"b":4}'));
    tree.move(1);
    tree.outward();
    expect(tree.lines.map((line) => line.number)).toEqual([1, 2, 7, 8]);
    expect(stretches(tree.lines[1] as never).map((one) => one.text).join('')).toBe('"a": [ 1, 2, 3 ],');
    tree.inward();
    tree.inward();
    expect(tree.current.text).toBe('1');
    tree.outward();
    expect(pathOf(tree.current)).toBe('$.a');
  });

  it('begins with one of many unfolded', () => {
    const tree = new Tree(parseJson(JSON.stringify(Array.from({ length: 200 }, (_, id) => ({ id, name: 'x' })))));
    expect(tree.lines.length).toBe(2 + 4 + 199);
    const [found] = tree.find('"id"').slice(-1);
    tree.goTo(found as JsonNode);
    expect(pathOf(tree.current)).toBe('$[199].id');
    expect(tree.lines[tree.cursor]?.node).toBe(found);
  });
});

describe('text', () => {
  it('is broken where there is no more room, and nothing is lost', () => {
    const source = `${'a'.repeat(250)}\nb\n`;
    const lines = new Highlighted(source, 'text', 100);
    expect(lines.count).toBe(3 + 1 + 1);
    expect([0, 1, 2, 3, 4].map((i) => lines.number(i))).toEqual([1, 0, 0, 2, 3]);
    expect([0, 1, 2].map((i) => lines.line(i).map((one) => one.text).join('')).join('')).toBe('a'.repeat(250));
  });

  it('keeps its colours over a break and over lines', () => {
    const lines = new Highlighted('/* one\ntwo */ let x = "abcdefghijklmnopqrstuvwxyz";', 'js', 24);
    expect(lines.line(1)[0]).toEqual({ tint: 'dim', text: 'two */' });
    expect(lines.line(2)[0]?.tint).toBe('string');
  });

  it('is found however often and wherever it is broken', () => {
    const lines = new Highlighted(`${'x'.repeat(38)}needle ${'y'.repeat(40)} Needle\nneedle`, 'text', 40);
    expect(lines.find('needle')).toEqual([0, 2, 3]);
  });

  it('is marked without losing its colours', () => {
    expect(marked([{ tint: 'key', text: '"amount"' }, { tint: 'number', text: '1' }], 'AMOUNT')).toEqual([
      { tint: 'key', text: '"', hit: false }, { tint: 'key', text: 'amount', hit: true }, { tint: 'key', text: '"', hit: false }, { tint: 'number', text: '1', hit: false },
    ]);
  });
});

describe('the view of a body', () => {
  let traffic: Traffic;
  let backend: FakeBackend;

  beforeEach(() => {
    vi.spyOn(HTMLElement.prototype, 'clientHeight', 'get').mockReturnValue(400);
    backend = new FakeBackend({ rows: 3 });
    traffic = new Traffic({ backend, live: new Live(backend), toasts: new Toasts(), links: { showOnComb: () => undefined } });
    return () => traffic.close();
  });

  const body = (over: Partial<Body>): Body => ({ size: served.bytes.length, kept: served.bytes.length, type: 'application/json', encoding: '', truncated: false, ...over });
  const show = (over: Partial<Body> = {}) => render(BodyView, { traffic, seq: 2, side: 'response', body: body(over), pending: false });

  it('is a tree that the keys walk, and whose paths and values are copied', async () => {
    serve(utf8('{"items":[{"price":1450}]}'));
    show();
    const tree = await screen.findByRole('tree');
    for (const key of ['ArrowDown', 'ArrowRight', 'ArrowRight', 'ArrowRight']) await fireEvent.keyDown(tree, { key });
    await fireEvent.click(screen.getByRole('button', { name: 'Copy the path' }));
    await waitFor(() => expect(backend.clipboard).toBe('$.items[0].price'));
    await fireEvent.keyDown(tree, { key: 'c', ctrlKey: true });
    await waitFor(() => expect(backend.clipboard).toBe('1450'));
    expect(screen.getAllByRole('treeitem').length).toBe(7);
    await fireEvent.keyDown(tree, { key: 'Home' });
    await fireEvent.keyDown(tree, { key: 'Enter' });
    expect(screen.getAllByRole('treeitem').length).toBe(1);
  });

  it('says that the declared type lies', async () => {
    serve(utf8('{"a":1}'));
    show({ type: 'text/html' });
    expect(await screen.findByText('Declared as text/html, but it is JSON.')).toBeInTheDocument();
    expect(screen.getByRole('tree')).toBeInTheDocument();
  });

  it('says where JSON is broken, and shows its text', async () => {
    serve(utf8('{"a":1,}'));
    show();
    expect(await screen.findByText('This is no JSON from character 8 on.')).toBeInTheDocument();
    expect(screen.getByRole('textbox', { name: 'Text of the body' })).toHaveTextContent('{"a":1,}');
  });

  it('asks for the decoded body, tells both sizes, and shows the bytes as sent', async () => {
    serve(utf8('{"a":"long enough to be worth it"}'));
    show({ encoding: 'br', size: 20, kept: 20 });
    expect(await screen.findByText('34 B (20 B br)')).toBeInTheDocument();
    expect(served.urls.at(-1)).toContain('decoded=1');
    await fireEvent.click(screen.getByRole('button', { name: 'as sent' }));
    await waitFor(() => expect(served.urls.at(-1)).not.toContain('decoded'));
  });

  it('offers the bytes when the coding cannot be undone', async () => {
    serve(utf8('junk')).status = 422;
    show({ encoding: 'gzip' });
    expect(await screen.findByRole('alert')).toHaveTextContent('Look at the bytes as sent');
    served.status = 206;
    await fireEvent.click(screen.getByRole('button', { name: 'Show it as sent' }));
    expect(await screen.findByText('junk')).toBeInTheDocument();
  });

  it('loads a large text by steps, and says that not all was kept', async () => {
    serve(utf8('0123456789abcde\n'.repeat((STEP / 16) * 3)));
    show({ type: 'text/plain', size: 200_000_000, truncated: true });
    expect(await screen.findByText(/were kept/)).toHaveTextContent('The first 1.6 MB of 200 MB were kept.');
    const more = await screen.findByRole('button', { name: 'Load more' });
    expect(served.asked).toEqual([`bytes=0-${STEP - 1}`]);
    expect(document.querySelectorAll('.code-line').length).toBeLessThan(60);
    await fireEvent.click(more);
    await waitFor(() => expect(screen.getByText(/are shown/)).toHaveTextContent('The first 1.0 MB of 1.6 MB are shown.'));
    expect(served.asked).toHaveLength(2);
  });

  it('shows any place of a large binary without the rest of it', async () => {
    serve(new Uint8Array(40 * PIECE).fill(7));
    show({ type: 'application/octet-stream' });
    const bytes = await screen.findByRole('group', { name: 'Bytes of the body' });
    await fireEvent.keyDown(bytes, { key: 'End' });
    await waitFor(() => expect(screen.getByText(offsetText(40 * PIECE - 16)).parentElement).toHaveTextContent('07 07 07'));
    const asked = served.asked.filter((range) => range.endsWith(`${40 * PIECE - 1}`));
    expect(asked).toHaveLength(1);
    expect(served.asked.length).toBeLessThan(5);
  });

  it('counts what is found, and goes from place to place', async () => {
    serve(utf8('{"a":{"amount":1},"b":{"amount":2}}'));
    show();
    await screen.findByRole('tree');
    const find = screen.getByRole('textbox', { name: 'Find in the body' });
    await fireEvent.input(find, { target: { value: 'amount' } });
    await waitFor(() => expect(screen.getByText('1 of 2')).toBeInTheDocument());
    await fireEvent.keyDown(find, { key: 'Enter' });
    expect(screen.getByText('2 of 2')).toBeInTheDocument();
    await waitFor(() => expect(document.querySelector('.path')).toHaveTextContent('$.b.amount'));
  });

  it('shows an image with its size and dimensions', async () => {
    serve(new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]));
    show({ type: 'image/png' });
    const image = await screen.findByRole<HTMLImageElement>('img', { name: 'The body' });
    expect(image.src).toContain('/body/2/response');
    Object.defineProperties(image, { naturalWidth: { value: 320 }, naturalHeight: { value: 200 } });
    await fireEvent.load(image);
    expect(screen.getByText('320 × 200 px')).toBeInTheDocument();
    expect(screen.getByText(/PNG, 8 B/)).toBeInTheDocument();
  });

  it('shows a form as its pairs', async () => {
    serve(utf8('name=Ada+L&q=%C3%A9&broken=%zz&empty='));
    show({ type: 'application/x-www-form-urlencoded' });
    expect(await screen.findByText('Ada L')).toBeInTheDocument();
    expect(screen.getByText('é')).toBeInTheDocument();
    expect(screen.getByText('%zz')).toBeInTheDocument();
  });

  it('says that none was sent, or none was kept', async () => {
    serve(new Uint8Array());
    const view = show();
    expect(screen.getByText('No body was sent.')).toBeInTheDocument();
    await view.rerender({ body: body({ size: 500, kept: 0 }) });
    expect(screen.getByText('500 B passed, but none of it was kept.')).toBeInTheDocument();
    expect(served.asked).toEqual([]);
  });
});
