import type { Backend, Exchange, News } from '../../api/backend';
import { said } from './pages.svelte';

export type Tab = 'overview' | 'request' | 'response' | 'xray' | 'timing' | 'raw';
export const tabs: readonly Tab[] = ['overview', 'request', 'response', 'xray', 'timing', 'raw'];

const WATCH = 250; // ms between two looks at one that changes

/** The exchange that is looked at. It is read again while it changes. */
export class Detail {
  /** 0 while none is wanted. */
  seq = $state(0);
  /** The last one that was read: it stays until the next one is there. */
  exchange = $state.raw<Exchange | null>(null);
  problem = $state('');
  tab = $state<Tab>('overview');

  #reading = false;
  #stale = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #backend: Pick<Backend, 'exchange'>;

  constructor(backend: Pick<Backend, 'exchange'>) {
    this.#backend = backend;
  }

  open(seq: number): void {
    if (seq === this.seq && this.exchange?.row.seq === seq) return;
    this.seq = seq;
    this.problem = '';
    this.#read();
  }

  close(): void {
    this.seq = 0;
    this.exchange = null;
    this.problem = '';
    clearTimeout(this.#timer);
  }

  hear(news: News): void {
    if (this.seq === 0 || !news.rows.some((row) => row.seq === this.seq || row.replayOf === this.seq)) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#read(), WATCH);
  }

  /** Reads the wanted one; who asks while it reads gets the newest next. */
  #read(): void {
    if (this.#reading) {
      this.#stale = true;
      return;
    }
    this.#reading = true;
    void this.#readNow(this.seq).finally(() => {
      this.#reading = false;
      const again = this.#stale;
      this.#stale = false;
      if (again && this.seq !== 0) this.#read();
    });
  }

  async #readNow(seq: number): Promise<void> {
    try {
      const exchange = await this.#backend.exchange(seq);
      if (seq !== this.seq) return;
      this.exchange = exchange;
      this.problem = '';
    } catch (error) {
      if (seq !== this.seq) return;
      this.exchange = null;
      this.problem = said(error);
    }
  }
}
