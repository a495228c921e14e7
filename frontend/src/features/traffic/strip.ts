// The little comb of a row as paths: one for each way a cell can look, so that a row stays light.
import type { StripCell } from './rows';

export interface StripPath {
  look: StripCell['kind'];
  tone: StripCell['tone'];
  d: string;
}

const STEP = 4.2;

/** A pointy-top hexagon around a point. */
export function hexagon(x: number, y: number, radius: number): string {
  const corner = (i: number) =>
    `${(x + radius * Math.sin((Math.PI / 3) * i)).toFixed(1)} ${(y - radius * Math.cos((Math.PI / 3) * i)).toFixed(1)}`;
  return `M${[0, 1, 2, 3, 4, 5].map(corner).join('L')}z`;
}

const places = Array.from({ length: 10 }, (_, i) => hexagon(4 + i * STEP, i % 2 ? 12.5 : 5.3, 4));

export function stripPaths(cells: readonly StripCell[]): StripPath[] {
  const paths: StripPath[] = [];
  cells.forEach((cell, i) => {
    const same = paths.find((path) => path.look === cell.kind && path.tone === cell.tone);
    const d = places[i] ?? '';
    if (same) same.d += d;
    else paths.push({ look: cell.kind, tone: cell.tone, d });
  });
  // The one that answered is drawn last: its outline lies over its neighbours.
  return paths.sort((a, b) => Number(a.look === 'end') - Number(b.look === 'end'));
}

/** The strip in words. */
export function stripSpoken(cells: readonly StripCell[]): string {
  const acted = cells.filter((cell) => cell.kind !== 'skipped').length;
  const skipped = cells.length - acted;
  return cells.length === 0 ? 'No cell saw it' : `${acted} cells took part, ${skipped} skipped`;
}
