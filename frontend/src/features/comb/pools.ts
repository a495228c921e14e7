// What is known of a pool beside its settings.

import type { Connections, Document, Faults } from '../../api/backend';

/** Whether the pool takes any certificate. The name "" is the pool of forward exchanges. */
export function unverified(document: Document, pool: string): boolean {
  const settings = pool === '' ? document.sections['forward'] : document.upstreams.find((u) => u.name === pool)?.settings;
  return settings?.['skip_verify'] === true;
}

/** Connections in a line: "12 open · 3 idle · 1 waiting". What there is none of is left out. */
export function connectionsText(c: Connections): string {
  const count = (n: number, word: string) => (n > 0 ? [`${n.toLocaleString('en')} ${word}`] : []);
  const parts = [
    ...count(c.open, 'open'), ...count(c.idle, 'idle'), ...count(c.waiting, 'waiting'),
    ...count(c.streams, c.streams === 1 ? 'stream of HTTP/2' : 'streams of HTTP/2'),
  ];
  return parts.length > 0 ? parts.join(' · ') : 'no connection open';
}

const faultWords: Record<keyof Faults, string> = {
  connect: 'not reached', tls: 'in TLS', timeout: 'timed out', reset: 'cut off', protocol: 'not HTTP', crowded: 'without a connection',
};

/** What failed, worst first: "3 not reached, 1 timed out"; '' when nothing did. */
export function faultsText(c: Connections): string {
  return (Object.keys(faultWords) as (keyof Faults)[])
    .map((kind) => ({ n: c.faults[kind], word: faultWords[kind] }))
    .filter(({ n }) => n > 0)
    .sort((a, b) => b.n - a.n)
    .map(({ n, word }) => `${n.toLocaleString('en')} ${word}`)
    .join(', ');
}
