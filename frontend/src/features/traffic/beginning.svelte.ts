import { glued, part } from './part';
import { said } from './pages.svelte';

/** Bytes that are read at first, and with each "more". */
export const STEP = 512 << 10;

/** The beginning of a body, as far as it was asked for. */
export class Beginning {
  bytes: Uint8Array = $state.raw(new Uint8Array());
  /** Bytes of the whole; -1 while it is not known. */
  total = $state(-1);
  /** True after the first answer. */
  begun = $state(false);
  loading = $state(false);
  problem = $state('');

  readonly url: string;
  readonly #ended = new AbortController();

  constructor(url: string) {
    this.url = url;
  }

  get complete(): boolean {
    return this.total >= 0 && this.bytes.length >= this.total;
  }

  /** Reads on, by so many bytes. */
  async more(by = STEP): Promise<void> {
    if (this.loading || this.complete) return;
    this.loading = true;
    try {
      const { bytes, total } = await part(this.url, this.bytes.length, by, this.#ended.signal);
      if (bytes.length > 0) this.bytes = glued([this.bytes, bytes]);
      this.total = total >= 0 ? total : bytes.length < by ? this.bytes.length : -1;
      this.problem = '';
    } catch (error) {
      if (this.#ended.signal.aborted) return;
      this.problem = said(error);
    } finally {
      this.begun = true;
      this.loading = false;
    }
  }

  /** There is more of it now: one that was read to its end is read on. */
  grew(): void {
    if (!this.begun || !this.complete) return;
    this.total = -1;
    if (this.bytes.length < STEP) void this.more();
  }

  /** Lets go of what is on its way. */
  close(): void {
    this.#ended.abort();
  }
}
