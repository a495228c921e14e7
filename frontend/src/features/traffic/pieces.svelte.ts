import { part } from './part';
import { said } from './pages.svelte';

/** Bytes of a piece. */
export const PIECE = 64 << 10;
const KEPT = 32; // pieces in memory: 2 MB, however large the body is

/** A body that is looked at here and there: only the pieces in sight are fetched. */
export class Pieces {
  /** Bytes of the whole, as far as it is known. */
  total = $state(0);
  problem = $state('');

  #version = $state(0);
  #pieces = new Map<number, Uint8Array>(); // oldest use first
  #asked = new Set<number>();
  readonly #url: string;
  readonly #ended = new AbortController();

  /** `about` is how many bytes there should be: the answers tell exactly. */
  constructor(url: string, about: number) {
    this.#url = url;
    this.total = about;
  }

  /** Pieces in memory. */
  get held(): number {
    return this.#pieces.size;
  }

  /** The bytes from an offset, where they are in memory; at most to the end of their piece. */
  at(offset: number, length: number): Uint8Array | undefined {
    void this.#version;
    const piece = this.#pieces.get(Math.floor(offset / PIECE));
    const from = offset % PIECE;
    return piece?.subarray(from, from + length);
  }

  /** Says which bytes are looked at; they are fetched. */
  show(from: number, to: number): void {
    for (let piece = Math.floor(from / PIECE); piece <= Math.floor(Math.max(from, to - 1) / PIECE); piece++) void this.#fetch(piece);
  }

  /** There is more of it now. */
  grew(about: number): void {
    if (about <= this.total) return;
    this.#pieces.delete(Math.floor(this.total / PIECE));
    this.total = about;
    this.#version++;
  }

  close(): void {
    this.#ended.abort();
  }

  async #fetch(piece: number): Promise<void> {
    const known = this.#pieces.get(piece);
    if (known) {
      this.#pieces.delete(piece);
      this.#pieces.set(piece, known);
    }
    if (known || this.#asked.has(piece)) return;
    this.#asked.add(piece);
    try {
      const { bytes, total } = await part(this.#url, piece * PIECE, PIECE, this.#ended.signal);
      this.#pieces.set(piece, bytes);
      const oldest = this.#pieces.keys().next();
      if (this.#pieces.size > KEPT && oldest.value !== undefined) this.#pieces.delete(oldest.value);
      const end = piece * PIECE + bytes.length;
      if (total >= 0) this.total = total;
      else if (bytes.length < PIECE) this.total = end;
      else this.total = Math.max(this.total, end + 1);
      this.problem = '';
      this.#version++;
    } catch (error) {
      if (!this.#ended.signal.aborted) this.problem = said(error);
    } finally {
      this.#asked.delete(piece);
    }
  }
}
