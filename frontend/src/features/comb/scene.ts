// What the comb draws: the cells of a route from the client to the targets, with their figures, or
// with what they did to one exchange.

import type { Catalogue, Cell, Document, Exchange, Figure, Figures, Module, Problem, Route, Step } from '../../api/backend';
import type { CellRef } from './draft';
import { fan, nth, wave } from './geometry';
import { blank, perSecond, type Hex } from './hex';
import { unverified } from './pools';
import { addressOf, liveTargets, shortAddress, targetsOf } from './targets';

/** The path, then the targets beside its end. */
export interface Scene {
  path: Hex[];
  targets: Hex[];
  left: number[]; // exchanges a second that go on after each cell of the path
  end: number; // the last cell of the path that was reached
  answered: string; // what stands on the flag over the end; '' for none
}

/** What a scene is made from. */
export interface Material {
  document: Document;
  catalogue: Catalogue;
  route: Route | null; // null: forward exchanges that no route takes
  figures: Figures | null;
  problems: Problem[];
  edited: (ref: CellRef) => boolean;
  exchange: Exchange | null;
  now: () => number; // milliseconds of Unix; asked where something is told by how long it lasts
  listener: string; // the first address that is bound; "" while none is
}

/** A stage for people: "Identify". */
export const stageTitle = (stage: string) => stage.charAt(0).toUpperCase() + stage.slice(1);

/** The name of a cell in figures and trails. */
export const figureName = (ref: CellRef) => `${ref.route === '' ? 'common' : ref.route}/${ref.id}`;

export function scene(m: Material): Scene {
  const hexes = m.exchange === null ? live(m) : overlay(m, m.exchange);
  const count = hexes.filter((h) => h.kind !== 'target').length;
  const places = wave(count);
  const path = hexes.filter((h) => h.kind !== 'target').map((h, i) => ({ ...h, ...nth(places, i) }));
  const beside = hexes.filter((h) => h.kind === 'target');
  const spots = fan(places, beside.length);
  const targets = beside.map((h, i) => ({ ...h, ...nth(spots, i) }));
  const end = m.exchange === null ? path.length - 1 : Math.max(0, path.findLastIndex((h) => h.look !== 'unreached' && h.look !== 'off'));
  return { path, targets, left: path.map((_, i) => nth(path, Math.min(i + 1, path.length - 1)).rate), end, answered: m.exchange === null ? '' : flag(m.exchange) };
}

function cellsWithRefs({ document, route }: Material): { cell: Cell; ref: CellRef }[] {
  const refs = (of: string, cells: Cell[]) => cells.map((cell) => ({ cell, ref: { route: of, id: cell.id } }));
  return [...refs('', document.cells), ...(route === null ? [] : refs(route.name, route.cells))];
}

function live(m: Material): Hex[] {
  const figures = new Map((m.figures?.cells ?? []).map((f) => [f.cell, f]));
  const rate = m.figures?.routes.find((r) => r.route === (m.route?.name ?? ''))?.rate ?? 0;
  const clients = m.figures?.clients ?? 0;
  const all: Hex[] = [
    { ...blank('client', 'client', 'Clients'), icon: 'laptop', figure: `${clients} connected`, rate },
    { ...blank('listener', 'listener', portOf(m)), icon: 'plug', wire: true, figure: perSecond(rate), rate },
    ...cellsWithRefs(m).map(({ cell, ref }) => liveCell(m, cell, ref, figures.get(figureName(ref)))),
  ];
  return [...all, ...livePool(m, figures)];
}

function liveCell(m: Material, cell: Cell, ref: CellRef, f: Figure | undefined): Hex {
  const module = m.catalogue.modules.find((x) => x.name === cell.use);
  const bad = problemOf(m, ref);
  const hex: Hex = {
    ...blank(figureName(ref), 'cell', module?.title ?? cell.use), ref, icon: module?.icon ?? 'circle-help', stage: module?.stage ?? 'edge',
    share: f?.share ?? 0, rate: f?.rate ?? 0, edited: m.edited(ref), figure: cell.off ? 'off' : figureText(module, f), ...(cell.off ? {} : moodOf(m, figureName(ref))),
  };
  hex.look = bad !== undefined ? 'error' : cell.off ? 'off' : hex.rate * hex.share > 0 ? 'acting' : 'on';
  if (bad !== undefined) hex.figure = 'needs attention';
  return hex;
}

function livePool(m: Material, figures: Map<string, Figure>): Hex[] {
  if (m.route !== null && m.route.to === '') {
    return [{ ...blank('end', 'end', 'End'), icon: 'circle-stop', figure: 'answered before' }];
  }
  const name = m.route?.to ?? '';
  const rate = figures.get(`upstream/${name}`)?.rate ?? 0;
  const missing = m.route !== null && !m.document.upstreams.some((u) => u.name === name);
  const pool: Hex = {
    ...blank(`upstream/${name}`, 'pool', m.route === null ? 'Anywhere' : name), icon: m.route === null ? 'globe' : 'share-2', stage: 'balance',
    figure: missing ? 'no such pool' : m.route === null ? 'where they ask' : `pool, ${perSecond(rate)}`,
    share: rate > 0 ? 1 : 0, rate, look: missing ? 'error' : 'on', unverified: unverified(m.document, name), ...moodOf(m, `upstream/${name}`),
  };
  if (m.route === null) return [pool];
  const running = m.figures?.pools.find((p) => p.pool === name);
  return [pool, ...liveTargets({ document: m.document, pool: name, figures, running, rate, now: m.now })];
}

/** What a running cell says of itself, in brief. */
function moodOf(m: Material, cell: string): Pick<Hex, 'mood' | 'level'> {
  const mood = m.figures?.states.find((one) => one.cell === cell);
  return { mood: mood?.summary ?? '', level: mood?.level ?? 'calm' };
}

/** As bound: the document may leave the choice of the port to the system. */
const portOf = (m: Material) => `:${(m.listener || m.document.listen[0]?.address || '?').split(':').at(-1)}`;

function problemOf(m: Material, ref: CellRef): Problem | undefined {
  return m.problems.find((p) => p.where.startsWith(`${placeOf(m.document, ref)}.`) || p.where === placeOf(m.document, ref));
}

/** The path of a cell as the backend names places: "routes.shop-api.cells.2". */
export function placeOf(doc: Document, ref: CellRef): string {
  const cells = ref.route === '' ? doc.cells : (doc.routes.find((r) => r.name === ref.route)?.cells ?? []);
  const nth = cells.findIndex((c) => c.id === ref.id) + 1; // counted from 1, as people count
  return ref.route === '' ? `cells.${nth}` : `routes.${ref.route}.cells.${nth}`;
}

function figureText(module: Module | undefined, f: Figure | undefined): string {
  if (f === undefined || f.seen === 0) return 'no traffic yet';
  const word = module?.figure ?? 'acted';
  if (f.rate === 0) return `${count(f.acted)} ${word}`;
  if (f.share === 0) return `${perSecond(f.rate)} pass`;
  return f.share >= 0.995 ? `${perSecond(f.rate)} ${word}` : `${percent(f.share)} ${word}`;
}

const count = (n: number) => n.toLocaleString('en');
const percent = (n: number) => `${(n * 100).toFixed(n < 0.1 ? 1 : 0)} %`;

/** The same hexes, with what each did to one exchange. */
function overlay(m: Material, x: Exchange): Hex[] {
  const steps = new Map(x.steps.map((s) => [s.cell, s]));
  const all: Hex[] = [
    { ...blank('client', 'client', 'Client'), icon: 'laptop', figure: x.row.replayOf > 0 ? 'replayed here' : x.client.replace(/:\d+$/, ''), look: 'passed', rate: 1 },
    { ...blank('listener', 'listener', portOf(m)), icon: 'plug', wire: true, figure: x.clientConnection.alpn || x.request.proto, look: 'passed', rate: 1 },
    ...cellsWithRefs(m).map(({ cell, ref }) => laidOver(m, cell, ref, steps.get(figureName(ref)))),
  ];
  if (m.route !== null && m.route.to === '') return all;
  const name = m.route?.to ?? '';
  const step = steps.get(`upstream/${name}`);
  const pool: Hex = {
    ...blank(`upstream/${name}`, 'pool', m.route === null ? 'Anywhere' : name), icon: m.route === null ? 'globe' : 'share-2', stage: 'balance',
    ...told(step), unverified: step?.facts.some((f) => f.name === 'certificate' && f.value === 'not verified') ?? false,
  };
  const targets = m.route === null ? [] : targetsOf(m.document, name).map((url) => ({
    ...blank(`target/${url}`, 'target' as const, shortAddress(addressOf(url))), icon: 'server', stage: 'balance', wire: true,
    ...(step !== undefined && x.sentTo === addressOf(url)
      ? { look: 'acted' as const, figure: 'asked', rate: 1 }
      : { look: 'unreached' as const, figure: 'not asked' }),
  }));
  return [...all, pool, ...targets];
}

function laidOver(m: Material, cell: Cell, ref: CellRef, step: Step | undefined): Hex {
  const module = m.catalogue.modules.find((x) => x.name === cell.use);
  return {
    ...blank(figureName(ref), 'cell', module?.title ?? cell.use), ref, icon: module?.icon ?? 'circle-help', stage: module?.stage ?? 'edge',
    ...(cell.off && (step === undefined || step.verdict === 'skipped') ? { look: 'off' as const, figure: 'off' } : told(step)),
  };
}

function told(step: Step | undefined): Partial<Hex> {
  if (step === undefined) return { look: 'unreached', figure: 'not reached' };
  const time = timeOf(step);
  switch (step.verdict) {
    case 'skipped':
      return { look: 'skipped', figure: 'skipped', rate: 1 };
    case 'failed':
      return { look: 'error', figure: 'failed', verdict: 'failed', time, rate: 1 };
    case 'passed':
      return { look: 'passed', figure: 'passed', verdict: 'passed', time, rate: 1 };
    case 'answered':
      return { look: 'answered', verdict: step.facts[0]?.value ?? 'answered', time, rate: 1 };
  }
  return { look: 'acted', verdict: step.verdict, time, rate: 1 };
}

/** What a cell took, both ways: "3 µs", "47.10 ms". */
export function timeOf(step: Step): string {
  const nanos = step.before + step.after;
  return nanos < 1e6 ? `${Math.round(nanos / 1e3)} µs` : `${(nanos / 1e6).toFixed(2)} ms`;
}

function flag(x: Exchange): string {
  if (x.problem !== null) return x.response === null ? 'Ended here' : `Ended here, ${x.row.status}`;
  return x.row.status === 0 ? 'Still here' : `Answered here, ${x.row.status}`;
}
