// A small shop for tests and for looking at the window without a backend.
import type {
  Catalogue, Config, Connection, Connections, Document, Exchange, Figures, Latency, Message, Module, Port, Program, Row,
  SchemaField, Status, Step, TargetFigure,
} from './backend';

/** Saturday 22 November 2025, 14:02:11 UTC: every fake exchange starts after it. */
export const epoch = Date.UTC(2025, 10, 22, 14, 2, 11);

export function field(over: Partial<SchemaField> & Pick<SchemaField, 'name' | 'title' | 'kind'>): SchemaField {
  return {
    help: '', default: '', min: '', max: '', oneOf: [], unit: '', placeholder: '', required: false, fields: [], ...over,
  };
}

type Sketch = [method: string, authority: string, target: string, status: number, type: string, size: number, micros: number, cells: string];

const sketches: Sketch[] = [
  ['GET', 'shop.localhost', '/v1/session', 200, 'json', 412, 12_400, 'asaa'],
  ['GET', 'img.localhost', '/beans/huila.webp', 200, 'webp', 41_700, 310, 'aa'],
  ['OPTIONS', 'shop.localhost', '/v1/checkout', 204, '', 0, 900, 'asa'],
  ['POST', 'shop.localhost', '/v1/checkout', 402, 'json', 231, 148_000, 'aasa'],
  ['GET', 'cdn.localhost', '/app.4f2c91.js', 304, 'js', 0, 3_100, 'asa'],
  ['GET', 'shop.localhost', '/v1/cart', 200, 'json', 1_100, 18_000, 'asaa'],
  ['PUT', 'shop.localhost', '/v1/cart/items/3', 200, 'json', 1_200, 22_000, 'asaa'],
  ['GET', 'shop.localhost', '/v1/live', 101, 'ws', 6_200, 291_000_000, 'asa'],
  ['POST', 'api.stripe.com', '/v1/refunds', 200, 'json', 2_800, 200, 'aa'],
  ['POST', 'shop.localhost', '/v1/checkout', 502, 'json', 231, 3_020_000, 'aasf'],
  ['GET', 'shop.localhost', '/v1/products?category=coffee&limit=12', 200, 'json', 2_140, 48_000, 'asaa'],
  ['DELETE', 'shop.localhost', '/v1/cart/items/2', 204, '', 0, 14_000, 'asaa'],
  ['GET', 'shop.localhost', '/favicon.ico', 404, 'html', 1_100, 3_000, 'asa'],
  ['PATCH', 'shop.localhost', '/v1/profile', 422, 'json', 318, 19_000, 'asaa'],
  ['GET', 'shop.localhost', '/v1/events', 200, 'sse', 5_400, 62_000, 'asaa'],
  ['GET', 'shop.localhost', '/v1/search?q=kenya', 0, '', 0, 1_200_000, 'asa'],
];

/** The row with this number: the same one for the same number, always. */
export function row(seq: number): Row {
  const sketch = sketches[seq % sketches.length] ?? sketches[0];
  if (!sketch) throw new Error('there are no sketches');
  const [method, authority, target, status, type, responseSize, micros, cells] = sketch;
  return {
    seq, started: epoch + seq * 137, method, scheme: authority === 'api.stripe.com' ? 'https' : 'http', authority, target,
    status, type, requestSize: method === 'GET' ? 0 : 184, responseSize, micros,
    state: status === 0 ? 'aborted' : status === 502 ? 'error' : 'done',
    door: authority === 'api.stripe.com' ? 'intercept' : 'reverse',
    route: authority === 'shop.localhost' ? 'shop-api' : authority === 'api.stripe.com' ? '' : 'images',
    mocked: authority === 'api.stripe.com', replayOf: seq % 37 === 5 && seq > 9 ? seq - 4 : 0, cells,
  };
}

const noLeg = { before: [], fields: [], lineBefore: '', lineAfter: '' };
const noDelta = { fields: [], lineBefore: '', lineAfter: '', body: false };

function steps(route: string): Step[] {
  return [
    {
      cell: 'common/requestid', module: 'requestid', title: 'Request ID', icon: 'hash', stage: 'identify', verdict: 'changed',
      why: '', facts: [{ name: 'id', value: '019ab4c2-7d1e-7c0a-9f42-6b0e1d55a8c1' }, { name: 'from', value: 'made here' }],
      before: 2_100, after: 400, request: { ...noDelta, fields: [{ op: 'add', name: 'x-request-id', was: '', now: '019ab4c2-7d1e-7c0a-9f42-6b0e1d55a8c1' }] },
      response: { ...noDelta, fields: [{ op: 'add', name: 'x-request-id', was: '', now: '019ab4c2-7d1e-7c0a-9f42-6b0e1d55a8c1' }] }, sent: noLeg, came: noLeg,
    },
    {
      cell: `${route}/fault`, module: 'fault', title: 'Fault', icon: 'zap', stage: 'guard', verdict: 'skipped',
      why: 'path is not "/v1/checkout"', facts: [], before: 300, after: 0, request: noDelta, response: noDelta, sent: noLeg, came: noLeg,
    },
    {
      cell: `${route}/headers`, module: 'headers', title: 'Headers', icon: 'heading', stage: 'shape', verdict: 'changed', why: '',
      facts: [{ name: 'set', value: '1' }, { name: 'removed', value: '1' }], before: 1_900, after: 2_600,
      request: { ...noDelta, fields: [{ op: 'set', name: 'accept-encoding', was: 'gzip, br', now: 'br' }] },
      response: { ...noDelta, fields: [{ op: 'remove', name: 'server', was: 'Express', now: '' }] }, sent: noLeg, came: noLeg,
    },
    {
      cell: 'upstream/shop', module: 'upstream', title: 'shop', icon: 'split', stage: 'balance', verdict: 'picked', why: '',
      facts: [{ name: 'target', value: '127.0.0.1:3000' }], before: 800, after: 47_100_000, request: noDelta, response: noDelta, sent: noLeg, came: noLeg,
    },
  ];
}

function message(line: string, fields: [string, string][], size: number, type: string): Message {
  return {
    line, proto: 'HTTP/1.1', fields: fields.map(([name, value]) => ({ name, value })), trailers: [],
    body: { size, kept: size, type, encoding: '', truncated: false },
  };
}

const connection: Connection = {
  local: '127.0.0.1:8080', remote: '127.0.0.1:51234', reused: true, tls: '', cipher: '', alpn: '', sni: '', subject: [],
};

/** The detail of a row. */
export function exchange(of: Row): Exchange {
  const type = of.type === 'json' ? 'application/json; charset=utf-8' : of.type === 'html' ? 'text/html' : '';
  const answered = of.status !== 0 && of.state !== 'pending';
  return {
    row: of, id: `019ab4c2-7d1e-7c0a-9f42-${of.seq.toString(16).padStart(12, '0')}`, started: new Date(of.started).toISOString(),
    url: `${of.scheme}://${of.authority}${of.target}`, client: '127.0.0.1:51234', sentTo: '127.0.0.1:3000', upstream: 'shop',
    request: message(
      `${of.method} ${of.target} HTTP/1.1`,
      [['Host', of.authority], ['User-Agent', 'Mozilla/5.0 (X11; Linux x86_64)'], ['Accept', 'application/json'], ['Accept-Encoding', 'gzip, br'], ['Cookie', 'session=9f42; theme=dark']],
      of.requestSize, of.requestSize > 0 ? 'application/json' : '',
    ),
    response: answered
      ? message(
          `HTTP/1.1 ${of.status} ${of.status === 200 ? 'OK' : 'Status'}`,
          [['Date', 'Sat, 22 Nov 2025 14:02:11 GMT'], ['X-Powered-By', 'Express'], ['Content-Type', type], ['x-request-id', '019ab4c2-7d1e-7c0a-9f42-6b0e1d55a8c1'], ['Set-Cookie', 'a=1; Path=/'], ['Set-Cookie', 'b=2; HttpOnly'], ['Content-Length', String(of.responseSize)]],
          of.responseSize, type,
        )
      : null,
    timing: {
      dnsStart: -1, dnsDone: -1, connectStart: 180, connectDone: 420, tlsStart: -1, tlsDone: -1, sendStart: 430, sent: 520,
      firstByte: answered ? Math.max(530, of.micros - 900) : -1, done: of.micros,
    },
    steps: of.door === 'tunnel' ? [] : steps(of.route || 'shop-api'),
    problem: of.state === 'error'
      ? { kind: 'unavailable', where: 'upstream/shop', message: 'Dialling 127.0.0.1:3000: connection refused. Start the server, or change the target of shop.', line: 0, column: 0 }
      : null,
    clientConnection: connection, targetConnection: { ...connection, local: '127.0.0.1:51300', remote: '127.0.0.1:3000' },
    replays: of.seq % 37 === 1 ? [of.seq + 4] : [],
  };
}

const pair = (name: string, title: string, help: string) => field({ name, title, kind: 'pairs', help });

const modules: Module[] = [
  {
    name: 'requestid', title: 'Request ID', summary: 'Gives every request an id and tells it to both sides.', icon: 'hash', stage: 'identify', figure: '/s',
    fields: [
      field({ name: 'header', title: 'Header', kind: 'text', help: 'The field that carries the id.', default: 'x-request-id', required: true }),
      field({ name: 'keep', title: 'Keep the client’s', kind: 'bool', help: 'Takes over an id from a trusted network.', default: 'true' }),
    ],
  },
  {
    name: 'headers', title: 'Headers', summary: 'Sets, adds and removes fields of the request and the answer.', icon: 'heading', stage: 'shape', figure: 'changed/s',
    fields: [
      pair('set', 'Set on the request', 'Replaces every field of that name.'), pair('add', 'Add to the request', ''),
      field({ name: 'remove', title: 'Remove from the request', kind: 'list', placeholder: 'Cookie' }),
      pair('response_set', 'Set on the answer', ''), field({ name: 'response_remove', title: 'Remove from the answer', kind: 'list', placeholder: 'Server' }),
    ],
  },
  {
    name: 'mock', title: 'Mock', summary: 'Answers itself instead of asking the server.', icon: 'contrast', stage: 'serve', figure: 'mocked/s',
    fields: [
      field({ name: 'status', title: 'Status', kind: 'int', default: '200', min: '100', max: '599', required: true }),
      pair('headers', 'Headers', 'In this order.'),
      field({ name: 'body', title: 'Body', kind: 'code', help: '${…} takes values of the exchange.', placeholder: '{"hello": "world"}' }),
      field({ name: 'delay', title: 'Delay', kind: 'duration', default: '0s', max: '1m', help: 'Waits before it answers.' }),
      field({ name: 'max_body', title: 'Largest body', kind: 'size', default: '1MiB' }),
      field({ name: 'rules', title: 'Rules', kind: 'tables', help: 'The first that fits answers.', fields: [
        field({ name: 'path', title: 'Path', kind: 'text', required: true, placeholder: '/v1/cart' }), field({ name: 'status', title: 'Status', kind: 'int', default: '200' }),
      ] }),
    ],
  },
  {
    name: 'fault', title: 'Fault', summary: 'Makes a share of requests slow or broken.', icon: 'zap', stage: 'guard', figure: 'hit/s',
    fields: [
      field({ name: 'percent', title: 'Share', kind: 'float', default: '100', min: '0', max: '100', unit: '%' }),
      field({ name: 'kind', title: 'Fault', kind: 'choice', default: 'delay', oneOf: ['delay', 'abort', 'cut'] }),
      field({ name: 'delay', title: 'Delay', kind: 'duration', default: '500ms' }), field({ name: 'jitter', title: 'Jitter', kind: 'duration', default: '0s' }),
      field({ name: 'only', title: 'Only when', kind: 'filter', placeholder: 'method = POST' }),
    ],
  },
];

export const catalogue: Catalogue = {
  modules,
  upstream: [
    field({ name: 'targets', title: 'Targets', kind: 'tables', required: true, fields: [
      field({ name: 'url', title: 'Address', kind: 'text', required: true, placeholder: 'http://127.0.0.1:3000' }), field({ name: 'weight', title: 'Weight', kind: 'int', default: '1', min: '1', max: '100' }),
    ] }),
    field({ name: 'timeout', title: 'Timeout', kind: 'duration', default: '30s', help: 'Until the first byte of the answer.' }),
  ],
  capture: [
    field({ name: 'body_cap', title: 'Kept of each body', kind: 'size', default: '16MiB', help: 'More passes, but is not kept.' }),
    field({ name: 'max_exchanges', title: 'Exchanges', kind: 'int', default: '1000000', min: '1000', help: 'The oldest are dropped first.' }),
    field({ name: 'max_size', title: 'On disk', kind: 'size', default: '10GiB' }),
    field({ name: 'max_age', title: 'Age', kind: 'duration', default: '720h', help: 'Older ones are dropped.' }),
  ],
  forward: [field({ name: 'timeout', title: 'Timeout', kind: 'duration', default: '30s' })],
  limits: [
    field({ name: 'connections', title: 'Connections', kind: 'int', default: '16384', min: '1', help: 'How many connections of clients may be open.' }),
    field({ name: 'header_timeout', title: 'Header timeout', kind: 'duration', default: '10s' }),
  ],
  tls: [
    field({ name: 'certificates', title: 'Certificates', kind: 'tables', help: 'Certificates of your own, in files.', fields: [
      field({ name: 'cert', title: 'Certificate', kind: 'text', required: true, placeholder: 'shop.pem' }),
      field({ name: 'key', title: 'Key', kind: 'text', required: true, placeholder: 'shop.key' }),
    ] }),
    field({ name: 'names', title: 'Names of your own', kind: 'list', placeholder: '*.shop.test' }),
    field({ name: 'min_version', title: 'Lowest TLS version', kind: 'choice', default: '1.2', oneOf: ['1.2', '1.3'] }),
  ],
};

export function config(): Config {
  const document: Document = {
    version: 1, trusted: ['127.0.0.0/8'], passThrough: ['bank.example'], sections: { capture: { body_cap: '16MiB' } },
    listen: [{ address: '127.0.0.1:8080', accept: ['reverse', 'forward', 'connect', 'socks5'], proxyProtocol: false, username: '', password: '' }],
    upstreams: [
      { name: 'shop', settings: { targets: [{ url: 'http://127.0.0.1:3000', weight: 2 }, { url: 'http://127.0.0.1:3001' }] } },
      { name: 'web', settings: { targets: [{ url: 'http://127.0.0.1:5173' }] } },
    ],
    cells: [{ id: 'requestid', use: 'requestid', when: '', off: false, settings: {} }],
    routes: [
      { name: 'shop-api', when: 'host = "shop.localhost" and path ^= "/v1/"', to: 'shop', off: false, lenient: [], cells: [
        { id: 'fault', use: 'fault', when: 'path = "/v1/checkout"', off: false, settings: { percent: 5, delay: '2s' } },
        { id: 'headers', use: 'headers', when: '', off: false, settings: { set: { 'X-Env': 'dev' }, response_remove: ['Server'] } },
        { id: 'mock', use: 'mock', when: 'path = "/v1/beta"', off: true, settings: { status: 501, body: '{"soon": true}' } },
      ] },
      { name: 'shop-web', when: 'host = "shop.localhost"', to: 'web', off: false, lenient: [], cells: [] },
      { name: 'maintenance', when: 'host = "old.localhost"', to: '', off: true, lenient: [], cells: [{ id: 'mock', use: 'mock', when: '', off: false, settings: { status: 503 } }] },
    ],
  };
  return {
    revision: 'r1', text: 'version = 1\n\n[[listen]]\naddress = "127.0.0.1:8080"\n', document,
    explain: [
      { route: '', cell: 'requestid', sentence: 'Puts an id into x-request-id; keeps the one of a trusted client.' },
      { route: 'shop-api', cell: 'fault', sentence: 'Delays 5 % of requests by 2 s.' },
      { route: 'shop-api', cell: 'headers', sentence: 'Sets X-Env on the request and removes Server from the answer.' },
      { route: 'shop-api', cell: 'mock', sentence: 'Answers 501 with 14 bytes.' },
      { route: 'maintenance', cell: 'mock', sentence: 'Answers 503.' },
    ],
  };
}

export function status(exchanges: number): Status {
  return {
    version: '0.1.0', listeners: [{ address: '127.0.0.1:8080', accept: ['reverse', 'forward', 'connect', 'socks5'], problem: '' }],
    proxyUrl: 'http://127.0.0.1:8080', recording: true, exchanges, lost: 0, rate: 3, p99: 4.1, dataDir: '~/.local/share/proxycache',
    configFile: '~/.local/share/proxycache/config.toml', database: '~/.local/share/proxycache/traffic.db', revision: 'r1', configProblems: [], warnings: [],
    authority: {
      file: '~/.local/share/proxycache/authority/ca.pem', notAfter: '2035-11-20T14:02:11Z',
      fingerprint: '8F:1C:22:90:AE:41:5B:D7:03:66:E9:7A:C4:10:F2:38:5D:B1:09:EE:47:AC:90:2F:6B:D3:18:54:F0:C7:2A:E6',
    },
  };
}

/** A target that is well and was never anything else. */
function target(address: string, of: Connections): TargetFigure {
  return {
    target: address, connections: of, state: 'healthy', reason: '', since: '', weight: 1, effectiveWeight: 1, inFlight: of.inUse, latency: 18_400,
    ejections: 0, backup: false, history: [],
  };
}

/** Nothing in the last ten minutes took longer than five times p99, in microseconds. */
export function latency(name: string, p99: number): Latency {
  const over = (count: number, times: number) => ({ count, p50: p99 * 0.3 * times, p90: p99 * 0.7 * times, p99: p99 * times, p999: p99 * 2.5 * times });
  return { name, tenSeconds: over(32, 1), minute: over(190, 1.2), tenMinutes: over(1_204, 2) };
}

export function figures(): Figures {
  const cell = (name: string, acted: number, share: number) => ({ cell: name, seen: 1_204, acted, failed: 0, rate: 3.2, share });
  return {
    cells: [
      cell('common/requestid', 1_204, 1), cell('shop-api/fault', 61, 0.05), cell('shop-api/headers', 1_204, 1), cell('shop-api/mock', 0, 0),
      cell('upstream/shop', 1_143, 0.95), cell('upstream/shop/127.0.0.1:3000', 760, 0.66), cell('upstream/shop/127.0.0.1:3001', 383, 0.34), cell('upstream/web', 90, 1),
    ],
    routes: [{ route: 'shop-api', seen: 1_204, rate: 3.2 }, { route: 'shop-web', seen: 96, rate: 0.4 }, { route: 'maintenance', seen: 0, rate: 0 }],
    clients: 7,
    doors: { http1: 5, http2: 1, tunnels: 1, places: 16_384, accepted: 312, waited: 0, overPerClient: 0, overInFlight: 0, inFlight: 1, highest: 9 },
    pools: [
      { pool: '', connections: connections(0, 0), targets: [] },
      {
        pool: 'shop', connections: connections(12, 3, 1),
        targets: [target('127.0.0.1:3000', connections(8, 2, 1)), target('127.0.0.1:3001', connections(4, 1))],
      },
      { pool: 'web', connections: connections(1, 1), targets: [] },
    ],
    states: [],
    latencies: ['', 'route/shop-api', 'upstream/shop', 'shop-api/headers'].map((name, i) => latency(name, 4_100 - 900 * i)),
  };
}

export function connections(open: number, idle: number, waiting = 0): Connections {
  return {
    open, idle, inUse: open - idle, waiting, http2: 0, streams: 0, opened: open, reused: 20 * open,
    faults: { connect: 0, tls: 0, timeout: 0, reset: 0, protocol: 0, crowded: 0 },
  };
}

export function ports(): Port[] {
  const port = (number: number, process: string, detail: string, http: boolean, ours = false): Port => ({ port: number, address: '127.0.0.1', pid: number + 1, process, detail, http, ours });
  return [
    port(3000, 'node', 'shop-api, Express', true), port(5173, 'node', 'shop-web, Vite', true), port(8000, 'python', 'uvicorn, search', true),
    port(8080, 'proxycache', '', true, true), port(9000, 'java', 'orders, Spring', true), port(5432, 'postgres', '', false), port(6379, 'redis-server', '', false),
  ];
}

export function programs(): Program[] {
  return [
    { id: 'chrome', name: 'Chrome', installed: true, running: false },
    { id: 'chromium', name: 'Chromium', installed: true, running: true },
    { id: 'edge', name: 'Edge', installed: false, running: false },
    { id: 'brave', name: 'Brave', installed: false, running: false },
  ];
}
