// How a row is shown: its glyph and colour, its figures, its cells.
import type { Exchange, Row } from '../../api/backend';
import { duration, shown } from '../../api/format';

export type Glyph = 'pending' | 'ok' | 'redirect' | 'client' | 'server' | 'socket' | 'aborted' | 'error' | 'mocked' | 'replayed';
/** A state's colour: the name of a token. */
export type Tone = 'ok' | 'info' | 'warn' | 'bad' | 'dim' | 'mocked' | 'replayed';

const said: Record<Glyph, string> = {
  pending: 'pending', ok: 'succeeded', redirect: 'redirected', client: 'client error', server: 'server error',
  socket: 'connection switched', aborted: 'aborted', error: 'failed', mocked: 'mocked', replayed: 'replay',
};
const tones: Record<Glyph, Tone> = {
  pending: 'info', ok: 'ok', redirect: 'info', client: 'warn', server: 'bad', socket: 'info', aborted: 'dim', error: 'bad',
  mocked: 'mocked', replayed: 'replayed',
};

/** The one glyph that tells most about the row. */
export function glyph(row: Row): Glyph {
  if (row.state === 'error') return 'error';
  if (row.state === 'aborted') return 'aborted';
  if (row.state === 'pending') return row.status === 101 ? 'socket' : 'pending';
  if (row.mocked) return 'mocked';
  if (row.status >= 500) return 'server';
  if (row.status >= 400) return 'client';
  if (row.replayOf > 0) return 'replayed';
  if (row.status >= 300) return 'redirect';
  return row.status === 101 ? 'socket' : 'ok';
}

/** The glyph as a word. */
export function spoken(one: Glyph): string {
  return said[one];
}

export function glyphTone(one: Glyph): Tone {
  return tones[one];
}

export function statusTone(status: number): Tone {
  if (status >= 500) return 'bad';
  if (status >= 400) return 'warn';
  if (status >= 300 || (status > 0 && status < 200)) return 'info';
  return status === 0 ? 'dim' : 'ok';
}

/** Bytes in steps of 1,000: "0 B", "412 B", "1.1 kB", "38.2 MB". */
export function size(bytes: number): string {
  if (bytes < 1_000) return `${bytes} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = -1;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1_000;
    unit++;
  }
  return `${value < 99.95 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** What the time column says: a running one counts. */
export function elapsed(row: Row, now: number): string {
  if (row.micros >= 0) return duration(row.micros / 1_000);
  const millis = Math.max(0, now - row.started);
  return duration(Math.floor(millis / 1_000) * 1_000).replace(/\.\d+ (ms|s)$/, ' $1');
}

/** Where a path ends and a query begins is for the eye only; nothing of the target is lost, or hidden. */
export function address(row: Row): { host: string; path: string } {
  if (row.method === 'CONNECT') return { host: '', path: shown(row.target || row.authority) };
  return { host: shown(row.authority), path: shown(row.target) };
}

/** Who sent it: what is sent again comes from here, and from no port. */
export function sender(exchange: Exchange): string {
  return exchange.row.replayOf > 0 ? 'replayed here' : exchange.client;
}

export interface Span {
  from: number;
  to: number;
}

/** The stretch of time that the waterfall shows: of the rows in sight, without what outlasts them all. */
export function span(rows: readonly Row[], now: number): Span {
  if (rows.length === 0) return { from: 0, to: 1 };
  const starts = rows.map((row) => row.started);
  const from = Math.min(...starts);
  const last = Math.max(...starts);
  const lengths = rows.map((row) => length(row, now)).sort((a, b) => a - b);
  const usual = lengths[Math.floor(lengths.length * 0.9)] ?? 0;
  return { from, to: Math.max(last + usual, from + 1) };
}

/** Percent of the waterfall's width at which a row starts, and how much it takes: never nothing. */
export function stretch(row: Row, { from, to }: Span, now: number): { left: number; width: number } {
  const scale = 100 / (to - from);
  const left = Math.max(0, Math.min(97, (row.started - from) * scale));
  return { left, width: Math.max(3, Math.min(100 - left, length(row, now) * scale)) };
}

function length(row: Row, now: number): number {
  return row.micros >= 0 ? row.micros / 1_000 : Math.max(0, now - row.started);
}

export interface StripCell {
  kind: 'acted' | 'passed' | 'skipped' | 'end';
  tone: '' | 'warn' | 'bad' | 'mocked';
}

/** The little comb of a row: its steps, up to the one that answered. */
export function strip(row: Row): StripCell[] {
  const end = row.cells.search(/[^s]s*$/);
  const letters = [...(end < 0 ? row.cells : row.cells.slice(0, end + 1))].slice(-10);
  return letters.map((letter, i) => {
    if (i === letters.length - 1 && end >= 0) return { kind: 'end', tone: endTone(row, letter) };
    return { kind: letter === 's' ? 'skipped' : letter === 'p' ? 'passed' : 'acted', tone: letter === 'f' ? 'bad' : '' };
  });
}

function endTone(row: Row, letter: string): StripCell['tone'] {
  if (letter === 'f' || row.state === 'error' || row.status >= 500) return 'bad';
  if (row.mocked) return 'mocked';
  return row.status >= 400 ? 'warn' : '';
}
