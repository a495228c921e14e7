import type { Backend, Preferences } from './backend';

export type Theme = 'dark' | 'light' | 'system';
export type RowHeight = 'compact' | 'comfortable';

const settleMillis = 400;

/**
 * What the window remembers between two starts: the look, and what each page wants to find again
 * (JSON of its own, 64 KiB in all). There is one for the whole window: it writes all preferences at once.
 */
export class Memory {
  theme: Theme = $state('dark');
  rowHeight: RowHeight = $state('compact');
  /** True after `load`: before, `get` has nothing to give. */
  loaded = $state(false);

  readonly #backend: Backend;
  #pages: Record<string, string> = {};
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Reads the preferences. Without an answer the window starts with what is usual. */
  async load(): Promise<void> {
    try {
      const kept = await this.#backend.preferences();
      if (kept.theme === 'light' || kept.theme === 'system') this.theme = kept.theme;
      if (kept.rowHeight === 'comfortable') this.rowHeight = kept.rowHeight;
      this.#pages = { ...kept.pages, ...this.#pages };
    } catch {
      // Nothing is lost: the look is the default one, and the next change is written again.
    }
    this.loaded = true;
  }

  /** The JSON that the page set last; "" for none. */
  get(page: string): string {
    return this.#pages[page] ?? '';
  }

  /** Keeps the page's JSON; written a moment after the last change. */
  set(page: string, json: string): void {
    if (this.#pages[page] === json) return;
    this.#pages[page] = json;
    this.#later();
  }

  setTheme(theme: Theme): void {
    this.theme = theme;
    this.#later();
  }

  setRowHeight(rowHeight: RowHeight): void {
    this.rowHeight = rowHeight;
    this.#later();
  }

  /** Writes what waits to be written, at once. */
  async flush(): Promise<void> {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const now: Preferences = { theme: this.theme, rowHeight: this.rowHeight, pages: { ...this.#pages } };
    try {
      await this.#backend.setPreferences(now);
    } catch {
      // A look that is not remembered is no reason to disturb anyone.
    }
  }

  #later(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.flush(), settleMillis);
  }
}
