import type { Backend } from '../api/backend';
import { HttpBackend } from '../api/http';
import { Live } from '../api/live.svelte';
import { Memory } from '../api/memory.svelte';
import { inWindow, WailsBackend } from '../api/wails';
import { Comb, combShortcuts } from '../features/comb/comb.svelte';
import { Settings } from '../features/settings/settings.svelte';
import { Start } from '../features/start/start.svelte';
import { trafficShortcuts } from '../features/traffic/actions';
import { Traffic } from '../features/traffic/traffic.svelte';
import { Toasts } from '../ui/toasts.svelte';
import { ShellState } from './shell.svelte';

/** The states of the frame and of every page, made once for the life of the window. */
export interface Wired {
  /** There are changes that a reload would lose. */
  unsaved: () => boolean;
  shell: ShellState;
  start: Start;
  traffic: Traffic;
  comb: Comb;
  settings: Settings;
}

/** The backend of this page: the same process in the desktop window, HTTP in a browser. */
export function backendHere(): Backend {
  return inWindow() ? new WailsBackend() : new HttpBackend();
}

/** Makes every state and ties them together. The memory is read first: pages begin with it. */
export async function wire(backend: Backend): Promise<Wired> {
  const memory = new Memory(backend);
  await memory.load();
  const toasts = new Toasts();
  const live = new Live(backend);
  const shared = { backend, live, toasts, memory };

  const openTraffic = () => shell.go('traffic');
  const openExchange = (seq: number) => {
    shell.go('traffic');
    void traffic.open(seq);
  };
  const openRoute = (name: string) => {
    shell.go('comb');
    comb.selectRoute(name);
  };

  const start = new Start({ ...shared, links: { openTraffic, openExchange, openRoute } });
  const comb = new Comb({ ...shared, links: { openExchange, show: () => shell.go('comb') } });
  const traffic = new Traffic({
    ...shared,
    links: {
      showOnComb: (exchange) => void comb.showTrail(exchange),
      openCell: (place) => void comb.openCell(place),
      openStart: () => shell.go('start'),
    },
  });
  const settings = new Settings({ ...shared, links: { showShortcuts: () => (shell.shortcutsOpen = true) } });
  const shell = new ShellState({
    ...shared,
    actions: { start: start.actions, traffic: traffic.actions, comb: comb.actions, settings: settings.actions },
    shortcuts: [...trafficShortcuts, ...combShortcuts],
    openExchange,
    openRoute,
  });
  const unsaved = () => comb.changes.length + settings.changes.length > 0;
  return { unsaved, shell, start, traffic, comb, settings };
}
