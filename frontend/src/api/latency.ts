// How long exchanges took, as the window tells it.
import type { Figures, Latency, Quantiles } from './backend';
import { count, micros } from './format';

/** The quantiles that are told, in their order. */
export const quantiles: readonly { key: Exclude<keyof Quantiles, 'count'>; title: string }[] = [
  { key: 'p50', title: 'p50' }, { key: 'p90', title: 'p90' }, { key: 'p99', title: 'p99' }, { key: 'p999', title: 'p99.9' },
];

/** The spans that they are told over, the nearest first. */
export const spans: readonly { key: Exclude<keyof Latency, 'name'>; title: string }[] = [
  { key: 'tenSeconds', title: '10 s' }, { key: 'minute', title: '1 min' }, { key: 'tenMinutes', title: '10 min' },
];

/** What is known under the name; undefined while nothing is. */
export function latencyOf(figures: Figures | null, name: string): Latency | undefined {
  return figures?.latencies.find((one) => one.name === name);
}

/** "4.1 ms"; "–" where nothing was measured. */
export function quantileText(of: Quantiles | undefined, key: Exclude<keyof Quantiles, 'count'>): string {
  return of === undefined || of.count === 0 ? '–' : micros(of[key]);
}

/** All of it in lines: "10 s: p50 1.2 ms, p90 3.0 ms, p99 4.1 ms, p99.9 9.0 ms, of 31". */
export function latencyLines(of: Latency | undefined): string[] {
  return spans.map(({ key, title }) => {
    const over = of?.[key];
    if (over === undefined || over.count === 0) return `${title}: no exchange`;
    return `${title}: ${quantiles.map((one) => `${one.title} ${micros(over[one.key])}`).join(', ')}, of ${count(over.count)}`;
  });
}
