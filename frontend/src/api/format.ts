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
