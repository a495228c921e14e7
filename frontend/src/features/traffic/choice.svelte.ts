import type { Selection } from '../../api/backend';
import type { Pages } from './pages.svelte';

const WIDEST = 5_000; // rows that a range may hold: beyond, there is "all that match"

export type How = 'alone' | 'toggle' | 'range';

/** Which rows are chosen, and where the cursor stands among the rows that match. */
export class Choice {
  seqs: ReadonlySet<number> = $state.raw(new Set<number>());
  /** All that match are chosen, however many they are. */
  all = $state(false);
  /** The row that keys act from: its index, -1 for none, and its seq. */
  cursor = $state(-1);
  cursorSeq = $state(0);

  #anchor = -1;
  #moves = 0;
  readonly #pages: Pages;

  constructor(pages: Pages) {
    this.#pages = pages;
  }

  /** How many are chosen. */
  get size(): number {
    return this.all ? this.#pages.count : this.seqs.size;
  }

  has(seq: number): boolean {
    return this.all || this.seqs.has(seq);
  }

  /** What is chosen, as the backend is told. */
  get selection(): Selection {
    return this.all ? { seqs: [], all: true, filter: this.#pages.filter } : { seqs: [...this.seqs], all: false, filter: '' };
  }

  /** Puts the cursor on a row and chooses it; the result is its seq, 0 when there is none. */
  async to(index: number, how: How = 'alone'): Promise<number> {
    const move = ++this.#moves;
    const at = Math.max(0, Math.min(this.#pages.count - 1, index));
    this.cursor = at;
    const row = this.#pages.at(at) ?? (await this.#pages.row(at));
    if (!row || move !== this.#moves) return 0;
    this.cursorSeq = row.seq;
    if (how === 'range' && this.#anchor >= 0) await this.#range(at, move);
    else if (how === 'toggle') this.#toggle(at, row.seq);
    else this.#alone(at, row.seq);
    return row.seq;
  }

  chooseAll(): void {
    this.all = this.#pages.count > 0;
    this.seqs = new Set();
  }

  clear(): void {
    this.#moves++;
    this.seqs = new Set();
    this.all = false;
    this.cursor = -1;
    this.cursorSeq = 0;
    this.#anchor = -1;
  }

  /** Finds the cursor's row again after rows came or went. */
  async find(): Promise<void> {
    if (this.cursorSeq === 0) return;
    const move = this.#moves;
    const at = await this.#pages.indexOf(this.cursorSeq).catch(() => -1);
    if (move !== this.#moves) return;
    this.cursor = at;
    this.#anchor = at;
  }

  #alone(at: number, seq: number): void {
    this.all = false;
    this.seqs = new Set([seq]);
    this.#anchor = at;
  }

  #toggle(at: number, seq: number): void {
    const next = new Set(this.seqs);
    if (!next.delete(seq)) next.add(seq);
    this.all = false;
    this.seqs = next;
    this.#anchor = at;
  }

  async #range(to: number, move: number): Promise<void> {
    const from = Math.max(Math.min(this.#anchor, to), Math.max(this.#anchor, to) - WIDEST + 1);
    const seqs = new Set<number>();
    for (let i = from; i <= Math.max(this.#anchor, to) && seqs.size < WIDEST; i++) {
      const row = this.#pages.at(i) ?? (await this.#pages.row(i));
      if (move !== this.#moves) return;
      if (row) seqs.add(row.seq);
    }
    this.all = false;
    this.seqs = seqs;
  }
}
