// Where the time of an exchange went.
import type { Exchange, Step, Timing } from '../../api/backend';
import { micros } from '../../api/format';

export interface Phase {
  name: string;
  help: string;
  /** Microseconds from the start. */
  from: number;
  to: number;
  tone: 'faint' | 'dim' | 'info' | 'ok' | 'replayed' | 'cached' | 'honey';
}

/** Percent of a width. */
export interface Piece {
  left: number;
  width: number;
}

/** The phases that happened, in order. `total` is where one that still runs has come to. */
export function phases(timing: Timing, total: number): Phase[] {
  const end = timing.done >= 0 ? timing.done : total;
  const first = [timing.dnsStart, timing.connectStart, timing.sendStart].find((at) => at >= 0);
  if (first === undefined) return [{ name: 'Answered here', help: 'Nothing was sent on: a cell answered.', from: 0, to: end, tone: 'honey' }];
  const out: Phase[] = [];
  const add = (name: string, help: string, from: number, to: number, tone: Phase['tone']) => {
    if (from >= 0 && to >= from) out.push({ name, help, from, to, tone });
  };
  const until = (at: number, begun: number) => (at >= 0 ? at : begun >= 0 ? end : -1);
  add('Before', 'Read, routed, and through the cells, until there was something to do for the target.', 0, first, 'faint');
  add('DNS', 'The name of the target was looked up.', timing.dnsStart, until(timing.dnsDone, timing.dnsStart), 'replayed');
  add('Connect', 'A TCP connection was opened.', timing.connectStart, until(timing.connectDone, timing.connectStart), 'cached');
  add('TLS', 'Keys were agreed on.', timing.tlsStart, until(timing.tlsDone, timing.tlsStart), 'cached');
  add('Send', 'The request was written.', timing.sendStart, until(timing.sent, timing.sendStart), 'dim');
  add('Wait', 'The target worked: until the first byte of its answer.', timing.sent, until(timing.firstByte, timing.sent), 'ok');
  add('Receive', 'The answer came in, and went out as it came.', timing.firstByte, until(timing.done, timing.firstByte), 'info');
  return out;
}

export function piece(from: number, to: number, total: number): Piece {
  if (total <= 0) return { left: 0, width: 0 };
  const left = Math.max(0, Math.min(100, (from / total) * 100));
  return { left, width: Math.max(0, Math.min(100 - left, ((to - from) / total) * 100)) };
}

/** Where the marks of a scale stand, in percent, and what they say: round figures of one unit. */
export function ticks(total: number): { left: number; text: string }[] {
  if (total <= 0) return [{ left: 0, text: '0' }];
  const rough = total / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((n) => n * power >= rough * 0.999) ?? 10);
  const [unit, name] = total < 1_000 ? [1, 'µs'] : total < 1_000_000 ? [1_000, 'ms'] : [1_000_000, 's'];
  const digits = Math.max(0, -Math.floor(Math.log10(step / unit) + 1e-9));
  const marks = Array.from({ length: Math.floor((total / step) * 1.001) + 1 }, (_, i) => i * step);
  return marks.map((at) => ({ left: Math.min(100, (at / total) * 100), text: at === 0 ? '0' : `${(at / unit).toFixed(digits)} ${name}` }));
}

/**
 * When each step ran, before and after those behind it, in percent of all their time. Only how long
 * each took is recorded; that they are nested gives the order.
 */
export function ran(steps: readonly Step[]): Piece[][] {
  const total = steps.reduce((sum, step) => sum + step.before + step.after, 0);
  let from = 0;
  let to = total;
  return steps.map((step) => {
    const pieces: Piece[] = [];
    if (step.before > 0) pieces.push(piece(from, from + step.before, total));
    if (step.after > 0) pieces.push(piece(to - step.after, to, total));
    from += step.before;
    to -= step.after;
    return pieces;
  });
}

/** Nanoseconds of a step as a person reads them; "–" for one that was skipped. */
export function stepTime(step: Step): string {
  return step.verdict === 'skipped' ? '–' : nanos(step.before + step.after);
}

export function nanos(n: number): string {
  return n > 0 && n < 1_000 ? `${n} ns` : micros(n / 1_000);
}

export interface Totals {
  acted: number;
  /** They looked, and changed nothing. */
  passed: number;
  skipped: number;
  /** Nanoseconds. */
  inCells: number;
  atTarget: number;
}

export function totals({ steps }: Exchange): Totals {
  const sum = (of: readonly Step[]) => of.reduce((all, step) => all + step.before + step.after, 0);
  return {
    acted: steps.filter((step) => step.verdict !== 'skipped' && step.verdict !== 'passed').length,
    passed: steps.filter((step) => step.verdict === 'passed').length,
    skipped: steps.filter((step) => step.verdict === 'skipped').length,
    inCells: sum(steps.filter((step) => step.module !== 'upstream')),
    atTarget: sum(steps.filter((step) => step.module === 'upstream')),
  };
}

/** "4 acted, 3 passed, 2 skipped". */
export function totalsText({ acted, passed, skipped }: Totals): string {
  return [`${acted} acted`, passed > 0 && `${passed} passed`, skipped > 0 && `${skipped} skipped`].filter(Boolean).join(', ');
}
