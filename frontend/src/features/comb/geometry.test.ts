import { describe, expect, it } from 'vitest';
import { centre, distance, fan, field, fit, hexagon, LEGIBLE, Line, nth, W, wave } from './geometry';

describe('the wave', () => {
  it('goes from each cell to a neighbour, half a cell to the right', () => {
    const spots = wave(24);
    for (let i = 1; i < spots.length; i++) {
      expect(distance(nth(spots, i - 1), nth(spots, i))).toBe(1);
      expect(centre(nth(spots, i))[0]).toBeGreaterThan(centre(nth(spots, i - 1))[0]);
    }
  });

  it('stays in three rows and never meets itself', () => {
    const spots = wave(40);
    expect(new Set(spots.map((s) => s.r))).toEqual(new Set([-1, 0, 1]));
    expect(new Set(spots.map((s) => `${s.q},${s.r}`)).size).toBe(40);
  });
});

describe('targets', () => {
  it.each([1, 3, 4, 9, 30])('%i of them have places of their own, the first three beside the pool', (n) => {
    for (const length of [3, 4, 5, 6]) {
      const path = wave(length);
      const spots = fan(path, n);
      expect(spots).toHaveLength(n);
      expect(new Set([...path, ...spots].map((s) => `${s.q},${s.r}`)).size).toBe(length + n);
      expect(distance(nth(path, length - 1), nth(spots, 0))).toBe(1);
    }
  });
});

it('empty places surround the cells and never lie on one', () => {
  const cells = wave(5);
  const free = field(cells);
  expect(free.filter((f) => f.far === 0)).toEqual([]);
  expect(free.some((f) => f.far === 1)).toBe(true);
  expect(Math.max(...free.map((f) => f.far))).toBe(3);
});

it('a hexagon is a closed outline of six rounded corners', () => {
  const d = hexagon(62);
  expect(d.match(/Q/g)).toHaveLength(6);
  expect(d).toMatch(/^M.*Z$/);
});

describe('the line of an exchange', () => {
  const line = new Line(wave(5));
  it('can end at any cell', () => {
    expect(line.thread(0, 0)).toBe('');
    expect(line.thread(0, 2).match(/Q/g)).toHaveLength(4);
    expect(line.thread(0, 99)).toBe(line.thread(0, 4));
  });
  it('has a river without a number that is none', () => {
    const d = line.river(4, (i) => 18 - i * 3);
    expect(d).toMatch(/^M.*Z$/);
    expect(d).not.toContain('NaN');
    expect(line.river(0, () => 3)).toBe('');
  });
});

it('fit shows every cell and stays at or below 115 %', () => {
  expect(fit(wave(3), 4000, 4000).zoom).toBe(1.15);
  expect(fit(wave(30), 800, 500).zoom).toBeLessThan(0.6);
});

it('a view that stays legible begins at the client where not all fits', () => {
  const { x, zoom } = fit(wave(30), 800, 500, LEGIBLE);
  expect(zoom).toBe(LEGIBLE);
  expect(x - 800 / zoom / 2).toBeLessThan(-W / 2);
  expect(x - 800 / zoom / 2).toBeGreaterThan(-W);
  expect(fit(wave(3), 1600, 900, LEGIBLE)).toEqual(fit(wave(3), 1600, 900));
});
