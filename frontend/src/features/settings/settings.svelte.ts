import { Failure, type Backend, type Catalogue, type Checked, type Config, type Listen, type Listener, type Problem } from '../../api/backend';
import { wordsOf } from '../../api/calls';
import { counted } from '../../api/format';
import type { Live } from '../../api/live.svelte';
import type { Memory } from '../../api/memory.svelte';
import type { Action } from '../../ui/action';
import type { Toasts } from '../../ui/toasts.svelte';
import { changes, partOf, withPart, type Part } from './part';

export interface SettingsLinks {
  showShortcuts(): void;
}

interface Options {
  backend: Backend;
  live: Live;
  memory: Memory;
  toasts: Toasts;
  links: SettingsLinks;
}

export type SectionId = 'general' | 'listeners' | 'capture' | 'forward' | 'tls' | 'limits' | 'certificate' | 'storage' | 'about';

export const sections: { id: SectionId; title: string; icon: string }[] = [
  { id: 'general', title: 'General', icon: 'sliders-horizontal' },
  { id: 'listeners', title: 'Listeners', icon: 'plug' },
  { id: 'capture', title: 'Capture', icon: 'database' },
  { id: 'forward', title: 'Forward', icon: 'send' },
  { id: 'tls', title: 'TLS', icon: 'lock' },
  { id: 'limits', title: 'Limits', icon: 'gauge' },
  { id: 'certificate', title: 'Certificate', icon: 'shield' },
  { id: 'storage', title: 'Storage', icon: 'folder' },
  { id: 'about', title: 'About', icon: 'info' },
];

const checkAfterMillis = 250;

/** The Settings page: the look, which is kept at once, and a draft of its part of the configuration. */
export class Settings {
  catalogue: Catalogue = $state.raw({ modules: [], upstream: [], capture: [], forward: [], limits: [], tls: [] });
  config: Config | null = $state.raw(null);
  /** Why nothing could be loaded; "" when it was. */
  failed = $state('');
  /** The configuration in force differs now in what the draft changes. */
  stale = $state(false);
  applying = $state(false);
  /** The section that is read. */
  section: SectionId = $state('general');
  /** The section that is to come into sight; the page takes it off. */
  wanted: SectionId | null = $state(null);
  /** Where the page was scrolled to, for when it is seen again. */
  scroll = 0;

  readonly live: Live;
  readonly memory: Memory;
  readonly links: SettingsLinks;
  readonly actions: Action[];

  /** Null where nothing is changed. */
  #draft: Part | null = $state.raw(null);
  /** What was in force when the draft was begun. */
  #base: Part | null = null;
  #checked: Checked | null = $state.raw(null);
  /** Why the last Apply was refused; the next edit forgets it. */
  #refused: Problem | null = $state.raw(null);
  /** Takes away the word of the last discard: only the newest can be undone. */
  #dismissDiscarded: () => void = () => undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #turn = 0;
  readonly #backend: Backend;
  readonly #toasts: Toasts;

  constructor({ backend, live, memory, toasts, links }: Options) {
    this.#backend = backend;
    this.live = live;
    this.memory = memory;
    this.#toasts = toasts;
    this.links = links;
    this.actions = this.#makeActions();
    live.onNews((news) => {
      if (news.revision !== '' && this.config !== null && news.revision !== this.config.revision) void this.#reload();
    });
  }

  /** What the page shows: the draft, or what is in force. Null until it is loaded. */
  readonly part: Part | null = $derived(this.#draft ?? (this.config && partOf(this.config.document)));
  readonly changes: string[] = $derived(this.#draft && this.config ? changes(partOf(this.config.document), this.#draft) : []);
  /** What is wrong, in words, by its place: "listen.1.address", "capture.body_cap". */
  readonly problems: Record<string, string> = $derived.by(() => {
    const found = [...(this.#draft ? (this.#checked?.problems ?? []) : []), ...(this.#refused ? [this.#placed(this.#refused)] : [])];
    return Object.fromEntries(found.toReversed().map((problem) => [problem.where, problem.message]));
  });
  /** What is wrong and has no field here: the first thing of the kind. */
  readonly problem: string = $derived.by(() => {
    const fields = /^(listen|trusted|pass_through|capture|forward|limits|tls)(\.|$)/;
    const [, message] = Object.entries(this.problems).find(([where]) => !fields.test(where)) ?? [];
    return message ?? '';
  });

  async load(): Promise<void> {
    try {
      this.catalogue = await this.#backend.catalogue();
      this.failed = '';
      await this.#reload();
    } catch (error) {
      this.failed = wordsOf(error);
    }
  }

  /** Edits the draft. What is again as in force is no draft any more. */
  edit(part: Partial<Part>): void {
    if (!this.part || !this.config) return;
    const inForce = partOf(this.config.document);
    const next = { ...this.part, ...part };
    this.#refused = null;
    this.#base ??= inForce;
    this.#draft = changes(inForce, next).length > 0 ? next : null;
    if (this.#draft === null) this.#forget();
    clearTimeout(this.#timer);
    if (this.#draft) this.#timer = setTimeout(() => void this.#check(), checkAfterMillis);
  }

  setListener(at: number, listener: Partial<Listen>): void {
    const old = this.part?.listen[at];
    if (old) this.edit({ listen: this.part.listen.with(at, { ...old, ...listener }) });
  }

  addListener(): void {
    if (this.part) this.edit({ listen: [...this.part.listen, { address: '', accept: ['reverse', 'forward', 'connect', 'socks5'], proxyProtocol: false, username: '', password: '' }] });
  }

  removeListener(at: number): void {
    if (this.part) this.edit({ listen: this.part.listen.toSpliced(at, 1) });
  }

  /** How the listener at this place of the document runs; undefined where it is only in the draft. */
  running(at: number): Listener | undefined {
    const inForce = this.config?.document.listen ?? [];
    const bound = this.live.status?.listeners ?? [];
    const unchanged = JSON.stringify(inForce[at]) === JSON.stringify(this.part?.listen[at]);
    return unchanged && bound.length === inForce.length ? bound[at] : undefined;
  }

  discard(): void {
    const draft = this.#draft;
    if (draft === null) return;
    const base = this.#base;
    this.#forget();
    this.#dismissDiscarded();
    this.#dismissDiscarded = this.#toasts.show('Changes discarded.', {
      action: {
        label: 'Undo',
        run: () => {
          this.#base = base;
          this.edit(draft);
        },
      },
    });
  }

  async apply(): Promise<void> {
    if (this.#draft === null || this.applying) return;
    this.applying = true;
    const made = this.changes.length;
    try {
      this.config = await this.#send();
      this.#forget();
      this.#toasts.show(`Applied ${counted(made, 'change')}.`, { tone: 'ok' });
    } catch (error) {
      this.#refused = error instanceof Failure ? error.problem : { kind: 'internal', where: '', message: wordsOf(error), line: 0, column: 0 };
    } finally {
      this.applying = false;
    }
  }

  /** Brings the section into sight. */
  show(section: SectionId): void {
    this.section = section;
    this.wanted = section;
  }

  async copy(text: string, what: string): Promise<void> {
    await this.#try(async () => {
      await this.#backend.copy(text);
      this.#toasts.show(`${what} is on the clipboard.`, { tone: 'ok' });
    });
  }

  async exportAuthority(): Promise<void> {
    await this.#try(async () => {
      const file = await this.#backend.saveAuthority();
      if (file) this.#toasts.show(`Certificate saved as ${file}.`, { tone: 'ok' });
    });
  }

  /** Applies the draft; once more when what changed meanwhile lies elsewhere in the document. */
  async #send(): Promise<Config> {
    const base = this.config?.revision ?? '';
    try {
      return await this.#applyOn(base);
    } catch (error) {
      if (!(error instanceof Failure) || error.problem.kind !== 'conflict') throw error;
      await this.#reload();
      const now = this.config?.revision ?? '';
      if (this.stale || now === base) throw error;
      return this.#applyOn(now);
    }
  }

  async #applyOn(base: string): Promise<Config> {
    if (this.config === null) throw new Error('Applying the settings: the configuration is not loaded yet. Try again in a moment.');
    if (this.#draft === null) return this.config; // what is in force became what was wanted
    return this.#backend.apply({ base, document: withPart(this.config.document, this.#draft) });
  }

  async #reload(): Promise<void> {
    try {
      const config = await this.#backend.config();
      this.config = config;
      if (this.#draft === null || this.#base === null) return;
      const inForce = partOf(config.document);
      // What others changed elsewhere in the document is no conflict with this page.
      this.stale = changes(this.#base, inForce).length > 0;
      if (changes(inForce, this.#draft).length === 0) this.#forget();
    } catch (error) {
      this.failed = wordsOf(error);
    }
  }

  async #check(): Promise<void> {
    if (this.#draft === null || this.config === null) return;
    const turn = ++this.#turn;
    try {
      const checked = await this.#backend.check(withPart(this.config.document, this.#draft));
      if (turn === this.#turn) this.#checked = checked;
    } catch {
      // Apply checks again, and says what is wrong.
    }
  }

  #forget(): void {
    clearTimeout(this.#timer);
    this.#turn++;
    this.#draft = null;
    this.#base = null;
    this.#checked = null;
    this.#refused = null;
    this.stale = false;
  }

  /** An address that is taken is told without a place: it belongs to the field that names it. */
  #placed(problem: Problem): Problem {
    if (problem.where.startsWith('listen.')) return /^listen\.\d+$/.test(problem.where) ? { ...problem, where: `${problem.where}.address` } : problem;
    const at = (this.part?.listen ?? []).findIndex((listen) => listen.address !== '' && problem.message.includes(listen.address));
    return at < 0 ? problem : { ...problem, where: `listen.${at + 1}.address` };
  }

  async #try(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#toasts.show(wordsOf(error), { tone: 'bad' });
    }
  }

  #makeActions(): Action[] {
    const group = 'Settings';
    const dirty = () => this.#draft !== null;
    const fingerprint = () => this.live.status?.authority.fingerprint ?? '';
    return [
      { id: 'settings.apply', title: 'Apply the settings', group, keys: 'mod+s', enabled: dirty, run: () => void this.apply() },
      { id: 'settings.discard', title: 'Discard the settings', group, enabled: dirty, run: () => this.discard() },
      ...sections.map(({ id, title }) => ({ id: `settings.${id}`, title: `Open settings: ${title}`, group, run: () => this.show(id) })),
      { id: 'settings.rows', title: 'Use compact rows', group, enabled: () => this.memory.rowHeight !== 'compact', run: () => this.memory.setRowHeight('compact') },
      { id: 'settings.rows.tall', title: 'Use comfortable rows', group, enabled: () => this.memory.rowHeight !== 'comfortable', run: () => this.memory.setRowHeight('comfortable') },
      { id: 'settings.fingerprint', title: 'Copy the certificate’s fingerprint', group, run: () => void this.copy(fingerprint(), 'The fingerprint') },
    ];
  }
}
