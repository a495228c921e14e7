// A filter as a person sees it: conditions that all hold, each a chip. What they mean is the
// backend's to say; here they are only cut at the right places.

export interface Condition {
  field: string;
  sign: string;
  value: string;
}

interface Word {
  text: string;
  at: number;
}

/** The words of the text that stand outside of quotes and parentheses. */
function outerWords(text: string): Word[] {
  const words: Word[] = [];
  let depth = 0;
  for (const found of text.matchAll(/"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|[()]|[^\s()"']+/g)) {
    const [word] = found;
    if (word === '(') depth++;
    else if (word === ')') depth = Math.max(0, depth - 1);
    else if (depth === 0 && !/^["']/.test(word)) words.push({ text: word, at: found.index });
  }
  return words;
}

/** The conditions that must all hold. A text with an `or` on the outside is one condition. */
export function conditions(text: string): string[] {
  const words = outerWords(text);
  if (words.some((word) => word.text.toLowerCase() === 'or')) return [text.trim()];
  const parts: string[] = [];
  let from = 0;
  for (const word of words) {
    if (word.text.toLowerCase() !== 'and') continue;
    parts.push(text.slice(from, word.at));
    from = word.at + word.text.length;
  }
  return [...parts, text.slice(from)].map((part) => part.trim()).filter((part) => part !== '');
}

/** A condition that may stand beside others: an `or` on the outside needs parentheses. */
export function joinable(condition: string): string {
  return outerWords(condition).some((word) => word.text.toLowerCase() === 'or') ? `(${condition})` : condition;
}

/** What stands before the typed text in the whole filter. */
export function before(chips: readonly string[]): string {
  return chips.map((chip) => `${chip} and `).join('');
}

/** The whole filter. */
export function joined(chips: readonly string[], typed: string): string {
  return typed.trim() === '' ? chips.join(' and ') : before(chips) + typed;
}

/** The chip that a place in the whole filter is in; -1 when it is none. */
export function chipAt(chips: readonly string[], at: number): number {
  let end = 0;
  return at < 0 ? -1 : chips.findIndex((chip) => (end += chip.length + ' and '.length) > at);
}

/** The condition before an `and` that ends the text; "" when it does not end so. */
export function ended(text: string): string {
  const last = outerWords(text).at(-1);
  return last?.text.toLowerCase() === 'and' && /\s$/.test(text) ? text.slice(0, last.at).trim() : '';
}

/** A single comparison taken apart; null for anything else. */
export function comparison(condition: string): Condition | null {
  const found = /^([\w.-]+)\s*(>=|<=|!=|\^=|\$=|\*=|=|~|<|>)\s*("[^"]*"|'[^']*'|[^\s"']+)$/.exec(condition);
  if (!found) return null;
  const [, field = '', sign = '', value = ''] = found;
  return { field, sign, value: value.replace(/^(["'])(.*)\1$/, '$2') };
}

/** A value as it must be written: in quotes when it holds more than a word. */
export function quoted(value: string): string {
  return /^[\w.:/*%+-]+$/.test(value) && !/^(and|or|not|in)$/i.test(value) ? value : `"${value.replaceAll(/(["\\])/g, '\\$1')}"`;
}
