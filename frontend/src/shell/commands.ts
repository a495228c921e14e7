// What the palette offers for what was typed.
import type { Action } from '../ui/action';

export interface Command {
  id: string;
  title: string;
  group: string;
  icon: string;
  keys: string;
  run: () => void;
}

const maxShown = 50;

/** How well the title answers the query: 0 not at all; a word's beginning counts more than its middle. */
export function score(title: string, query: string): number {
  const text = title.toLowerCase();
  let total = 0;
  for (const word of query.toLowerCase().split(/\s+/).filter(Boolean)) {
    const at = text.indexOf(word);
    if (at < 0) {
      const initials = letters(text, word);
      if (initials === 0) return 0;
      total += initials;
    } else {
      total += at === 0 ? 4 : /[\s(/:#-]/.test(text.charAt(at - 1)) ? 3 : 2;
    }
  }
  return total;
}

/** The letters in their order, with gaps: "stt" finds "Start the tour". */
function letters(text: string, word: string): number {
  if (word.length < 2) return 0;
  const starts = text.split(/[^a-z0-9]+/).map((part) => part.charAt(0)).join('');
  return starts.includes(word) ? 1 : 0;
}

/** The commands that answer the query, the best first; all in their order without one. */
export function rank(commands: readonly Command[], query: string): Command[] {
  if (query.trim() === '') return commands.slice(0, maxShown);
  const scored = commands.map((command) => ({ command, points: score(`${command.title} ${command.group}`, query) }));
  return scored
    .filter((one) => one.points > 0)
    .sort((a, b) => b.points - a.points)
    .slice(0, maxShown)
    .map((one) => one.command);
}

/** The number in "#1204", "1204" or "1,204,278"; 0 where the query is none. */
export function exchangeIn(query: string): number {
  const digits = /^#?\s*(\d[\d,]*)$/.exec(query.trim())?.[1]?.replaceAll(',', '');
  const seq = Number(digits ?? 0);
  return Number.isSafeInteger(seq) ? seq : 0;
}

const icons: Record<string, string> = { Start: 'house', Traffic: 'list', Comb: 'comb', Settings: 'sliders-horizontal', Window: 'app-window', Look: 'palette' };

export function commandOf(action: Action, run: () => void): Command {
  return { id: action.id, title: action.title, group: action.group, icon: icons[action.group] ?? 'chevron-right', keys: action.keys ?? '', run };
}
