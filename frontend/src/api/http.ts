import { Failure, type ExportRequest, type News } from './backend';
import { CallingBackend, failure, isProblem } from './calls';
import { wholeNews } from './whole';

const firstPauseMillis = 500;
const longestPauseMillis = 10_000;

/** The backend over HTTP, for a browser: `proxycache serve` answers. */
export class HttpBackend extends CallingBackend {
  protected async call<T>(name: string, argument: unknown = null): Promise<T> {
    const answer = await post(`/api/call/${name}`, argument);
    return (await answer.json()) as T;
  }

  async saveExport(request: ExportRequest): Promise<string | null> {
    const answer = await post('/api/export', request);
    return download(await answer.blob(), nameIn(answer.headers.get('Content-Disposition')) || 'exchanges.json');
  }

  async saveAuthority(): Promise<string | null> {
    const answer = await send('/ca.pem', {});
    return download(await answer.blob(), nameIn(answer.headers.get('Content-Disposition')) || 'proxycache-ca.pem');
  }

  async copy(text: string): Promise<void> {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // No clipboard on a page that is not served from this computer, or not allowed.
      if (!copyBySelection(text)) throw failure('unavailable', 'Copying: the browser does not allow it. Select the text and copy it by hand.');
    }
  }

  async openURL(url: string): Promise<void> {
    window.open(url, '_blank', 'noopener');
  }

  listen(hear: (news: News) => void, connected: (yes: boolean) => void): () => void {
    let source: EventSource | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let pause = firstPauseMillis;

    function open() {
      source = new EventSource('/api/news');
      source.onopen = () => {
        pause = firstPauseMillis;
        connected(true);
      };
      source.onmessage = (event: MessageEvent<string>) => hear(wholeNews(JSON.parse(event.data) as News));
      // A browser gives up for good on an answer that is no stream: begin anew, ever more slowly.
      source.onerror = () => {
        source?.close();
        connected(false);
        timer = setTimeout(open, pause);
        pause = Math.min(pause * 2, longestPauseMillis);
      };
    }

    open();
    return () => {
      clearTimeout(timer);
      source?.close();
    };
  }
}

function post(path: string, argument: unknown): Promise<Response> {
  return send(path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(argument) });
}

/** Sends it; anything but a good answer is a Failure. */
async function send(path: string, init: RequestInit): Promise<Response> {
  let answer: Response;
  try {
    answer = await fetch(path, init);
  } catch {
    throw failure('unavailable', 'Reaching Proxycache: it does not answer. Look whether it still runs where you started it.');
  }
  if (answer.ok) return answer;
  const text = await answer.text();
  throw refusal(answer.status, text);
}

function refusal(status: number, text: string): Error {
  try {
    const said = JSON.parse(text) as { problem?: unknown };
    if (isProblem(said.problem)) return new Failure(said.problem);
  } catch {
    // Not JSON: a plain sentence, or an answer of something in between.
  }
  return failure('unavailable', text.trim().slice(0, 500) || `Asking Proxycache: it answered ${status}. Load the page again.`);
}

function nameIn(disposition: string | null): string {
  const found = /filename="((?:[^"\\]|\\.)*)"/.exec(disposition ?? '');
  return (found?.[1] ?? '').replaceAll(/\\(.)/g, '$1');
}

function download(blob: Blob, name: string): string {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The browser has taken its own hold of the blob by the next turn.
  setTimeout(() => URL.revokeObjectURL(link.href));
  return name;
}

function copyBySelection(text: string): boolean {
  const before = document.activeElement;
  const area = document.createElement('textarea');
  area.value = text;
  area.setAttribute('aria-hidden', 'true');
  area.style.cssText = 'position:fixed;opacity:0';
  document.body.append(area);
  area.select();
  const copied = document.execCommand('copy');
  area.remove();
  if (before instanceof HTMLElement) before.focus();
  return copied;
}
