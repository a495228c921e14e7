// What standard fields mean, in a sentence, and where it is written.

interface Help {
  text: string;
  /** "RFC 9111 §5.2"; "" where there is none. */
  source: string;
}

const help: Record<string, Help> = {
  accept: { text: 'The media types that the client can read, the liked ones with a higher q.', source: 'RFC 9110 §12.5.1' },
  'accept-encoding': { text: 'The content codings that the client can undo.', source: 'RFC 9110 §12.5.3' },
  'accept-language': { text: 'The languages that the reader likes.', source: 'RFC 9110 §12.5.4' },
  'accept-ranges': { text: 'Whether parts of this can be asked for.', source: 'RFC 9110 §14.3' },
  'access-control-allow-credentials': { text: 'Scripts of the allowed origin may read the answer to a request with cookies.', source: 'Fetch §3.3' },
  'access-control-allow-headers': { text: 'The fields that a script may set on the request.', source: 'Fetch §3.3' },
  'access-control-allow-methods': { text: 'The methods that a script of another origin may use.', source: 'Fetch §3.3' },
  'access-control-allow-origin': { text: 'The origin whose scripts may read this answer.', source: 'Fetch §3.3' },
  'access-control-expose-headers': { text: 'The fields that a script may read.', source: 'Fetch §3.3' },
  'access-control-max-age': { text: 'Seconds for which the answer to a preflight may be kept.', source: 'Fetch §3.3' },
  'access-control-request-headers': { text: 'The fields that a script wants to set on the request.', source: 'Fetch §3.3' },
  'access-control-request-method': { text: 'The method that a script wants to use.', source: 'Fetch §3.3' },
  age: { text: 'Seconds since the origin made or confirmed this answer: a cache gave it.', source: 'RFC 9111 §5.1' },
  allow: { text: 'The methods that can be used here.', source: 'RFC 9110 §10.2.1' },
  'alt-svc': { text: 'Where else, and in which protocol, the same can be had.', source: 'RFC 7838 §3' },
  authorization: { text: 'Says who asks, by a token or a password.', source: 'RFC 9110 §11.6.2' },
  'cache-control': { text: 'Who may keep this, and for how long.', source: 'RFC 9111 §5.2' },
  'cache-status': { text: 'What each cache on the way did with the request.', source: 'RFC 9211' },
  connection: { text: 'Options for this connection alone; fields it names are not passed on.', source: 'RFC 9110 §7.6.1' },
  'content-disposition': { text: 'Whether to show it or to save it, and under which name.', source: 'RFC 6266' },
  'content-encoding': { text: 'How the body is packed; it must be undone to read it.', source: 'RFC 9110 §8.4' },
  'content-language': { text: 'The language of those it is written for.', source: 'RFC 9110 §8.5' },
  'content-length': { text: 'Bytes of the body as it is sent.', source: 'RFC 9110 §8.6' },
  'content-range': { text: 'Which part of the whole this is.', source: 'RFC 9110 §14.4' },
  'content-security-policy': { text: 'What the page may load and run.', source: 'CSP Level 3' },
  'content-type': { text: 'What the body is, and the charset of a text.', source: 'RFC 9110 §8.3' },
  cookie: { text: 'What the server had the client keep, given back.', source: 'RFC 6265 §5.4' },
  date: { text: 'When the message was made.', source: 'RFC 9110 §6.6.1' },
  etag: { text: 'Names this version: a client that has it can ask whether it is still right. W/ means alike, not equal byte by byte.', source: 'RFC 9110 §8.8.3' },
  expect: { text: 'The client waits for 100 Continue before it sends the body.', source: 'RFC 9110 §10.1.1' },
  expires: { text: 'Until when it counts as fresh, where Cache-Control does not say.', source: 'RFC 9111 §5.3' },
  forwarded: { text: 'What proxies on the way knew of the client.', source: 'RFC 7239' },
  host: { text: 'Which of the names at this address is meant.', source: 'RFC 9110 §7.2' },
  'if-match': { text: 'Do it only if the version is still this one.', source: 'RFC 9110 §13.1.1' },
  'if-modified-since': { text: 'Send it only if it changed since then.', source: 'RFC 9110 §13.1.3' },
  'if-none-match': { text: 'Send it only if the version is another one; else 304.', source: 'RFC 9110 §13.1.2' },
  'if-range': { text: 'The part, if the version is still this one; else all of it.', source: 'RFC 9110 §13.1.5' },
  'keep-alive': { text: 'How long, and for how many requests, the connection stays open.', source: '' },
  'last-modified': { text: 'When it was changed last, as far as the server knows.', source: 'RFC 9110 §8.8.2' },
  link: { text: 'Other addresses and how they relate to this one.', source: 'RFC 8288' },
  location: { text: 'Where to go instead, or where the new thing is.', source: 'RFC 9110 §10.2.2' },
  origin: { text: 'The site whose script or form asks.', source: 'RFC 6454 §7' },
  pragma: { text: 'Old: no-cache, for caches of HTTP/1.0.', source: 'RFC 9111 §5.4' },
  'proxy-authorization': { text: 'Says to a proxy who asks.', source: 'RFC 9110 §11.7.2' },
  range: { text: 'The part that is wanted.', source: 'RFC 9110 §14.2' },
  referer: { text: 'The page that the request was made from.', source: 'RFC 9110 §10.1.3' },
  'referrer-policy': { text: 'How much of its own address the page tells others.', source: 'Referrer Policy' },
  'retry-after': { text: 'Seconds, or the date, after which to try again.', source: 'RFC 9110 §10.2.3' },
  'sec-fetch-dest': { text: 'What the browser wants it for.', source: 'Fetch Metadata' },
  'sec-fetch-mode': { text: 'How the browser asks: cors, navigate, no-cors.', source: 'Fetch Metadata' },
  'sec-fetch-site': { text: 'How near the asking page is: same-origin, same-site, cross-site.', source: 'Fetch Metadata' },
  'sec-websocket-accept': { text: 'Proves that the server meant to switch to WebSocket.', source: 'RFC 6455 §4.2.2' },
  'sec-websocket-key': { text: 'A random value that the server answers to.', source: 'RFC 6455 §4.1' },
  server: { text: 'The software that answered.', source: 'RFC 9110 §10.2.4' },
  'server-timing': { text: 'Where the server says its time went.', source: 'Server Timing' },
  'set-cookie': { text: 'Something the client is to keep and give back. HttpOnly hides it from scripts, Secure keeps it to TLS.', source: 'RFC 6265 §4.1' },
  'strict-transport-security': { text: 'Ask this host by TLS only, for so many seconds.', source: 'RFC 6797 §6.1' },
  te: { text: 'The transfer codings that the client can read; trailers are welcome.', source: 'RFC 9110 §10.1.4' },
  trailer: { text: 'The fields that come behind the body.', source: 'RFC 9110 §6.6.2' },
  traceparent: { text: 'The trace and the span that the request belongs to.', source: 'Trace Context §3.2' },
  'transfer-encoding': { text: 'How the body is framed on this connection; chunked: in pieces, each with its length.', source: 'RFC 9112 §6.1' },
  upgrade: { text: 'Another protocol to go on with.', source: 'RFC 9110 §7.8' },
  'upgrade-insecure-requests': { text: 'The client would rather be sent to TLS.', source: 'Upgrade Insecure Requests' },
  'user-agent': { text: 'The program that asks.', source: 'RFC 9110 §10.1.5' },
  vary: { text: 'The fields of the request that the answer depends on: a cache keeps one for each.', source: 'RFC 9110 §12.5.5' },
  via: { text: 'The proxies on the way.', source: 'RFC 9110 §7.6.3' },
  'www-authenticate': { text: 'How to say who one is.', source: 'RFC 9110 §11.6.1' },
  'x-content-type-options': { text: 'nosniff: take the declared type for true.', source: 'Fetch §3.6' },
  'x-forwarded-for': { text: 'The addresses of the client and of the proxies before the last. Anyone can write it.', source: '' },
  'x-forwarded-host': { text: 'The host that the client asked for.', source: '' },
  'x-forwarded-proto': { text: 'Whether the client came by http or https.', source: '' },
  'x-frame-options': { text: 'Whether other pages may show this one in a frame.', source: 'RFC 7034' },
  'x-request-id': { text: 'Names the request through all that takes part in it.', source: '' },
};

/** The help for a field, and for its value where that can be put in words; null for one that no standard knows. */
export function headerHelp(name: string, value = ''): Help | null {
  const known = help[name.toLowerCase()];
  if (!known) return null;
  return name.toLowerCase() === 'cache-control' ? { ...known, text: cacheWords(value) || known.text } : known;
}

/** What a Cache-Control of an answer allows; "" when it says nothing of that. */
function cacheWords(value: string): string {
  const directives = new Map(value.toLowerCase().split(',').map((one): [string, string] => {
    const [name = '', argument = ''] = one.trim().split('=');
    return [name, argument.replaceAll('"', '')];
  }));
  if (directives.has('no-store')) return 'Nobody may keep this.';
  const who = directives.has('private') ? 'Only the client itself may keep this' : 'Any cache may keep this';
  if (directives.has('no-cache')) return `${who}, but must ask whether it is still right before each use.`;
  const age = Number(directives.get('s-maxage') ?? directives.get('max-age'));
  if (Number.isNaN(age)) return '';
  const stale = Number(directives.get('stale-while-revalidate'));
  const then = stale > 0 ? `, then serve it stale for ${span(stale)} more while it fetches a fresh copy` : directives.has('must-revalidate') ? ', and must ask again then' : '';
  const never = directives.has('immutable') ? ' It does not change.' : '';
  return age === 0 ? `${who}, but it is old at once${then}.` : `${who} for ${span(age)}${then}.${never}`;
}

function span(seconds: number): string {
  for (const [unit, length] of [['d', 86_400], ['h', 3_600], ['min', 60]] as const) {
    if (seconds >= 2 * length && seconds % length === 0) return `${(seconds / length).toLocaleString('en')} ${unit}`;
  }
  return `${seconds.toLocaleString('en')} s`;
}
