// Figures as people read them.

/** "4.1 ms", "0.2 ms", "3.02 s", "1:04"; "–" below zero. */
export function duration(millis: number): string {
  if (millis < 0) return '–';
  if (millis < 10) return `${millis.toFixed(1)} ms`;
  if (millis < 1_000) return `${Math.round(millis)} ms`;
  if (millis < 60_000) return `${(millis / 1_000).toFixed(2)} s`;
  const seconds = Math.floor(millis / 1_000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

/** Microseconds: "0.4 µs", "12 µs", "0.3 ms", "18 ms", "3.02 s"; "–" below zero. */
export function micros(n: number): string {
  if (n < 0) return '–';
  if (n > 0 && n < 10) return `${Math.round(n * 10) / 10} µs`;
  return n > 0 && n < 100 ? `${Math.round(n)} µs` : duration(n / 1_000);
}

/** "1,204,331". */
export function count(n: number): string {
  return n.toLocaleString('en');
}

/** "1 request", "14 requests". */
export function counted(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** "0.4", "3", "312": as many digits as can be read in passing. */
export function rate(perSecond: number): string {
  return perSecond > 0 && perSecond < 10 ? String(Math.round(perSecond * 10) / 10) : count(Math.round(perSecond));
}

/** How long ago: "12 s", "4 min", "3 h", "5 d"; never below 0. */
export function age(millis: number): string {
  const seconds = Math.max(0, Math.floor(millis / 1_000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 86_400 ? `${Math.floor(seconds / 3_600)} h` : `${Math.floor(seconds / 86_400)} d`;
}

/** Bytes as memory is counted, in steps of 1,024: "412 B", "1.5 KiB", "64 MiB". */
export function binarySize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 1_023.5 && unit < units.length - 1) {
    value /= 1_024;
    unit++;
  }
  const digits = unit === 0 || Math.abs(value) >= 99.95 ? 0 : 1;
  return `${value.toLocaleString('en', { maximumFractionDigits: digits })} ${units[unit]}`;
}

const clock = new Intl.DateTimeFormat('en', { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });

/** "09:04:31", of milliseconds of Unix: 24 hours everywhere. */
export function timeOfDay(millis: number): string {
  return clock.format(millis);
}

const day = new Intl.DateTimeFormat('en-CA', { year: 'numeric', month: '2-digit', day: '2-digit' });

/** "2026-11-29 09:04:31". */
export function dateTime(millis: number): string {
  return `${day.format(millis)} ${clock.format(millis)}`;
}

/** The characters that turn the direction of what follows: a name that ends in "exe" can look as if it ended in "jpg". */
const turning = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** What came off the wire with its invisible turns of direction in sight: "a[U+202E]gpj.exe". */
export function shown(text: string): string {
  return text.replace(turning, (one) => `[U+${one.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}]`);
}
