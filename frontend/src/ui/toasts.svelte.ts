// Short words about what was done, with the way back. Only for what needs no answer.

export interface ToastAction {
  label: string;
  run: () => void;
}

export interface ToastOptions {
  /** Takes it back, as a rule: Ctrl+Z runs it. */
  action?: ToastAction;
  /** What else can be done. */
  other?: ToastAction;
  /** What it is about: it takes the place of an older one about the same. */
  about?: string;
  tone?: 'plain' | 'ok' | 'bad';
}

export interface Toast {
  id: number;
  text: string;
  tone: 'plain' | 'ok' | 'bad';
  action: ToastAction | undefined;
  other: ToastAction | undefined;
  about: string;
}

const maxShown = 4;
const plainMillis = 5_000;
const badMillis = 12_000;
/** As long as the backend keeps what was removed. */
const undoMillis = 30_000;

export class Toasts {
  items: Toast[] = $state.raw([]);
  #next = 1;
  #timers = new Map<number, ReturnType<typeof setTimeout>>();

  /** Shows the text for a while: 30 s with an action, 12 s when it is bad, 5 s else. The result dismisses it. */
  show(text: string, options: ToastOptions = {}): () => void {
    const id = this.#next++;
    const tone = options.tone ?? 'plain';
    const about = options.about ?? '';
    for (const old of this.items.filter((item) => about !== '' && item.about === about)) this.dismiss(old.id);
    this.items = [...this.items, { id, text, tone, action: options.action, other: options.other, about }];
    for (const old of this.items.slice(0, -maxShown)) this.dismiss(old.id);
    const millis = options.action ? undoMillis : tone === 'bad' ? badMillis : plainMillis;
    this.#timers.set(id, setTimeout(() => this.dismiss(id), millis));
    return () => this.dismiss(id);
  }

  /** Takes back the last thing that can be: runs the newest toast's action. Tells whether there was one. */
  undo(): boolean {
    const toast = this.items.findLast((item) => item.action);
    if (!toast) return false;
    this.act(toast);
    return true;
  }

  act(toast: Toast, action = toast.action): void {
    this.dismiss(toast.id);
    action?.run();
  }

  dismiss(id: number): void {
    clearTimeout(this.#timers.get(id));
    this.#timers.delete(id);
    this.items = this.items.filter((item) => item.id !== id);
  }
}
