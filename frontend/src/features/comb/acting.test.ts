import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import axe from 'axe-core';
import { flushSync } from 'svelte';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { CellAct } from '../../api/backend';
import { FakeBackend } from '../../api/fake';
import { telling, telltale, telltaleFigures } from '../../api/fakecells';
import { Live } from '../../api/live.svelte';
import { Toasts } from '../../ui/toasts.svelte';
import ActionDialog from './ActionDialog.svelte';
import CellPanel from './CellPanel.svelte';
import { Comb } from './comb.svelte';

let backend: FakeBackend;
let live: Live;
let toasts: Toasts;
let comb: Comb;

beforeEach(async () => {
  backend = new FakeBackend();
  backend.theConfig = telltale();
  backend.theCatalogue = { ...backend.theCatalogue, modules: [...telling, ...backend.theCatalogue.modules] };
  backend.theFigures = telltaleFigures(Date.now());
  live = new Live(backend);
  toasts = new Toasts();
  comb = new Comb({ backend, live, toasts, links: { openExchange: () => undefined, show: () => undefined } });
  await comb.load();
  await comb.now.ask();
});
afterEach(() => live.close());

const acted = () => backend.calls.filter((call) => call.name === 'actOnCell').map((call) => call.argument);
const said = () => toasts.items.map((toast) => toast.text);

function action(name: string): CellAct {
  const found = comb.now.stateOf('shop-api/cache')?.actions.find((one) => one.name === name);
  if (!found) throw new Error(`there is no ${name}`);
  return found;
}

/** The panel of a cell, with the dialog that stands beside it on the page. */
async function open(id: string) {
  comb.subject = { kind: 'cell', ref: { route: 'shop-api', id } };
  const cell = comb.cell;
  if (cell === null) throw new Error(`there is no cell ${id}`);
  const panel = render(CellPanel, { comb, cell, at: { route: 'shop-api', id } });
  render(ActionDialog, { acting: comb.acting });
  await screen.findByRole('region', { name: 'Now' });
  return panel;
}

describe('an action', () => {
  it('without arguments is done at once, and its sentence is told', async () => {
    await open('cache');
    const before = backend.calls.filter((call) => call.name === 'cells').length;
    screen.getByRole('button', { name: 'Clear' }).click();
    await waitFor(() => expect(said()).toEqual(['Clear was done on shop-api/cache.']));
    expect(acted()).toEqual([{ cell: 'shop-api/cache', action: 'clear', arguments: {} }]);
    expect(screen.queryByRole('dialog')).toBeNull();
    await waitFor(() => expect(backend.calls.filter((call) => call.name === 'cells').length).toBeGreaterThan(before));
  });

  it('that goes wrong says so beside its button, until the next', async () => {
    await open('cache');
    backend.fail('actOnCell', 'Clearing the cache: Redis does not answer. Start it.');
    screen.getByRole('button', { name: 'Clear' }).click();
    expect(await screen.findByRole('alert')).toHaveTextContent('Clearing the cache: Redis does not answer. Start it.');
    expect(said()).toEqual([]);
    screen.getByRole('button', { name: 'Clear' }).click();
    await waitFor(() => expect(screen.queryByRole('alert')).toBeNull());
  });

  it('is not begun a second time while it is under way', async () => {
    await Promise.all([comb.acting.begin('shop-api/cache', action('clear')), comb.acting.begin('shop-api/cache', action('clear'))]);
    expect(acted()).toHaveLength(1);
  });
});

describe('an action with arguments', () => {
  async function purge() {
    await open('cache');
    const button = screen.getByRole('button', { name: 'Purge…' });
    button.focus();
    button.click();
    return { button, dialog: await screen.findByRole('dialog', { name: 'Purge' }) };
  }

  it('asks for them, with their help, and has the focus in the first', async () => {
    const { dialog } = await purge();
    const pattern = screen.getByLabelText(/^Addresses/);
    await waitFor(() => expect(pattern).toHaveFocus());
    expect(pattern).toHaveAccessibleDescription('A path, or a prefix that ends in *.');
    expect(screen.getByLabelText('Tag')).toBeInTheDocument();
    expect(acted()).toEqual([]);
    const found = await axe.run(dialog, { rules: { 'color-contrast': { enabled: false } } });
    expect(found.violations.map((one) => one.id)).toEqual([]);
  });

  it('says at an argument that it is needed, and asks nobody', async () => {
    await purge();
    await fireEvent.keyDown(screen.getByLabelText(/^Addresses/), { key: 'Enter' });
    expect(screen.getByLabelText(/^Addresses/)).toHaveAccessibleDescription(/^This is needed/);
    expect(screen.getByLabelText(/^Addresses/)).toBeInvalid();
    expect(acted()).toEqual([]);
    await fireEvent.input(screen.getByLabelText(/^Addresses/), { target: { value: '/v1/*' } });
    expect(screen.getByLabelText(/^Addresses/)).toBeValid();
  });

  it('is done, told, and the focus is back where it was', async () => {
    const { button } = await purge();
    await fireEvent.input(screen.getByLabelText(/^Addresses/), { target: { value: '/v1/*' } });
    screen.getByRole('button', { name: 'Purge' }).click();
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
    expect(acted()).toEqual([{ cell: 'shop-api/cache', action: 'purge', arguments: { pattern: '/v1/*' } }]);
    expect(said()).toEqual(['Purge was done on shop-api/cache.']);
    await waitFor(() => expect(button).toHaveFocus());
  });

  it('keeps the dialog open when it goes wrong: at the argument, or at the end', async () => {
    await purge();
    const write = (value: string) => fireEvent.input(screen.getByLabelText(/^Addresses/), { target: { value } });
    await write('v1');
    backend.fail('actOnCell', 'Purging: "v1" does not begin with a slash.', { where: 'pattern' });
    await comb.acting.run();
    flushSync();
    expect(screen.getByLabelText(/^Addresses/)).toHaveAccessibleDescription(/does not begin with a slash/);
    await write('/v1');
    backend.fail('actOnCell', 'Purging: the store is closed.');
    await comb.acting.run();
    flushSync();
    expect(screen.getByRole('alert')).toHaveTextContent('Purging: the store is closed.');
    expect([screen.getByLabelText(/^Addresses/), said()]).toEqual([expect.objectContaining({ value: '/v1' }), []]);
  });

  it('is left with Escape, and nothing of it stays', async () => {
    const { button } = await purge();
    await fireEvent.input(screen.getByLabelText(/^Addresses/), { target: { value: '/v1' } });
    await fireEvent.keyDown(document.activeElement ?? document.body, { key: 'Escape' });
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
    await waitFor(() => expect(button).toHaveFocus());
    await comb.acting.begin('shop-api/cache', action('purge'));
    expect([comb.acting.values, acted()]).toEqual([{}, []]);
  });
});

describe('a filter over recorded traffic', () => {
  async function warm() {
    await open('cache');
    const button = screen.getByRole('button', { name: 'Warm…' });
    button.focus();
    button.click();
    const field = await screen.findByRole('combobox', { name: /^Recorded requests/ });
    await waitFor(() => expect(field).toHaveFocus());
    await waitFor(() => expect(comb.acting.filters['urls']?.rows).toHaveLength(200));
    return { field, button };
  }
  const type = (field: HTMLElement, value: string) => fireEvent.input(field, { target: { value } });
  const enter = () => fireEvent.keyDown(document.activeElement ?? document.body, { key: 'Enter' });
  const warms = () => [{ cell: 'shop-api/cache', action: 'warm', arguments: { urls: 'status = 402' } }];

  it('is written as everywhere: values are offered, and what is taken becomes a chip', async () => {
    const { field } = await warm();
    expect(screen.queryByRole('listbox')).toBeNull();
    expect(field).toHaveAccessibleDescription('A filter: each GET that it matches is asked for once.');
    await type(field, 'status = ');
    expect(screen.getByRole('listbox', { name: 'Values of status' })).toBeInTheDocument();
    await type(field, 'status = 402');
    await enter();
    expect(await screen.findByRole('button', { name: 'Remove status = 402' })).toBeInTheDocument();
    expect(acted()).toEqual([]);
    const gets = backend.rows.filter((row) => row.status === 402 && row.method === 'GET').length;
    expect(await screen.findByText(`Matches ${gets} recorded GET requests.`)).toBeInTheDocument();
    await enter();
    await waitFor(() => expect(acted()).toEqual(warms()));
  });

  it('that was not finished is looked at before anything is done', async () => {
    const { field } = await warm();
    await type(field, 'stats = 402');
    screen.getByRole('button', { name: 'Warm' }).click();
    await waitFor(() => expect(comb.acting.filters['urls']?.text.problem?.message).toMatch(/there is no "stats"/));
    expect([acted(), screen.queryByRole('dialog')]).toEqual([[], expect.anything()]);
    await type(field, 'status = 402');
    screen.getByRole('button', { name: 'Warm' }).click();
    await waitFor(() => expect(acted()).toEqual(warms()));
  });

  it('is needed', async () => {
    const { field } = await warm();
    screen.getByRole('button', { name: 'Warm' }).click();
    await waitFor(() => expect(field).toHaveAccessibleDescription(/^This is needed/));
    expect(acted()).toEqual([]);
  });

  it('closes what it offers with Escape, then the dialog', async () => {
    const { field, button } = await warm();
    await type(field, 'host');
    expect(screen.getByRole('listbox')).toBeInTheDocument();
    await fireEvent.keyDown(field, { key: 'Escape' });
    expect(screen.queryByRole('listbox')).toBeNull();
    expect(screen.getByRole('dialog')).toBeInTheDocument();
    await fireEvent.keyDown(field, { key: 'Escape' });
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
    await waitFor(() => expect(button).toHaveFocus());
  });
});

describe('the panel of a cell', () => {
  it('says how it stands, in words beside the colour', async () => {
    await open('breaker');
    const now = screen.getByRole('region', { name: 'Now' });
    expect(now).toHaveTextContent('Alarm');
    expect(now).toHaveTextContent('open, 12 s left');
    expect(now.querySelector('.level svg')).not.toBeNull();
  });

  it('asks no more when it is closed', async () => {
    vi.useFakeTimers({ shouldAdvanceTime: true });
    const asked = () => backend.calls.filter((call) => call.name === 'cells').length;
    const panel = await open('cache');
    const before = asked();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(asked()).toBeGreaterThan(before);
    panel.unmount();
    const then = asked();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(asked()).toBe(then);
    vi.useRealTimers();
  });

  it('shows how long exchanges took there', async () => {
    await open('cache');
    const rows = screen.getByRole('table', { name: 'Time it took' }).querySelectorAll('tbody tr');
    expect(rows).toHaveLength(3);
    expect(rows[0]).toHaveTextContent('24 µs');
    expect(rows[0]).toHaveAttribute('title', '32 exchanges in 10 s');
  });
});
