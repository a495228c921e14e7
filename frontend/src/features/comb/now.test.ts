import { render, screen, within } from '@testing-library/svelte';
import { flushSync } from 'svelte';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FakeBackend } from '../../api/fake';
import FigureTable from './FigureTable.svelte';
import { Now } from './now.svelte';

let backend: FakeBackend;
let now: Now;

beforeEach(() => {
  vi.useFakeTimers();
  backend = new FakeBackend();
  now = new Now(backend);
});
afterEach(() => vi.useRealTimers());

const asked = () => backend.calls.filter((call) => call.name === 'cells').length;
const set = (value: number) =>
  (backend.theCells = backend.theCells.map((one) => ({ ...one, figures: one.figures.map((figure) => (figure.name === 'entries' ? { ...figure, value } : figure)) })));

describe('how cells stand', () => {
  it('is asked for at once and each second while one is watched, and no more when it is not', async () => {
    const stop = now.watch('shop-api/cache');
    await vi.advanceTimersByTimeAsync(0);
    expect([asked(), now.stateOf('shop-api/cache')?.module, now.stateOf('shop-api/none')]).toEqual([1, 'cache', undefined]);
    await vi.advanceTimersByTimeAsync(3_000);
    expect(asked()).toBe(4);
    stop();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(asked()).toBe(4);
  });

  it('is asked for once a second however many were watched before', async () => {
    const stops = ['shop-api/cache', 'shop-api/breaker', 'shop-api/cache'].map((cell) => now.watch(cell));
    stops[0]?.();
    stops[1]?.();
    await vi.advanceTimersByTimeAsync(0);
    const before = asked();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(asked() - before).toBe(2);
    stops[2]?.();
  });

  it('stays as it was when there is no answer, and says why', async () => {
    const stop = now.watch('shop-api/cache');
    await vi.advanceTimersByTimeAsync(0);
    backend.fail('cells', 'Asking Proxycache: it does not answer.');
    await vi.advanceTimersByTimeAsync(1_000);
    expect([now.problem, now.states?.length]).toEqual(['Asking Proxycache: it does not answer.', 3]);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(now.problem).toBe('');
    stop();
  });

  it('has a history of each figure of the watched cell, of a minute at most', async () => {
    const stop = now.watch('shop-api/cache');
    await vi.advanceTimersByTimeAsync(0);
    set(1_300);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(now.histories.get('entries')).toEqual([1_204, 1_300]);
    expect([...now.histories.keys()]).toContain('results_total result=hit');
    expect(now.histories.has('clients')).toBe(false);
    await vi.advanceTimersByTimeAsync(100_000);
    expect(now.histories.get('entries')).toHaveLength(60);
    stop();
    now.watch('shop-api/breaker')();
    expect(now.histories.size).toBe(0);
  });
});

describe('the table of figures', () => {
  it('shows the first and, when asked, all of them', () => {
    const figures = backend.theCells[0]?.figures ?? [];
    render(FigureTable, { figures, histories: new Map([['entries', [1, 2, 3]], ['bytes', [1, 1]]]) });
    const table = screen.getByRole('table', { name: 'Figures' });
    expect(within(table).getAllByRole('row')).toHaveLength(6);
    const entries = within(table).getByRole('row', { name: /Entries 1,204/ });
    expect(entries.querySelector('path')?.getAttribute('d')).toMatch(/^M/);
    expect(within(table).getByRole('row', { name: /^Bytes 12 MiB/ }).querySelector('path')?.getAttribute('d')).toBe('');
    const more = screen.getByRole('button', { name: 'Show all 9' });
    expect(more).toHaveAttribute('aria-expanded', 'false');
    more.click();
    flushSync();
    expect(within(table).getByRole('row', { name: /Results revalidated 214/ })).toBeInTheDocument();
    expect(screen.getByRole('button', { name: 'Show fewer' })).toHaveAttribute('aria-expanded', 'true');
  });
});
