// Enough of a language's words to read it by colour. A line is cut by itself; what runs over its end
// (a comment, a template, a tag) is the state that the next one begins in.
import type { Kind } from './sniff';
import type { Stretch, Tint } from './tree.svelte';

type Rule = [pattern: RegExp, tint: Tint | '', becomes?: string];
/** Rules by state; each language begins in ''. */
type Language = Record<string, Rule[]>;

const strings: Rule[] = [[/"(?:[^"\\]|\\.)*"?/y, 'string'], [/'(?:[^'\\]|\\.)*'?/y, 'string']];
const numbers: Rule = [/-?\b\d[\w.]*\b/y, 'number'];
const comment: Rule[] = [[/.*?\*\//y, 'dim', ''], [/.+/y, 'dim']];

const json: Language = {
  '': [
    [/"(?:[^"\\]|\\.)*"(?=\s*:)/y, 'key'], [/"(?:[^"\\]|\\.)*"?/y, 'string'], [/-?\d[\d.eE+-]*/y, 'number'],
    [/\b(?:true|false|null)\b/y, 'word'], [/[{}[\],:]/y, 'mark'],
  ],
};

const js: Language = {
  '': [
    [/\/\/.*/y, 'dim'], [/\/\*.*?\*\//y, 'dim'], [/\/\*.*/y, 'dim', 'comment'], [/`(?:[^`\\]|\\.)*`/y, 'string'], [/`.*/y, 'string', 'template'],
    ...strings,
    [/\b(?:async|await|break|case|catch|class|const|continue|default|delete|do|else|export|extends|false|finally|for|from|function|if|import|in|instanceof|let|new|null|of|return|static|super|switch|this|throw|true|try|typeof|undefined|var|void|while|yield)\b/y, 'word'],
    numbers, [/[\w$]+/y, ''], [/[{}[\]();,.=<>+\-*/%!&|?:^~]/y, 'mark'],
  ],
  comment,
  template: [[/(?:[^`\\]|\\.)*`/y, 'string', ''], [/.+/y, 'string']],
};

const css: Language = {
  '': [
    [/\/\*.*?\*\//y, 'dim'], [/\/\*.*/y, 'dim', 'comment'], ...strings, [/@[\w-]+/y, 'word'], [/#[\da-fA-F]{3,8}\b/y, 'number'],
    [/-?\.?\d[\w.%]*/y, 'number'], [/--?[\w-]+(?=\s*:)/y, 'key'], [/[a-z-]+(?=\s*:\s)/y, 'key'], [/[\w-]+/y, ''], [/[{}();:,>]/y, 'mark'],
  ],
  comment,
};

const markup: Language = {
  '': [
    [/<!--.*?-->/y, 'dim'], [/<!--.*/y, 'dim', 'comment'], [/<[!?][^>]*>?/y, 'dim'], [/<\/?/y, 'mark', 'tag'], [/&#?\w+;/y, 'number'], [/[^<&]+/y, ''],
  ],
  tag: [[/\/?>/y, 'mark', ''], [/[\w:.-]+(?=\s*=)/y, 'key'], [/"[^"]*"?/y, 'string'], [/'[^']*'?/y, 'string'], [/=/y, 'mark'], [/[\w:.-]+/y, 'word']],
  comment: [[/.*?-->/y, 'dim', ''], [/.+/y, 'dim']],
};

const form: Language = { '': [[/[^&=]+(?==)/y, 'key'], [/[&=]/y, 'mark'], [/[^&=]+/y, 'string']] };

const languages: Partial<Record<Kind, Language>> = { json, js, css, html: markup, xml: markup, form };

const LONGEST = 100_000; // characters of a line that is coloured: a longer one was not written to be read
const CUT = 64; // coloured lines that are kept

/** A line as it is shown: a stretch of a line of the text. */
interface Shown {
  source: number;
  from: number;
}

/** A text in lines of at most so many characters, with their colours, cut as far as they are looked at. */
export class Highlighted {
  /** Lines as they are shown. */
  readonly count: number;
  readonly #source: readonly string[];
  readonly #shown: Shown[] = [];
  readonly #first: number[] = []; // the first shown line of each of the text
  readonly #columns: number;
  readonly #language: Language | undefined;
  #states: string[] = ['']; // that each line begins in, as far as known
  #cut = new Map<number, Stretch[]>();

  constructor(text: string, kind: Kind, columns: number) {
    this.#source = text.split(/\r?\n/);
    this.#columns = Math.max(20, columns);
    this.#language = languages[kind];
    this.#source.forEach((line, source) => {
      this.#first.push(this.#shown.length);
      for (let from = 0; from === 0 || from < line.length; from += this.#columns) this.#shown.push({ source, from });
    });
    this.count = this.#shown.length;
  }

  /** The number of a line in the text; 0 for one that only goes on. */
  number(index: number): number {
    const shown = this.#shown[index];
    return shown?.from === 0 ? shown.source + 1 : 0;
  }

  line(index: number): Stretch[] {
    const shown = this.#shown[index];
    return shown ? slice(this.#coloured(shown.source), shown.from, shown.from + this.#columns) : [];
  }

  /** The shown lines in which the text begins, one for each time. Case does not matter. */
  find(wanted: string): number[] {
    const low = wanted.toLowerCase();
    if (low === '') return [];
    return this.#source.flatMap((line, source) => {
      const lower = line.toLowerCase();
      const found: number[] = [];
      for (let at = lower.indexOf(low); at >= 0; at = lower.indexOf(low, at + low.length)) {
        found.push((this.#first[source] ?? 0) + Math.floor(at / this.#columns));
      }
      return found;
    });
  }

  #coloured(source: number): Stretch[] {
    const text = this.#source[source] ?? '';
    const language = this.#language;
    if (!language || text.length > LONGEST) return [{ tint: 'key', text }];
    const known = this.#cut.get(source);
    if (known) return known;
    for (let i = this.#states.length - 1; i < source; i++) {
      this.#states.push(cut(language, this.#source[i] ?? '', this.#states[i] ?? '')[1]);
    }
    const [made] = cut(language, text, this.#states[source] ?? '');
    if (this.#cut.size > CUT) this.#cut.clear();
    this.#cut.set(source, made);
    return made;
  }
}

function slice(stretches: readonly Stretch[], from: number, to: number): Stretch[] {
  const out: Stretch[] = [];
  let at = 0;
  for (const { tint, text } of stretches) {
    if (at >= to) break;
    if (at + text.length > from) out.push({ tint, text: text.slice(Math.max(0, from - at), to - at) });
    at += text.length;
  }
  return out;
}

function cut(language: Language, line: string, begins: string): [stretches: Stretch[], ends: string] {
  const out: Stretch[] = [];
  let state = begins;
  let at = 0;
  while (at < line.length) {
    const [length, tint, becomes] = first(language[state] ?? [], line, at);
    const last = out.at(-1);
    const text = line.slice(at, at + length);
    const colour = tint === '' ? 'key' : tint;
    if (last && last.tint === colour) last.text += text;
    else out.push({ tint: colour, text });
    at += length;
    state = becomes ?? state;
  }
  return [out, state];
}

/** What the first rule that fits takes; a character that fits none is plain. */
function first(rules: readonly Rule[], line: string, at: number): [length: number, tint: Tint | '', becomes: string | undefined] {
  for (const [pattern, tint, becomes] of rules) {
    pattern.lastIndex = at;
    const found = pattern.exec(line);
    if (found && found[0].length > 0) return [found[0].length, tint, becomes];
  }
  return [1, '', undefined];
}
