import { fireEvent, render, screen } from '@testing-library/svelte';
import { flushSync } from 'svelte';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeBackend } from '../api/fake';
import { Live } from '../api/live.svelte';
import { Memory } from '../api/memory.svelte';
import { combShortcuts } from '../features/comb/comb.svelte';
import { trafficShortcuts } from '../features/traffic/actions';
import type { Action } from '../ui/action';
import { Toasts } from '../ui/toasts.svelte';
import ToastHost from '../ui/ToastHost.svelte';
import Banners from './Banners.svelte';
import { wear } from './look.svelte';
import Palette from './Palette.svelte';
import { ShellState } from './shell.svelte';
import StatusBar from './StatusBar.svelte';
import TopBar from './TopBar.svelte';

let backend: FakeBackend;
let memory: Memory;
let toasts: Toasts;
let live: Live;
let shell: ShellState;
const did: string[] = [];

const act = (id: string, group: string, keys: string, over: Partial<Action> = {}): Action => ({
  id, title: `Do ${id}`, group, keys, run: () => did.push(id), ...over,
});

beforeEach(async () => {
  did.length = 0;
  backend = new FakeBackend({ rows: 20 });
  memory = new Memory(backend);
  await memory.load();
  toasts = new Toasts();
  live = new Live(backend);
  shell = new ShellState({
    backend, live, memory, toasts,
    actions: {
      start: [act('tour', 'Start', '')],
      traffic: [act('replay', 'Traffic', 'r'), act('undo', 'Traffic', 'mod+z', { enabled: () => false }), act('newest', 'Traffic', '')],
      comb: [act('apply', 'Comb', 'mod+s')],
      settings: [],
    },
    shortcuts: [...trafficShortcuts, ...combShortcuts],
    openExchange: (seq) => did.push(`exchange ${seq}`),
    openRoute: (name) => did.push(`route ${name}`),
  });
  await vi.waitUntil(() => live.status !== null);
});

afterEach(() => {
  live.close();
  document.body.replaceChildren();
});

/** A key that is pressed with the focus in the element. */
function press(key: string, over: KeyboardEventInit = {}, target: Element = document.body): KeyboardEvent {
  const event = new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, composed: true, ...over });
  const hear = (heard: Event) => shell.onkeydown(heard as KeyboardEvent);
  window.addEventListener('keydown', hear, { once: true });
  target.dispatchEvent(event);
  return event;
}

describe('the keyboard', () => {
  it.each([
    ['1', 'start'],
    ['2', 'traffic'],
    ['3', 'comb'],
    [',', 'settings'],
  ])('goes with Ctrl+%s to %s', (key, page) => {
    shell.page = page === 'start' ? 'comb' : 'start';
    expect(press(key, { ctrlKey: true }).defaultPrevented).toBe(true);
    expect(shell.page).toBe(page);
  });

  it('gives a page its keys only while it is seen', () => {
    press('r');
    expect(did).toEqual([]);
    shell.go('traffic');
    press('r');
    expect(did).toEqual(['replay']);
  });

  it('leaves letters to the field that is typed into, and takes chords from it', () => {
    shell.go('traffic');
    const field = document.body.appendChild(document.createElement('input'));
    expect(press('r', {}, field).defaultPrevented).toBe(false);
    press('k', { ctrlKey: true }, field);
    expect([did, shell.paletteOpen]).toEqual([[], true]);
  });

  it('leaves everything to an open dialog', () => {
    document.body.appendChild(document.createElement('div')).setAttribute('role', 'dialog');
    press('2', { ctrlKey: true });
    expect(shell.page).toBe('start');
  });

  it('opens the sheet of shortcuts on ?, which is a shifted key on most keyboards', () => {
    press('?', { shiftKey: true });
    expect(shell.shortcutsOpen).toBe(true);
  });

  it('takes back the newest removal when the page has nothing of its own to undo', () => {
    shell.go('traffic');
    toasts.show('Removed 3 exchanges.', { action: { label: 'Undo', run: () => did.push('undone') } });
    press('z', { ctrlKey: true });
    expect([did, toasts.items]).toEqual([['undone'], []]);
  });

  it('pauses and goes on with the same keys', async () => {
    press('.', { ctrlKey: true });
    await vi.waitUntil(() => toasts.items.length === 1);
    expect(live.status?.recording).toBe(false);
    press('.', { ctrlKey: true });
    await vi.waitUntil(() => live.status?.recording);
    // What is no longer so is not told any more.
    await vi.waitUntil(() => toasts.items[0]?.text === 'Recording again.');
    expect(toasts.items).toHaveLength(1);
  });
});

describe('the page that is seen', () => {
  it('is the one of the address, else the one of the last time', () => {
    shell.begin('#/comb');
    expect(shell.page).toBe('comb');
    memory.set('shell', 'traffic');
    shell.begin('');
    expect(shell.page).toBe('traffic');
    shell.begin('#/nowhere');
    expect(shell.page).toBe('traffic');
  });

  it('is remembered', async () => {
    shell.go('comb');
    await memory.flush();
    expect(backend.thePreferences.pages['shell']).toBe('comb');
  });
});

describe('the palette', () => {
  it('goes to the page on which something is done', () => {
    shell.commands('replay')[0]?.run();
    expect([shell.page, did]).toEqual(['traffic', ['replay']]);
  });

  it('leaves out what cannot be done now', () => {
    expect(shell.commands('undo')).toEqual([]);
    expect(shell.commands('record again')).toEqual([]);
    expect(shell.commands('pause recording').map((command) => command.keys)).toEqual(['mod+.']);
  });

  it('begins with what the page that is seen can do', () => {
    shell.go('comb');
    expect(shell.commands('')[0]?.id).toBe('apply');
  });

  it('jumps to an exchange and to a route', async () => {
    await shell.openPalette();
    shell.commands('#12')[0]?.run();
    shell.commands('shop-web')[0]?.run();
    expect(did).toEqual(['exchange 12', 'route shop-web']);
  });

  it('opens without the routes when they cannot be had', async () => {
    backend.fail('config', 'Reading the configuration: it is gone.');
    await shell.openPalette();
    expect(shell.paletteOpen).toBe(true);
    expect(shell.commands('shop-web')).toEqual([]);
  });

  it('is walked with the arrows, and runs what Enter is pressed on', async () => {
    render(Palette, { shell });
    await shell.openPalette();
    flushSync();
    const field = await screen.findByRole('combobox');
    await fireEvent.input(field, { target: { value: 'go to' } });
    await fireEvent.keyDown(field, { key: 'ArrowDown' });
    expect(screen.getByRole('option', { selected: true })).toHaveTextContent('Go to Traffic');
    await fireEvent.keyDown(field, { key: 'Enter' });
    expect([shell.page, shell.paletteOpen]).toEqual(['traffic', false]);
  });
});

describe('what is wrong', () => {
  it('is told over every page, with what to do', async () => {
    render(Banners, { shell });
    expect(screen.getByRole('alert')).toHaveTextContent('');
    backend.theStatus = {
      ...backend.theStatus,
      listeners: [{ address: '127.0.0.1:80', accept: ['reverse'], problem: 'Listening on 127.0.0.1:80: nginx (pid 8) has it. Choose another port.' }],
      configProblems: [{ kind: 'invalid', where: 'routes.shop.to', message: 'there is no upstream "shpo"', line: 12, column: 3 }],
    };
    backend.emit({ status: backend.theStatus });
    flushSync();
    expect(screen.getByText('127.0.0.1:80 is not listening.')).toBeInTheDocument();
    expect(screen.getByRole('alert')).toHaveTextContent('Line 12: there is no upstream "shpo"');
    screen.getByRole('button', { name: 'Change the address' }).click();
    screen.getByRole('button', { name: 'Show' }).click();
    expect([shell.page, shell.noticesOpen]).toEqual(['settings', true]);
    backend.connect(false);
    flushSync();
    expect(screen.getByText('Proxycache does not answer.')).toBeInTheDocument();
  });

  it('stands in the status bar as well, and figures are told as people say them', async () => {
    backend.theStatus = { ...backend.theStatus, exchanges: 1, rate: 0.4, p99: 3_020, lost: 2, recording: false, warnings: ['The disk is full.'] };
    backend.emit({ status: backend.theStatus, figures: { ...backend.theFigures, latencies: [] } });
    render(StatusBar, { shell });
    const bar = screen.getByRole('contentinfo');
    for (const words of ['1 exchange', '0.4 req/s', 'p99 3.02 s', 'lost 2', 'not recording', '1 notice']) expect(bar).toHaveTextContent(words);
    screen.getByRole('button', { name: '127.0.0.1:8080' }).click();
    await vi.waitUntil(() => backend.clipboard === '127.0.0.1:8080');
  });
});

it('a toast shows what takes it back and what else can be done', () => {
  toasts.show('Nothing to do.');
  toasts.show('Mocked.', { action: { label: 'Undo', run: () => did.push('undone') }, other: { label: 'Edit', run: () => did.push('edited') } });
  render(ToastHost, { toasts });
  expect(screen.getAllByRole('button').map((button) => button.textContent || button.ariaLabel)).toEqual(['Dismiss', 'Undo', 'Edit', 'Dismiss']);
  screen.getByRole('button', { name: 'Edit' }).click();
  expect([did, toasts.items.length]).toEqual([['edited'], 1]);
});

it('a backend that is gone is neither recording nor listening', () => {
  render(TopBar, { shell });
  render(StatusBar, { shell });
  expect(screen.getByRole('button', { name: 'Recording' })).toBeInTheDocument();
  expect(document.querySelector('footer .ok')).not.toHaveClass('unknown');
  backend.connect(false);
  flushSync();
  expect(screen.queryByRole('button', { name: 'Recording' })).toBeNull();
  expect(screen.getByRole('banner')).toHaveTextContent('Disconnected');
  expect(document.querySelector('footer .ok')).toHaveClass('unknown');
});

describe('the time of exchanges in the status bar', () => {
  it('is the median and the slowest hundredth of the last ten seconds, and all of it on hover', () => {
    render(StatusBar, { shell });
    const [said] = screen.getByRole('contentinfo').querySelectorAll('.latency');
    expect(said).toHaveTextContent(/p50 1\.2 ms\s*p99 4\.1 ms/);
    expect(said?.getAttribute('title')).toMatch(/^Time of exchanges\n10 s: p50 1\.2 ms, .*of 32\n1 min: .*\n10 min: /);
  });

  it('is a dash while none came', () => {
    const [all] = backend.theFigures.latencies;
    if (!all) throw new Error('there is no latency');
    backend.emit({ figures: { ...backend.theFigures, latencies: [{ ...all, tenSeconds: { ...all.tenSeconds, count: 0 } }] } });
    render(StatusBar, { shell });
    expect(screen.getByRole('contentinfo')).toHaveTextContent(/p50 –\s*p99 –/);
  });
});

it('the sheet of shortcuts names every key once, by where it works', () => {
  const groups = shell.groups();
  expect(groups.map((group) => group.title)).toEqual(['Window', 'Traffic', 'Comb']);
  expect(groups.flatMap((group) => group.shortcuts.map((shortcut) => shortcut.title))).not.toContain('Do tour');
  const keys = groups.flatMap((group) => group.shortcuts.flatMap((shortcut) => shortcut.keys.map((one) => `${group.title} ${one}`)));
  expect(keys).toEqual([...new Set(keys)]);
  for (const one of ['Window mod+.', 'Traffic Enter', 'Comb  ', 'Comb +']) expect(keys).toContain(one);
});

it('the page wears the theme and the row height, and changes at once', () => {
  const root = document.createElement('html');
  const off = wear(memory, root);
  flushSync();
  expect([root.dataset['theme'], root.dataset['rows']]).toEqual(['dark', 'compact']);
  memory.setTheme('system');
  memory.setRowHeight('comfortable');
  flushSync();
  // The stand-in for the system's wish (test/setup.ts) asks for no light.
  expect([root.dataset['theme'], root.dataset['rows']]).toEqual(['dark', 'comfortable']);
  memory.setTheme('light');
  flushSync();
  expect(root.dataset['theme']).toBe('light');
  off();
});
