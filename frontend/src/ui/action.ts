// What a person can do, by name and by key. The palette, the shortcuts sheet, menus and the keyboard
// all read the same list.

export interface Action {
  id: string; // "traffic.replay"
  title: string; // a verb first: "Replay the exchange"
  group: string; // "Traffic"
  /** "mod+k", "j", "shift+c", "?", "Delete". Mod is ⌘ on a Mac, Ctrl elsewhere. */
  keys?: string;
  enabled?: () => boolean;
  /** What the sheet of shortcuts says instead of the title; "" where another action says it. */
  sheet?: string;
  run: () => void;
}

/** What keys do where an element has the focus, and not the window: only the sheet of shortcuts tells it. */
export interface Shortcut {
  title: string;
  group: string;
  /** Each as in Action. */
  keys: string[];
}

const isMac = /Mac|iPhone|iPad/.test(globalThis.navigator?.platform ?? '');

interface Chord {
  mod: boolean;
  shift: boolean;
  alt: boolean;
  key: string;
}

function parse(keys: string): Chord {
  const parts = keys.split('+');
  if (keys.endsWith('+')) parts.splice(-2, 2, '+'); // the plus key itself
  const key = parts.pop() ?? '';
  return { mod: parts.includes('mod'), shift: parts.includes('shift'), alt: parts.includes('alt'), key };
}

/** Tells whether the event is these keys. */
export function matches(keys: string, event: KeyboardEvent, mac = isMac): boolean {
  const want = parse(keys);
  if ((mac ? event.metaKey : event.ctrlKey) !== want.mod || event.altKey !== want.alt) return false;
  if ((mac ? event.ctrlKey : event.metaKey) === true) return false;
  // Shift is part of what "?" is, but a chord of its own with a letter or a named key.
  const symbol = want.key.length === 1 && want.key.toLowerCase() === want.key.toUpperCase();
  if (!symbol && event.shiftKey !== want.shift) return false;
  return event.key.toLowerCase() === want.key.toLowerCase();
}

/** Tells whether the event goes to a field that takes the keys as text. */
export function isTyping(event: KeyboardEvent): boolean {
  const target = event.composedPath()[0];
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName);
}

/** Tells whether a key event may start an action: plain keys not while text is typed. */
export function actionFor(actions: readonly Action[], event: KeyboardEvent, mac = isMac): Action | undefined {
  if (event.defaultPrevented || event.isComposing) return undefined;
  const typing = isTyping(event);
  return actions.find((action) => {
    if (!action.keys || !matches(action.keys, event, mac)) return false;
    if (typing && !action.keys.startsWith('mod+')) return false;
    return action.enabled?.() ?? true;
  });
}

const names: Record<string, string> = {
  mod: 'Ctrl', shift: 'Shift', alt: 'Alt', delete: 'Del', escape: 'Esc', arrowup: '↑', arrowdown: '↓',
  arrowleft: '←', arrowright: '→', pageup: 'PgUp', pagedown: 'PgDn', ' ': 'Space',
};
const macNames: Record<string, string> = { ...names, mod: '⌘', shift: '⇧', alt: '⌥', delete: '⌫' };

/** The keys as they are printed on the keyboard: ["Ctrl", "K"]. */
export function spell(keys: string, mac = isMac): string[] {
  const chord = parse(keys);
  const table = mac ? macNames : names;
  const parts = [chord.mod && 'mod', chord.alt && 'alt', chord.shift && 'shift', chord.key].filter((p) => p !== false);
  return parts.map((part) => table[part.toLowerCase()] ?? (part.length === 1 ? part.toUpperCase() : part));
}
