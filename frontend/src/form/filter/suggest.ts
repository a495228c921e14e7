// What may come next in a filter, from the rows that are in memory.
import type { Row } from '../../api/backend';
import { quoted } from './expression';

export interface Suggestion {
  /** As it is shown. */
  text: string;
  /** What the typed text becomes. */
  becomes: string;
  /** Rows in memory that it matches; -1 for a field. */
  rows: number;
  /** Of a field: what it is. */
  help: string;
  fits: ((row: Row) => boolean) | null;
}

export interface Suggestions {
  /** The field whose values are offered; "" when fields are. */
  field: string;
  sign: string;
  list: Suggestion[];
}

/** The signs that the values of a field are offered with. */
export const signs: readonly string[] = ['=', '!=', '^=', '~'];

const MOST = 8; // lines of the popup

const observed: Record<string, (row: Row) => string> = {
  method: (row) => row.method,
  host: (row) => row.authority.replace(/:\d+$/, '').toLowerCase(),
  path: (row) => row.target.split('?')[0] ?? '',
  status: (row) => (row.status > 0 ? String(row.status) : ''),
  type: (row) => row.type,
  route: (row) => row.route,
  door: (row) => row.door,
  state: (row) => row.state,
  scheme: (row) => row.scheme,
  mocked: (row) => String(row.mocked),
};

const fields: readonly [name: string, help: string][] = [
  ['host', 'the host, without its port'], ['path', 'the path, without the query'], ['method', 'GET, POST …'], ['status', '404, or a class as 5xx'],
  ['type', 'json, html, webp …'], ['duration', 'as 250ms, 1.5s'], ['size', 'of the answer, as 10kB'], ['route', 'the route that took it'],
  ['query', 'behind the ?'], ['url', 'the whole address'], ['client', 'address and port'], ['state', 'pending, done, aborted, error'],
  ['mocked', 'true or false'], ['door', 'reverse, forward, intercept, tunnel'], ['scheme', 'http or https'], ['request.size', 'of the request, as 10kB'],
  ['request.header.', 'a field of the request'], ['response.header.', 'a field of the answer'],
];

/** What may stand at the end of what is typed; null when there is nothing to offer. */
export function suggest(typed: string, rows: readonly Row[]): Suggestions | null {
  const [, head = '', rest = ''] = /^(.*(?:\band|\bor|\bnot|\()\s+|\(?)(.*)$/is.exec(typed) ?? [];
  const begun = /^([\w.-]+)\s*(!=|\^=|=|~)\s*["']?([^"']*)$/.exec(rest);
  if (begun) {
    const [, field = '', sign = '', value = ''] = begun;
    return values(head, field.toLowerCase(), sign, value, rows);
  }
  if (!/^[\w.-]*$/.test(rest)) return null;
  const fit = fields.filter(([name]) => name.startsWith(rest.toLowerCase()));
  const list = fit.map(([name, help]) => {
    return { text: name, becomes: `${head}${name}${name.endsWith('.') ? '' : name === 'status' || name === 'duration' || name === 'size' ? ' >= ' : ' = '}`, rows: -1, help, fits: null };
  });
  return list.length === 0 ? null : { field: '', sign: '', list: list.slice(0, MOST) };
}

function values(head: string, field: string, sign: string, typed: string, rows: readonly Row[]): Suggestions | null {
  const of = observed[field];
  if (!of) return null;
  const counts = new Map<string, number>();
  for (const row of rows) {
    const value = of(row);
    if (value !== '') counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  const wanted = typed.trim().toLowerCase();
  const list = [...counts]
    .filter(([value]) => value.toLowerCase().includes(wanted) && value !== typed)
    .sort((a, b) => b[1] - a[1])
    .slice(0, MOST)
    .map(([value]): Suggestion => {
      const fits = (row: Row) => holds(of(row), sign, value);
      return { text: value, becomes: `${head}${field} ${sign} ${quoted(sign === '~' ? value.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&') : value)}`, rows: rows.filter(fits).length, help: '', fits };
    });
  return list.length === 0 ? null : { field, sign, list };
}

function holds(has: string, sign: string, value: string): boolean {
  switch (sign) {
    case '!=': return has !== value;
    case '^=': return has.startsWith(value);
    case '~': return has.toLowerCase().includes(value.toLowerCase());
    default: return has === value;
  }
}

/** Tells whether the last condition is only begun: a field without a value. */
export function unfinished(typed: string): boolean {
  const [, name = ''] = /(?:^|\s|\()([\w.-]+)\s*[!^$*=~<>]{0,2}\s*["']?$/.exec(typed) ?? [];
  return fields.some(([field]) => field === name.toLowerCase() || (field.endsWith('.') && name.toLowerCase().startsWith(field)));
}

/** What is typed, with another sign. */
export function withSign(typed: string, sign: string): string {
  return typed.replace(/(!=|\^=|=|~)(\s*["']?[^"'=~]*)$/, `${sign}$2`);
}
