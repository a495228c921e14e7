import { reveal, seen, track } from './scroll';

/**
 * Where a list of equal rows stands. It survives its element: who comes back finds the rows where
 * they were. A list that is higher than an element may be is scrolled in a finer unit than the
 * element's (scroll.ts).
 */
export class Scroller {
  /** Pixels into the list. */
  offset = $state(0);
  /** Pixels that the rows are moved by, so that they stand where the element was scrolled to. */
  shift = $state(0);
  count = $state(0);
  /** Pixels of a row. */
  row = $state(20);
  /** Pixels of the list that are seen. */
  viewport = $state(0);

  readonly track = $derived(track(this.count, this.row, this.viewport));
  readonly #seen = $derived(seen(this.offset, this.count, this.row, this.viewport));
  /** The first and the last row that are drawn. */
  readonly first = $derived(this.#seen[0]);
  readonly last = $derived(this.#seen[1]);

  #element: HTMLElement | undefined;
  #wanted = -1; // the row to bring into sight
  #top = 0; // of the element, as it was set or heard last

  /** Takes the element, and puts it where the list stood. */
  attach(element: HTMLElement): () => void {
    this.#element = element;
    this.to(this.offset);
    return () => (this.#element = undefined);
  }

  get atEnd(): boolean {
    return this.offset >= this.track.end - this.row / 2;
  }

  /** Goes to an offset into the list. */
  to(offset: number): void {
    const { end, scale } = this.track;
    // Before it is known how much is seen, the place is kept as it was asked for.
    this.offset = Math.max(0, this.viewport > 0 ? Math.min(end, offset) : offset);
    this.#top = this.offset * scale;
    if (this.#element) {
      this.#element.scrollTop = this.#top;
      this.#top = this.#element.scrollTop;
    }
    this.shift = this.#top - this.offset;
  }

  /** Brings a row into sight, at the latest when it is known how much is seen. */
  reveal(index: number): void {
    this.#wanted = this.viewport > 0 ? -1 : index;
    if (this.viewport > 0) this.to(reveal(this.offset, index, this.row, this.viewport));
  }

  /** More or less is seen now: what was asked for is made good. */
  settle(): void {
    if (this.#wanted >= 0) this.reveal(this.#wanted);
    else this.to(this.offset);
  }

  /** The element was scrolled; tells whether by someone else than `to`. */
  heard(top: number): boolean {
    if (Math.abs(top - this.#top) < 1) return false;
    this.#top = top;
    this.offset = top / this.track.scale;
    this.shift = top - this.offset;
    return true;
  }

  /** Takes a turn of the wheel where the element's own unit is too coarse; tells whether it did. */
  wheel(pixels: number): boolean {
    if (this.track.scale === 1) return false;
    this.to(this.offset + pixels);
    return true;
  }
}
