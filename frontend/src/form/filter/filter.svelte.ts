import { Failure, type Backend } from '../../api/backend';
import { wordsOf } from '../../api/calls';

const SETTLE = 180; // ms without a keystroke

export interface FilterProblem {
  message: string;
  /** 1-based; 0 when the place is not known. */
  column: number;
}

/** What is typed as a filter, and the last one that could be understood: that one is in force. */
export class FilterText {
  text = $state('');
  inForce = $state('');
  problem = $state.raw<FilterProblem | null>(null);

  #timer: ReturnType<typeof setTimeout> | undefined;
  #checks = 0;
  readonly #backend: Pick<Backend, 'checkFilter'>;
  readonly #use: (filter: string) => void;

  constructor(backend: Pick<Backend, 'checkFilter'>, use: (filter: string) => void) {
    this.#backend = backend;
    this.#use = use;
  }

  /** Takes what is typed; it is checked when the typing rests. */
  type(text: string): void {
    this.text = text;
    clearTimeout(this.#timer);
    if (text.trim() === '') void this.apply();
    else this.#timer = setTimeout(() => void this.apply(), SETTLE);
  }

  /** Takes what is typed, as a text that is not finished: it is not looked at yet. */
  hold(text: string): void {
    this.text = text;
    this.#checks++;
    this.problem = null;
    clearTimeout(this.#timer);
  }

  /** Checks what is typed and puts it in force. */
  async apply(): Promise<void> {
    clearTimeout(this.#timer);
    const check = ++this.#checks;
    const wanted = this.text.trim();
    try {
      if (wanted !== '') await this.#backend.checkFilter(wanted);
    } catch (error) {
      if (check !== this.#checks) return;
      this.problem = { message: wordsOf(error), column: error instanceof Failure ? error.problem.column : 0 };
      return;
    }
    if (check !== this.#checks) return;
    this.problem = null;
    if (wanted === this.inForce) return;
    this.inForce = wanted;
    this.#use(wanted);
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#checks++;
  }
}
