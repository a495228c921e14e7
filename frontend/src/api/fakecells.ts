// The states of running cells, for tests and for looking at the window without a backend: a shop with a
// cache, a limit and a breaker, and a pool of which one target is ejected.
import {
  Failure, type CellAction, type CellFigure, type CellMood, type CellState, type Config, type Figures, type Module, type TargetFigure,
} from './backend';
import { config, connections, field, figures, latency } from './fakedata';

const gauge = (name: string, value: number, help: string, labels: CellFigure['labels'] = []): CellFigure => ({ name, help, counter: false, labels, value });
const counter = (name: string, value: number, help: string, labels: CellFigure['labels'] = []): CellFigure => ({ name, help, counter: true, labels, value });
const by = (name: string, value: string) => [{ name, value }];

/** What the fake's cells tell of themselves. */
export function cells(): CellState[] {
  return [
    {
      cell: 'shop-api/cache', module: 'cache', summary: '1 204 entries, 12 of 64 MiB', level: 'calm',
      figures: [
        gauge('entries', 1_204, 'Answers that are kept.'), gauge('bytes', 12_582_912, 'Memory that they take.'), gauge('max_bytes', 67_108_864, 'Memory that they may take.'),
        gauge('hit_ratio', 0.714, 'Share of the requests that were answered from the cache.'), gauge('oldest_seconds', 5_420, 'Age of the oldest answer.'),
        counter('results_total', 8_120, 'What became of requests.', by('result', 'hit')), counter('results_total', 3_250, 'What became of requests.', by('result', 'miss')),
        counter('results_total', 214, 'What became of requests.', by('result', 'revalidated')), counter('evictions_total', 31, 'Answers that had to make room.'),
      ],
      actions: [
        { name: 'clear', title: 'Clear', help: 'Forgets every answer.', arguments: [] },
        {
          name: 'purge', title: 'Purge…', help: 'Forgets the answers to some addresses.', arguments: [
            { name: 'pattern', title: 'Addresses', help: 'A path, or a prefix that ends in *.', placeholder: '/v1/products/*', required: true },
            { name: 'tag', title: 'Tag', help: 'Only answers that have this tag.' },
          ],
        },
        {
          name: 'warm', title: 'Warm…', help: 'Asks for addresses again, so that the cache has them.', arguments: [
            { name: 'urls', title: 'Recorded requests', help: 'A filter: each GET that it matches is asked for once.', placeholder: 'status = 200', required: true, recorded: true },
          ],
        },
      ],
    },
    {
      cell: 'shop-api/ratelimit', module: 'ratelimit', summary: '3 of 40 clients limited', level: 'warn',
      figures: [gauge('clients', 40, 'Clients that are counted.'), gauge('limited', 3, 'Clients that have nothing left.'), counter('rejected_total', 412, 'Requests that were refused.')], actions: [],
    },
    {
      cell: 'shop-api/breaker', module: 'breaker', summary: 'open, 12 s left', level: 'alarm',
      figures: [gauge('open_seconds', 18, 'How long it has been open.'), counter('opened_total', 2, 'How often it opened.')],
      actions: [{ name: 'close', title: 'Close now', help: 'Lets requests pass again.', arguments: [] }],
    },
  ];
}

/** What a cell answers to an action; an argument that is wanted and lacks is told at its name. */
export function done(states: readonly CellState[], asked: CellAction): string {
  const action = states.find((one) => one.cell === asked.cell)?.actions.find((one) => one.name === asked.action);
  if (action === undefined) throw refused('not_found', '', `Acting on ${asked.cell}: it has no action "${asked.action}".`);
  const lacks = action.arguments?.find((one) => one.required && !asked.arguments[one.name]);
  if (lacks) throw refused('invalid', lacks.name, `${lacks.title}: write ${lacks.placeholder ?? 'something'}.`);
  return `${action.title.replace('…', '')} was done on ${asked.cell}.`;
}

function refused(kind: string, where: string, message: string): Failure {
  return new Failure({ kind, where, message, line: 0, column: 0 });
}

/** Modules whose cells have a state. */
export const telling: Module[] = [
  {
    name: 'cache', title: 'Cache', summary: 'Keeps answers and gives them again.', icon: 'layers', stage: 'serve', figure: 'hits', fields: [
      field({ name: 'max_bytes', title: 'Memory', kind: 'size', default: '64MiB', min: '1MiB' }),
      field({ name: 'key', title: 'Key', kind: 'choice', default: 'url', oneOf: ['url', 'path', 'url_without_query', 'url_and_client', 'url_and_cookies', 'url_and_accept_language', 'method_and_url_and_body_digest'] }),
      field({ name: 'rules', title: 'Rules', kind: 'tables', help: 'The first that fits decides.', fields: [
        field({ name: 'when', title: 'When', kind: 'filter', required: true, placeholder: 'path ^= "/v1/"' }), field({ name: 'ttl', title: 'Fresh for', kind: 'duration', default: '1m', max: '24h' }),
        field({ name: 'vary', title: 'Vary', kind: 'list', placeholder: 'Accept-Language' }),
      ] }),
    ],
  },
  { name: 'ratelimit', title: 'Rate limit', summary: 'Refuses what is too much.', icon: 'hourglass', stage: 'guard', figure: 'limited', fields: [field({ name: 'limit', title: 'Limit', kind: 'int', default: '100', min: '1', unit: 'requests' })] },
  { name: 'breaker', title: 'Circuit breaker', summary: 'Stops asking a server that fails.', icon: 'zap', stage: 'balance', figure: 'stopped', fields: [field({ name: 'open_for', title: 'Open for', kind: 'duration', default: '30s' })] },
];

/** The fake's configuration, with the cells of `cells` in the route shop-api and a third target in the pool. */
export function telltale(): Config {
  const whole = config();
  const cell = (use: string, settings = {}) => ({ id: use, use, when: '', off: false, settings });
  const rules = [{ when: 'path ^= "/v1/products"', ttl: '10m', vary: ['Accept-Language'] }, { when: 'path ^= "/v1/cart"', ttl: '0s' }, { when: 'status = 404', ttl: '5s' }];
  return {
    ...whole,
    document: {
      ...whole.document,
      routes: whole.document.routes.map((route) => (route.name === 'shop-api' ? { ...route, cells: [cell('ratelimit'), cell('cache', { rules }), ...route.cells, cell('breaker')] } : route)),
      upstreams: whole.document.upstreams.map((pool) => (pool.name === 'shop' ? { ...pool, settings: { targets: [3000, 3001, 3002].map((port) => ({ url: `http://127.0.0.1:${port}` })) } } : pool)),
    },
  };
}

/** A target that was ejected at the moment, in milliseconds of Unix, and twice before. */
export function ejected(at: number): TargetFigure {
  const before = (seconds: number) => new Date(at - seconds * 1_000).toISOString();
  return {
    target: '127.0.0.1:3002', connections: connections(0, 0), state: 'ejected', reason: '5 answers of 5xx in a row', since: before(0), weight: 2, effectiveWeight: 0,
    inFlight: 0, latency: 212_000, ejections: 3, backup: true,
    history: [
      { at: before(620), state: 'ejected', reason: '5 answers of 5xx in a row' }, { at: before(590), state: 'healthy', reason: 'its 30 s are over' },
      { at: before(0), state: 'ejected', reason: '5 answers of 5xx in a row' },
    ],
  };
}

/** The figures that belong to `telltale`, as they stand at the moment. */
export function telltaleFigures(at: number): Figures {
  const whole = figures();
  const seen = (cell: string, share: number) => ({ cell, seen: 1_204, acted: Math.round(1_204 * share), failed: 0, rate: 3.2, share });
  return {
    ...whole,
    cells: [...whole.cells, seen('shop-api/cache', 0.71), seen('shop-api/ratelimit', 0.04), seen('shop-api/breaker', 0.2)],
    pools: whole.pools.map((pool) => (pool.pool === 'shop' ? { ...pool, targets: [...pool.targets, ejected(at - 12_000)] } : pool)),
    states: cells().map(({ cell, summary, level }): CellMood => ({ cell, summary, level })),
    latencies: [...whole.latencies, latency('shop-api/cache', 80), latency('upstream/shop/127.0.0.1:3000', 2_900)],
  };
}
