// Where rows stand in a list that may be higher than a browser lets an element be.

/** Pixels: below the limit of every engine (Firefox has the lowest, 17.8 million). */
export const HIGHEST = 8_000_000;

export interface Track {
  /** Pixels of the element that is scrolled. */
  height: number;
  /** How far the element moves for a pixel of the list: 1 until the list is too high. */
  scale: number;
  /** The largest offset into the list. */
  end: number;
}

/** The track of a list of rows in a viewport. */
export function track(count: number, row: number, viewport: number): Track {
  const whole = count * row;
  const height = Math.min(whole, HIGHEST);
  const end = Math.max(0, whole - viewport);
  const moves = Math.max(0, height - viewport);
  return { height, end, scale: end > 0 && moves < end ? moves / end : 1 };
}

/** The indexes that are seen at an offset, with some rows more on both sides. */
export function seen(offset: number, count: number, row: number, viewport: number, more = 6): [first: number, last: number] {
  const first = Math.max(0, Math.floor(offset / row) - more);
  const last = Math.min(count - 1, Math.ceil((offset + viewport) / row) + more);
  return [first, last];
}

/** The offset nearest to this one at which a row is seen whole. */
export function reveal(offset: number, index: number, row: number, viewport: number): number {
  const top = index * row;
  if (top < offset) return top;
  return Math.max(offset, top + row - viewport);
}
