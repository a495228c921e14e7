import { fireEvent, render, screen, within } from '@testing-library/svelte';
import { flushSync } from 'svelte';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Figures, Health, TargetFigure } from '../../api/backend';
import { FakeBackend } from '../../api/fake';
import { ejected, telling, telltale, telltaleFigures } from '../../api/fakecells';
import { connections } from '../../api/fakedata';
import { Live } from '../../api/live.svelte';
import { Toasts } from '../../ui/toasts.svelte';
import { Comb } from './comb.svelte';
import type { Hex } from './hex';
import HexCell from './HexCell.svelte';
import LatencyTable from './LatencyTable.svelte';
import PoolPanel from './PoolPanel.svelte';
import { scene, type Material } from './scene';
import { healthTitle, lasting, targetsIn, weightText } from './targets';

const at = Date.UTC(2026, 10, 28, 12);

const material = (figures: Figures | null = telltaleFigures(at)): Material => {
  const { document } = telltale();
  return {
    document, catalogue: { modules: telling, upstream: [], capture: [], forward: [], limits: [], tls: [] }, route: document.routes[0] ?? null, figures, problems: [],
    edited: () => false, exchange: null, now: () => at, listener: '',
  };
};

const hexOf = (name: string, m = material()): Hex => {
  const { path, targets } = scene(m);
  const found = [...path, ...targets].find((hex) => hex.name === name);
  if (!found) throw new Error(`there is no hexagon ${name}`);
  return found;
};

function draw(hex: Hex, trail = false) {
  const none = () => undefined;
  render(HexCell, { hex, id: 'a', selected: false, transform: '', place: '2 of 9', trail, first: true, onclick: none, onkeydown: none, ondrop: none });
  return screen.getByRole('treeitem');
}

const inState = (state: Health, over: Partial<TargetFigure> = {}): Material => {
  const target = { ...ejected(at - 240_000), target: '127.0.0.1:3000', state, backup: false, ...over };
  const figures = telltaleFigures(at);
  return material({ ...figures, pools: figures.pools.map((pool) => (pool.pool === 'shop' ? { ...pool, targets: [target] } : pool)) });
};

describe('the hexagon of a cell with a mood', () => {
  it('tells it under the figure, short, and whole on hover', () => {
    const item = draw(hexOf('Cache'));
    expect(item).toHaveAccessibleName('Cache, 2 of 9, on, 71 % hits, 1 204 entries, 12 of 64 MiB');
    expect(item.querySelector('title')).toHaveTextContent('1 204 entries, 12 of 64 MiB');
    expect(document.querySelector('.mood')).toHaveTextContent(/^1 204 entries…$/);
    expect(document.querySelector('.mark')).toBeNull();
  });

  it.each([['Rate limit', 'warn', 'warning: 3 of 40 clients limited', '.mark.warned'], ['Circuit breaker', 'alarm', 'alarm: open, 12 s left', '.mark.failed']])(
    'of %s: the level is a glyph and a word too', (name, level, words, glyph) => {
      const hex = hexOf(name);
      expect(hex.level).toBe(level);
      expect(draw(hex)).toHaveAccessibleName(expect.stringContaining(words));
      expect(document.querySelector(glyph)).not.toBeNull();
    },
  );

  it('tells none while an exchange is laid over the comb, and none when it is off', () => {
    const item = draw({ ...hexOf('Cache'), look: 'acted', verdict: 'hit', time: '3 µs' }, true);
    expect(item).toHaveAccessibleName('Cache, 2 of 9, acted, hit, 3 µs');
    const m = material();
    const off = { ...m.document, routes: m.document.routes.map((route) => ({ ...route, cells: route.cells.map((cell) => ({ ...cell, off: true })) })) };
    expect(hexOf('Cache', { ...m, document: off, route: off.routes[0] ?? null })).toMatchObject({ mood: '', level: 'calm', figure: 'off' });
  });
});

describe('the hexagon of a target', () => {
  it.each<[Health, Partial<Hex>]>([
    ['unhealthy', { figure: 'unhealthy 4 min', lamp: 'down', look: 'error', level: 'calm' }],
    ['ejected', { figure: 'ejected 4 min', lamp: 'out', look: 'on', level: 'warn' }],
    ['draining', { figure: 'draining 4 min', lamp: 'leaving', look: 'on', level: 'calm' }],
    ['off', { figure: 'off 4 min', lamp: '', look: 'off', level: 'calm' }],
  ])('that is %s says so, with the reason', (state, want) => {
    const hex = hexOf(':3000', inState(state));
    expect(hex).toMatchObject({ ...want, note: '5 answers of 5xx in a row' });
    expect(draw(hex)).toHaveAccessibleName(expect.stringMatching(/5 answers of 5xx in a row$/));
  });

  it('that is healthy is quiet: it tells its rate', () => {
    expect(hexOf(':3000', inState('healthy'))).toMatchObject({ figure: '3.2/s', lamp: 'up', look: 'on', level: 'calm', note: '' });
  });

  it('of which the pool does not know, is judged by what came of its exchanges', () => {
    const m = inState('unknown');
    expect(hexOf(':3000', m)).toMatchObject({ figure: '3.2/s', lamp: 'up' });
    const figures = m.figures as Figures;
    const failing = { ...figures, cells: figures.cells.map((f) => ({ ...f, share: 0.1 })) };
    expect(hexOf(':3000', { ...m, figures: failing })).toMatchObject({ figure: 'failing', lamp: 'down', look: 'error' });
    expect(hexOf(':3002', m)).toMatchObject({ figure: 'not used yet', lamp: '' });
  });
});

describe('the targets of a pool', () => {
  const document = telltale().document;
  const running = telltaleFigures(at).pools.find((pool) => pool.pool === 'shop');

  it('are those of its settings, then those that it has besides', () => {
    expect(targetsIn(document, 'shop', running).map((one) => [one.address, one.figure?.state, one.named])).toEqual([
      ['127.0.0.1:3000', 'healthy', true], ['127.0.0.1:3001', 'healthy', true], ['127.0.0.1:3002', 'ejected', true],
    ]);
    expect(targetsIn(document, 'web', running).map((one) => [one.address, one.named])).toEqual([
      ['127.0.0.1:5173', true], ['127.0.0.1:3000', false], ['127.0.0.1:3001', false], ['127.0.0.1:3002', false],
    ]);
    expect(targetsIn(document, 'none', undefined)).toEqual([]);
  });

  it.each([[{ weight: 2, effectiveWeight: 2 }, '2'], [{ weight: 2, effectiveWeight: 0.456 }, '0.46 of 2'], [{ weight: 1, effectiveWeight: 0 }, '0 of 1']])('with %o weigh %s', (t, want) => {
    expect(weightText(t)).toBe(want);
  });

  it.each([['', ''], ['0001-01-01T00:00:00Z', ''], ['yesterday', ''], ['2026-11-28T11:59:30Z', '30 s'], ['2026-11-28T12:00:05Z', '0 s']])('since %j lasts %j', (since, want) => {
    expect(lasting({ since }, at)).toBe(want);
  });

  it('have a state that may have come later', () => {
    expect([healthTitle('ejected'), healthTitle('resting')]).toEqual(['Ejected', 'resting']);
  });
});

describe('the panel of a pool', () => {
  let backend: FakeBackend;
  let live: Live;
  let comb: Comb;

  beforeEach(async () => {
    backend = new FakeBackend();
    backend.theConfig = telltale();
    backend.theFigures = telltaleFigures(Date.now());
    live = new Live(backend);
    comb = new Comb({ backend, live, toasts: new Toasts(), links: { openExchange: () => undefined, show: () => undefined } });
    await comb.load();
  });
  afterEach(() => live.close());

  it('shows each target with its state, why and since when, its figures and its history, newest first', async () => {
    await vi.waitUntil(() => live.figures !== null);
    render(PoolPanel, { comb, name: 'shop' });
    const row = screen.getByRole('listitem', { name: '127.0.0.1:3002' });
    expect(row).toHaveTextContent('Ejected');
    expect(row).toHaveTextContent(/5 answers of 5xx in a row · for 1\d s/);
    for (const [term, value] of [['Weight', '0 of 2'], ['In flight', '0'], ['Latency', '212 ms'], ['Ejections', '3']]) {
      expect(within(row).getByText(term as string).nextElementSibling).toHaveTextContent(value as string);
    }
    expect(within(row).getByText('backup')).toBeInTheDocument();
    await fireEvent.click(within(row).getByText('History, 3'));
    const changes = within(within(row).getByRole('list', { hidden: true })).getAllByRole('listitem', { hidden: true });
    expect(changes.map((one) => one.textContent?.replace(/\s+/g, ' ').trim())).toEqual([
      expect.stringMatching(/^○ ?Ejected 1\d s ago/), expect.stringMatching(/^● ?Healthy 10 min ago/), expect.stringMatching(/^○ ?Ejected 10 min ago/),
    ]);
  });

  it('moves with the clock', async () => {
    await vi.waitUntil(() => live.figures !== null);
    render(PoolPanel, { comb, name: 'shop' });
    comb.clock.now += 600_000;
    flushSync();
    expect(screen.getByRole('listitem', { name: '127.0.0.1:3002' })).toHaveTextContent('for 10 min');
  });

  it('says what it waits for, what is not known yet, and what there is none of', async () => {
    live.figures = null;
    const { rerender } = render(PoolPanel, { comb, name: 'shop' });
    expect(screen.getByRole('status')).toHaveTextContent('Asking how they stand…');
    live.figures = { ...backend.theFigures, pools: [{ pool: 'shop', connections: connections(0, 0), targets: [] }] };
    flushSync();
    expect(screen.getByRole('listitem', { name: '127.0.0.1:3000' })).toHaveTextContent('Nothing is known of it yet');
    comb.setPool({ targets: [] });
    flushSync();
    await rerender({ comb, name: 'shop' });
    expect(screen.getByText(/The pool has no target/)).toBeInTheDocument();
  });
});

it('latencies stand in a table of three spans, with a dash where nothing was measured', () => {
  const none = { count: 0, p50: 0, p90: 0, p99: 0, p999: 0 };
  const some = { count: 1, p50: 1_200, p90: 3_000, p99: 4_100, p999: 9_000 };
  render(LatencyTable, { title: 'Time', latency: { name: '', tenSeconds: none, minute: some, tenMinutes: some } });
  const text = (cells: HTMLElement[]) => cells.map((cell) => cell.textContent);
  expect(text(screen.getAllByRole('columnheader'))).toEqual(['over', 'p50', 'p90', 'p99', 'p99.9']);
  const rows = screen.getAllByRole('row').slice(1);
  expect(rows.map((row) => text(within(row).getAllByRole('cell')))).toEqual([['–', '–', '–', '–'], ['1.2 ms', '3.0 ms', '4.1 ms', '9.0 ms'], ['1.2 ms', '3.0 ms', '4.1 ms', '9.0 ms']]);
  expect(rows[1]).toHaveAttribute('title', '1 exchange in 1 min');
});
