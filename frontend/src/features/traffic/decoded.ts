// What is written inside of header values and addresses, taken apart for reading.
import type { HeaderField } from '../../api/backend';

export interface Pair {
  name: string;
  value: string;
  /** What is to be said of the value: "in 41 min". */
  note: string;
}

/** "a=1&b=x%20y" as pairs, undone as a form does it; what cannot be undone stays as sent. */
export function pairs(text: string): Pair[] {
  return text.split('&').filter((one) => one !== '').map((one) => {
    const [name = '', ...value] = one.split('=');
    return { name: plain(name), value: plain(value.join('=')), note: '' };
  });
}

/** The query of a target. */
export function query(target: string): Pair[] {
  const at = target.indexOf('?');
  return at < 0 ? [] : pairs(target.slice(at + 1).split('#')[0] ?? '');
}

function plain(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return text;
  }
}

/** The cookies of a request's Cookie fields, or of an answer's Set-Cookie fields. */
export function cookies(fields: readonly HeaderField[]): Pair[] {
  return fields.flatMap((field) => {
    const name = field.name.toLowerCase();
    if (name === 'cookie') return field.value.split(/;\s*/).map((one) => cookie(one, ''));
    if (name !== 'set-cookie') return [];
    const [first = '', ...rest] = field.value.split(/;\s*/);
    return [cookie(first, rest.join(', '))];
  });
}

function cookie(text: string, note: string): Pair {
  const [name = '', ...value] = text.split('=');
  return { name, value: value.join('='), note };
}

/** The claims of a bearer token that is a JWT (RFC 7519), and the user of basic credentials (RFC 7617). */
export function credentials(fields: readonly HeaderField[], now: number): { title: string; rows: Pair[] } | null {
  const value = fields.find((field) => field.name.toLowerCase() === 'authorization')?.value ?? '';
  const [scheme = '', rest = ''] = value.split(/\s+/, 2);
  if (scheme.toLowerCase() === 'basic') {
    const [user = '', ...password] = base64(rest).split(':');
    return { title: 'Basic credentials', rows: [{ name: 'user', value: user, note: '' }, { name: 'password', value: '•'.repeat(Math.min(12, password.join(':').length)), note: 'look at the header for it' }] };
  }
  const [head = '', claims = '', signature] = rest.split('.');
  if (scheme.toLowerCase() !== 'bearer' || signature === undefined) return null;
  const rows = [...members(head), ...members(claims)].map((pair) => ({ ...pair, note: moment(pair, now) }));
  return rows.length === 0 ? null : { title: 'Token, not verified', rows };
}

function members(part: string): Pair[] {
  try {
    const read: unknown = JSON.parse(base64(part));
    if (typeof read !== 'object' || read === null) return [];
    return Object.entries(read).map(([name, value]) => ({ name, value: typeof value === 'string' ? value : JSON.stringify(value), note: '' }));
  } catch {
    return [];
  }
}

function base64(text: string): string {
  try {
    const bytes = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
    return new TextDecoder().decode(Uint8Array.from(bytes, (char) => char.charCodeAt(0)));
  } catch {
    return '';
  }
}

function moment({ name, value }: Pair, now: number): string {
  if (!['exp', 'iat', 'nbf', 'auth_time'].includes(name) || !/^\d+$/.test(value)) return '';
  const seconds = Number(value) - Math.floor(now / 1_000);
  const far = Math.abs(seconds);
  const words = far < 90 ? `${far} s` : far < 5_400 ? `${Math.round(far / 60)} min` : far < 129_600 ? `${Math.round(far / 3_600)} h` : `${Math.round(far / 86_400)} d`;
  return seconds >= 0 ? `in ${words}` : `${words} ago`;
}
