import { describe, expect, it, vi } from 'vitest';
import type { CellAct, CellMood, CellState, Figures, News, PoolFigure, TargetFigure } from './backend';
import { CallingBackend } from './calls';
import { noNews } from './fake';
import { connections, figures, latency } from './fakedata';
import { latencyLines, latencyOf, quantileText } from './latency';
import { wholeCells, wholeFigures, wholeNews } from './whole';

/** As an older backend sends it, or Go with an empty list. */
const torn = (over: object) => ({ ...figures(), ...over }) as unknown as Figures;

describe('what comes torn is made whole', () => {
  it('lists of figures that are null or absent are empty', () => {
    const got = wholeFigures(torn({ states: null, latencies: undefined, pools: null, routes: null, cells: null }));
    expect([got.states, got.latencies, got.pools, got.routes, got.cells]).toEqual([[], [], [], [], []]);
    expect(got.clients).toBe(7);
  });

  it('a target of which little is said is in no known state, at its full weight', () => {
    const target = { target: '127.0.0.1:3000', connections: connections(1, 1), weight: 3 } as TargetFigure;
    const pool = { pool: 'shop', connections: connections(1, 1), targets: [target] };
    expect(wholeFigures(torn({ pools: [pool] })).pools[0]?.targets[0]).toEqual({
      target: '127.0.0.1:3000', connections: connections(1, 1), state: 'unknown', reason: '', since: '', weight: 3, effectiveWeight: 3, inFlight: 0, latency: 0,
      ejections: 0, backup: false, history: [],
    });
    const none = { pool: 'web', connections: connections(0, 0), targets: null } as unknown as PoolFigure;
    expect(wholeFigures(torn({ pools: [none] })).pools[0]?.targets).toEqual([]);
  });

  it('a state or a level that came later is told as none', () => {
    const target = { target: 'a:1', connections: connections(0, 0), state: 'resting', effectiveWeight: 0 } as unknown as TargetFigure;
    const got = wholeFigures(torn({ pools: [{ pool: 'x', connections: connections(0, 0), targets: [target] }], states: [{ cell: 'a', summary: 'b', level: 'panic' } as unknown as CellMood] }));
    expect([got.pools[0]?.targets[0]?.state, got.pools[0]?.targets[0]?.effectiveWeight, got.states[0]?.level]).toEqual(['unknown', 0, 'calm']);
  });

  it('cells have lists, whatever was sent', () => {
    expect(wholeCells(null)).toEqual([]);
    const sent = { cell: 'a/b', module: 'b', figures: null, actions: [{ name: 'clear', title: 'Clear' } as CellAct] } as unknown as CellState;
    expect(wholeCells([sent])).toEqual([
      { cell: 'a/b', module: 'b', summary: '', level: 'calm', figures: [], actions: [{ name: 'clear', title: 'Clear', help: '', arguments: [] }] },
    ]);
  });

  it('news are made whole where they have figures', () => {
    expect(wholeNews(noNews)).toBe(noNews);
    expect(wholeNews({ ...noNews, figures: torn({ latencies: null }) } as News).figures?.latencies).toEqual([]);
  });

  it('and so is what a call answers', async () => {
    const called = vi.fn();
    class Door extends CallingBackend {
      protected async call<T>(name: string, argument?: unknown): Promise<T> {
        called(name, argument);
        return (name === 'figures' ? torn({ states: null }) : name === 'cells' ? null : 'Cleared 3 answers.') as T;
      }
      saveExport = async () => null;
      saveAuthority = async () => null;
      copy = async () => undefined;
      openURL = async () => undefined;
      listen = () => () => undefined;
    }
    const door = new Door();
    expect((await door.figures()).states).toEqual([]);
    expect(await door.cells()).toEqual([]);
    const action = { cell: 'a/b', action: 'clear', arguments: {} };
    expect(await door.actOnCell(action)).toBe('Cleared 3 answers.');
    expect(called.mock.calls).toEqual([['figures', undefined], ['cells', undefined], ['actOnCell', action]]);
  });
});

describe('latencies', () => {
  const one = { ...latency('', 4_100), tenSeconds: { count: 0, p50: 0, p90: 0, p99: 0, p999: 0 } };

  it('are found by their name', () => {
    expect(latencyOf(figures(), 'route/shop-api')?.name).toBe('route/shop-api');
    expect(latencyOf(figures(), 'route/none')).toBeUndefined();
    expect(latencyOf(null, '')).toBeUndefined();
  });

  it('are a dash where nothing was measured', () => {
    expect(quantileText(one.tenSeconds, 'p50')).toBe('–');
    expect(quantileText(undefined, 'p50')).toBe('–');
    expect(quantileText({ count: 1, p50: 12, p90: 12, p99: 12, p999: 12 }, 'p50')).toBe('12 µs');
  });

  it('are told in a line for each span', () => {
    expect(latencyLines(one)).toEqual([
      '10 s: no exchange', '1 min: p50 1.5 ms, p90 3.4 ms, p99 4.9 ms, p99.9 12 ms, of 190', '10 min: p50 2.5 ms, p90 5.7 ms, p99 8.2 ms, p99.9 21 ms, of 1,204',
    ]);
    expect(latencyLines(undefined)).toEqual(['10 s: no exchange', '1 min: no exchange', '10 min: no exchange']);
  });
});
