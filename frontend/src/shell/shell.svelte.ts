import type { Backend, Route } from '../api/backend';
import { wordsOf } from '../api/calls';
import { count } from '../api/format';
import type { Live } from '../api/live.svelte';
import type { Memory, Theme } from '../api/memory.svelte';
import { actionFor, type Action, type Shortcut } from '../ui/action';
import type { Toasts } from '../ui/toasts.svelte';
import { commandOf, exchangeIn, rank, type Command } from './commands';
import { isPage, pages, settingsPage, type PageId } from './pages';

export interface ShellOptions {
  backend: Backend;
  live: Live;
  memory: Memory;
  toasts: Toasts;
  /** The actions of each page. */
  actions: Record<PageId, Action[]>;
  /** Keys of lists, fields and the like, for the sheet of shortcuts. */
  shortcuts?: Shortcut[];
  openExchange(seq: number): void;
  openRoute(name: string): void;
}

const themes: { id: Theme; title: string }[] = [
  { id: 'dark', title: 'Use the dark theme' },
  { id: 'light', title: 'Use the light theme' },
  { id: 'system', title: 'Use the theme of the system' },
];

/** The frame around the pages: which one is seen, and what can be done from everywhere. */
export class ShellState {
  page: PageId = $state('start');
  paletteOpen = $state(false);
  shortcutsOpen = $state(false);
  noticesOpen = $state(false);

  readonly live: Live;
  readonly toasts: Toasts;
  readonly memory: Memory;
  /** What works on every page. */
  readonly actions: Action[];
  #routes: Route[] = $state.raw([]);
  readonly #o: ShellOptions;

  constructor(o: ShellOptions) {
    this.#o = o;
    this.live = o.live;
    this.toasts = o.toasts;
    this.memory = o.memory;
    this.actions = this.#makeActions();
  }

  /** Goes where the address or the memory says. */
  begin(hash: string): void {
    const wanted = hash.replace(/^#\/?/, '');
    const kept = this.memory.get('shell');
    if (isPage(wanted)) this.page = wanted;
    else if (isPage(kept)) this.page = kept;
  }

  go(page: PageId): void {
    this.page = page;
    this.memory.set('shell', page);
  }

  async openPalette(): Promise<void> {
    this.paletteOpen = true;
    try {
      this.#routes = (await this.#o.backend.config()).document.routes;
    } catch {
      this.#routes = []; // the palette is of use without them
    }
  }

  /** What the palette shows for what was typed. */
  commands(query: string): Command[] {
    const seq = exchangeIn(query);
    const jump: Command[] = seq
      ? [{ id: 'jump.exchange', title: `Open exchange #${count(seq)}`, group: 'Go to', icon: 'arrow-right', keys: '', run: () => this.#o.openExchange(seq) }]
      : [];
    return [...jump, ...rank([...this.#actionCommands(), ...this.#routeCommands()], query)];
  }

  /** All that keys do, by where they do it, for the sheet of shortcuts. */
  groups(): { title: string; shortcuts: Shortcut[] }[] {
    const actions = [...this.actions, ...Object.values(this.#o.actions).flat()].flatMap(({ title, group, keys, sheet = title }): Shortcut[] =>
      keys && sheet !== '' ? [{ title: sheet, group, keys: [keys] }] : [],
    );
    const all = [...actions, ...(this.#o.shortcuts ?? [])];
    const titles = new Set(all.map((shortcut) => shortcut.group));
    return [...titles].map((title) => ({ title, shortcuts: all.filter((shortcut) => shortcut.group === title) }));
  }

  onkeydown(event: KeyboardEvent): void {
    // A dialog, the palette and menus have the keyboard for themselves.
    if (document.querySelector('[role=dialog], [role=menu]')) return;
    const action = actionFor([...this.#o.actions[this.page], ...this.actions], event);
    if (!action) return;
    event.preventDefault();
    action.run();
  }

  async toggleRecording(): Promise<void> {
    const on = !(this.live.status?.recording ?? true);
    try {
      await this.#o.backend.setRecording(on);
      this.toasts.show(on ? 'Recording again.' : 'Recording is paused. Requests pass, but are not kept.', { about: 'recording' });
    } catch (error) {
      this.toasts.show(wordsOf(error), { tone: 'bad' });
    }
  }

  async copy(text: string): Promise<void> {
    try {
      await this.#o.backend.copy(text);
      this.toasts.show(`${text} is on the clipboard.`, { tone: 'ok' });
    } catch (error) {
      this.toasts.show(wordsOf(error), { tone: 'bad' });
    }
  }

  #actionCommands(): Command[] {
    const own = this.actions.filter(usable).map((action) => commandOf(action, action.run));
    const others = Object.entries(this.#o.actions).flatMap(([page, actions]) =>
      actions.filter(usable).map((action) =>
        commandOf(action, () => {
          // What a page does is done in sight.
          if (isPage(page) && action.group.toLowerCase() === page) this.go(page);
          action.run();
        }),
      ),
    );
    const here = others.filter((command) => command.group.toLowerCase() === this.page);
    return [...here, ...own, ...others.filter((command) => !here.includes(command))];
  }

  #routeCommands(): Command[] {
    return this.#routes.map((route) => ({
      id: `route.${route.name}`, title: `Go to route ${route.name}`, group: 'Routes', icon: 'route', keys: '',
      run: () => this.#o.openRoute(route.name),
    }));
  }

  #makeActions(): Action[] {
    const recording = () => this.live.status?.recording ?? true;
    return [
      { id: 'shell.palette', title: 'Search or run a command', group: 'Window', keys: 'mod+k', run: () => void this.openPalette() },
      ...[...pages, settingsPage].map((page) => ({
        id: `shell.${page.id}`, title: `Go to ${page.title}`, group: 'Window', keys: page.keys, run: () => this.go(page.id),
      })),
      { id: 'shell.pause', title: 'Pause recording', group: 'Window', keys: 'mod+.', sheet: 'Pause recording, or record again', enabled: recording, run: () => void this.toggleRecording() },
      { id: 'shell.record', title: 'Record again', group: 'Window', keys: 'mod+.', sheet: '', enabled: () => !recording(), run: () => void this.toggleRecording() },
      { id: 'shell.undo', title: 'Undo the last removal', group: 'Window', keys: 'mod+z', enabled: () => this.toasts.items.some((toast) => toast.action), run: () => void this.toasts.undo() },
      { id: 'shell.shortcuts', title: 'Show the keyboard shortcuts', group: 'Window', keys: '?', run: () => (this.shortcutsOpen = true) },
      ...themes.map((theme) => ({
        id: `shell.theme.${theme.id}`, title: theme.title, group: 'Look', enabled: () => this.memory.theme !== theme.id,
        run: () => this.memory.setTheme(theme.id),
      })),
    ];
  }
}

function usable(action: Action): boolean {
  return action.id !== 'shell.palette' && (action.enabled?.() ?? true);
}
