import { describe, expect, it } from 'vitest';
import type { CellFigure } from '../../api/backend';
import { drawn, figureTitle, labelsText, seconds, sparkline, valueText } from './units';

describe('a figure', () => {
  it.each([
    ['hits_total', 'Hits'], ['bytes', 'Bytes'], ['max_bytes', 'Max bytes'], ['open_seconds', 'Open'], ['open_seconds_total', 'Open'], ['hit_ratio', 'Hit ratio'],
    ['seconds', 'Seconds'], ['oldest_ttl_seconds', 'Oldest TTL'], ['dns_lookups_total', 'DNS lookups'],
  ])('called %s has the title %s', (name, want) => expect(figureTitle(name)).toBe(want));

  it.each([
    ['bytes', 12_582_912, '12 MiB'], ['saved_bytes_total', 1_536, '1.5 KiB'], ['open_seconds', 18, '18 s'], ['open_seconds_total', 5_420, '1 h 30 min'],
    ['wait_milliseconds', 250, '250 ms'], ['wait_microseconds', 12, '12 µs'], ['hit_ratio', 0.7143, '71.4 %'], ['cpu_percent', 3.06, '3.1 %'], ['entries', 1_204, '1,204'],
    ['tokens', 87.25, '87.3'], ['load', 0.125, '0.13'], ['entries', Number.NaN, '–'], ['hit_ratio', 0, '0 %'],
  ])('%s of %d is %s', (name, value, want) => expect(valueText({ name, value })).toBe(want));

  it('without a value is a dash', () => {
    expect(valueText({ name: 'entries' } as CellFigure)).toBe('–');
  });

  it('is told apart by its labels', () => {
    const figure: CellFigure = { name: 'results_total', help: '', counter: true, value: 1 };
    expect(labelsText(figure)).toBe('');
    expect(labelsText({ ...figure, labels: [{ name: 'result', value: 'hit' }, { name: 'tier', value: '' }] })).toBe('hit, no tier');
  });
});

it.each([
  [0, '0 s'], [0.00002, '20 µs'], [0.0042, '4.2 ms'], [0.25, '250 ms'], [1.5, '1.5 s'], [12.4, '12 s'], [59.6, '1 min'], [60, '1 min'], [252, '4 min 12 s'],
  [3_600, '1 h'], [90_000, '1 d 1 h'], [-2, '−2 s'],
])('%d seconds are %s', (n, want) => expect(seconds(n)).toBe(want));

describe('a history', () => {
  it('of a counter is how much it grew; one that began anew did not shrink', () => {
    expect(drawn([3, 5, 5, 1], true)).toEqual([2, 0, 0]);
    expect(drawn([3, 5, 1], false)).toEqual([3, 5, 1]);
  });

  it('is a line that ends at the right edge, the highest at the top', () => {
    expect(sparkline([0, 10], 60, 12, 4)).toBe('M40.0 12.0L60.0 0.0');
    expect(sparkline([0, 5, 10], 60, 12, 2)).toBe('M0.0 12.0L30.0 6.0L60.0 0.0');
  });

  it('is not drawn while nothing changes', () => {
    expect([sparkline([], 60, 12, 4), sparkline([1], 60, 12, 4), sparkline([1, 1, 1], 60, 12, 4)]).toEqual(['', '', '']);
  });
});
