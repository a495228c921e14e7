import type { Backend, CellFigure, CellState } from '../../api/backend';
import { wordsOf } from '../../api/calls';

const PAUSE = 1_000; // ms between an answer and the next question
const KEPT = 60; // values of each figure

/** A figure among those of its cell: its name and its labels. */
export const figureKey = (figure: CellFigure) => [figure.name, ...(figure.labels ?? []).map((label) => `${label.name}=${label.value}`)].join(' ');

/** How the running cells stand: asked once a second while someone watches one of them. */
export class Now {
  /** Null until the first answer. */
  states: CellState[] | null = $state.raw(null);
  /** Why there was no answer; "" when there was. */
  problem = $state('');
  /** Of the watched cell: the values of each figure since the watching began, newest last, one a second. */
  histories: ReadonlyMap<string, readonly number[]> = $state.raw(new Map());

  #watched = '';
  #watch = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #backend: Pick<Backend, 'cells'>;

  constructor(backend: Pick<Backend, 'cells'>) {
    this.#backend = backend;
  }

  /** Undefined for a cell that does not run, or has nothing to tell. */
  stateOf(cell: string): CellState | undefined {
    return this.states?.find((state) => state.cell === cell);
  }

  /** Asks at once, and again each second; the result ends it. One cell is watched at a time. */
  watch(cell: string): () => void {
    const watch = ++this.#watch;
    this.#watched = cell;
    this.histories = new Map();
    void this.#go(watch);
    return () => {
      if (watch === this.#watch) this.#watch++;
      clearTimeout(this.#timer);
    };
  }

  /** Asks once. */
  async ask(): Promise<void> {
    await this.#ask(this.#watch);
  }

  async #go(watch: number): Promise<void> {
    await this.#ask(watch);
    if (watch !== this.#watch) return;
    this.#keep();
    this.#timer = setTimeout(() => void this.#go(watch), PAUSE);
  }

  /** What is answered when nobody watches any more is not looked at. */
  async #ask(watch: number): Promise<void> {
    try {
      const states = await this.#backend.cells();
      if (watch !== this.#watch) return;
      this.states = states;
      this.problem = '';
    } catch (error) {
      if (watch === this.#watch) this.problem = wordsOf(error);
    }
  }

  #keep(): void {
    if (this.problem !== '') return;
    const figures = this.stateOf(this.#watched)?.figures ?? [];
    this.histories = new Map(
      figures.map((figure) => {
        const key = figureKey(figure);
        return [key, [...(this.histories.get(key) ?? []), figure.value].slice(-KEPT)];
      }),
    );
  }
}
