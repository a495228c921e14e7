// The part of the configuration that the Settings page edits. The rest of the document is the comb's.
import type { Document, Listen, SchemaField, Settings } from '../../api/backend';

export interface Part {
  listen: Listen[];
  trusted: string[];
  passThrough: string[];
  capture: Settings;
  forward: Settings;
  limits: Settings;
  tls: Settings;
}

/** The sections that are a form each. */
const forms = ['capture', 'forward', 'limits', 'tls'] as const;

export function partOf(document: Document): Part {
  const { listen, trusted, passThrough, sections } = document;
  return {
    listen, trusted, passThrough, capture: sections['capture'] ?? {}, forward: sections['forward'] ?? {},
    limits: sections['limits'] ?? {}, tls: sections['tls'] ?? {},
  };
}

/** The document with this part; a section that has nothing in it is left out. */
export function withPart(document: Document, part: Part): Document {
  const sections = { ...document.sections };
  for (const name of forms) {
    if (Object.keys(part[name]).length > 0) sections[name] = part[name];
    else Reflect.deleteProperty(sections, name);
  }
  return { ...document, listen: part.listen, trusted: part.trusted, passThrough: part.passThrough, sections };
}

/** What differs, one name for each thing a person changed: "listen.1", "trusted", "capture.body_cap". */
export function changes(was: Part, now: Part): string[] {
  const rows = Array.from({ length: Math.max(was.listen.length, now.listen.length) }, (_, i) => i);
  return [
    ...rows.filter((i) => !same(was.listen[i], now.listen[i])).map((i) => `listen.${i + 1}`),
    ...(['trusted', 'passThrough'] as const).filter((name) => !same(was[name], now[name])),
    ...forms.flatMap((name) => changedKeys(was[name], now[name]).map((key) => `${name}.${key}`)),
  ];
}

function changedKeys(was: Settings, now: Settings): string[] {
  return [...new Set([...Object.keys(was), ...Object.keys(now)])].filter((key) => !same(was[key], now[key]));
}

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);

function list(name: string, title: string, help: string, placeholder: string): SchemaField {
  return {
    name, title, help, placeholder, kind: 'list', default: '', min: '', max: '', oneOf: [], unit: '', required: false, fields: [],
  };
}

/** Fields of the document itself, which no schema of the backend describes. */
export const trustedField = list(
  'trusted', 'Trusted clients', 'Networks and addresses whose X-Forwarded-… fields, request ids and PROXY protocol are believed. Nobody is, while this is empty.', '10.0.0.0/8',
);
export const passThroughField = list(
  'pass_through', 'Pass through', 'Hosts whose HTTPS is not opened: it passes as it is, and only its size and time are seen. *.bank.example is every host below it.',
  '*.bank.example',
);
