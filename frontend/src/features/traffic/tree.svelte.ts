import type { JsonNode } from './json';

/** What a stretch of a line is, for its colour. */
export type Tint = 'key' | 'string' | 'number' | 'word' | 'mark' | 'dim';

export interface Stretch {
  tint: Tint;
  text: string;
}

/** One line of the tree as it is shown. */
export interface TreeLine {
  node: JsonNode;
  depth: number;
  /** Of the whole text, from 1. */
  number: number;
  part: 'open' | 'close' | 'folded' | 'leaf';
}

const ALL_OPEN = 120; // lines up to which everything is shown unfolded
const PREVIEW = 52; // characters of what a folded node shows of itself

/** A JSON document, folded here and there. */
export class Tree {
  readonly root: JsonNode;
  #folded: ReadonlySet<JsonNode> = $state.raw(new Set<JsonNode>());
  readonly lines: TreeLine[] = $derived.by(() => flat(this.root, this.#folded));
  /** The line that keys act from. */
  cursor = $state(0);

  constructor(root: JsonNode) {
    this.root = root;
    this.#folded = firstFolds(root);
  }

  get current(): JsonNode {
    return this.lines[Math.min(this.cursor, this.lines.length - 1)]?.node ?? this.root;
  }

  isFolded(node: JsonNode): boolean {
    return this.#folded.has(node);
  }

  fold(node: JsonNode, yes: boolean): void {
    if (node.children.length === 0) return;
    const next = new Set(this.#folded);
    if (yes) next.add(node);
    else next.delete(node);
    this.#folded = next;
    this.goTo(node);
  }

  /** Folds or unfolds everything below the root. */
  foldAll(yes: boolean): void {
    const next = new Set<JsonNode>();
    if (yes) for (const node of nodes(this.root)) if (node !== this.root && node.children.length > 0) next.add(node);
    const at = this.current;
    this.#folded = next;
    this.goTo(at);
  }

  move(by: number): void {
    this.cursor = Math.max(0, Math.min(this.lines.length - 1, this.cursor + by));
  }

  /** Unfolds, or goes to the first child. */
  inward(): void {
    const node = this.current;
    if (this.isFolded(node)) this.fold(node, false);
    else if (node.children.length > 0 && this.lines[this.cursor]?.part === 'open') this.move(1);
  }

  /** Folds, or goes to the parent. */
  outward(): void {
    const node = this.current;
    if (node.children.length > 0 && !this.isFolded(node)) this.fold(node, true);
    else if (node.parent) this.goTo(node.parent);
  }

  /** Puts the cursor on a node; what it is folded away in is unfolded. */
  goTo(node: JsonNode): void {
    const above: JsonNode[] = [];
    for (let up = node.parent; up; up = up.parent) above.push(up);
    if (above.some((one) => this.#folded.has(one))) {
      const next = new Set(this.#folded);
      for (const one of above) next.delete(one);
      this.#folded = next;
    }
    const at = this.lines.findIndex((line) => line.node === node);
    if (at >= 0) this.cursor = at;
  }

  /** The nodes whose name or value holds the text, in order. */
  find(text: string): JsonNode[] {
    const wanted = text.toLowerCase();
    if (wanted === '') return [];
    return nodes(this.root).filter((node) => node.key.toLowerCase().includes(wanted) || node.text.toLowerCase().includes(wanted));
  }
}

/** A line as coloured stretches, without its indent. */
export function stretches({ node, part }: TreeLine): Stretch[] {
  const [open, close] = node.kind === 'object' ? ['{', '}'] : ['[', ']'];
  const comma = node.parent && node.index < node.parent.children.length - 1 ? ',' : '';
  if (part === 'close') return [{ tint: 'mark', text: close + comma }];
  const head = named(node);
  if (part === 'open') return [...head, { tint: 'mark', text: open }, ...(node.kind === 'array' ? [{ tint: 'dim', text: ` ${node.children.length}` } as const] : [])];
  if (part === 'leaf' && node.kind !== 'object' && node.kind !== 'array') return [...head, scalar(node), ...marked(comma)];
  return [...head, ...preview(node), ...marked(comma)];
}

function marked(text: string): Stretch[] {
  return text === '' ? [] : [{ tint: 'mark', text }];
}

function named(node: JsonNode): Stretch[] {
  return node.key === '' ? [] : [{ tint: 'key', text: node.key }, { tint: 'mark', text: ': ' }];
}

function scalar(node: JsonNode): Stretch {
  const tint = node.kind === 'string' ? 'string' : node.kind === 'number' ? 'number' : 'word';
  return { tint, text: node.text };
}

/** What a folded node shows of itself: its first children, as far as there is room. */
function preview(node: JsonNode): Stretch[] {
  const out: Stretch[] = [];
  let room = PREVIEW;
  const put = (stretch: Stretch) => {
    out.push(stretch);
    room -= stretch.text.length;
  };
  const write = (one: JsonNode): void => {
    if (one.kind !== 'object' && one.kind !== 'array') {
      put(scalar(one));
      return;
    }
    const [open, close] = one.kind === 'object' ? ['{', '}'] : ['[', ']'];
    if (one.children.length === 0) return put({ tint: 'mark', text: open + close });
    put({ tint: 'mark', text: `${open} ` });
    for (const child of one.children) {
      if (room <= 0) {
        put({ tint: 'dim', text: '… ' });
        break;
      }
      for (const stretch of named(child)) put(stretch);
      write(child);
      put({ tint: 'mark', text: child.index < one.children.length - 1 ? ', ' : ' ' });
    }
    put({ tint: 'mark', text: close });
  };
  write(node);
  return out;
}

function flat(root: JsonNode, folded: ReadonlySet<JsonNode>): TreeLine[] {
  const lines: TreeLine[] = [];
  const walk = (node: JsonNode, depth: number, number: number): void => {
    if (node.children.length === 0) {
      lines.push({ node, depth, number, part: 'leaf' });
      return;
    }
    if (folded.has(node)) {
      lines.push({ node, depth, number, part: 'folded' });
      return;
    }
    lines.push({ node, depth, number, part: 'open' });
    let at = number + 1;
    for (const child of node.children) {
      walk(child, depth + 1, at);
      at += child.lines;
    }
    lines.push({ node, depth, number: at, part: 'close' });
  };
  walk(root, 0, 1);
  return lines;
}

/** A long document begins with one example of each list unfolded, and not too deep. */
function firstFolds(root: JsonNode): Set<JsonNode> {
  const folded = new Set<JsonNode>();
  if (root.lines <= ALL_OPEN) return folded;
  const walk = (node: JsonNode, depth: number): void => {
    if (node.children.length === 0) return;
    const repeated = node.parent?.kind === 'array' && node.index > 0;
    if (depth > 0 && (repeated || depth > 5)) folded.add(node);
    for (const child of node.children) walk(child, depth + 1);
  };
  walk(root, 0);
  return folded;
}

function nodes(root: JsonNode): JsonNode[] {
  const all: JsonNode[] = [];
  const walk = (node: JsonNode): void => {
    all.push(node);
    for (const child of node.children) walk(child);
  };
  walk(root);
  return all;
}
