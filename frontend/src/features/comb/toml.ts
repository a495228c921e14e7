import type { Document } from '../../api/backend';
import type { CellRef } from './draft';

/**
 * The lines of a configuration that make one cell, with the comment in front of them. Where the text
 * writes its tables in another way than [[routes]] and [[routes.cells]], it is the whole text.
 */
export function cellText(text: string, doc: Document | null, at: CellRef): string {
  if (doc === null) return text;
  const route = doc.routes.findIndex((r) => r.name === at.route);
  const cells = at.route === '' ? doc.cells : (doc.routes[route]?.cells ?? []);
  const cell = cells.findIndex((c) => c.id === at.id);
  const lines = text.split('\n');
  let routes = -1;
  let seen = -1;
  for (const [i, line] of lines.entries()) {
    const header = line.trim().replaceAll(' ', '');
    if (header.startsWith('[[routes]]')) {
      routes++;
      seen = -1;
    }
    const mine = at.route === '' ? header.startsWith('[[cells]]') : routes === route && header.startsWith('[[routes.cells]]');
    if (mine && ++seen === cell) return dedent(block(lines, i));
  }
  return text;
}

function block(lines: string[], header: number): string[] {
  const line = (i: number) => (lines[i] ?? '').trim();
  const table = /^\[\[?([\w.]+)/.exec(line(header))?.[1] ?? '';
  const inside = (text: string) => text.startsWith(`[${table}.`) || text.startsWith(`[[${table}.`); // tables of the cell
  const comment = (text: string) => text.startsWith('#');
  let from = header;
  while (from > 0 && comment(line(from - 1))) from--;
  let to = header + 1;
  while (to < lines.length && (!line(to).startsWith('[') || inside(line(to)))) to++;
  while (to > header + 1 && (line(to - 1) === '' || comment(line(to - 1)))) to--;
  return lines.slice(from, to);
}

function dedent(lines: string[]): string {
  const indents = lines.filter((l) => l.trim() !== '').map((l) => l.length - l.trimStart().length);
  const least = Math.min(...indents);
  return lines.map((l) => l.slice(least)).join('\n');
}
