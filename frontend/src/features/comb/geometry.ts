// Pointy-top hexagons in axial coordinates: q to the right, r down-right, y grows downwards.
//
//   S  lattice: centre to vertex of the hexagons that tile the plane without a gap
//   R  drawn: same centres, a little smaller, so that edges have a gap
//   W  centre to centre of two neighbours in a row; rows are 1.5·S apart

export const S = 66;
export const R = 62;
const ROUND = 9;
export const W = S * Math.sqrt(3);

export interface Spot {
  q: number;
  r: number;
}
export type Point = [number, number];

const NE: Spot = { q: 1, r: -1 };
const SE: Spot = { q: 0, r: 1 };
const E: Spot = { q: 1, r: 0 };
/** The wave over three rows: each step goes to a neighbour and W/2 to the right. */
const WAVE = [NE, SE, SE, NE];

const plus = (a: Spot, b: Spot): Spot => ({ q: a.q + b.q, r: a.r + b.r });
const key = (s: Spot) => `${s.q},${s.r}`;
const text = (p: Point) => `${p[0].toFixed(2)} ${p[1].toFixed(2)}`;

/** The i-th of a list that is known to have one. */
export function nth<T>(list: readonly T[], i: number): T {
  const value = list[i];
  if (value === undefined) throw new RangeError(`no element ${i} in a list of ${list.length}`);
  return value;
}

export function centre({ q, r }: Spot): Point {
  return [W * (q + r / 2), 1.5 * S * r];
}

export function distance(a: Spot, b: Spot): number {
  const q = a.q - b.q;
  const r = a.r - b.r;
  return (Math.abs(q) + Math.abs(r) + Math.abs(q + r)) / 2;
}

/** The places of n cells on the wave, beginning at the origin. */
export function wave(n: number): Spot[] {
  const spots: Spot[] = [];
  let here: Spot = { q: 0, r: 0 };
  for (let i = 0; i < n; i++) {
    spots.push(here);
    here = plus(here, nth(WAVE, i % 4));
  }
  return spots;
}

/** The places of n targets around the pool at the end of path: its free neighbours, then further east. */
export function fan(path: Spot[], n: number): Spot[] {
  const end = nth(path, path.length - 1);
  const taken = new Set(path.map(key));
  const spots: Spot[] = [];
  for (let ring: Spot[] = [end]; spots.length < n; ) {
    const next: Spot[] = [];
    for (const from of ring) {
      for (const step of [NE, E, SE]) {
        const spot = plus(from, step);
        if (Math.abs(spot.r) > 3 || taken.has(key(spot)) || spots.length + next.length >= n) continue;
        taken.add(key(spot));
        next.push(spot);
      }
    }
    spots.push(...next);
    ring = next;
  }
  return spots;
}

/** An empty place of the comb; `far` is its distance to the nearest cell, 1 to 3. */
export interface Free extends Spot {
  far: number;
}

/** The empty places around the cells, which fade with the distance. */
export function field(cells: Spot[]): Free[] {
  const taken = new Set(cells.map(key));
  const qs = cells.map((c) => c.q);
  const out: Free[] = [];
  for (let r = -5; r <= 5; r++) {
    for (let q = Math.min(...qs) - 5; q <= Math.max(...qs) + 5; q++) {
      if (taken.has(key({ q, r }))) continue;
      const far = Math.min(...cells.map((c) => distance(c, { q, r })));
      if (far <= 3) out.push({ q, r, far });
    }
  }
  return out;
}

/** A rounded hexagon of circumradius `radius` around the origin, as path data that begins at the top. */
export function hexagon(radius: number, round = ROUND): string {
  const v: Point[] = Array.from({ length: 6 }, (_, i) => {
    const a = ((i * 60 - 90) * Math.PI) / 180;
    return [radius * Math.cos(a), radius * Math.sin(a)];
  });
  const toward = (a: Point, b: Point): Point => {
    const k = round / radius;
    return [a[0] + (b[0] - a[0]) * k, a[1] + (b[1] - a[1]) * k];
  };
  let d = `M${text(toward(nth(v, 0), nth(v, 1)))}`;
  for (let i = 1; i <= 6; i++) {
    const c = nth(v, i % 6);
    d += `L${text(toward(c, nth(v, i - 1)))}Q${text(c)} ${text(toward(c, nth(v, (i + 1) % 6)))}`;
  }
  return `${d}Z`;
}

export const HEX = hexagon(R);
/** In the middle of the gap: the selection ring. */
export const OUTER = hexagon((S + R) / 2 + 0.6, ROUND + 1);

export const mid = (a: Point, b: Point): Point => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];

/** A quadratic curve: from, control point, to. */
type Curve = [Point, Point, Point];

const bend = ([a, c, b]: Curve, u: number): Point => [
  (1 - u) ** 2 * a[0] + 2 * u * (1 - u) * c[0] + u * u * b[0],
  (1 - u) ** 2 * a[1] + 2 * u * (1 - u) * c[1] + u * u * b[1],
];
const slope = ([a, c, b]: Curve, u: number): Point => [
  (1 - u) * (c[0] - a[0]) + u * (b[0] - c[0]),
  (1 - u) * (c[1] - a[1]) + u * (b[1] - c[1]),
];

/**
 * The line of an exchange through the cells: through the middles of shared edges, each centre a
 * control point. It is kept in pieces, centre to centre, so that an exchange may end anywhere.
 */
export class Line {
  readonly points: Point[];

  constructor(spots: Spot[]) {
    this.points = spots.map(centre);
  }

  private at(i: number): Point {
    return nth(this.points, i);
  }

  /** Where the curve is nearest to centre i. */
  private knot(i: number): Point {
    const here = this.at(i);
    if (i === 0 || i === this.points.length - 1) return here;
    const a = mid(this.at(i - 1), here);
    const b = mid(here, this.at(i + 1));
    return mid(mid(a, here), mid(here, b));
  }

  /** Path data from cell `from` to cell `to`; "" when there is nothing between them. */
  thread(from: number, to: number): string {
    let d = '';
    for (let i = from; i < Math.min(to, this.points.length - 1); i++) {
      const m = mid(this.at(i), this.at(i + 1));
      if (d === '') d = `M${text(this.knot(i))}`;
      d += `Q${text(mid(this.at(i), m))} ${text(m)}Q${text(mid(m, this.at(i + 1)))} ${text(this.knot(i + 1))}`;
    }
    return d;
  }

  /**
   * The river to cell `end`, one closed outline: `width(i)` is how wide it leaves cell i. It narrows
   * inside the cell that takes some away, so that the picture says where requests end.
   */
  river(end: number, width: (i: number) => number): string {
    const left: Point[] = [];
    const right: Point[] = [];
    for (let i = 0; i < end; i++) {
      const m = mid(this.at(i), this.at(i + 1));
      const first: Curve = [this.knot(i), mid(this.at(i), m), m];
      const second: Curve = [m, mid(m, this.at(i + 1)), this.knot(i + 1)];
      for (let n = 0; n <= 16; n++) {
        const t = n / 16;
        const half = t < 0.5 ? first : second;
        const u = t === 1 ? 1 : (t * 2) % 1;
        const [x, y] = bend(half, u);
        const [dx, dy] = slope(half, u);
        const length = Math.hypot(dx, dy) || 1;
        const near = t < 0.5 ? Math.max(0, i - 1) : Math.min(end, i + 1);
        const ease = Math.max(0, 1 - Math.min(t, 1 - t) / 0.35) ** 2 / 2; // ½ at a centre, 0 on an edge
        const reach = (width(i) + ease * (width(near) - width(i))) / 2;
        left.push([x - (dy / length) * reach, y + (dx / length) * reach]);
        right.unshift([x + (dy / length) * reach, y - (dx / length) * reach]);
      }
    }
    return left.length === 0 ? '' : `M${[...left, ...right].map((p) => `${p[0].toFixed(1)} ${p[1].toFixed(1)}`).join('L')}Z`;
  }
}

/** The transform of a chevron on the edge that a and b share, pointing onwards. */
export function onEdge(a: Point, b: Point): string {
  const degrees = (Math.atan2(b[1] - a[1], b[0] - a[0]) * 180) / Math.PI;
  return `translate(${text(mid(a, b))}) rotate(${degrees.toFixed(1)})`;
}

/** A window on the comb. */
export interface View {
  x: number;
  y: number;
  zoom: number; // pixels a unit
}

/** Below this the words in a cell cannot be read. */
export const LEGIBLE = 0.7;

/** Shows all of the cells with some air, never above 115 % and never below `least`: then from the client on. */
export function fit(cells: Spot[], width: number, height: number, least = 0.2): View {
  const points = cells.map(centre);
  const xs = points.map((p) => p[0]);
  const ys = points.map((p) => p[1]);
  const wide = Math.max(...xs) - Math.min(...xs) + W + 48;
  const high = Math.max(322, Math.max(...ys) - Math.min(...ys) + 2 * S) + 150;
  const zoom = Math.max(least, Math.min(1.15, width / wide, height / high));
  const middle = (Math.min(...xs) + Math.max(...xs)) / 2;
  return {
    x: Math.min(middle, middle - wide / 2 + width / zoom / 2),
    y: (Math.min(...ys) + Math.max(...ys)) / 2,
    zoom,
  };
}
