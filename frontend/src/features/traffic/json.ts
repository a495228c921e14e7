// JSON for looking at: every scalar keeps the spelling it was sent in, so that a long number or an
// escape is seen as it is, and names may repeat.

export type JsonKind = 'object' | 'array' | 'string' | 'number' | 'word';

export interface JsonNode {
  kind: JsonKind;
  /** The name in quotes, as sent; "" for items and the root. */
  key: string;
  /** Of a scalar: as sent. */
  text: string;
  children: JsonNode[];
  parent: JsonNode | null;
  /** Place among its siblings. */
  index: number;
  /** Lines when all of it is unfolded. */
  lines: number;
}

/** Where a text is no JSON. */
export class JsonError extends Error {
  constructor(readonly at: number) {
    super(`This is no JSON from character ${at + 1} on.`);
  }
}

const token = /[ \t\r\n]*(?:([{}[\],:])|("(?:[^"\\\u0000-\u001f]|\\.)*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)|(true|false|null))/y;
const DEEPEST = 500;

interface Reader {
  text: string;
  at: number;
  mark: string;
  string: string;
  number: string;
  word: string;
}

/** Reads a document; throws a JsonError. */
export function parseJson(text: string): JsonNode {
  const reader: Reader = { text, at: text.startsWith('\ufeff') ? 1 : 0, mark: '', string: '', number: '', word: '' };
  next(reader);
  const root = value(reader, '', null, 0, 0);
  if (text.slice(reader.at).trim() !== '') throw new JsonError(reader.at);
  return root;
}

function next(reader: Reader): void {
  token.lastIndex = reader.at;
  const found = token.exec(reader.text);
  if (!found) throw new JsonError(reader.at);
  [, reader.mark = '', reader.string = '', reader.number = '', reader.word = ''] = found;
  reader.at = token.lastIndex;
}

/** Reads the value whose first token was read already. */
function value(reader: Reader, key: string, parent: JsonNode | null, index: number, depth: number): JsonNode {
  const node: JsonNode = { kind: 'word', key, text: '', children: [], parent, index, lines: 1 };
  if (depth > DEEPEST) throw new JsonError(reader.at);
  if (reader.string !== '') return { ...node, kind: 'string', text: reader.string };
  if (reader.number !== '') return { ...node, kind: 'number', text: reader.number };
  if (reader.word !== '') return { ...node, text: reader.word };
  if (reader.mark === '{') return composed(reader, { ...node, kind: 'object' }, '}', depth);
  if (reader.mark === '[') return composed(reader, { ...node, kind: 'array' }, ']', depth);
  throw new JsonError(reader.at - 1);
}

function composed(reader: Reader, node: JsonNode, end: string, depth: number): JsonNode {
  next(reader);
  while (reader.mark !== end) {
    if (node.children.length > 0) {
      if (reader.mark !== ',') throw new JsonError(reader.at - 1);
      next(reader);
    }
    const key = node.kind === 'object' ? name(reader) : '';
    const child = value(reader, key, node, node.children.length, depth + 1);
    node.children.push(child);
    node.lines += child.lines;
    next(reader);
  }
  if (node.children.length > 0) node.lines++; // the closing line
  return node;
}

function name(reader: Reader): string {
  const key = reader.string;
  if (key === '') throw new JsonError(reader.at - 1);
  next(reader);
  if (reader.mark !== ':') throw new JsonError(reader.at - 1);
  next(reader);
  return key;
}

/** Where a node stands: "$.items[0].price". */
export function pathOf(node: JsonNode): string {
  if (!node.parent) return '$';
  const above = pathOf(node.parent);
  if (node.parent.kind === 'array') return `${above}[${node.index}]`;
  const plain = node.key.slice(1, -1);
  return /^[A-Za-z_$][\w$]*$/.test(plain) ? `${above}.${plain}` : `${above}[${node.key}]`;
}

/** The node as JSON text, indented by two. */
export function printJson(node: JsonNode, indent = ''): string {
  const key = node.key === '' ? '' : `${node.key}: `;
  if (node.kind !== 'object' && node.kind !== 'array') return indent + key + node.text;
  const [open, close] = node.kind === 'object' ? ['{', '}'] : ['[', ']'];
  if (node.children.length === 0) return indent + key + open + close;
  const inner = node.children.map((child) => printJson(child, `${indent}  `)).join(',\n');
  return `${indent}${key}${open}\n${inner}\n${indent}${close}`;
}

/** What is copied of a node: its value alone; of a string its text. */
export function valueOf(node: JsonNode): string {
  if (node.kind === 'string') return JSON.parse(node.text) as string;
  return printJson({ ...node, key: '' });
}
