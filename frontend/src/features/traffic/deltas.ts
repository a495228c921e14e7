// The message as it was before and after a step of the trail. The record holds the request as it came
// and the answer as it left: what the cells did in between is replayed from their edits. A pool is no
// cell: its step tells how the heads on the wire to the target differ from those that the cells saw.
import type { Exchange, FieldEdit, HeaderField, Leg, Side, Step } from '../../api/backend';

export interface DiffRow {
  before: string; // "Name: value"; "" for a gap
  after: string;
  op: 'same' | 'add' | 'remove' | 'set' | 'more';
}

const AROUND = 1; // unchanged lines that are shown beside a changed one

/** The fields of one side as a cell was given them. */
export function fieldsBefore(exchange: Exchange, index: number, side: Side): HeaderField[] {
  const way = wayTo(exchange.steps, index);
  if (side === 'request') return way.reduce((fields, step) => step.request.fields.reduce(apply, fields), exchange.request.fields);
  // The first step is the last to touch the answer.
  const deltas = [...way.map((step) => step.response), exchange.steps[index]?.response];
  return deltas.reduce((fields, delta) => delta?.fields.reduceRight(undo, fields) ?? fields, exchange.response?.fields ?? []);
}

/** A head between the proxy and the target: of the request as it was sent, of the answer as it came. */
export function headOnWire(exchange: Exchange, index: number, side: Side): { line: string; fields: HeaderField[] } {
  const leg = legOf(exchange.steps[index], side);
  if (!leg) return { line: '', fields: [] };
  return { line: leg.lineAfter, fields: side === 'request' ? leg.fields.reduce(apply, leg.before) : leg.before };
}

/** One side of a step as two columns; empty when it changed nothing there. */
export function difference(exchange: Exchange, index: number, side: Side): DiffRow[] {
  const step = exchange.steps[index];
  const leg = legOf(step, side);
  const delta = leg ?? step?.[side];
  if (!delta || (delta.fields.length === 0 && delta.lineBefore === delta.lineAfter)) return [];
  const rows: DiffRow[] = [];
  if (delta.lineBefore !== delta.lineAfter) rows.push({ before: delta.lineBefore, after: delta.lineAfter, op: 'set' });
  const open = [...delta.fields];
  for (const field of leg?.before ?? fieldsBefore(exchange, index, side)) {
    const at = open.findIndex((edit) => edit.op !== 'add' && same(edit, field, edit.was));
    const edit = at >= 0 ? open.splice(at, 1)[0] : undefined;
    const before = line(field.name, field.value);
    if (!edit) rows.push({ before, after: before, op: 'same' });
    else if (edit.op === 'remove') rows.push({ before, after: '', op: 'remove' });
    else rows.push({ before, after: line(edit.name, edit.now), op: 'set' });
  }
  // What could not be placed is shown all the same: a part of the trail may be missing.
  for (const edit of open) {
    if (edit.op === 'add') rows.push({ before: '', after: line(edit.name, edit.now), op: 'add' });
    else if (edit.op === 'remove') rows.push({ before: line(edit.name, edit.was), after: '', op: 'remove' });
    else rows.push({ before: line(edit.name, edit.was), after: line(edit.name, edit.now), op: 'set' });
  }
  return near(rows);
}

/** Which fields of the answer a cell put there or changed, by name in lower case. */
export function setByCells(exchange: Exchange): Map<string, Step> {
  const by = new Map<string, Step>();
  for (const step of exchange.steps.toReversed()) {
    for (const edit of step.response.fields) {
      if (edit.op === 'remove') by.delete(edit.name.toLowerCase());
      else by.set(edit.name.toLowerCase(), step);
    }
  }
  return by;
}

/** What a step changed in a few words: "request +3 −1, body". */
export function changes(step: Step): string {
  return [said('request', step), said('response', step)].filter((part) => part !== '').join(', ');
}

function said(side: Side, step: Step): string {
  const { fields, lineBefore, lineAfter, body } = step[side];
  const of = (op: string) => fields.filter((edit) => edit.op === op).length;
  const counts = [of('add') && `+${of('add')}`, of('remove') && `−${of('remove')}`, of('set') && `±${of('set')}`, lineBefore !== lineAfter && 'line', body && 'body'];
  const parts = counts.filter((part) => part !== 0 && part !== false);
  return parts.length === 0 ? '' : `${side} ${parts.join(' ')}`;
}

/** What lies between the cells and the target, where the step is a pool's. */
function legOf(step: Step | undefined, side: Side): Leg | undefined {
  if (step?.module !== 'upstream') return undefined;
  return side === 'request' ? step.sent : step.came;
}

/** The cells that a message passes up to a step, without those that were passed in vain. */
function wayTo(steps: readonly Step[], index: number): Step[] {
  const way = steps.slice(0, index + 1).reduce<Step[]>((before, step) => {
    // A retry passes the cells behind it again, with the request as it was: what was passed since is superseded.
    const again = before.findIndex((one) => one.cell === step.cell);
    return [...(again < 0 ? before : before.slice(0, again)), step];
  }, []);
  return way.slice(0, -1).filter((step) => step.module !== 'upstream');
}

function apply(fields: HeaderField[], edit: FieldEdit): HeaderField[] {
  if (edit.op === 'add') return [...fields, { name: edit.name, value: edit.now }];
  const at = fields.findIndex((field) => same(edit, field, edit.was));
  if (at < 0) return fields;
  return edit.op === 'remove' ? fields.toSpliced(at, 1) : fields.with(at, { name: edit.name, value: edit.now });
}

function undo(fields: HeaderField[], edit: FieldEdit): HeaderField[] {
  if (edit.op === 'remove') return [...fields, { name: edit.name, value: edit.was }];
  const at = fields.findLastIndex((field) => same(edit, field, edit.now));
  if (at < 0) return fields;
  return edit.op === 'add' ? fields.toSpliced(at, 1) : fields.with(at, { name: edit.name, value: edit.was });
}

function same(edit: FieldEdit, field: HeaderField, value: string): boolean {
  // A head is read without the blanks around its values; cells may set them with some.
  return field.name.toLowerCase() === edit.name.toLowerCase() && field.value.trim() === value.trim();
}

function line(name: string, value: string): string {
  return `${name}: ${value}`;
}

/** Drops unchanged lines that are far from a changed one, and says how many. */
function near(rows: readonly DiffRow[]): DiffRow[] {
  const keep = rows.map((_, i) => rows.slice(Math.max(0, i - AROUND), i + AROUND + 1).some((row) => row.op !== 'same'));
  const out: DiffRow[] = [];
  let hidden = 0;
  const tell = () => {
    const words = hidden === 1 ? '1 more field' : `${hidden} more fields`;
    if (hidden > 0) out.push({ before: words, after: words, op: 'more' });
    hidden = 0;
  };
  rows.forEach((row, i) => {
    if (!keep[i]) hidden++;
    else {
      tell();
      out.push(row);
    }
  });
  tell();
  return out;
}
