// The targets of a pool: what the settings say of them, and how they stand.
import type { Document, Figure, Health, PoolFigure, TargetFigure } from '../../api/backend';
import { age } from '../../api/format';
import { blank, perSecond, type Hex, type Lamp } from './hex';

/** A state for people, and the sign beside it. */
export const healths: Record<Health, { title: string; lamp: Lamp; tone: 'ok' | 'bad' | 'warn' | 'dim' }> = {
  healthy: { title: 'Healthy', lamp: 'up', tone: 'ok' },
  unhealthy: { title: 'Unhealthy', lamp: 'down', tone: 'bad' },
  ejected: { title: 'Ejected', lamp: 'out', tone: 'warn' },
  draining: { title: 'Draining', lamp: 'leaving', tone: 'dim' },
  off: { title: 'Off', lamp: '', tone: 'dim' },
  unknown: { title: 'Not known', lamp: '', tone: 'dim' },
};

/** The states as the history has them: it may know some that came later. */
export const healthTitle = (state: string) => (state in healths ? healths[state as Health].title : state);

/** What stands before the figure of a target. */
export const lampSigns: Record<Lamp, string> = { '': '', up: '●', down: '✕', out: '○', leaving: '◐' };

/** A target of the settings, of the running pool, or of both. */
export interface Target {
  address: string;
  /** Undefined while the pool does not have it: it was not used, or the draft is not applied. */
  figure: TargetFigure | undefined;
  /** Whether the settings name it. */
  named: boolean;
}

/** The targets of a pool: those of its settings in their order, then what it has besides. */
export function targetsIn(doc: Document, pool: string, running: PoolFigure | undefined): Target[] {
  const named = [...new Set(targetsOf(doc, pool).map(addressOf))];
  const figures = running?.targets ?? [];
  const others = figures.filter((figure) => !named.includes(figure.target));
  return [
    ...named.map((address) => ({ address, figure: figures.find((figure) => figure.target === address), named: true })),
    ...others.map((figure) => ({ address: figure.target, figure, named: false })),
  ];
}

/** What the hexagons of a pool's targets are made from. */
export interface Beside {
  document: Document;
  pool: string;
  figures: Map<string, Figure>;
  running: PoolFigure | undefined;
  /** Exchanges a second that the pool sent on. */
  rate: number;
  /** The moment, in milliseconds of Unix. */
  now: () => number;
}

export function liveTargets(of: Beside): Hex[] {
  return targetsOf(of.document, of.pool).map((url) => {
    const address = addressOf(url);
    const f = of.figures.get(`upstream/${of.pool}/${address}`);
    const hex: Hex = {
      ...blank(`target/${url}`, 'target', shortAddress(address)), icon: url === 'demo:' ? 'box' : 'server', stage: 'balance', wire: url !== 'demo:',
      share: of.rate > 0 ? (f?.rate ?? 0) / of.rate : 0, rate: f?.rate ?? 0,
    };
    const known = of.running?.targets.find((one) => one.target === address);
    return { ...hex, ...(known === undefined || known.state === 'unknown' ? guessed(f) : stands(known, f, of.now)) };
  });
}

/** How a target stands by what came of the exchanges that were sent to it. */
function guessed(f: Figure | undefined): Partial<Hex> {
  if (f === undefined || f.seen === 0) return { figure: 'not used yet' };
  if (f.rate > 0 && f.share < 0.5) return { figure: 'failing', lamp: 'down', look: 'error' };
  return { figure: perSecond(f.rate), lamp: 'up' };
}

/** How a target stands by what the pool says. One that is well tells its rate. */
function stands(t: TargetFigure, f: Figure | undefined, now: () => number): Partial<Hex> {
  const { lamp, title } = healths[t.state];
  if (t.state === 'healthy') return { lamp, figure: f?.rate ? perSecond(f.rate) : t.backup ? 'backup' : f?.seen ? '0/s' : 'not used yet' };
  const length = lasting(t, now());
  const figure = [title.toLowerCase(), length].filter((part) => part !== '').join(' ');
  const look = t.state === 'unhealthy' ? 'error' : t.state === 'off' ? 'off' : 'on';
  return { lamp, figure, look, level: t.state === 'ejected' ? 'warn' : 'calm', note: t.reason };
}

/** The weight it has, of the one that was set: "2", "0.5 of 2". */
export function weightText(t: { weight: number; effectiveWeight: number }): string {
  const figure = (n: number) => n.toLocaleString('en', { maximumFractionDigits: 2 });
  return t.weight === t.effectiveWeight ? figure(t.weight) : `${figure(t.effectiveWeight)} of ${figure(t.weight)}`;
}

/** How long it has been in its state: "12 s"; "" where that is not known. */
export function lasting(t: { since: string }, now: number): string {
  const since = Date.parse(t.since);
  // Go writes a time that never was as the year 1.
  return Number.isNaN(since) || since <= 0 ? '' : age(now - since);
}

/** The addresses of a pool, as its settings have them. */
export function targetsOf(doc: Document, pool: string): string[] {
  const targets = doc.upstreams.find((u) => u.name === pool)?.settings.targets;
  if (!Array.isArray(targets)) return [];
  return targets.map((t: unknown) => (typeof t === 'string' ? t : String((t as { url?: unknown }).url ?? '')));
}

/** host:port of a target's URL, as figures name it. */
export function addressOf(url: string): string {
  if (url === 'demo:') return 'demo';
  if (url.startsWith('unix:')) return url.replace(/^unix:\/\/(?=\/)/, 'unix:');
  try {
    const u = new URL(url);
    return `${u.hostname}:${u.port || (u.protocol === 'https:' ? '443' : '80')}${u.pathname.replace(/\/+$/, '')}`;
  } catch {
    return url;
  }
}

/** Local addresses are told by their port. */
export const shortAddress = (address: string) => {
  const local = /^(?:localhost|127\.0\.0\.1|\[::1\]):(\d+(?:\/.*)?)$/.exec(address);
  if (address.startsWith('unix:')) return address.slice(address.lastIndexOf('/') + 1);
  return local ? `:${local[1]}` : address === 'demo' ? 'Demo API' : address;
};

