// Routes that stand in front of a server on this computer, read from the configuration.
import type { Document, Settings, Upstream } from '../../api/backend';

export interface Front {
  route: string;
  /** Where to send requests now; "" while the proxy is not listening. */
  url: string;
  /** The server's port. */
  port: number;
}

/** The fronts of a document, by the port of their server. The first route of a port counts. */
export function frontsOf(document: Document, proxyUrl: string): Map<number, Front> {
  const fronts = new Map<number, Front>();
  for (const route of document.routes) {
    const host = /^\s*host\s*=\s*"([a-z0-9-]+\.localhost)"\s*$/.exec(route.when)?.[1];
    const upstream = document.upstreams.find((one) => one.name === route.to);
    const port = upstream ? localPort(upstream) : undefined;
    if (!host || route.off || port === undefined || fronts.has(port)) continue;
    fronts.set(port, { route: route.name, url: proxyUrl && `http://${host}:${new URL(proxyUrl).port || '80'}`, port });
  }
  return fronts;
}

/** The document without the route and the pool that only it used. */
export function without(document: Document, name: string): Document {
  const gone = document.routes.find((route) => route.name === name);
  const routes = document.routes.filter((route) => route !== gone);
  const used = routes.some((route) => route.to === gone?.to);
  return { ...document, routes, upstreams: document.upstreams.filter((one) => used || one.name !== gone?.to) };
}

function localPort(upstream: Upstream): number | undefined {
  const targets = upstream.settings['targets'];
  if (!Array.isArray(targets) || targets.length !== 1) return undefined;
  const [target] = targets as Settings[];
  try {
    const url = new URL(String(target?.['url']));
    if (!['localhost', '127.0.0.1', '[::1]'].includes(url.hostname)) return undefined;
    return Number(url.port || (url.protocol === 'https:' ? 443 : 80));
  } catch {
    return undefined;
  }
}
