// A hexagon of the comb: what stands in it, and how it looks.
import type { Level } from '../../api/backend';
import type { CellRef } from './draft';
import type { Spot } from './geometry';

export type Kind = 'client' | 'listener' | 'cell' | 'pool' | 'target' | 'end';
export type Look = 'on' | 'off' | 'error' | 'acting' | 'acted' | 'answered' | 'passed' | 'skipped' | 'unreached';
/** Beside the figure of a target: well, failing, left out, on its way out. */
export type Lamp = '' | 'up' | 'down' | 'out' | 'leaving';

/** One hexagon. */
export interface Hex extends Spot {
  key: string;
  kind: Kind;
  ref: CellRef | null; // of a cell
  icon: string;
  stage: string; // "edge" for what is no module
  name: string;
  wire: boolean; // its name came off the wire
  figure: string;
  share: number; // 0 to 1: of recent exchanges, those it acted on
  rate: number; // exchanges a second that came by
  look: Look;
  lamp: Lamp;
  level: Level; // how much its state wants to be seen
  mood: string; // its state in a few words; '' for none
  note: string; // what is told of it beside its figure, on hover and to a screen reader
  edited: boolean;
  unverified: boolean; // it takes any certificate
  verdict: string; // over one exchange
  time: string;
}

/** A hexagon that tells nothing yet. */
export function blank(key: string, kind: Kind, name: string): Hex {
  return {
    key, kind, name, q: 0, r: 0, ref: null, icon: '', stage: 'edge', wire: false, figure: '', share: 0, rate: 0,
    look: 'on', lamp: '', level: 'calm', mood: '', note: '', edited: false, unverified: false, verdict: '', time: '',
  };
}

export const perSecond = (n: number) => `${n >= 10 || n === 0 ? Math.round(n).toLocaleString('en') : n.toFixed(1)}/s`;
