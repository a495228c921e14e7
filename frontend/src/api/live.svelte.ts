import type { Backend, Demo, Figures, News, Status } from './backend';

/**
 * What the backend tells by itself, for everyone in the window: the newest status, figures and tour,
 * and a way to hear of each piece of news. It listens from its making until `close`.
 */
export class Live {
  /** Null until the first answer. */
  status: Status | null = $state.raw(null);
  figures: Figures | null = $state.raw(null);
  /** Null until a tour was started. */
  demo: Demo | null = $state.raw(null);
  /** False while the backend cannot be reached. */
  connected = $state(true);

  readonly #backend: Backend;
  readonly #hearers = new Set<(news: News) => void>();
  readonly #stop: () => void;

  constructor(backend: Backend) {
    this.#backend = backend;
    this.#stop = backend.listen(
      (news) => this.#hear(news),
      (yes) => this.#connected(yes),
    );
    void this.refresh();
  }

  /** Hears every piece of news; the result ends it. After a lost connection one comes with `reset`. */
  onNews(hear: (news: News) => void): () => void {
    this.#hearers.add(hear);
    return () => this.#hearers.delete(hear);
  }

  /** Asks for the status and the figures anew. What fails is told by `connected`. */
  async refresh(): Promise<void> {
    try {
      const [status, figures] = await Promise.all([this.#backend.status(), this.#backend.figures()]);
      this.status = status;
      this.figures = figures;
    } catch {
      // The stream's own connection says whether the backend is there.
    }
  }

  close(): void {
    this.#stop();
    this.#hearers.clear();
  }

  #hear(news: News): void {
    if (news.status) this.status = news.status;
    // The rest of the status is told once a second; how many there are, with every piece of news.
    else if (this.status && news.total !== this.status.exchanges) this.status = { ...this.status, exchanges: news.total };
    if (news.figures) this.figures = news.figures;
    if (news.demo) this.demo = news.demo;
    for (const hear of this.#hearers) hear(news);
  }

  #connected(yes: boolean): void {
    const wasLost = !this.connected;
    this.connected = yes;
    if (!yes || !wasLost) return;
    void this.refresh();
    // What happened in between was missed: whoever keeps rows must load them again.
    const total = this.status?.exchanges ?? 0;
    this.#hear({ rows: [], more: false, total, reset: true, status: null, figures: null, revision: '', demo: null });
  }
}
