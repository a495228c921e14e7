// A draft is a Document with edits. Each edit is a pure function from one document to the next.

import type { Cell, Document, Route, Settings, Upstream } from '../../api/backend';

/** Where a cell stands: '' names the cells that every route has in front. */
export interface CellRef {
  route: string;
  id: string;
}

export const sameRef = (a: CellRef | null, b: CellRef | null) => a?.route === b?.route && a?.id === b?.id;

export function cellsOf(doc: Document, route: string): Cell[] {
  return route === '' ? doc.cells : (doc.routes.find((r) => r.name === route)?.cells ?? []);
}

export function findCell(doc: Document, ref: CellRef): Cell | undefined {
  return cellsOf(doc, ref.route).find((c) => c.id === ref.id);
}

function withCells(doc: Document, route: string, change: (cells: Cell[]) => Cell[]): Document {
  if (route === '') return { ...doc, cells: change(doc.cells) };
  return { ...doc, routes: doc.routes.map((r) => (r.name === route ? { ...r, cells: change(r.cells) } : r)) };
}

export function changeCell(doc: Document, ref: CellRef, part: Partial<Cell>): Document {
  return withCells(doc, ref.route, (cells) => cells.map((c) => (c.id === ref.id ? { ...c, ...part } : c)));
}

/** A name for one more of `base` that none of `taken` has: "headers", "headers-2". */
export function free(base: string, taken: string[]): string {
  if (!taken.includes(base)) return base;
  let n = 2;
  while (taken.includes(`${base}-${n}`)) n++;
  return `${base}-${n}`;
}

/** Puts a new cell of a module at `index` and tells its id. */
export function insertCell(doc: Document, route: string, index: number, use: string): [Document, CellRef] {
  const id = free(use, cellsOf(doc, route).map((c) => c.id));
  const cell: Cell = { id, use, when: '', off: false, settings: {} };
  return [withCells(doc, route, (cells) => [...cells.slice(0, index), cell, ...cells.slice(index)]), { route, id }];
}

export function removeCell(doc: Document, ref: CellRef): Document {
  return withCells(doc, ref.route, (cells) => cells.filter((c) => c.id !== ref.id));
}

/** Moves a cell by `step` places among its own; at an end nothing changes. */
export function moveCell(doc: Document, ref: CellRef, step: number): Document {
  return withCells(doc, ref.route, (cells) => moved(cells, cells.findIndex((c) => c.id === ref.id), step));
}

export function moveRoute(doc: Document, name: string, step: number): Document {
  return { ...doc, routes: moved(doc.routes, doc.routes.findIndex((r) => r.name === name), step) };
}

function moved<T>(list: T[], from: number, step: number): T[] {
  const to = from + step;
  if (from < 0 || to < 0 || to >= list.length) return list;
  const next = [...list];
  next.splice(to, 0, ...next.splice(from, 1));
  return next;
}

export function changeRoute(doc: Document, name: string, part: Partial<Route>): Document {
  return { ...doc, routes: doc.routes.map((r) => (r.name === name ? { ...r, ...part } : r)) };
}

/** A route called "route" would be taken for a figure: that name is reserved. */
export function addRoute(doc: Document): [Document, string] {
  const name = free('new-route', doc.routes.map((r) => r.name));
  const route: Route = { name, when: `host = "${name}.localhost"`, to: doc.upstreams[0]?.name ?? '', off: false, lenient: [], cells: [] };
  return [{ ...doc, routes: [route, ...doc.routes] }, name];
}

export function removeRoute(doc: Document, name: string): Document {
  return { ...doc, routes: doc.routes.filter((r) => r.name !== name) };
}

export function changeUpstream(doc: Document, name: string, settings: Settings): Document {
  return { ...doc, upstreams: doc.upstreams.map((u) => (u.name === name ? { ...u, settings } : u)) };
}

/** What differs between two documents, one entry for each thing a person did. */
export function changes(was: Document, now: Document): string[] {
  return [
    ...(same(rest(was), rest(now)) ? [] : ['general']),
    ...named(was.upstreams, now.upstreams, (u) => u.name, upstreamChanges),
    ...cellChanges('', was.cells, now.cells),
    ...named(was.routes, now.routes, (r) => r.name, routeChanges),
    ...(order(was.routes, now.routes, (r) => r.name) ? ['routes'] : []),
  ];
}

const rest = (d: Document) => ({ ...d, upstreams: [], cells: [], routes: [] });

function named<T>(was: T[], now: T[], name: (t: T) => string, inside: (a: T, b: T) => string[]): string[] {
  const before = new Map(was.map((t) => [name(t), t]));
  const out = now.flatMap((t) => {
    const old = before.get(name(t));
    return old === undefined ? [name(t)] : inside(old, t);
  });
  const left = new Set(now.map(name));
  return [...out, ...was.filter((t) => !left.has(name(t))).map(name)];
}

const upstreamChanges = (a: Upstream, b: Upstream) => settingChanges(`upstreams.${b.name}`, a.settings, b.settings);

function routeChanges(a: Route, b: Route): string[] {
  const own = (['when', 'to', 'off', 'lenient'] as const).filter((k) => !same(a[k], b[k])).map((k) => `routes.${b.name}.${k}`);
  return [...own, ...cellChanges(b.name, a.cells, b.cells)];
}

function cellChanges(route: string, was: Cell[], now: Cell[]): string[] {
  const out = named(was, now, (c) => c.id, (a, b) => [
    ...(['use', 'when', 'off'] as const).filter((k) => a[k] !== b[k]).map((k) => `${route}/${b.id}.${k}`),
    ...settingChanges(`${route}/${b.id}`, a.settings, b.settings),
  ]);
  return order(was, now, (c) => c.id) ? [...out, `${route}/order`] : out;
}

/** The names of settings that differ. */
export function changedSettings(was: Settings, now: Settings): string[] {
  return [...new Set([...Object.keys(was), ...Object.keys(now)])].filter((k) => !same(was[k], now[k]));
}

function settingChanges(where: string, was: Settings, now: Settings): string[] {
  return changedSettings(was, now).map((k) => `${where}.${k}`);
}

function order<T>(was: T[], now: T[], name: (t: T) => string): boolean {
  const a = was.map(name);
  const b = now.map(name);
  return a.filter((n) => b.includes(n)).join('\n') !== b.filter((n) => a.includes(n)).join('\n');
}

const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
