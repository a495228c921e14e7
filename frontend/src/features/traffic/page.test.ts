import { cleanup, fireEvent, render, screen, waitFor, within } from '@testing-library/svelte';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeBackend } from '../../api/fake';
import { Live } from '../../api/live.svelte';
import { actionFor } from '../../ui/action';
import { Toasts } from '../../ui/toasts.svelte';
import TrafficPage from './Traffic.svelte';
import { Traffic } from './traffic.svelte';

let traffic: Traffic;
let backend: FakeBackend;
let toasts: Toasts;

/** The shell's way with keys. */
function shellKeys(event: KeyboardEvent) {
  const action = actionFor(traffic.actions, event);
  if (!action) return;
  event.preventDefault();
  action.run();
}

async function open(with_: FakeBackend): Promise<void> {
  backend = with_;
  toasts = new Toasts();
  traffic = new Traffic({ backend, live: new Live(backend), toasts, links: { showOnComb: () => undefined, openStart: () => toasts.show('Start') } });
  render(TrafficPage, { traffic });
  await waitFor(() => expect(traffic.pages.loaded).toBe(true));
}

const rows = () => document.querySelectorAll('[data-index]');
const rowOf = (seq: number) => {
  const found = [...rows()].find((row) => row.querySelector('.id')?.textContent === seq.toLocaleString('en'));
  if (!found) throw new Error(`row ${seq} is not drawn`);
  return found as HTMLElement;
};

beforeEach(() => {
  // jsdom lays nothing out: a page 626 px high.
  vi.spyOn(HTMLElement.prototype, 'clientHeight', 'get').mockImplementation(function (this: HTMLElement) {
    return this.classList.contains('probe') ? 26 : 626;
  });
  vi.stubGlobal('fetch', async () => new Response('{"items":[1,2]}', { status: 206, headers: { 'Content-Range': 'bytes 0-14/15' } }));
  addEventListener('keydown', shellKeys);
});
afterEach(() => {
  removeEventListener('keydown', shellKeys);
  cleanup();
  traffic.close();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

describe('the list', () => {
  it('draws the rows in sight of ten thousand, and says how many there are', async () => {
    await open(new FakeBackend({ rows: 10_000 }));
    await waitFor(() => expect(rows().length).toBeGreaterThan(20));
    expect(rows().length).toBeLessThan(100);
    expect(screen.getByRole('grid')).toHaveAttribute('aria-rowcount', '10001');
  });

  it('begins at its end and shows what is scrolled to', async () => {
    await open(new FakeBackend({ rows: 10_000 }));
    await waitFor(() => expect(rowOf(10_000)).toBeInTheDocument());
    const grid = screen.getByRole('grid');
    grid.scrollTop = 100 * 26;
    await fireEvent.scroll(grid);
    await waitFor(() => expect(rowOf(101)).toBeInTheDocument());
    expect(() => rowOf(10_000)).toThrow();
    expect(rows().length).toBeLessThan(100);
    expect(traffic.following).toBe(false);
  });

  it('counts what came out of sight, and leads there', async () => {
    await open(new FakeBackend({ rows: 500 }));
    const grid = screen.getByRole('grid');
    grid.scrollTop = 0;
    await fireEvent.scroll(grid);
    backend.arrive();
    backend.arrive();
    await fireEvent.click(await screen.findByRole('button', { name: '2 new' }));
    await waitFor(() => expect(rowOf(502)).toBeInTheDocument());
    expect(screen.queryByRole('button', { name: /new$/ })).toBeNull();
  });

  it('says of a row all that its colours say', async () => {
    await open(new FakeBackend({ rows: 20 }));
    await waitFor(() => expect(rowOf(9)).toBeInTheDocument());
    const failed = rowOf(9); // the tenth sketch: a 502
    expect(within(failed).getByRole('img', { name: 'failed' })).toBeInTheDocument();
    expect(failed).toHaveTextContent('502');
    expect(within(failed).getByLabelText(/cells took part/)).toBeInTheDocument();
  });

  it('moves with j and k, and with the arrows, and opens what it comes to', async () => {
    await open(new FakeBackend({ rows: 300 }));
    const grid = screen.getByRole('grid');
    grid.focus();
    await fireEvent.keyDown(grid, { key: 'Home' });
    await fireEvent.keyDown(grid, { key: 'j' });
    await fireEvent.keyDown(grid, { key: 'j' });
    await fireEvent.keyDown(grid, { key: 'ArrowDown' });
    await fireEvent.keyDown(grid, { key: 'k' });
    await waitFor(() => expect(traffic.detail.exchange?.row.seq).toBe(3));
    expect(grid).toHaveAttribute('aria-activedescendant', 'exchange-2');
    expect(rowOf(3)).toHaveAttribute('aria-selected', 'true');
    expect(await screen.findByRole('region', { name: 'Exchange 3' })).toBeInTheDocument();
  });

  it('brings the cursor into sight', async () => {
    await open(new FakeBackend({ rows: 300 }));
    const grid = screen.getByRole('grid');
    await fireEvent.keyDown(grid, { key: 'Home' });
    await waitFor(() => expect(rowOf(1)).toBeInTheDocument());
    for (let i = 0; i < 4; i++) await fireEvent.keyDown(grid, { key: 'PageDown' });
    const at = 4 * traffic.pageRows;
    await waitFor(() => expect(rowOf(at + 1)).toHaveClass('cursor'));
    expect(traffic.scroller.offset).toBeLessThanOrEqual(at * 26);
    expect(traffic.scroller.offset + traffic.scroller.viewport).toBeGreaterThanOrEqual((at + 1) * 26);
  });

  it('chooses several by Shift and Ctrl', async () => {
    await open(new FakeBackend({ rows: 20 }));
    await waitFor(() => expect(rowOf(2)).toBeInTheDocument());
    await fireEvent.click(rowOf(2));
    await fireEvent.click(rowOf(5), { shiftKey: true });
    await fireEvent.click(rowOf(3), { ctrlKey: true });
    await waitFor(() => expect([...traffic.choice.seqs].sort()).toEqual([2, 4, 5]));
  });

  it('offers in its menu what can be done with the row under it', async () => {
    await open(new FakeBackend({ rows: 20 }));
    await waitFor(() => expect(rowOf(4)).toBeInTheDocument());
    await fireEvent.contextMenu(rowOf(4));
    await fireEvent.click(await screen.findByRole('menuitem', { name: /Copy as cURL/ }));
    await waitFor(() => expect(backend.clipboard).toContain('curl'));
    expect(backend.calls.findLast((call) => call.name === 'curl')?.argument).toBe(4);
  });
});

describe('an empty list', () => {
  it('says that nothing was captured yet, and what to do', async () => {
    await open(new FakeBackend({ rows: 0 }));
    expect(screen.getByText('Nothing captured yet')).toBeInTheDocument();
    await fireEvent.click(await screen.findByRole('button', { name: 'http://127.0.0.1:8080' }));
    await waitFor(() => expect(backend.clipboard).toBe('http://127.0.0.1:8080'));
    await fireEvent.click(screen.getByRole('button', { name: 'Go to Start' }));
    expect(toasts.items.at(-1)?.text).toBe('Start');
  });

  it('says that capture is paused, and goes on', async () => {
    const paused = new FakeBackend({ rows: 0 });
    paused.theStatus = { ...paused.theStatus, recording: false };
    await open(paused);
    expect(await screen.findByText('Capture is paused')).toBeInTheDocument();
    await fireEvent.click(screen.getAllByRole('button', { name: 'Record again' })[0] as HTMLElement);
    expect(await screen.findByText('Nothing captured yet')).toBeInTheDocument();
  });

  it('says that nothing matches, and clears the filter', async () => {
    await open(new FakeBackend({ rows: 30 }));
    traffic.filter.type('status = 999');
    expect(await screen.findByText('No exchange matches this filter')).toBeInTheDocument();
    await fireEvent.click(screen.getByRole('button', { name: 'Clear filter' }));
    await waitFor(() => expect(rows().length).toBeGreaterThan(0));
  });

  it('says why it could not be loaded, and tries again', async () => {
    const broken = new FakeBackend({ rows: 30 });
    broken.fail('exchanges', 'Reading the list: the disk is gone.');
    await open(broken);
    expect(await screen.findByText('Reading the list: the disk is gone.')).toBeInTheDocument();
    await fireEvent.click(screen.getByRole('button', { name: 'Try again' }));
    await waitFor(() => expect(rows().length).toBeGreaterThan(20));
  });
});

describe('the filter', () => {
  const field = () => screen.getByRole('combobox', { name: 'Filter' });

  async function type(text: string) {
    await fireEvent.focus(field());
    await fireEvent.input(field(), { target: { value: text } });
  }

  it('turns what is entered into a chip that can be taken away', async () => {
    await open(new FakeBackend({ rows: 60 }));
    await type('method = POST');
    await fireEvent.keyDown(field(), { key: 'Enter' });
    const chip = await screen.findByRole('button', { name: 'Remove method = POST' });
    expect(field()).toHaveValue('');
    await waitFor(() => expect(traffic.pages.count).toBeLessThan(60));
    await fireEvent.click(chip);
    await waitFor(() => expect(traffic.pages.count).toBe(60));
  });

  it('says why it is wrong at the character, and what stays in force', async () => {
    await open(new FakeBackend({ rows: 60 }));
    await type('method = POST');
    await fireEvent.keyDown(field(), { key: 'Enter' });
    await screen.findByRole('button', { name: 'Remove method = POST' });
    await type('size =');
    await fireEvent.keyDown(field(), { key: 'Enter' });
    const said = await screen.findByRole('alert');
    expect(said).toHaveTextContent('"size =" is not complete');
    expect(said).toHaveTextContent('Still in force: method = POST');
    expect(field()).toHaveAttribute('aria-invalid', 'true');
    expect(traffic.pages.filter).toBe('method = POST');
  });

  it('marks the character in what is typed', async () => {
    await open(new FakeBackend({ rows: 60 }));
    await type('pth = 5');
    await screen.findByRole('alert');
    backend.fail('checkFilter', 'here', { column: 5 });
    await type('pth = 6');
    await waitFor(() => expect(document.querySelector<HTMLElement>('.at')?.style.left).toBe('calc(4ch - 0px)'));
  });

  it('offers the values that were seen, and marks the rows before one is taken', async () => {
    await open(new FakeBackend({ rows: 60 }));
    await type('path = ');
    const offers = await screen.findAllByRole('option');
    expect(offers[0]).toHaveTextContent('/v1/checkout');
    await waitFor(() => expect(document.querySelectorAll('.url .hit').length).toBeGreaterThan(0));
    expect(traffic.pages.count).toBe(60);
    await fireEvent.keyDown(field(), { key: 'Enter' });
    expect(await screen.findByRole('button', { name: 'Remove path = /v1/checkout' })).toBeInTheDocument();
    await waitFor(() => expect(traffic.pages.count).toBeLessThan(60));
    expect(document.querySelectorAll('.url .hit').length).toBe(0);
  });

  it('takes the focus at "/"', async () => {
    await open(new FakeBackend({ rows: 5 }));
    await fireEvent.keyDown(document.body, { key: '/' });
    await waitFor(() => expect(field()).toHaveFocus());
  });

  it('shows how many match of how many', async () => {
    await open(new FakeBackend({ rows: 1_600 }));
    await type('status = 502');
    await fireEvent.keyDown(field(), { key: 'Enter' });
    await waitFor(() => expect(document.querySelector('.count')?.textContent).toMatch(/^100\s\/\s1,600/));
  });
});

describe('the detail', () => {
  async function openDetail(seq: number) {
    await open(new FakeBackend({ rows: 60 }));
    await traffic.open(seq);
    await screen.findByRole('region', { name: `Exchange ${seq}` });
  }

  it('acts on what it shows, wherever the cursor is', async () => {
    await openDetail(10);
    await traffic.choose(19, 'toggle');
    await fireEvent.click(screen.getByRole('button', { name: 'Copy cURL' }));
    await waitFor(() => expect(backend.calls.findLast((call) => call.name === 'curl')?.argument).toBe(10));
  });

  it('leads from a replay to its original and back', async () => {
    await openDetail(42); // a replay of 38
    await fireEvent.click(await screen.findByRole('button', { name: 'of #38' }));
    await screen.findByRole('region', { name: 'Exchange 38' });
    await fireEvent.click(await screen.findByRole('button', { name: '#42' }));
    await screen.findByRole('region', { name: 'Exchange 42' });
  });

  it('shows headers in wire order, and by name when it is asked to', async () => {
    await openDetail(6);
    traffic.showTab('request');
    const names = () => [...screen.getByRole('list', { name: 'Headers of the request' }).querySelectorAll('.name')].map((one) => one.textContent);
    await waitFor(() => expect(names()).toEqual(['Host', 'User-Agent', 'Accept', 'Accept-Encoding', 'Cookie']));
    await fireEvent.click(screen.getByRole('radio', { name: 'A–Z' }));
    expect(names()).toEqual(['Accept', 'Accept-Encoding', 'Cookie', 'Host', 'User-Agent']);
  });

  it('says why an exchange could not be opened', async () => {
    await open(new FakeBackend({ rows: 5 }));
    backend.fail('exchange', 'Opening exchange 3: it is not kept any more.');
    traffic.detail.open(3);
    expect(await screen.findByText('Opening exchange 3: it is not kept any more.')).toBeInTheDocument();
    await fireEvent.click(screen.getByRole('button', { name: 'Try again' }));
    expect(await screen.findByRole('tab', { name: 'Overview' })).toBeInTheDocument();
  });

  it('closes with Escape, and gives the keys back to the list', async () => {
    await openDetail(6);
    await fireEvent.keyDown(screen.getByRole('tab', { name: 'Overview' }), { key: 'Escape' });
    await waitFor(() => expect(screen.queryByRole('tab')).toBeNull());
    expect(screen.getByRole('grid')).toHaveFocus();
  });

  it('opens a step of the X-ray to what it changed', async () => {
    await openDetail(6);
    traffic.showTab('xray');
    const fault = await screen.findByRole('button', { name: /Fault skipped/ });
    expect(fault).toHaveAttribute('aria-expanded', 'false');
    await fireEvent.click(fault);
    expect(fault).toHaveAttribute('aria-expanded', 'true');
    const headers = screen.getByRole('button', { name: /Headers changed/ });
    if (headers.getAttribute('aria-expanded') === 'false') await fireEvent.click(headers);
    const diff = within(headers.closest('li') as HTMLElement).getByRole('group', { name: 'Response, before and after' });
    expect(diff).toHaveTextContent('server: Express');
  });

  it('shows at the pool what was on the wire to the target', async () => {
    await openDetail(6);
    traffic.showTab('xray');
    const shop = await screen.findByRole('button', { name: /shop picked/ });
    await fireEvent.click(shop);
    const heads = (name: string) => {
      const diff = within(shop.closest('li') as HTMLElement).getByRole('group', { name });
      return within(diff).getAllByRole('heading').map((head) => [head.textContent, head.title]);
    };
    const twice = (...words: string[]) => words.map((word) => [word, word]);
    expect(heads('Request, before and after')).toEqual(twice('Request as the cells left it', 'As sent to the target'));
    expect(heads('Response, before and after')).toEqual(twice('Answer as it came', 'As the cells got it'));
    const cell = screen.getByRole('button', { name: /Request ID changed/ }).closest('li') as HTMLElement;
    expect(within(within(cell).getByRole('group', { name: 'Request, before and after' })).getAllByRole('heading').map((head) => head.textContent)).toEqual(['Request before', 'After']);
  });

  it('shows the heads on the wire to the target as raw bytes', async () => {
    const asked = vi.fn();
    vi.stubGlobal('fetch', async (url: string) => {
      asked(url);
      return new Response('GET / HTTP/1.1\r\n\r\n', { status: 206, headers: { 'Content-Range': 'bytes 0-17/18' } });
    });
    await openDetail(6);
    traffic.showTab('raw');
    const sides = await screen.findByRole('radiogroup', { name: 'Side' });
    expect(within(sides).getAllByRole('radio').map((radio) => radio.parentElement?.textContent?.trim())).toEqual(['Request', 'To target', 'From target', 'Response']);
    await fireEvent.click(within(sides).getByRole('radio', { name: 'From target' }));
    expect(await screen.findByText('18 B head, as on the wire')).toBeInTheDocument();
    expect(asked).toHaveBeenLastCalledWith('/raw/6/came');
    expect(screen.getByRole('link', { name: 'Download these bytes' })).toHaveAttribute('download', 'exchange-6-came.http');
    // What was mocked has no such heads.
    await traffic.open(8);
    await screen.findByRole('region', { name: 'Exchange 8' });
    await waitFor(() => expect(screen.getAllByRole('radio', { name: /Request|target|Response/ })).toHaveLength(2));
    expect(screen.getByRole('radio', { name: 'Response' })).toBeChecked();
  });

  it('resends an edited request and shows the answer beside the original', async () => {
    await openDetail(6);
    await fireEvent.click(screen.getByRole('button', { name: 'Edit' }));
    await fireEvent.input(await screen.findByRole('textbox', { name: 'URL' }), { target: { value: 'http://shop.localhost/v1/other' } });
    await fireEvent.input(screen.getByRole('textbox', { name: 'Value of Accept' }), { target: { value: 'text/plain' } });
    await fireEvent.click(screen.getByRole('button', { name: 'Remove Cookie' }));
    await fireEvent.click(screen.getByRole('button', { name: 'Send' }));
    const answer = await screen.findByRole('region', { name: 'Answer' });
    expect(backend.calls.find((call) => call.name === 'replay')?.argument).toMatchObject({
      seq: 6, edited: true, method: 'PUT', url: 'http://shop.localhost/v1/other', keepBody: true,
      fields: [{ name: 'Host', value: 'shop.localhost' }, { name: 'User-Agent' }, { name: 'Accept', value: 'text/plain' }, { name: 'Accept-Encoding' }],
    });
    expect(screen.getByRole('region', { name: 'Original' })).toHaveTextContent('#6');
    await fireEvent.click(within(answer).getByRole('button', { name: '#61' }));
    expect(await screen.findByRole('region', { name: 'Exchange 61' })).toBeInTheDocument();
    // The edit is not lost.
    await fireEvent.click(screen.getByRole('button', { name: 'Back to it' }));
    expect(await screen.findByRole('textbox', { name: 'URL' })).toHaveValue('http://shop.localhost/v1/other');
  });

  it('gives an edit back that was closed', async () => {
    await openDetail(6);
    await fireEvent.click(screen.getByRole('button', { name: 'Edit' }));
    await fireEvent.input(await screen.findByRole('textbox', { name: 'URL' }), { target: { value: 'http://elsewhere/' } });
    await fireEvent.click(screen.getByRole('button', { name: 'Close the edit' }));
    await screen.findByRole('region', { name: 'Exchange 6' });
    toasts.items.at(-1)?.action?.run();
    expect(await screen.findByRole('textbox', { name: 'URL' })).toHaveValue('http://elsewhere/');
  });

  it('says why it was not sent', async () => {
    await openDetail(6);
    await fireEvent.click(screen.getByRole('button', { name: 'Edit' }));
    backend.fail('replay', 'Sending it: "nowhere" is no address.');
    await fireEvent.click(await screen.findByRole('button', { name: 'Send' }));
    expect(await screen.findByRole('alert')).toHaveTextContent('"nowhere" is no address');
    expect(screen.queryByRole('region', { name: 'Answer' })).toBeNull();
  });
});
