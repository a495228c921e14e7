// A text that is searched for, in stretches of colour.
import type { Stretch } from './tree.svelte';

export interface Marked extends Stretch {
  hit: boolean;
}

/** The stretches, cut where the text occurs in them. Case does not matter. */
export function marked(stretches: readonly Stretch[], wanted: string): Marked[] {
  if (wanted === '') return stretches.map((stretch) => ({ ...stretch, hit: false }));
  const low = wanted.toLowerCase();
  const out: Marked[] = [];
  for (const { tint, text } of stretches) {
    const lower = text.toLowerCase();
    let at = 0;
    for (let found = lower.indexOf(low); found >= 0; found = lower.indexOf(low, at)) {
      if (found > at) out.push({ tint, text: text.slice(at, found), hit: false });
      out.push({ tint, text: text.slice(found, found + low.length), hit: true });
      at = found + low.length;
    }
    if (at < text.length) out.push({ tint, text: text.slice(at), hit: false });
  }
  return out;
}
