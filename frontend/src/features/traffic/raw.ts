// What of an exchange can be seen as raw bytes.
import type { Exchange, RawSide } from '../../api/backend';

const labels: Record<RawSide, string> = { request: 'Request', sent: 'To target', came: 'From target', response: 'Response' };
const ends: Record<RawSide, RawSide> = { request: 'request', sent: 'request', came: 'response', response: 'response' };

/** The step of the pool that the raw heads are of; -1 where there is none. One that ran beside another lost to it. */
export function poolStep({ steps }: Exchange): number {
  return steps.findLastIndex((step) => step.module === 'upstream' && !step.facts.some((fact) => fact.name === 'beside'));
}

/** The sides that there are, in the order of the way. */
export function rawSides(exchange: Exchange): { id: RawSide; label: string }[] {
  const step = exchange.steps[poolStep(exchange)];
  const there: Record<RawSide, boolean> = {
    request: true, sent: (step?.sent.lineAfter ?? '') !== '', came: (step?.came.lineAfter ?? '') !== '', response: exchange.response !== null,
  };
  return (['request', 'sent', 'came', 'response'] as const).filter((id) => there[id]).map((id) => ({ id, label: labels[id] }));
}

/** The side that is shown where this one is wanted: itself, else the client's end of its way. */
export function nearest(wanted: RawSide, sides: readonly { id: RawSide }[]): RawSide {
  return [wanted, ends[wanted]].find((id) => sides.some((side) => side.id === id)) ?? 'request';
}

/** What is said beside the size. HTTP/2 has no text form: its heads are printed. */
export function rawWords(side: RawSide, exchange: Exchange): string {
  const step = exchange.steps[poolStep(exchange)];
  const spoken: Record<RawSide, boolean> = {
    request: isHTTP2(exchange.request.proto), response: isHTTP2(exchange.response?.proto ?? ''),
    sent: isHTTP2(step?.sent.lineAfter ?? ''), came: isHTTP2(step?.came.lineAfter ?? ''),
  };
  const what = side === 'sent' || side === 'came' ? ' head' : '';
  return `${what}, ${spoken[side] ? 'as HTTP/1 would write it' : 'as on the wire'}`;
}

/** Tells by a protocol, or a line that names one. */
function isHTTP2(line: string): boolean {
  return / HTTP\/2\.0$|^HTTP\/2\.0/.test(line);
}
