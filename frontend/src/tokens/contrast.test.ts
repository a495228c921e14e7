// Measures the colours of tokens.css by WCAG 2.2: 4.5:1 for text, 3:1 for the outlines of controls and
// for marks. Every pair that a component puts together is named here.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

type Rgb = [number, number, number];

const src = join(import.meta.dirname, '..');
const css = readFileSync(join(src, 'tokens/tokens.css'), 'utf8');

const grounds = ['bg-0', 'bg-1', 'bg-2', 'bg-3', 'sel'];
const words = ['text', 'dim'];
const states = ['ok', 'info', 'warn', 'bad', 'mocked', 'cached', 'paused', 'replayed'];
const stages = ['identify', 'guard', 'shape', 'serve', 'balance', 'observe'].map((stage) => `stage-${stage}`);

describe.each(['dark', 'light'])('in the %s theme', (theme) => {
  const tokens = tokensOf(theme);
  const ratio = (a: string, b: string) => contrast(colour(tokens, a), colour(tokens, b));

  it.each(grounds.flatMap((ground) => words.map((word) => [word, ground])))('%s on %s can be read', (word, ground) => {
    expect(ratio(word, ground)).toBeGreaterThanOrEqual(4.5);
  });

  it.each([...states, 'honey-ink', 'faint'].flatMap((word) => ['bg-0', 'bg-1', 'bg-2'].map((ground) => [word, ground])))(
    '%s on %s can be read',
    (word, ground) => {
      expect(ratio(word, ground)).toBeGreaterThanOrEqual(4.5);
    },
  );

  it.each(states.flatMap((word) => ['bg-0', 'bg-1', 'bg-2'].map((ground) => [word, ground])))(
    '%s on its tint over %s can be read',
    (word, ground) => {
      const tinted = mix(colour(tokens, word), colour(tokens, ground), part(tokens, 'tint'));
      expect(contrast(colour(tokens, word), tinted)).toBeGreaterThanOrEqual(4.5);
      expect(contrast(colour(tokens, 'text'), tinted)).toBeGreaterThanOrEqual(4.5);
    },
  );

  it.each(stages)('%s on the face of an acting cell can be read', (stage) => {
    const ground = theme === 'dark' ? 'bg-1' : 'bg-2'; // as in features/comb/hex.css
    const face = mix(colour(tokens, stage), colour(tokens, ground), 0.17);
    expect(contrast(colour(tokens, stage), face)).toBeGreaterThanOrEqual(4.5);
    expect(contrast(colour(tokens, 'dim'), face)).toBeGreaterThanOrEqual(4.5);
    expect(ratio(stage, 'bg-1')).toBeGreaterThanOrEqual(4.5);
  });

  it('the words on honey can be read', () => {
    expect(ratio('on-honey', 'honey-fill')).toBeGreaterThanOrEqual(4.5);
  });

  it.each(['edge', 'honey', 'faint'].flatMap((mark) => ['bg-0', 'bg-1', 'bg-2'].map((ground) => [mark, ground])))('%s on %s can be seen', (mark, ground) => {
    expect(ratio(mark, ground)).toBeGreaterThanOrEqual(3);
  });
});

describe('the measure', () => {
  it.each([
    ['#000000', '#ffffff', 21],
    ['#777777', '#ffffff', 4.48],
    ['#ffffff', '#ffffff', 1],
  ])('of %s on %s is %d', (a, b, want) => {
    expect(contrast(hex(a), hex(b))).toBeCloseTo(want, 2);
  });
});

describe('raw colours', () => {
  const raw = /#(?:[0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})\b(?!-)|\b(?:rgba?|hsla?|oklch|oklab|lab|lch)\(/gi;
  const found = (text: string) => text.replaceAll(/\bin (?:oklab|srgb)\b/g, '').match(raw) ?? [];

  it('stand in tokens.css alone', () => {
    const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
      .map((path) => path.replaceAll('\\', '/'))
      .filter((path) => /\.(svelte|css)$/.test(path) && path !== 'tokens/tokens.css');
    expect(files.length).toBeGreaterThan(50);
    const faults = files.flatMap((path) => found(readFileSync(join(src, path), 'utf8')).map((one) => `${path}: ${one}`));
    expect(faults).toEqual([]);
  });

  it.each(['color: #fff', 'fill="#F5B301"', 'background: rgba(0, 0, 0, 0.5)', 'border: 1px solid hsl(40 90% 50%)'])('%s would be found', (text) => {
    expect(found(text)).toHaveLength(1);
  });

  it.each(['href="#settings-about"', 'id="hex-{i}"', 'color-mix(in oklab, var(--honey) 15%, var(--bg-0))', '#{row.seq}', 'querySelector("#app")'])('%s is none', (text) => {
    expect(found(text)).toEqual([]);
  });
});

/** The tokens of a theme: those of every theme, and its own over them. */
function tokensOf(theme: string): Map<string, string> {
  const tokens = new Map<string, string>();
  for (const [, selector = '', body = ''] of css.replaceAll(/\/\*.*?\*\//gs, '').matchAll(/([^{}]+)\{([^{}]*)\}/g)) {
    const mine = selector.trim() === ':root' || selector.includes(`[data-theme='${theme}']`);
    if (!mine) continue;
    for (const [, name = '', value = ''] of body.matchAll(/--([\w-]+):\s*([^;]+);/g)) tokens.set(name, value.trim());
  }
  return tokens;
}

function colour(tokens: Map<string, string>, name: string): Rgb {
  const value = tokens.get(name);
  if (value === undefined) throw new Error(`tokens.css has no --${name}`);
  const mixed = /^color-mix\(in \w+, var\(--([\w-]+)\) (\d+)%, var\(--([\w-]+)\)\)$/.exec(value);
  if (!mixed) return hex(value);
  const [, top = '', percent = '', under = ''] = mixed;
  return mix(colour(tokens, top), colour(tokens, under), Number(percent) / 100);
}

function part(tokens: Map<string, string>, name: string): number {
  return Number.parseFloat(tokens.get(name) ?? '') / 100;
}

function hex(value: string): Rgb {
  const digits = /^#([0-9a-f]{6})$/i.exec(value)?.[1];
  if (digits === undefined) throw new Error(`${value} is no colour of six digits`);
  return [0, 2, 4].map((at) => Number.parseInt(digits.slice(at, at + 2), 16)) as Rgb;
}

/** In sRGB; oklab differs by less than the rounding at these strengths. */
function mix(top: Rgb, under: Rgb, share: number): Rgb {
  return top.map((channel, i) => channel * share + (under[i] ?? 0) * (1 - share)) as Rgb;
}

function luminance(rgb: Rgb): number {
  const [r, g, b] = rgb.map((channel) => {
    const c = channel / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  }) as Rgb;
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(a: Rgb, b: Rgb): number {
  const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}
