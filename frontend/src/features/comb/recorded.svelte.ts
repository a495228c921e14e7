import type { Backend, Row } from '../../api/backend';
import { counted } from '../../api/format';
import { FilterText } from '../../form/filter/filter.svelte';

type Asked = Pick<Backend, 'checkFilter' | 'exchanges'>;

const AT_HAND = 200; // newest rows, whose values are offered

/** A filter over recorded traffic, as an argument of an action: what is written, and what it matches. */
export class RecordedFilter {
  readonly text: FilterText;
  rows: Row[] = $state.raw([]);
  #matching = $state.raw<{ filter: string; count: number } | null>(null);
  readonly #backend: Asked;

  constructor(backend: Asked) {
    this.#backend = backend;
    this.text = new FilterText(backend, (filter) => void this.#count(filter));
    void this.#load();
  }

  /** "Matches 12 recorded GET requests."; "" while that is not known of what is written. */
  get matches(): string {
    const found = this.#matching;
    return found === null || found.filter === '' || found.filter !== this.text.text.trim() ? '' : `Matches ${counted(found.count, 'recorded GET request')}.`;
  }

  close(): void {
    this.text.close();
  }

  async #load(): Promise<void> {
    const all = { filter: '', after: 0, count: false };
    try {
      const { total } = await this.#backend.exchanges({ ...all, skip: 0, limit: 1 });
      this.rows = (await this.#backend.exchanges({ ...all, skip: Math.max(0, total - AT_HAND), limit: AT_HAND })).rows;
    } catch {
      // Without them no value is offered; what is written counts as well.
    }
  }

  async #count(filter: string): Promise<void> {
    try {
      const page = await this.#backend.exchanges({ filter: `(${filter}) and method = GET`, after: 0, skip: 0, limit: 1, count: true });
      this.#matching = { filter, count: page.matching };
    } catch {
      this.#matching = null; // a convenience: the action itself says what is wrong
    }
  }
}
