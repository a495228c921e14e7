import { Failure, type Backend, type ExchangeQuery, type News, type Row } from '../../api/backend';

/** Rows in a page. */
export const PAGE = 100;
const KEPT = 24; // pages in memory: 2,400 rows, however many there are in the store
const ANCHORS = 2_048; // pages whose end is remembered, as a way in
const REFRESH_AFTER = 250; // ms between two looks at what a filter matches

/**
 * A window over the store: how many rows match, and the rows around what is looked at. Rows are
 * reached by their index; a page is asked for behind the nearest page whose end is known, so that
 * the store need not count from the first row.
 */
export class Pages {
  /** Rows that match the filter. */
  count = $state(0);
  /** Rows there are. */
  total = $state(0);
  /** False until the first answer. */
  loaded = $state(false);
  /** Why the rows could not be loaded; "" when they were. */
  problem = $state('');
  /** The filter that the rows match. */
  filter = $state('');

  #version = $state(0); // changes with the rows
  #pages = new Map<number, Row[]>(); // oldest use first
  #ends = new Map<number, number>(); // page -> seq of its last row
  #asked = new Map<number, Promise<void>>();
  #generation = 0;
  #first = 0;
  #last = PAGE - 1;
  #refresh: ReturnType<typeof setTimeout> | undefined;
  #refreshing = false;
  #again = false;
  readonly #backend: Pick<Backend, 'exchanges'>;
  readonly #grew: (by: number) => void;

  /** Tells `grew` of rows that came at the end. */
  constructor(backend: Pick<Backend, 'exchanges'>, grew: (by: number) => void = () => undefined) {
    this.#backend = backend;
    this.#grew = grew;
  }

  /** The row at an index, where it is in memory. */
  at(index: number): Row | undefined {
    void this.#version;
    return this.#pages.get(Math.floor(index / PAGE))?.[index % PAGE];
  }

  /** The rows in memory, in no order. */
  get kept(): Row[] {
    void this.#version;
    return [...this.#pages.values()].flat();
  }

  /** How many rows are in memory. */
  get held(): number {
    let rows = 0;
    for (const page of this.#pages.values()) rows += page.length;
    return rows;
  }

  /** Shows the rows that match another filter, or the same anew. The old ones stay until the answer. */
  async load(filter = this.filter): Promise<void> {
    const generation = ++this.#generation;
    this.#asked.clear();
    try {
      const page = await this.#ask({ filter, skip: 0, limit: 1, after: 0, count: filter !== '' });
      if (generation !== this.#generation) return;
      this.filter = filter;
      this.#pages.clear();
      this.#ends.clear();
      this.total = page.total;
      this.count = filter === '' ? page.total : page.matching;
      this.problem = '';
    } catch (error) {
      if (generation !== this.#generation) return;
      this.problem = said(error);
    }
    this.loaded = true;
    this.#version++;
    await this.#fill();
  }

  /** Says which rows are looked at; they and their neighbours are loaded. */
  show(first: number, last: number): void {
    this.#first = Math.max(0, first);
    this.#last = Math.max(this.#first, last);
    void this.#fill();
  }

  /** The row at an index, loaded when it must be. */
  async row(index: number): Promise<Row | undefined> {
    if (index < 0 || index >= this.count) return undefined;
    if (!this.at(index)) await this.#fetch(Math.floor(index / PAGE));
    return this.at(index);
  }

  /** The index of an exchange among those that match; -1 when it is not one of them. */
  async indexOf(seq: number): Promise<number> {
    const near = this.find(seq);
    if (near >= 0) return near;
    const filter = this.filter;
    const [exact] = (await this.#ask({ filter, after: seq - 1, skip: 0, limit: 1, count: false })).rows;
    if (exact?.seq !== seq) return -1;
    let low = 0;
    let high = this.count - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const [row] = (await this.#ask({ filter, after: 0, skip: middle, limit: 1, count: false })).rows;
      if (!row || row.seq > seq) high = middle - 1;
      else if (row.seq < seq) low = middle + 1;
      else return middle;
    }
    return -1;
  }

  /** The index of an exchange among the rows in memory; -1 when it is not there. */
  find(seq: number): number {
    for (const [page, rows] of this.#pages) {
      const at = position(rows, seq);
      if (at >= 0) return page * PAGE + at;
    }
    return -1;
  }

  /** Merges what came by: changed rows in place, new ones at the end. */
  hear(news: News): void {
    if (news.reset) {
      void this.load();
      return;
    }
    this.total = news.total;
    if (news.rows.length === 0) return;
    const before = this.count;
    const unknown = news.rows.filter((row) => !this.#replace(row));
    if (this.filter === '') {
      for (const row of unknown) this.#append(row);
      this.count = Math.max(this.count, news.total);
      if (this.count > news.total) this.#soon();
      if (this.count > before) this.#grew(this.count - before);
      void this.#fill();
    } else {
      this.#soon();
    }
    this.#trim();
    this.#version++;
  }

  /** Ends what runs later. */
  close(): void {
    this.#generation++;
    clearTimeout(this.#refresh);
  }

  #replace(row: Row): boolean {
    for (const rows of this.#pages.values()) {
      const at = position(rows, row.seq);
      if (at < 0) continue;
      rows[at] = row;
      return true;
    }
    return false;
  }

  /** Puts a row behind the last one, if the last one is in memory. */
  #append(row: Row): void {
    const page = Math.floor(this.count / PAGE);
    const rows = this.#pages.get(page) ?? [];
    const before = rows.at(-1) ?? this.#pages.get(page - 1)?.at(-1);
    if (this.count > 0 && (!before || rows.length !== this.count % PAGE)) return;
    if (before && row.seq < before.seq) {
      this.#pages.delete(page); // it belongs further up: the page is asked for again
      return;
    }
    this.#pages.set(page, [...rows, row]);
    this.count++;
  }

  /** Looks again at what the filter matches, not too often: a changed row may match now. */
  #soon(): void {
    if (this.#refreshing) this.#again = true;
    if (this.#refreshing || this.#refresh !== undefined) return;
    this.#refresh = setTimeout(() => void this.#recount(), REFRESH_AFTER);
  }

  async #recount(): Promise<void> {
    this.#refresh = undefined;
    this.#refreshing = true;
    const generation = this.#generation;
    try {
      const filter = this.filter;
      const page = await this.#ask({ filter, after: 0, skip: 0, limit: 1, count: filter !== '' });
      if (generation !== this.#generation) return;
      const before = this.count;
      this.total = page.total;
      this.count = filter === '' ? page.total : page.matching;
      await this.#reload();
      if (this.count > before) this.#grew(this.count - before);
    } catch {
      // The next news tries again; the rows that are shown stay.
    } finally {
      this.#refreshing = false;
      if (this.#again) this.#soon();
      this.#again = false;
    }
  }

  /** Asks anew for the pages in sight; the others are forgotten. */
  async #reload(): Promise<void> {
    const wanted = this.#wanted();
    for (const page of [...this.#pages.keys()]) if (!wanted.includes(page)) this.#pages.delete(page);
    this.#ends.clear();
    await Promise.all(wanted.map((page) => this.#fetch(page)));
  }

  #wanted(): number[] {
    const last = Math.floor((this.count - 1) / PAGE);
    const from = Math.max(0, Math.floor(this.#first / PAGE) - 1);
    const to = Math.min(last, Math.floor(this.#last / PAGE) + 1);
    return Array.from({ length: Math.max(0, Math.min(to - from + 1, KEPT)) }, (_, i) => from + i);
  }

  async #fill(): Promise<void> {
    const missing = this.#wanted().filter((page) => {
      const rows = this.#pages.get(page);
      return !rows || rows.length < Math.min(PAGE, this.count - page * PAGE);
    });
    await Promise.all(missing.map((page) => this.#fetch(page)));
  }

  #fetch(page: number): Promise<void> {
    const running = this.#asked.get(page);
    if (running) return running;
    const asked = this.#fetchNow(page).finally(() => {
      if (this.#asked.get(page) === asked) this.#asked.delete(page);
    });
    this.#asked.set(page, asked);
    return asked;
  }

  async #fetchNow(page: number): Promise<void> {
    const generation = this.#generation;
    const [near, after] = this.#anchor(page);
    try {
      const skip = (page - near - 1) * PAGE;
      const { rows } = await this.#ask({ filter: this.filter, after, skip, limit: PAGE, count: false });
      if (generation !== this.#generation) return;
      this.#keep(page, rows);
    } catch (error) {
      if (generation === this.#generation) this.problem = said(error);
    }
  }

  #keep(page: number, rows: Row[]): void {
    const known = this.#pages.get(page);
    // Rows that were appended while the answer was on its way are younger than it.
    const end = rows.at(-1)?.seq ?? 0;
    const younger = known?.filter((row) => row.seq > end) ?? [];
    const all = [...rows, ...younger].slice(0, PAGE);
    this.#pages.delete(page);
    if (all.length > 0) this.#pages.set(page, all);
    const last = all.at(-1);
    if (last && all.length === PAGE) this.#ends.set(page, last.seq);
    const oldest = this.#ends.keys().next();
    if (this.#ends.size > ANCHORS && oldest.value !== undefined) this.#ends.delete(oldest.value);
    this.count = Math.max(this.count, page * PAGE + all.length);
    if (rows.length < PAGE && page * PAGE + all.length < this.count) this.#soon();
    this.problem = '';
    this.#trim();
    this.#version++;
  }

  /** The nearest page before this one whose end is known: its index, and the seq there. */
  #anchor(page: number): [near: number, after: number] {
    let near = -1;
    for (const known of this.#ends.keys()) if (known < page && known > near) near = known;
    return [near, this.#ends.get(near) ?? 0];
  }

  #trim(): void {
    const wanted = new Set(this.#wanted());
    for (const page of this.#pages.keys()) {
      if (this.#pages.size <= KEPT) return;
      if (!wanted.has(page)) this.#pages.delete(page);
    }
  }

  #ask(query: ExchangeQuery) {
    return this.#backend.exchanges(query);
  }
}

/** What a failed call says. */
export function said(error: unknown): string {
  if (error instanceof Failure) return error.problem.message;
  return error instanceof Error ? error.message : String(error);
}

/** Where seq stands in ascending rows; -1 when it does not. */
function position(rows: readonly Row[], seq: number): number {
  let low = 0;
  let high = rows.length - 1;
  if (high < 0 || seq < (rows[0]?.seq ?? 0) || seq > (rows[high]?.seq ?? 0)) return -1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const at = rows[middle]?.seq ?? 0;
    if (at === seq) return middle;
    if (at < seq) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}
