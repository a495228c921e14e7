// A figure of a cell as people read it: its name says the unit (policy.Figure).
import type { CellFigure } from '../../api/backend';
import { binarySize, count, duration } from '../../api/format';

/** Words that are written in capitals. */
const capitals = /\b(ttl|url|ip|id|http|dns|tls|cpu)\b/gi;

/** "hits_total" is "Hits", "open_seconds" is "Open", "max_bytes" is "Max bytes". */
export function figureTitle(name: string): string {
  const words = name.replace(/_total$/, '').replace(/(.)_(seconds|milliseconds|microseconds|timestamp)$/, '$1').replaceAll('_', ' ').trim();
  const title = words.charAt(0).toUpperCase() + words.slice(1);
  return title.replace(capitals, (word) => word.toUpperCase());
}

/** What tells it from others of its name: "hit"; "" for one without labels. */
export function labelsText(figure: CellFigure): string {
  return (figure.labels ?? []).map((label) => label.value || `no ${label.name}`).join(', ');
}

/** The value with its unit: "12 MiB", "1 h 30 min", "71.4 %", "1,204". */
export function valueText(figure: Pick<CellFigure, 'name' | 'value'>): string {
  const { value } = figure;
  if (typeof value !== 'number' || !Number.isFinite(value)) return '–';
  const unit = /([a-z]+)$/.exec(figure.name.replace(/_total$/, ''))?.[1] ?? '';
  switch (unit) {
    case 'bytes': return binarySize(value);
    case 'seconds': return seconds(value);
    case 'milliseconds': return seconds(value / 1e3);
    case 'microseconds': return seconds(value / 1e6);
    case 'ratio': return `${round(value * 100, 1)} %`;
    case 'percent': return `${round(value, 1)} %`;
    default: return Number.isInteger(value) ? count(value) : round(value, Math.abs(value) < 10 ? 2 : 1);
  }
}

/** Seconds as a length of time: "0 s", "250 ms", "1.5 s", "4 min 12 s", "1 h 30 min", "5 d 3 h". */
export function seconds(n: number): string {
  if (n === 0) return '0 s';
  if (n < 0) return `−${seconds(-n)}`;
  if (n < 0.0001) return `${Math.round(n * 1e6)} µs`;
  if (n < 0.9995) return duration(n * 1_000);
  const whole = Math.round(n);
  if (whole < 60) return `${round(n, n < 10 ? 1 : 0)} s`;
  if (whole < 3_600) return two(whole, 60, 'min', 1, 's');
  return whole < 86_400 ? two(whole, 3_600, 'h', 60, 'min') : two(whole, 86_400, 'd', 3_600, 'h');
}

function two(n: number, large: number, largeUnit: string, small: number, smallUnit: string): string {
  const rest = Math.floor((n % large) / small);
  return `${Math.floor(n / large)} ${largeUnit}${rest > 0 ? ` ${rest} ${smallUnit}` : ''}`;
}

const round = (n: number, digits: number) => n.toLocaleString('en', { maximumFractionDigits: digits });

/** A history as a line: of what only grows, how much it grew from each value to the next. */
export function drawn(values: readonly number[], counter: boolean): number[] {
  if (!counter) return [...values];
  return values.slice(1).map((value, i) => Math.max(0, value - (values[i] ?? value)));
}

/** The line through the values in a box, up to its right edge, with room for at least so many; "" while they do not change. */
export function sparkline(values: readonly number[], width: number, height: number, least: number): string {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  if (values.length < 2 || high === low) return '';
  const step = width / (Math.max(least, values.length) - 1);
  const y = (value: number) => height - ((value - low) / (high - low)) * height;
  return values.map((value, i) => `${i === 0 ? 'M' : 'L'}${(width - (values.length - 1 - i) * step).toFixed(1)} ${y(value).toFixed(1)}`).join('');
}
