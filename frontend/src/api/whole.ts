// What comes from the backend, made whole: Go writes an empty list as null or leaves it out, and an
// older backend knows nothing of what came later. Here alone the window is tolerant of both.
import type { CellAct, CellFigure, CellMood, CellState, Figures, Health, Level, News, PoolFigure, Quantiles, TargetFigure } from './backend';

/** A value that may lack fields, or have null in place of them. */
type Torn<T> = { [Key in keyof T]?: T[Key] | null };

const healths: readonly string[] = ['healthy', 'unhealthy', 'ejected', 'draining', 'off', 'unknown'] satisfies Health[];
const levels: readonly string[] = ['calm', 'warn', 'alarm'] satisfies Level[];
const nothing: Quantiles = { count: 0, p50: 0, p90: 0, p99: 0, p999: 0 };

export function wholeNews(news: News): News {
  return news.figures ? { ...news, figures: wholeFigures(news.figures) } : news;
}

export function wholeFigures(sent: Figures): Figures {
  const torn: Torn<Figures> = sent;
  return {
    ...sent,
    cells: torn.cells ?? [],
    routes: torn.routes ?? [],
    pools: (torn.pools ?? []).map(wholePool),
    states: (torn.states ?? []).map((mood): CellMood => ({ cell: mood.cell, summary: mood.summary ?? '', level: levelOf(mood.level) })),
    latencies: (torn.latencies ?? []).map((of) => ({
      name: of.name, tenSeconds: of.tenSeconds ?? nothing, minute: of.minute ?? nothing, tenMinutes: of.tenMinutes ?? nothing,
    })),
  };
}

export function wholeCells(sent: Torn<CellState>[] | null | undefined): CellState[] {
  return (sent ?? []).map((of) => ({
    cell: of.cell ?? '', module: of.module ?? '', summary: of.summary ?? '', level: levelOf(of.level),
    figures: (of.figures ?? []).map((figure): CellFigure => ({ ...figure, help: figure.help ?? '', labels: figure.labels ?? [] })),
    actions: (of.actions ?? []).map((action): CellAct => ({ ...action, help: action.help ?? '', arguments: action.arguments ?? [] })),
  }));
}

function wholePool(pool: PoolFigure): PoolFigure {
  const torn: Torn<PoolFigure> = pool;
  return { ...pool, targets: (torn.targets ?? []).map(wholeTarget) };
}

function wholeTarget(target: TargetFigure): TargetFigure {
  const torn: Torn<TargetFigure> = target;
  const weight = torn.weight ?? 1;
  return {
    ...target, state: healthOf(torn.state), reason: torn.reason ?? '', since: torn.since ?? '', weight, effectiveWeight: torn.effectiveWeight ?? weight,
    inFlight: torn.inFlight ?? 0, latency: torn.latency ?? 0, ejections: torn.ejections ?? 0, backup: torn.backup ?? false, history: torn.history ?? [],
  };
}

function levelOf(level: string | null | undefined): Level {
  return levels.includes(level ?? '') ? (level as Level) : 'calm';
}

function healthOf(state: string | null | undefined): Health {
  return healths.includes(state ?? '') ? (state as Health) : 'unknown';
}
