import { fireEvent, render, screen, within } from '@testing-library/svelte';
import { flushSync } from 'svelte';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeBackend } from '../../api/fake';
import { Live } from '../../api/live.svelte';
import { Memory } from '../../api/memory.svelte';
import { Toasts } from '../../ui/toasts.svelte';
import { Settings } from './settings.svelte';
import Page from './Settings.svelte';

let backend: FakeBackend;
let live: Live;
let toasts: Toasts;
let settings: Settings;

beforeEach(async () => {
  vi.useFakeTimers();
  backend = new FakeBackend();
  live = new Live(backend);
  toasts = new Toasts();
  settings = new Settings({ backend, live, memory: new Memory(backend), toasts, links: { showShortcuts: () => undefined } });
  await settings.load();
});

afterEach(() => {
  live.close();
  vi.useRealTimers();
});

const settle = () => vi.advanceTimersByTimeAsync(1_000);
const applied = () => backend.calls.filter((call) => call.name === 'apply');

describe('a draft', () => {
  it('is none until something differs, and none when it is as before', () => {
    expect(settings.changes).toEqual([]);
    settings.setListener(0, { address: '127.0.0.1:9000' });
    expect(settings.changes).toEqual(['listen.1']);
    settings.setListener(0, { address: '127.0.0.1:8080' });
    expect(settings.changes).toEqual([]);
  });

  it('is checked when the typing rests, and its problems stand at their fields', async () => {
    backend.theProblems = [
      { kind: 'invalid', where: 'listen.1.address', message: '"x" is no address', line: 0, column: 0 },
      { kind: 'invalid', where: 'capture.body_cap', message: 'write a size', line: 0, column: 0 },
      { kind: 'invalid', where: 'routes.shop.to', message: 'there is no upstream "shop"', line: 0, column: 0 },
    ];
    settings.setListener(0, { address: 'x' });
    expect(settings.problems).toEqual({});
    await settle();
    expect(settings.problems).toMatchObject({ 'listen.1.address': '"x" is no address', 'capture.body_cap': 'write a size' });
    expect(settings.problem).toBe('there is no upstream "shop"');
  });

  it('goes into the document in force, and leaves the rest of it alone', async () => {
    const routes = backend.theConfig.document.routes;
    settings.edit({ capture: { body_cap: '1 MiB' } });
    settings.addListener();
    settings.setListener(1, { address: '127.0.0.1:9000', accept: ['forward'] });
    await settings.apply();
    expect(applied()).toHaveLength(1);
    expect(backend.theConfig.document.sections['capture']).toEqual({ body_cap: '1 MiB' });
    expect(backend.theConfig.document.listen[1]).toEqual({ address: '127.0.0.1:9000', accept: ['forward'], proxyProtocol: false, username: '', password: '' });
    expect(backend.theConfig.document.routes).toEqual(routes);
    expect(toasts.items.at(-1)?.text).toBe('Applied 2 changes.');
    expect(settings.changes).toEqual([]);
  });

  it('can be had back after it was discarded', async () => {
    settings.removeListener(0);
    settings.discard();
    expect(settings.changes).toEqual([]);
    toasts.undo();
    expect(settings.changes).toEqual(['listen.1']);
  });

  it('keeps only the word of the last discard, which is the one that can be undone', () => {
    for (const trusted of [['10.0.0.0/8'], ['fd00::/8']]) {
      settings.edit({ trusted });
      settings.discard();
    }
    expect(toasts.items).toHaveLength(1);
    toasts.undo();
    expect(settings.part?.trusted).toEqual(['fd00::/8']);
  });

  it('says at its field that an address is taken, and forgets it with the next edit', async () => {
    settings.setListener(0, { address: '127.0.0.1:80' });
    backend.fail('apply', 'Listening on 127.0.0.1:80: the address is in use. Choose another.', { kind: 'unavailable' });
    await settings.apply();
    expect(settings.problems['listen.1.address']).toContain('in use');
    expect(settings.changes).toEqual(['listen.1']);
    settings.setListener(0, { address: '127.0.0.1:81' });
    expect(settings.problems).toEqual({});
  });

  it('is not applied while it is none', async () => {
    await settings.apply();
    expect(applied()).toEqual([]);
  });
});

describe('when the configuration changes meanwhile', () => {
  /** Somebody else applies: another tab, the comb, an editor. The news of it is late. */
  function changeBehind(document: Partial<typeof backend.theConfig.document>) {
    backend.theConfig = { ...backend.theConfig, revision: 'r7', document: { ...backend.theConfig.document, ...document } };
  }

  it('elsewhere in the document, the draft is applied all the same', async () => {
    settings.edit({ trusted: [] });
    changeBehind({ routes: [] });
    await settings.apply();
    expect(backend.theConfig.document).toMatchObject({ routes: [], trusted: [] });
    expect(settings.problem).toBe('');
  });

  it('in the same settings, it is said, and a second Apply puts the draft in their place', async () => {
    settings.edit({ trusted: [] });
    changeBehind({ trusted: ['10.0.0.0/8'] });
    await settings.apply();
    expect(settings.problem).toContain('changed meanwhile');
    expect(settings.stale).toBe(true);
    expect(backend.theConfig.document.trusted).toEqual(['10.0.0.0/8']);
    await settings.apply();
    expect(backend.theConfig.document.trusted).toEqual([]);
    expect(settings.stale).toBe(false);
  });

  it('to just what was wanted, nothing is left to apply', async () => {
    settings.edit({ trusted: [] });
    changeBehind({ trusted: [] });
    backend.emit({ revision: 'r7' });
    await settle();
    expect(settings.changes).toEqual([]);
  });

  it('and nothing is edited here, what is new is shown', async () => {
    changeBehind({ trusted: ['10.1.0.0/16'] });
    backend.emit({ revision: 'r7' });
    await settle();
    expect(settings.part?.trusted).toEqual(['10.1.0.0/16']);
  });
});

describe('the page', () => {
  it('shows every section, and what cannot be bound at its field', async () => {
    backend.theStatus = { ...backend.theStatus, listeners: [{ address: '127.0.0.1:8080', accept: [], problem: 'the address is in use by nginx' }] };
    backend.emit({ status: backend.theStatus });
    render(Page, { state: settings });
    await settle();
    for (const title of ['General', 'Listeners', 'Capture', 'Forward', 'TLS', 'Limits', 'Certificate', 'Storage', 'About']) {
      expect(screen.getByRole('heading', { name: title })).toBeInTheDocument();
    }
    expect(screen.getByLabelText('Address 1')).toBeInvalid();
    expect(screen.getByText('the address is in use by nginx')).toBeInTheDocument();
  });

  it('says at its field which file of a certificate cannot be used', async () => {
    render(Page, { state: settings });
    await settle();
    settings.edit({ tls: { certificates: [{ cert: 'a.pem', key: 'a.key' }, { cert: 'b.pem', key: 'b.key' }], names: ['a', 'b c'] } });
    backend.fail('apply', 'Reading the certificate b.pem: it is empty.', { kind: 'invalid', where: 'tls.certificates.2.cert' });
    await settings.apply();
    flushSync();
    const [first, second] = screen.getAllByLabelText(/^Certificate/, { selector: 'input' });
    expect(first).toBeValid();
    expect(second).toBeInvalid();
    expect(settings.problem).toBe('');
  });

  it('edits what a listener accepts and from whom', async () => {
    render(Page, { state: settings });
    await settle();
    screen.getByRole('checkbox', { name: 'socks5' }).click();
    screen.getByRole('checkbox', { name: 'PROXY protocol' }).click();
    await fireEvent.input(screen.getByLabelText('Name for address 1'), { target: { value: 'me' } });
    await fireEvent.input(screen.getByLabelText('Password for address 1'), { target: { value: '${PASSWORD}' } });
    expect(settings.part?.listen[0]).toEqual({
      address: '127.0.0.1:8080', accept: ['reverse', 'forward', 'connect'], proxyProtocol: true, username: 'me', password: '${PASSWORD}',
    });
    expect(screen.getByLabelText('Password for address 1')).toHaveAttribute('type', 'password');
  });

  it('puts the focus where something that is added is written', async () => {
    render(Page, { state: settings });
    await settle();
    screen.getByRole('button', { name: 'Add an address' }).click();
    await settle();
    expect(screen.getByLabelText('Address 2')).toHaveFocus();
    within(screen.getByRole('group', { name: 'Certificates' })).getByRole('button', { name: 'Add' }).click();
    await settle();
    expect(screen.getByLabelText(/^Certificate/, { selector: 'input' })).toHaveFocus();
    within(screen.getByRole('group', { name: 'Trusted clients' })).getByRole('button', { name: 'Add' }).click();
    await settle();
    expect(screen.getAllByLabelText(/^Trusted clients, \d/).at(-1)).toHaveFocus();
  });

  it('says at its field what is wrong with a login, and asks for none where nobody is asked', async () => {
    backend.theProblems = [{ kind: 'invalid', where: 'listen.1.password', message: 'write password', line: 0, column: 0 }];
    render(Page, { state: settings });
    settings.setListener(0, { username: 'me' });
    await settle();
    expect(screen.getByLabelText('Password for address 1')).toBeInvalid();
    expect(screen.getByText('write password')).toBeInTheDocument();
    settings.setListener(0, { accept: ['reverse'], username: '' });
    flushSync();
    expect(screen.queryByLabelText('Password for address 1')).toBeNull();
  });

  it('offers to apply only when there is something', async () => {
    render(Page, { state: settings });
    await settle();
    expect(screen.queryByRole('button', { name: /Apply/ })).toBeNull();
    settings.edit({ trusted: [] });
    flushSync();
    expect(screen.getByRole('button', { name: /Apply 1 change/ })).toBeEnabled();
  });

  it('offers another try when nothing could be loaded', async () => {
    backend.fail('catalogue', 'Reading the settings: the program ended.');
    render(Page, { state: settings });
    await settle();
    expect(screen.getByText('Reading the settings: the program ended.')).toBeInTheDocument();
    screen.getByRole('button', { name: 'Try again' }).click();
    await settle();
    expect(screen.getByRole('heading', { name: 'Listeners' })).toBeInTheDocument();
  });
});
