import type { Backend, Catalogue, Checked, Config, Document, Exchange, Explained, Latency, Place, PoolFigure, Problem, RouteAnswer, Row } from '../../api/backend';
import { Failure } from '../../api/backend';
import { latencyOf } from '../../api/latency';
import type { Live } from '../../api/live.svelte';
import type { Memory } from '../../api/memory.svelte';
import type { Action, Shortcut } from '../../ui/action';
import type { Toasts } from '../../ui/toasts.svelte';
import { Acting } from './acting.svelte';
import { Clock } from './clock.svelte';
import * as draft from './draft';
import type { CellRef } from './draft';
import type { Hex } from './hex';
import { Now } from './now.svelte';
import { placeOf, scene, type Scene } from './scene';

export interface Links {
  openExchange(seq: number): void;
  show(): void; // brings the comb to the front
}

/** Forward exchanges that no route takes. */
export const DIRECT = '';
const CHECK_AFTER = 250; // ms without a keystroke
const LAST = 6; // exchanges shown beside a cell

/** What the panel at the right is about: a cell, the pool, or the route itself. */
export type Subject = { kind: 'route' } | { kind: 'cell'; ref: CellRef } | { kind: 'pool' };

/**
 * The state of the comb: the configuration in force, the draft over it with undo and redo, what the
 * backend says of the draft, and what is selected.
 */
export class Comb {
  config = $state.raw<Config | null>(null);
  catalogue = $state.raw<Catalogue>({ modules: [], upstream: [], capture: [], forward: [], limits: [], tls: [] });
  failed = $state<string | null>(null); // why nothing could be loaded

  /** The draft; null where nothing is changed. */
  private edited = $state.raw<Document | null>(null);
  private past = $state.raw<(Document | null)[]>([]);
  private future = $state.raw<(Document | null)[]>([]);
  /** The configuration changed under the draft. */
  stale = $state(false);
  applying = $state(false);
  checked = $state.raw<Checked | null>(null);

  routeName = $state<string>(DIRECT);
  subject = $state.raw<Subject>({ kind: 'route' });
  /** Where the next module of the palette goes: an index among the route's own cells. */
  insertAt = $state<number | null>(null);
  view = $state<'grid' | 'toml'>('grid');
  /** The modules to choose from are in sight. */
  paletteOpen = $state(true);
  diffOpen = $state(false);
  /** The exchange laid over the comb. */
  exchange = $state.raw<Exchange | null>(null);

  probeText = $state('');
  probeAnswer = $state.raw<RouteAnswer | null>(null);
  probeError = $state<string | null>(null);
  last = $state.raw<Row[]>([]);

  readonly clock = new Clock();
  readonly now: Now;
  readonly acting: Acting;

  private begun = false; // a route was chosen, if only by the first load
  private checkTimer: ReturnType<typeof setTimeout> | undefined;
  private checks = 0;
  /** Takes away the toast that offers to undo the last edit: another edit would be undone by it. */
  private takenBack: () => void = () => undefined;

  constructor(private readonly o: { backend: Backend; live: Live; toasts: Toasts; links: Links; memory?: Memory }) {
    this.paletteOpen = o.memory?.get('comb.palette') !== 'closed';
    this.now = new Now(o.backend);
    this.acting = new Acting(o.backend, o.toasts, () => void this.now.ask());
    o.live.onNews((news) => {
      if (news.revision !== '' && news.revision !== this.config?.revision) void this.reload();
      else if (news.reset && (this.failed !== null || this.config !== null)) void this.load();
      if (news.reset) this.last = [];
    });
  }

  readonly document = $derived(this.edited ?? this.config?.document ?? null);
  readonly changes = $derived(
    this.edited === null || this.config === null ? [] : draft.changes(this.config.document, this.edited),
  );
  readonly problems: Problem[] = $derived(this.edited === null ? [] : (this.checked?.problems ?? []));
  readonly route = $derived(this.document?.routes.find((r) => r.name === this.routeName) ?? null);
  readonly canUndo = $derived(this.past.length > 0);
  readonly canRedo = $derived(this.future.length > 0);
  readonly cell = $derived(
    this.subject.kind === 'cell' && this.document !== null ? (draft.findCell(this.document, this.subject.ref) ?? null) : null,
  );
  readonly text = $derived(this.edited === null ? (this.config?.text ?? '') : (this.checked?.text || (this.config?.text ?? '')));

  readonly scene: Scene | null = $derived.by(() => {
    if (this.document === null) return null;
    return scene({
      document: this.document, catalogue: this.catalogue, route: this.route, figures: this.o.live.figures,
      problems: this.problems, edited: (ref) => this.isEdited(ref), exchange: this.exchange, now: () => this.clock.now,
      listener: this.o.live.status?.listeners.find((l) => l.problem === '')?.address ?? '',
    });
  });

  /** Loads what the page shows; called when it is first seen. */
  async load(): Promise<void> {
    try {
      this.catalogue = await this.o.backend.catalogue();
      await this.reload();
      if (!this.begun && this.config !== null) this.selectRoute(this.firstRoute());
    } catch (e) {
      this.missed(e);
    }
  }

  /** What was loaded before stays in sight: the banner over every page says that it is old. */
  private missed(e: unknown): void {
    if (this.config === null) this.failed = words(e);
  }

  /** The route that was looked at last, or the first one. */
  private firstRoute(): string {
    const routes = this.config?.document.routes ?? [];
    const kept = this.o.memory?.get('comb');
    return routes.find((r) => r.name === kept)?.name ?? routes[0]?.name ?? DIRECT;
  }

  private async reload(): Promise<void> {
    try {
      const config = await this.o.backend.config();
      this.stale = this.edited !== null && this.config !== null && config.revision !== this.config.revision;
      this.config = config;
      this.failed = null;
      this.keepSelection();
    } catch (e) {
      this.missed(e);
    }
  }

  private keepSelection(): void {
    const doc = this.document;
    if (doc === null) return;
    if (this.routeName !== DIRECT && !doc.routes.some((r) => r.name === this.routeName)) {
      this.selectRoute(doc.routes[0]?.name ?? DIRECT);
    } else if (this.subject.kind === 'cell' && draft.findCell(doc, this.subject.ref) === undefined) {
      this.subject = { kind: 'route' };
    }
  }

  // Selecting.

  selectRoute(name: string): void {
    this.begun = true;
    this.o.memory?.set('comb', name);
    this.routeName = name;
    this.subject = { kind: 'route' };
    this.insertAt = null;
    this.last = [];
    if (this.exchange !== null && this.exchange.row.route !== name) this.exchange = null;
  }

  select(hex: Hex): void {
    this.insertAt = null;
    if (hex.ref !== null) {
      this.subject = { kind: 'cell', ref: hex.ref };
      void this.loadLast();
    } else {
      this.subject = hex.kind === 'pool' || hex.kind === 'target' ? { kind: 'pool' } : { kind: 'route' };
    }
  }

  isSelected(hex: Hex): boolean {
    if (hex.ref !== null) return this.subject.kind === 'cell' && draft.sameRef(this.subject.ref, hex.ref);
    return this.subject.kind === 'pool' && hex.kind === 'pool' && this.route !== null;
  }

  /** Opens the place of a cell, as "Mock this" names it. */
  async openCell(place: Place): Promise<void> {
    this.o.links.show();
    if (this.config?.revision !== place.revision) await (this.config === null ? this.load() : this.reload());
    this.exchange = null;
    this.selectRoute(place.route);
    this.subject = { kind: 'cell', ref: { route: place.route, id: place.cell } };
    void this.loadLast();
  }

  /** Lays an exchange over the comb of the route it took. */
  async showTrail(exchange: Exchange): Promise<void> {
    this.begun = true;
    this.o.links.show();
    if (this.config === null) await this.load();
    this.routeName = this.document?.routes.some((r) => r.name === exchange.row.route) ? exchange.row.route : DIRECT;
    this.subject = { kind: 'route' };
    this.view = 'grid';
    this.exchange = exchange;
  }

  togglePalette(): void {
    this.paletteOpen = !this.paletteOpen;
    this.o.memory?.set('comb.palette', this.paletteOpen ? '' : 'closed');
  }

  closeTrail(): void {
    this.exchange = null;
  }

  // Editing. Every edit goes through here, so that each can be undone.

  private edit(next: Document): void {
    if (next === this.document || this.config === null) return;
    this.past = [...this.past.slice(-99), this.edited];
    this.future = [];
    this.put(next);
  }

  private put(next: Document | null): void {
    const same = next !== null && this.config !== null && draft.changes(this.config.document, next).length === 0;
    this.edited = same ? null : next;
    this.exchange = null;
    this.takenBack();
    this.keepSelection();
    clearTimeout(this.checkTimer);
    if (this.edited === null) {
      this.checked = null;
      this.stale = false;
      return;
    }
    this.checkTimer = setTimeout(() => void this.check(), CHECK_AFTER);
  }

  async check(): Promise<void> {
    const doc = this.edited;
    if (doc === null) return;
    const turn = ++this.checks;
    try {
      const checked = await this.o.backend.check(doc);
      if (turn === this.checks) this.checked = checked;
    } catch (e) {
      this.o.toasts.show(words(e), { tone: 'bad' });
    }
  }

  undo(): void {
    const before = this.past.at(-1);
    if (before === undefined) return;
    this.past = this.past.slice(0, -1);
    this.future = [...this.future, this.edited];
    this.put(before);
  }

  redo(): void {
    const next = this.future.at(-1);
    if (next === undefined) return;
    this.future = this.future.slice(0, -1);
    this.past = [...this.past, this.edited];
    this.put(next);
  }

  discard(): void {
    if (this.edited === null) return;
    this.past = [...this.past, this.edited];
    this.future = [];
    this.put(null);
    this.offerUndo('Changes discarded');
  }

  private offerUndo(text: string): void {
    this.takenBack = this.o.toasts.show(text, { action: { label: 'Undo', run: () => this.undo() } });
  }

  async apply(): Promise<void> {
    if (this.edited === null || this.config === null || this.applying) return;
    this.applying = true;
    try {
      const n = this.changes.length;
      this.config = await this.o.backend.apply({ base: this.config.revision, document: this.edited });
      this.edited = null;
      this.past = [];
      this.future = [];
      this.checked = null;
      this.stale = false;
      this.takenBack();
      this.keepSelection();
      this.o.toasts.show(n === 1 ? 'Applied 1 change' : `Applied ${n} changes`);
    } catch (e) {
      await this.check();
      this.o.toasts.show(words(e), { tone: 'bad' });
    } finally {
      this.applying = false;
    }
  }

  setCell(part: Parameters<typeof draft.changeCell>[2]): void {
    if (this.document !== null && this.subject.kind === 'cell') this.edit(draft.changeCell(this.document, this.subject.ref, part));
  }

  toggle(ref: CellRef): void {
    if (this.document === null) return;
    const cell = draft.findCell(this.document, ref);
    if (cell) this.edit(draft.changeCell(this.document, ref, { off: !cell.off }));
  }

  insert(use: string): void {
    if (this.document === null) return;
    const cells = draft.cellsOf(this.document, this.routeName);
    let index = this.insertAt ?? cells.length;
    if (this.insertAt === null && this.subject.kind === 'cell' && this.subject.ref.route === this.routeName) {
      const ref = this.subject.ref;
      index = cells.findIndex((c) => c.id === ref.id) + 1;
    }
    const [next, ref] = draft.insertCell(this.document, this.routeName, index, use);
    this.edit(next);
    this.insertAt = null;
    this.subject = { kind: 'cell', ref };
  }

  remove(ref: CellRef): void {
    if (this.document === null) return;
    this.edit(draft.removeCell(this.document, ref));
    this.offerUndo(`Removed ${ref.id}`);
  }

  move(ref: CellRef, step: number): void {
    if (this.document !== null) this.edit(draft.moveCell(this.document, ref, step));
  }

  addRoute(): void {
    if (this.document === null) return;
    const [next, name] = draft.addRoute(this.document);
    this.edit(next);
    this.selectRoute(name);
  }

  moveRoute(name: string, step: number): void {
    if (this.document !== null) this.edit(draft.moveRoute(this.document, name, step));
  }

  removeRoute(name: string): void {
    if (this.document === null) return;
    this.edit(draft.removeRoute(this.document, name));
    this.offerUndo(`Removed ${name}`);
  }

  setRoute(part: Parameters<typeof draft.changeRoute>[2]): void {
    if (this.document === null) return;
    const name = this.routeName;
    const next = draft.changeRoute(this.document, name, part);
    if (part.name !== undefined) this.routeName = part.name;
    this.edit(next);
  }

  setPool(settings: Record<string, unknown>): void {
    if (this.document !== null && this.route !== null) this.edit(draft.changeUpstream(this.document, this.route.to, settings));
  }

  isEdited(ref: CellRef): boolean {
    if (this.edited === null || this.config === null) return false;
    return JSON.stringify(draft.findCell(this.config.document, ref)) !== JSON.stringify(draft.findCell(this.edited, ref));
  }

  /** What is wrong in a part of the draft, by the name of the field. */
  problemsAt(place: string): Record<string, string> {
    const out: Record<string, string> = {};
    for (const p of this.problems) {
      if (p.where === place) out[''] = p.message;
      if (!p.where.startsWith(`${place}.`)) continue;
      const field = /^[^.[]*/.exec(p.where.slice(place.length + 1))?.[0] ?? '';
      out[field] = p.message;
    }
    return out;
  }

  /** Exchanges that a route took since the start. */
  routeCount(name: string): number {
    return this.o.live.figures?.routes.find((r) => r.route === name)?.seen ?? 0;
  }

  /** What a pool has of connections; undefined before the first figures. */
  poolFigure(name: string): PoolFigure | undefined {
    return this.o.live.figures?.pools.find((p) => p.pool === name);
  }

  /** How long exchanges took at a cell, a pool or a route, by its name among the latencies. */
  latency(name: string): Latency | undefined {
    return latencyOf(this.o.live.figures, name);
  }

  /** Whether figures have come yet. */
  get counted(): boolean {
    return this.o.live.figures !== null;
  }

  cellPlace(ref: CellRef): string {
    return this.document === null ? '' : placeOf(this.document, ref);
  }

  explain(ref: CellRef): string {
    const all: Explained[] = (this.edited === null ? null : this.checked?.explain) ?? this.config?.explain ?? [];
    return all.find((e) => e.route === ref.route && e.cell === ref.id)?.sentence ?? '';
  }

  // Asking.

  async probe(): Promise<void> {
    const text = this.probeText.trim();
    this.probeError = null;
    if (/^[A-Z]*$/.test(text)) { // nothing yet, or the method of what is being written
      this.probeAnswer = null;
      return;
    }
    const space = text.search(/\s/);
    const method = space < 0 ? 'GET' : text.slice(0, space).toUpperCase();
    const url = text.slice(space + 1).trim();
    try {
      this.probeAnswer = await this.o.backend.probe({ method, url });
    } catch (e) {
      this.probeAnswer = null;
      this.probeError = words(e);
    }
  }

  /** The last exchanges of the route, for the panel of a cell. */
  async loadLast(): Promise<void> {
    if (this.routeName === DIRECT) return;
    const filter = `route = "${this.routeName.replaceAll('"', '\\"')}"`;
    try {
      const { matching } = await this.o.backend.exchanges({ filter, after: 0, skip: 0, limit: 1, count: true });
      const page = await this.o.backend.exchanges({ filter, after: 0, skip: Math.max(0, matching - LAST), limit: LAST, count: false });
      this.last = page.rows.toReversed();
    } catch {
      this.last = []; // a convenience: the traffic page tells what is wrong with the store
    }
  }

  openExchange(seq: number): void {
    this.o.links.openExchange(seq);
  }

  copy(text: string): void {
    void this.o.backend.copy(text).then(() => this.o.toasts.show('Copied'), (e: unknown) => this.o.toasts.show(words(e), { tone: 'bad' }));
  }

  readonly actions: Action[] = [
    { id: 'comb.apply', title: 'Apply changes', group: 'Comb', keys: 'mod+s', enabled: () => this.edited !== null, run: () => void this.apply() },
    { id: 'comb.undo', title: 'Undo the last edit', group: 'Comb', keys: 'mod+z', enabled: () => this.canUndo, run: () => this.undo() },
    { id: 'comb.redo', title: 'Redo', group: 'Comb', keys: 'mod+shift+z', enabled: () => this.canRedo, run: () => this.redo() },
    { id: 'comb.discard', title: 'Discard changes', group: 'Comb', enabled: () => this.edited !== null, run: () => this.discard() },
    { id: 'comb.diff', title: 'Show the difference as TOML', group: 'Comb', enabled: () => this.edited !== null, run: () => { this.diffOpen = true; } },
    { id: 'comb.route', title: 'Add a route', group: 'Comb', enabled: () => this.document !== null, run: () => this.addRoute() },
    { id: 'comb.close', title: 'Close the exchange on the comb', group: 'Comb', keys: 'Escape', enabled: () => this.exchange !== null, run: () => this.closeTrail() },
  ];
}

const group = 'Comb';

/** What keys do on the comb, and in the list of routes. */
export const combShortcuts: Shortcut[] = [
  { title: 'Go along the comb', group, keys: ['ArrowLeft', 'ArrowRight'] },
  { title: 'Go to its beginning, to its end', group, keys: ['Home', 'End'] },
  { title: 'Show what the cell is set to', group, keys: ['Enter'] },
  { title: 'Switch the cell off or on', group, keys: [' '] },
  { title: 'Move the cell', group, keys: ['alt+ArrowLeft', 'alt+ArrowRight'] },
  { title: 'Put a module behind the cell', group, keys: ['+'] },
  { title: 'Remove the cell or the route', group, keys: ['Delete'] },
  { title: 'Move the route', group, keys: ['alt+ArrowUp', 'alt+ArrowDown'] },
];

const words = (e: unknown) => (e instanceof Failure || e instanceof Error ? e.message : String(e));
