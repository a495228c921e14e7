import type { Backend, Exchange, ExportRequest, News, Place, Selection } from '../../api/backend';
import { count, counted } from '../../api/format';
import type { Live } from '../../api/live.svelte';
import type { Memory } from '../../api/memory.svelte';
import type { Action } from '../../ui/action';
import type { Toasts } from '../../ui/toasts.svelte';
import { trafficActions } from './actions';
import { Choice, type How } from './choice.svelte';
import { Detail, tabs, type Tab } from './detail.svelte';
import { FilterText } from '../../form/filter/filter.svelte';
import { Pages, said } from './pages.svelte';
import { Resend } from './resend.svelte';
import { Scroller } from './scroller.svelte';

export interface TrafficLinks {
  /** Lays the exchange over the comb. */
  showOnComb(exchange: Exchange): void;
  /** Opens a cell on the comb. */
  openCell?(place: Place): void;
  /** Goes to where a first request is made. */
  openStart?(): void;
}

export interface TrafficOptions {
  backend: Backend;
  live: Live;
  toasts: Toasts;
  links: TrafficLinks;
  memory?: Memory;
}

interface Remembered {
  filter?: string;
  split?: number;
  tab?: Tab;
  redact?: boolean;
}

export const SPLIT = 632; // px of the detail, as it is at first

/** The state of the Traffic page: what is listed, what is chosen, what is looked at. */
export class Traffic {
  readonly backend: Backend;
  readonly live: Live;
  readonly links: TrafficLinks;
  readonly pages: Pages;
  readonly choice: Choice;
  readonly detail: Detail;
  readonly filter: FilterText;
  readonly actions: Action[];
  /** Where the list stands. */
  readonly scroller = new Scroller();

  /** The list stays at its end while rows come. */
  following = $state(true);
  /** Rows that came since the list left its end. */
  fresh = $state(0);
  split = $state(SPLIT);
  /** Secrets are blanked in exports. */
  redact = $state(true);
  resend = $state.raw<Resend | null>(null);
  /** Above 0 while the filter's field is asked to take the focus. */
  filterFocus = $state(0);
  /** Above 0 while the list is asked to take the focus. */
  listFocus = $state(0);
  /** Rows of a page of the list, as PageDown moves. */
  pageRows = $state(20);

  readonly #toasts: Toasts;
  readonly #memory: Memory | undefined;
  readonly #stop: () => void;
  #removing: Promise<boolean> | null = null; // whether it succeeds: the list may show it before the answer comes
  #removed: { token: number; forget: () => void }[] = []; // the newest last, each with what takes its toast away

  constructor({ backend, live, toasts, links, memory }: TrafficOptions) {
    this.backend = backend;
    this.live = live;
    this.links = links;
    this.#toasts = toasts;
    this.#memory = memory;
    this.pages = new Pages(backend, (by) => this.#grew(by));
    this.choice = new Choice(this.pages);
    this.detail = new Detail(backend);
    this.filter = new FilterText(backend, (filter) => void this.#refilter(filter));
    this.actions = trafficActions(this);
    this.#stop = live.onNews((news) => this.#hear(news));
    this.#restore();
    void this.pages.load();
  }

  close(): void {
    this.#stop();
    this.pages.close();
    this.filter.close();
    this.detail.close();
    this.resend?.answer.close();
  }

  get recording(): boolean {
    return this.live.status?.recording ?? true;
  }

  /** Moves the cursor by rows. */
  move(by: number, how: How = 'alone'): void {
    const from = this.choice.cursor < 0 ? (by > 0 ? -1 : this.pages.count) : this.choice.cursor;
    void this.choose(from + by, how);
  }

  /** Chooses the row at an index and looks at it. The list stays where it is unless it is the last. */
  async choose(index: number, how: How = 'alone'): Promise<void> {
    if (this.pages.count === 0) return;
    this.following = index >= this.pages.count - 1;
    const seq = await this.choice.to(index, how);
    if (seq > 0 && how === 'alone') this.detail.open(seq);
  }

  /** Looks at an exchange, and finds it in the list. */
  async open(seq: number): Promise<void> {
    this.detail.open(seq);
    const index = await this.pages.indexOf(seq).catch(() => -1);
    if (index >= 0) await this.choose(index);
    else this.choice.clear();
  }

  closeDetail(): void {
    this.detail.close();
    this.listFocus++;
  }

  /** Goes back to the end of the list, and stays there. */
  follow(): void {
    this.fresh = 0;
    this.following = true;
  }

  /** The list says whether its end is in sight. */
  atEnd(yes: boolean): void {
    this.following = yes;
    if (yes) this.fresh = 0;
  }

  showTab(tab: Tab): void {
    this.detail.tab = tab;
    this.remember();
  }

  remember(): void {
    const now: Remembered = { filter: this.filter.inForce, split: this.split, tab: this.detail.tab, redact: this.redact };
    this.#memory?.set('traffic', JSON.stringify(now));
  }

  /** The exchange that an action is about: the one under the cursor, or the one that is looked at. */
  get subject(): number {
    return this.choice.cursorSeq || this.detail.seq;
  }

  async replay(seq = this.subject): Promise<void> {
    await this.#try(async () => {
      const again = await this.backend.replay({ seq, edited: false, method: '', url: '', fields: [], body: '', keepBody: true });
      await this.open(again);
      this.#toasts.show(`Sent #${count(seq)} again as #${count(again)}.`);
    });
  }

  async edit(seq = this.subject): Promise<void> {
    await this.#try(async () => {
      const known = this.detail.exchange?.row.seq === seq ? this.detail.exchange : await this.backend.exchange(seq);
      const resend = new Resend(this.backend, known);
      this.closeResend();
      this.resend = resend;
      this.detail.open(seq);
      await resend.readBody();
    });
  }

  /** Lets the edit go. What was written can be taken back. */
  closeResend(): void {
    const gone = this.resend;
    this.resend = null;
    if (!gone?.touched) return;
    const back = { label: 'Undo', run: () => void (this.resend = gone) };
    this.#toasts.show(`Closed the edit of #${count(gone.of.row.seq)}.`, { action: back });
  }

  async copyCurl(seq = this.subject): Promise<void> {
    await this.#try(async () => {
      await this.backend.copy(await this.backend.curl(seq));
      this.#toasts.show(`Copied #${count(seq)} as cURL.`);
    });
  }

  async copy(text: string, what: string): Promise<void> {
    await this.#try(async () => {
      await this.backend.copy(text);
      this.#toasts.show(`Copied ${what}.`);
    });
  }

  async mock(seq = this.subject): Promise<void> {
    await this.#try(async () => {
      const { document: before } = await this.backend.config();
      const place = await this.backend.mockThis(seq);
      const { openCell } = this.links;
      this.#toasts.show(`Mocked by ${place.route ? `${place.route}/` : ''}${place.cell}.`, {
        tone: 'ok',
        action: { label: 'Undo', run: () => void this.#unmock(place, before.routes.some((route) => route.name === place.route)) },
        ...(openCell && { other: { label: 'Edit', run: () => openCell(place) } }),
      });
    });
  }

  /** Takes a mock away again, and the route that was made for it. */
  async #unmock({ route: name, cell }: Place, hadRoute: boolean): Promise<void> {
    await this.#try(async () => {
      const { revision, document } = await this.backend.config();
      const routes = document.routes
        .map((route) => (route.name === name ? { ...route, cells: route.cells.filter((one) => one.id !== cell) } : route))
        .filter((route) => hadRoute || route.name !== name || route.cells.length > 0);
      await this.backend.apply({ base: revision, document: { ...document, routes } });
    });
  }

  async showOnComb(seq = this.subject): Promise<void> {
    await this.#try(async () => {
      const known = this.detail.exchange?.row.seq === seq ? this.detail.exchange : await this.backend.exchange(seq);
      this.links.showOnComb(known);
    });
  }

  /** Removes what is chosen. It can be taken back. */
  async remove(): Promise<void> {
    if (this.choice.size > 0) await this.removeThese(this.choice.selection);
  }

  /** Removes all, whatever the filter shows. It can be taken back. */
  async clear(): Promise<void> {
    await this.removeThese({ seqs: [], all: true, filter: '' });
  }

  get canUndo(): boolean {
    return this.#removed.length > 0 || this.#removing !== null;
  }

  /** Takes a removal back, the newest without a token: one that is under way, too. */
  async undo(token?: number): Promise<void> {
    if ((await this.#removing) === false) return; // what was to be taken back has not happened
    const removal = this.#removed.findLast((one) => token === undefined || one.token === token);
    if (!removal) return;
    this.#removed = this.#removed.filter((one) => one !== removal);
    removal.forget();
    await this.#try(() => this.backend.undoRemove(removal.token));
  }

  async setRecording(on: boolean): Promise<void> {
    await this.#try(() => this.backend.setRecording(on));
  }

  async export(format: 'postman' | 'har', what: 'chosen' | 'matching' | 'all'): Promise<void> {
    const every: Selection = { seqs: [], all: true, filter: what === 'matching' ? this.pages.filter : '' };
    await this.exportThese(format, what === 'chosen' ? this.choice.selection : every);
  }

  /** Exports exchanges to a file that the person chooses. */
  async exportThese(format: 'postman' | 'har', selection: Selection): Promise<void> {
    const request: ExportRequest = { format, redact: this.redact, selection };
    await this.#try(async () => {
      const file = await this.backend.saveExport(request);
      if (file !== null) this.#toasts.show(`Exported to ${file}.`, { tone: 'ok' });
    });
  }

  /** Removes exchanges. They can be taken back. */
  async removeThese(selection: Selection): Promise<void> {
    const next = this.choice.cursor;
    await this.#try(async () => {
      const removing = this.#removeNow(selection);
      this.#removing = removing.then(() => true, () => false);
      await removing.finally(() => (this.#removing = null));
      if (selection.all || selection.seqs.includes(this.detail.seq)) this.detail.close();
      this.choice.clear();
      await this.pages.load();
      if (!selection.all && next >= 0) await this.choice.to(next);
    });
  }

  async #removeNow(selection: Selection): Promise<void> {
    const { token, count: gone } = await this.backend.remove(selection);
    const forget = this.#toasts.show(`Removed ${counted(gone, 'exchange')}.`, { action: { label: 'Undo', run: () => void this.undo(token) } });
    this.#removed = [...this.#removed.slice(-19), { token, forget }];
  }

  async #refilter(filter: string): Promise<void> {
    this.remember();
    this.fresh = 0;
    this.choice.clear();
    await this.pages.load(filter);
    this.following = true;
    if (this.detail.seq === 0) return;
    this.choice.cursorSeq = this.detail.seq;
    await this.choice.find();
    if (this.choice.cursor >= 0) await this.choose(this.choice.cursor);
    else this.choice.cursorSeq = 0;
  }

  #hear(news: News): void {
    this.pages.hear(news);
    this.detail.hear(news);
    this.resend?.answer.hear(news);
    if (news.reset) void this.choice.find();
  }

  #grew(by: number): void {
    if (!this.following) this.fresh += by;
  }

  #restore(): void {
    let kept: Remembered;
    try {
      kept = JSON.parse(this.#memory?.get('traffic') || '{}') as Remembered;
    } catch {
      return; // from another version: the page begins as new
    }
    if (typeof kept.split === 'number') this.split = kept.split;
    if (kept.tab && tabs.includes(kept.tab)) this.detail.tab = kept.tab;
    if (typeof kept.redact === 'boolean') this.redact = kept.redact;
    if (typeof kept.filter === 'string' && kept.filter !== '') {
      this.filter.text = kept.filter;
      void this.filter.apply();
    }
  }

  async #try(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#toasts.show(said(error), { tone: 'bad' });
    }
  }
}
