// Clients and servers of the journeys, on loopback.
import http from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: string;
}

export interface Ask {
  method?: string;
  headers?: Record<string, string>;
  body?: string;
  /** "http://127.0.0.1:PORT" of a proxy to send it through. */
  through?: string;
}

/** Sends a request and reads the whole answer. A Host among the headers is sent as it is. */
export function ask(url: string, { method = 'GET', headers = {}, body = '', through = '' }: Ask = {}): Promise<Answer> {
  const to = new URL(through || url);
  const { pathname, search, host } = new URL(url);
  const options = {
    host: to.hostname, port: to.port, method, path: through ? url : pathname + search, agent: false as const,
    headers: { Host: host, ...(body ? { 'Content-Length': Buffer.byteLength(body) } : {}), ...headers },
  };
  return new Promise((resolve, reject) => {
    const request = http.request(options, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts).toString() }));
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** An event stream that stays open. */
export interface Stream {
  /** What arrived so far. */
  text: string;
  /** The connection was ended by the other side. */
  ended: boolean;
  close(): void;
}

export function openStream(url: string): Promise<Stream> {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { agent: false, headers: { Accept: 'text/event-stream' } }, (response) => {
      const stream: Stream = { text: '', ended: false, close: () => request.destroy() };
      response.on('data', (part: Buffer) => (stream.text += part.toString()));
      for (const end of ['end', 'close', 'error']) response.on(end, () => (stream.ended = true));
      resolve(stream);
    });
    request.on('error', reject);
  });
}

export interface Origin {
  port: number;
  /** The paths that were asked for. */
  asked: string[];
  close(): Promise<void>;
}

/** A server of a developer: /events sends one each 50 ms, everything else is answered with JSON. */
export async function serve(): Promise<Origin> {
  const asked: string[] = [];
  const server = http.createServer((request, response) => {
    asked.push(request.url ?? '');
    if (request.url === '/events') {
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      let n = 0;
      const timer = setInterval(() => response.write(`data: ${++n}\n\n`), 50);
      request.on('close', () => clearInterval(timer));
      return;
    }
    response.writeHead(200, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify({ path: request.url, by: 'origin' }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    asked,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
