import { afterEach, beforeEach, expect, it } from 'vitest';
import { FakeBackend } from '../../api/fake';
import { Live } from '../../api/live.svelte';
import { Toasts } from '../../ui/toasts.svelte';
import { cellMenu } from './cellmenu';
import { Comb } from './comb.svelte';

let backend: FakeBackend;
let live: Live;
let toasts: Toasts;
let comb: Comb;

beforeEach(async () => {
  backend = new FakeBackend();
  live = new Live(backend);
  toasts = new Toasts();
  comb = new Comb({ backend, live, toasts, links: { openExchange: () => undefined, show: () => undefined } });
  await comb.load();
});
afterEach(() => live.close());

const first = () => {
  const cell = comb.document?.routes[0]?.cells[0];
  if (!cell) throw new Error('there is no cell');
  return { route: comb.document?.routes[0]?.name ?? '', id: cell.id };
};

it('what was loaded stays in sight when it cannot be loaded again', async () => {
  const before = comb.document;
  backend.fail('catalogue', 'Proxycache does not answer.');
  await comb.load();
  backend.fail('config', 'Proxycache does not answer.');
  await comb.load();
  expect([comb.failed, comb.document]).toEqual([null, before]);
});

it('what could not be loaded at first is loaded when the backend is back', async () => {
  const late = new Comb({ backend, live, toasts, links: { openExchange: () => undefined, show: () => undefined } });
  backend.fail('catalogue', 'Proxycache does not answer.');
  await late.load();
  expect(late.failed).toBe('Proxycache does not answer.');
  backend.connect(false);
  backend.connect(true);
  await new Promise((resolve) => setTimeout(resolve, 10));
  expect([late.failed, late.routeName]).toEqual([null, comb.routeName]);
});

it('the menu of a cell switches, moves and removes it', () => {
  const act = (label: string) => cellMenu(comb, first()).find((item) => item !== 'line' && item.label === label);
  const labels = () => cellMenu(comb, first()).map((item) => (item === 'line' ? '' : item.label));
  expect(labels()).toEqual([expect.stringMatching(/^Switch/), 'Move left', 'Move right', '', 'Remove']);
  expect(act('Move left')).toMatchObject({ disabled: true });
  const was = first().id;
  const remove = act('Remove');
  if (typeof remove === 'object') remove.run();
  expect(first().id).not.toBe(was);
});

it('a toast does not offer to undo what is no longer the last edit', () => {
  const ref = first();
  comb.remove(ref);
  expect(toasts.items).toHaveLength(1);
  comb.toggle(first());
  expect(toasts.items).toEqual([]);
  comb.undo();
  comb.undo();
  expect(first()).toEqual(ref);
});

it('a method alone is not asked about yet', async () => {
  for (const text of ['GET', 'GET ', 'GET /v1/items']) {
    comb.probeText = text;
    await comb.probe();
  }
  expect(backend.calls.filter((call) => call.name === 'probe').map((call) => call.argument)).toEqual([{ method: 'GET', url: '/v1/items' }]);
});
