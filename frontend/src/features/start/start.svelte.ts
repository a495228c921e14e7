import type { Backend, Config, Fronted, News, Port, Program, Row, TerminalLine } from '../../api/backend';
import { wordsOf } from '../../api/calls';
import type { Live } from '../../api/live.svelte';
import type { Action } from '../../ui/action';
import type { Toasts } from '../../ui/toasts.svelte';
import { frontsOf, without, type Front } from './fronts';

export interface StartLinks {
  openTraffic(): void;
  openExchange(seq: number): void;
  openRoute(name: string): void;
}

interface Options {
  backend: Backend;
  live: Live;
  toasts: Toasts;
  links: StartLinks;
}

const lookAgainMillis = 2_000;
const lastRows = 5;

/** The Start page: three ways to a first request, and what arrived by each. */
export class Start {
  /** Null until the first answer. */
  ports: Port[] | null = $state.raw(null);
  portsProblem = $state('');
  programs: Program[] | null = $state.raw(null);
  programsProblem = $state('');
  /** The target that is being put in front; "" for none. */
  busy = $state('');
  /** What was wrong with the address that was written. */
  addressProblem = $state('');
  line: TerminalLine | null = $state.raw(null);
  lineProblem = $state('');
  /** The terminal's line was copied, so its requests are awaited. */
  terminalAwaited = $state(false);
  /** Requests of programs that use the proxy, since the page was made: how many, and the newest. */
  captured: { count: number; last: Row | null } = $state.raw({ count: 0, last: null });
  /** The newest exchanges, newest first. */
  last: Row[] = $state.raw([]);

  /** Where the page was scrolled to, for when it is seen again. */
  scroll = 0;

  readonly live: Live;
  readonly links: StartLinks;
  readonly actions: Action[];
  readonly fronts: Map<number, Front>;

  #config: Config | null = $state.raw(null);
  /** Requests by route since the page was made, and the newest of each. */
  #byRoute: Map<string, { count: number; last: Row }> = $state.raw(new Map());
  /** Captured per awaited thing, while it is the only one: a program's id, or "terminal". */
  #byProgram: Map<string, number> = $state.raw(new Map());
  #seen = 0;
  /** The removal that can be taken back, as long as the configuration is the one after it. */
  #offer: { revision: string; forget: () => void } | null = null;
  /** When the page was made, in milliseconds of Unix. */
  readonly #made = Date.now();
  readonly #backend: Backend;
  readonly #toasts: Toasts;

  constructor({ backend, live, toasts, links }: Options) {
    this.#backend = backend;
    this.#toasts = toasts;
    this.live = live;
    this.links = links;
    this.fronts = $derived(this.#config ? frontsOf(this.#config.document, live.status?.proxyUrl ?? '') : new Map());
    live.onNews((news) => this.#hear(news));
    this.actions = this.#makeActions();
  }

  /** Looks at ports and programs now and every 2 s until the result is called: while the page is seen. */
  watch(): () => void {
    let over = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = async () => {
      if (!document.hidden) await Promise.all([this.#lookAtPorts(), this.#lookAtPrograms()]);
      if (!over) timer = setTimeout(() => void look(), lookAgainMillis);
    };
    void look();
    void this.#loadConfig();
    void this.#loadLast();
    return () => {
      over = true;
      clearTimeout(timer);
    };
  }

  /** Requests that came by a route: since the start of the proxy, and the newest known. */
  arrived(route: string): { count: number; last: Row | null } {
    const seen = this.live.figures?.routes.find((figure) => figure.route === route)?.seen ?? 0;
    const here = this.#byRoute.get(route);
    return { count: Math.max(seen, here?.count ?? 0), last: here?.last ?? null };
  }

  /** Requests that surely came from the program (or "terminal"). */
  requestsOf(id: string): number {
    return this.#byProgram.get(id) ?? 0;
  }

  async openNewest(route: string): Promise<void> {
    const known = this.#byRoute.get(route)?.last;
    if (known) return this.links.openExchange(known.seq);
    await this.#try(async () => {
      const filter = `route = ${JSON.stringify(route)}`;
      const { matching } = await this.#backend.exchanges({ filter, after: 0, skip: 0, limit: 1, count: true });
      const { rows } = await this.#backend.exchanges({ filter, after: 0, skip: Math.max(0, matching - 1), limit: 1, count: false });
      const [row] = rows;
      if (row) this.links.openExchange(row.seq);
      else this.links.openTraffic();
    });
  }

  /** Makes a route in front of "3000", "127.0.0.1:3000" or a URL. Tells whether it was made. */
  async putInFront(target: string): Promise<boolean> {
    this.busy = target;
    this.addressProblem = '';
    try {
      const before = this.#config?.document.routes.length ?? 0;
      const made = await this.#backend.putInFront(target);
      await this.#loadConfig();
      this.#told(made, (this.#config?.document.routes.length ?? 0) > before, this.#silent(made.route));
      return true;
    } catch (error) {
      this.addressProblem = wordsOf(error);
      return false;
    } finally {
      this.busy = '';
    }
  }

  /** Takes a front away, with a way back. */
  async remove(route: string): Promise<void> {
    await this.#try(async () => {
      const config = await this.#backend.config();
      this.#offer?.forget();
      const after = await this.#backend.apply({ base: config.revision, document: without(config.document, route) });
      this.#config = after;
      const forget = this.#toasts.show(`Route ${route} removed. Its exchanges are kept.`, {
        action: { label: 'Undo', run: () => void this.#putBack(after.revision, config) },
      });
      this.#offer = { revision: after.revision, forget };
    });
  }

  async launch(program: Program): Promise<void> {
    await this.#try(async () => {
      await this.#backend.launch(program.id);
      await this.#lookAtPrograms();
    });
  }

  async loadLine(shell: string): Promise<void> {
    try {
      this.line = await this.#backend.terminalLine(shell);
      this.lineProblem = '';
    } catch (error) {
      this.line = null;
      this.lineProblem = wordsOf(error);
    }
  }

  async copyLine(text: string): Promise<void> {
    await this.copy(text, 'The line');
    this.terminalAwaited = true;
  }

  async copy(text: string, what: string): Promise<void> {
    await this.#try(async () => {
      await this.#backend.copy(text);
      this.#toasts.show(`${what} is on the clipboard.`, { tone: 'ok' });
    });
  }

  async open(url: string): Promise<void> {
    await this.#try(() => this.#backend.openURL(url));
  }

  async exportAuthority(): Promise<void> {
    await this.#try(async () => {
      const file = await this.#backend.saveAuthority();
      if (file) this.#toasts.show(`Certificate saved as ${file}.`, { tone: 'ok' });
    });
  }

  async startDemo(): Promise<void> {
    await this.#try(() => this.#backend.startDemo());
  }

  async stopDemo(): Promise<void> {
    await this.#try(() => this.#backend.stopDemo());
  }

  async #lookAtPorts(): Promise<void> {
    try {
      const found = await this.#backend.ports();
      const others = found.filter((port) => !port.ours);
      this.ports = others.sort((a, b) => Number(b.http) - Number(a.http) || a.port - b.port);
      this.portsProblem = '';
    } catch (error) {
      this.portsProblem = wordsOf(error);
    }
  }

  async #lookAtPrograms(): Promise<void> {
    try {
      this.programs = await this.#backend.programs();
      this.programsProblem = '';
    } catch (error) {
      this.programsProblem = wordsOf(error);
    }
  }

  async #loadConfig(): Promise<void> {
    try {
      this.#config = await this.#backend.config();
    } catch {
      // Without it no front is shown as made; the next revision asks again.
    }
  }

  async #loadLast(): Promise<void> {
    try {
      const { total } = await this.#backend.exchanges({ filter: '', after: 0, skip: 0, limit: 1, count: false });
      const skip = Math.max(0, total - lastRows);
      const { rows } = await this.#backend.exchanges({ filter: '', after: 0, skip, limit: lastRows, count: false });
      this.#take(rows.filter((row) => row.started >= this.#made)); // they came while this was asked for
      this.last = rows.toReversed();
      this.#seen = Math.max(this.#seen, rows.at(-1)?.seq ?? 0);
    } catch {
      // The list stays as it is; news fill it.
    }
  }

  #hear(news: News): void {
    if (news.revision) void this.#loadConfig();
    // It would put back what others have changed since.
    if (news.revision && this.#offer && news.revision !== this.#offer.revision) this.#offer.forget();
    if (news.reset) void this.#loadLast();
    if (news.rows.length > 0) this.#take(news.rows);
  }

  #take(rows: Row[]): void {
    const bySeq = new Map([...this.last, ...rows].map((row) => [row.seq, row]));
    this.last = [...bySeq.values()].sort((a, b) => b.seq - a.seq).slice(0, lastRows);
    const fresh = rows.filter((row) => row.seq > this.#seen && row.replayOf === 0);
    this.#seen = Math.max(this.#seen, ...rows.map((row) => row.seq));
    const newest = fresh.at(-1);
    if (!newest) return;
    const byRoute = new Map(this.#byRoute);
    for (const row of fresh) byRoute.set(row.route, { count: (byRoute.get(row.route)?.count ?? 0) + 1, last: row });
    this.#byRoute = byRoute;
    this.#capture(fresh.filter((row) => row.door !== 'reverse'));
  }

  #capture(rows: Row[]): void {
    const last = rows.at(-1);
    if (!last) return;
    this.captured = { count: this.captured.count + rows.length, last };
    const awaited = (this.programs ?? []).filter((program) => program.running).map((program) => program.id);
    if (this.terminalAwaited) awaited.push('terminal');
    const [only, ...others] = awaited;
    // A request does not tell which program sent it: only a lone one can be believed.
    if (only === undefined || others.length > 0) return;
    this.#byProgram = new Map(this.#byProgram).set(only, (this.#byProgram.get(only) ?? 0) + rows.length);
  }

  /** The local port that a route leads to, where nothing listens now; 0 for none. */
  #silent(route: string): number {
    const front = [...this.fronts.values()].find((one) => one.route === route);
    return front && this.ports && !this.ports.some((port) => port.port === front.port) ? front.port : 0;
  }

  #told(made: Fronted, isNew: boolean, silent: number): void {
    if (!isNew) return;
    const but = silent > 0 ? `, but nothing listens on port ${silent} yet: start your server there` : '';
    this.#toasts.show(`${made.url} now passes through here${but}.`, {
      tone: silent > 0 ? 'plain' : 'ok',
      action: { label: 'Undo', run: () => void this.remove(made.route) },
    });
  }

  async #putBack(base: string, config: Config): Promise<void> {
    await this.#try(async () => {
      this.#config = await this.#backend.apply({ base, document: config.document });
    });
  }

  async #try(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#toasts.show(wordsOf(error), { tone: 'bad' });
    }
  }

  #makeActions(): Action[] {
    const touring = () => this.live.demo?.running ?? false;
    return [
      { id: 'start.demo', title: 'Start the demo tour', group: 'Start', enabled: () => !touring(), run: () => void this.startDemo() },
      { id: 'start.demo.stop', title: 'Stop the demo tour', group: 'Start', enabled: touring, run: () => void this.stopDemo() },
      { id: 'start.authority', title: 'Export the certificate', group: 'Start', run: () => void this.exportAuthority() },
      {
        id: 'start.copy', title: 'Copy the proxy address', group: 'Start',
        enabled: () => (this.live.status?.proxyUrl ?? '') !== '',
        run: () => void this.copy(this.live.status?.proxyUrl ?? '', 'The proxy address'),
      },
    ];
  }
}
