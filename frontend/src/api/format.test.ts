import { expect, it } from 'vitest';
import { age, binarySize, dateTime, micros, shown, timeOfDay } from './format';

it.each([
  [0, '0 B'], [412, '412 B'], [1_023, '1,023 B'], [1_024, '1 KiB'], [1_536, '1.5 KiB'], [12_582_912, '12 MiB'], [1_048_575, '1 MiB'], [160 * 1_024 + 300, '160 KiB'],
  [5 * 1_024 ** 4, '5 TiB'], [4_000 * 1_024 ** 4, '4,000 TiB'],
])('%d bytes are %s', (bytes, want) => expect(binarySize(bytes)).toBe(want));

it.each([[-1, '–'], [0, '0.0 ms'], [0.42, '0.4 µs'], [3, '3 µs'], [3.44, '3.4 µs'], [12.4, '12 µs'], [99, '99 µs'], [310, '0.3 ms'], [18_400, '18 ms'], [3_020_000, '3.02 s']])('%d microseconds are %s', (n, want) => expect(micros(n)).toBe(want));

it.each([[-5_000, '0 s'], [0, '0 s'], [12_900, '12 s'], [60_000, '1 min'], [3_599_000, '59 min'], [3_600_000, '1 h'], [90_000_000, '1 d']])('%d ms ago is %s', (millis, want) => expect(age(millis)).toBe(want));

it('the time of day has 24 hours, in the evening and at midnight', () => {
  expect(timeOfDay(new Date(2026, 10, 29, 21, 4, 5).getTime())).toBe('21:04:05');
  expect(dateTime(new Date(2026, 10, 9, 0, 4, 5).getTime())).toBe('2026-11-09 00:04:05');
});

it('what turns the direction of a text is shown', () => {
  expect(shown('/a\u202egpj.exe\u2069')).toBe('/a[U+202E]gpj.exe[U+2069]');
  expect(shown('/שלום')).toBe('/שלום');
});
