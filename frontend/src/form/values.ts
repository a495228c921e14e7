// Between the document's values and what a form shows of them.
import type { SchemaField, Settings } from '../api/backend';

export interface Pair {
  name: string;
  value: string;
}

/** A value as the text of a field; "" where the document has none. */
export function asText(value: unknown): string {
  return value === undefined || value === null ? '' : String(value);
}

/** The text of a field as the document's value; undefined takes the setting out, so that its default counts. */
export function fromText(field: SchemaField, text: string): unknown {
  if (field.kind !== 'code' && text.trim() === '') return undefined;
  if (text === '') return undefined;
  if (field.kind !== 'int' && field.kind !== 'float') return text;
  const number = Number(text);
  // What is no number goes on as it is: the backend says what is wrong with it.
  return Number.isFinite(number) ? number : text;
}

export function asBool(field: SchemaField, value: unknown): boolean {
  return typeof value === 'boolean' ? value : field.default === 'true';
}

export function asList(value: unknown): string[] {
  return Array.isArray(value) ? value.map(asText) : [];
}

/** Pairs in order: the document has a table of texts, or a list of {name, value}. */
export function asPairs(value: unknown): Pair[] {
  if (Array.isArray(value)) {
    return value.map((item: Partial<Pair>) => ({ name: asText(item.name), value: asText(item.value) }));
  }
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).map(([name, text]) => ({ name, value: asText(text) }));
}

/** Pairs as the document has them: a table stays one while it can hold them (a name once), else a list. */
export function fromPairs(pairs: Pair[], was: unknown): unknown {
  if (pairs.length === 0) return undefined;
  const wasTable = typeof was === 'object' && was !== null && !Array.isArray(was);
  const names = new Set(pairs.map((pair) => pair.name));
  if (wasTable && names.size === pairs.length) return Object.fromEntries(pairs.map((pair) => [pair.name, pair.value]));
  return pairs;
}

export function asTables(value: unknown): Settings[] {
  return Array.isArray(value) ? (value as Settings[]) : [];
}

/** The range in words: "1 to 100", "at least 1", "at most 1m". That nothing is less than 0 goes without saying. */
export function range(field: SchemaField): string {
  const least = /^0[a-zA-Z]*$/.test(field.min) ? '' : field.min;
  if (least !== '' && field.max !== '') return `${least} to ${field.max}`;
  if (least !== '') return `at least ${least}`;
  if (field.max !== '') return `at most ${field.max}`;
  return '';
}

/** Problems of what lies below a name: of "rules.1.path" and "rules", below "rules" stay "1.path" (and the own one is ""). */
export function below(problems: Record<string, string>, name: string): Record<string, string> {
  const inner: Record<string, string> = {};
  for (const [path, message] of Object.entries(problems)) {
    if (path === name) inner[''] = message;
    else if (path.startsWith(`${name}.`)) inner[path.slice(name.length + 1)] = message;
  }
  return inner;
}
