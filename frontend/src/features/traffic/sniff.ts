// What a body is: by what it says of itself, and by its first bytes.

export type Kind = 'json' | 'html' | 'xml' | 'css' | 'js' | 'form' | 'text' | 'image' | 'binary';

export interface Sniffed {
  kind: Kind;
  /** Of an image or another binary format: "PNG", "gzip". */
  format: string;
  /** What is wrong with the declared type, as a sentence; "" when nothing is. */
  lie: string;
}

const names: Record<Kind, string> = {
  json: 'JSON', html: 'HTML', xml: 'XML', css: 'CSS', js: 'JavaScript', form: 'a form', text: 'text', image: 'an image', binary: 'binary',
};

const magic: readonly [kind: Kind, format: string, at: number, bytes: string][] = [
  ['image', 'PNG', 0, '\x89PNG\r\n'], ['image', 'JPEG', 0, '\xff\xd8\xff'], ['image', 'GIF', 0, 'GIF8'], ['image', 'WebP', 8, 'WEBP'],
  ['image', 'AVIF', 4, 'ftypavi'], ['image', 'ICO', 0, '\0\0\x01\0'], ['image', 'BMP', 0, 'BM'],
  ['binary', 'PDF', 0, '%PDF-'], ['binary', 'gzip', 0, '\x1f\x8b'], ['binary', 'zip', 0, 'PK\x03\x04'], ['binary', 'zstd', 0, '\x28\xb5\x2f\xfd'],
  ['binary', 'WebAssembly', 0, '\0asm'], ['binary', 'WOFF2', 0, 'wOF2'], ['binary', 'WOFF', 0, 'wOFF'], ['binary', 'MP4', 4, 'ftyp'],
];

/** The kind that a Content-Type declares; null when it says nothing that is known. */
export function declared(type: string): Kind | null {
  const media = (type.split(';')[0] ?? '').trim().toLowerCase();
  if (/[/+]json$/.test(media)) return 'json';
  if (media === 'text/html' || media === 'application/xhtml+xml') return 'html';
  if (media.startsWith('image/')) return 'image';
  if (/[/+]xml$/.test(media)) return 'xml';
  if (media === 'text/css') return 'css';
  if (/\/(x-)?(java|ecma)script$/.test(media)) return 'js';
  if (media === 'application/x-www-form-urlencoded') return 'form';
  if (media.startsWith('text/') || /ndjson|yaml|toml|graphql/.test(media)) return 'text';
  return media === '' || media === 'application/octet-stream' ? null : 'binary';
}

/** What the first bytes are, and whether the declared type tells the truth. */
export function sniff(type: string, bytes: Uint8Array): Sniffed {
  const says = declared(type);
  const [found, format] = looksLike(bytes);
  const media = (type.split(';')[0] ?? '').trim();
  // Text may be anything: only what is surely something else is a lie.
  if (found === null) return { kind: says === null || says === 'image' || says === 'binary' ? 'text' : says, format: '', lie: says === 'image' ? `Declared as ${media}, but it is text.` : '' };
  if (found === says || says === null) return { kind: found, format, lie: '' };
  if (found === 'binary' && says === 'binary') return { kind: found, format, lie: '' };
  if (says === 'text' && (found === 'json' || found === 'xml' || found === 'html')) return { kind: media === 'text/plain' ? found : 'text', format, lie: media === 'text/plain' ? lie(media, found, format) : '' };
  if (says === 'html' && found === 'xml') return { kind: 'html', format, lie: '' };
  if (says === 'xml' && found === 'html') return { kind: 'xml', format, lie: '' };
  if (says === 'image' && (found === 'xml' || found === 'html')) return { kind: 'image', format: 'SVG', lie: '' };
  if (says === 'image' && found === 'binary') return { kind: 'image', format, lie: '' };
  if (says === 'js' && found === 'json') return { kind: 'js', format, lie: '' };
  return { kind: found, format, lie: lie(media, found, format) };
}

function lie(media: string, found: Kind, format: string): string {
  return `Declared as ${media}, but it is ${format || names[found]}.`;
}

function looksLike(bytes: Uint8Array): [Kind | null, string] {
  const head = String.fromCharCode(...bytes.subarray(0, 512));
  for (const [kind, format, at, sign] of magic) if (head.startsWith(sign, at)) return [kind, format];
  if (isBinary(bytes)) return ['binary', ''];
  const text = head.replace(/^\u00ef\u00bb\u00bf/, '').trimStart();
  if (/^<(!doctype html|html|head|body)\b/i.test(text)) return ['html', ''];
  if (/^<(\?xml|svg|rss|feed|soap)\b/i.test(text)) return ['xml', ''];
  if (/^[[{]/.test(text) && /^(\{\s*(["}]|$)|\[\s*([[{"\]\d-]|true|false|null|$))/.test(text)) return ['json', ''];
  return [null, ''];
}

/** Bytes that no text has: a NUL, or many control characters. */
export function isBinary(bytes: Uint8Array): boolean {
  const head = bytes.subarray(0, 4_096);
  let odd = 0;
  for (const byte of head) {
    if (byte === 0) return true;
    if (byte < 32 && byte !== 9 && byte !== 10 && byte !== 13 && byte !== 27 && byte !== 12) odd++;
  }
  return odd > head.length / 20;
}

/** The text of the bytes, by the charset that was declared, else UTF-8. */
export function textOf(bytes: Uint8Array, type: string): string {
  const charset = /charset\s*=\s*"?([\w.:-]+)/i.exec(type)?.[1] ?? 'utf-8';
  try {
    return new TextDecoder(charset).decode(bytes);
  } catch {
    return new TextDecoder().decode(bytes); // a charset that does not exist
  }
}
