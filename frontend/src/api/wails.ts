import { Failure, type ExportRequest, type News } from './backend';
import { CallingBackend, failure, isProblem } from './calls';

/** What Wails puts into the page: the bound methods of backend/desktop, and its runtime. */
type Desktop = Record<string, ((...argument: unknown[]) => Promise<unknown>) | undefined>;

declare global {
  interface Window {
    go?: { desktop: { Desktop: Desktop } };
    runtime?: { EventsOn(name: string, hear: (news: News) => void): () => void };
  }
}

const newsEvent = 'news';

/** The backend in the same process, for the desktop window. */
export class WailsBackend extends CallingBackend {
  protected async call<T>(name: string, argument?: unknown): Promise<T> {
    const bound = name.charAt(0).toUpperCase() + name.slice(1);
    const method = window.go?.desktop.Desktop[bound];
    if (!method) throw failure('internal', `Calling ${bound}: the window has no such method. Build the app again.`);
    try {
      // Wails refuses a call with another number of arguments than the method has.
      return (await (argument === undefined ? method() : method(argument))) as T;
    } catch (error) {
      throw problemIn(error);
    }
  }

  async saveExport(request: ExportRequest): Promise<string | null> {
    return (await this.call<string>('saveExport', request)) || null;
  }

  async saveAuthority(): Promise<string | null> {
    return (await this.call<string>('saveAuthority')) || null;
  }

  copy = (text: string) => this.call<void>('copy', text);
  openURL = (url: string) => this.call<void>('openURL', url);

  listen(hear: (news: News) => void, connected: (yes: boolean) => void): () => void {
    const stop = window.runtime?.EventsOn(newsEvent, hear);
    connected(stop !== undefined);
    return stop ?? (() => undefined);
  }
}

/** A call that fails rejects with the problem as JSON text (backend/desktop/failure.go). */
function problemIn(error: unknown): Failure {
  const text = error instanceof Error ? error.message : String(error);
  try {
    const said: unknown = JSON.parse(text);
    if (isProblem(said)) return new Failure(said);
  } catch {
    // Not one of ours: Wails' own words.
  }
  return failure('internal', text);
}

/** Tells whether the page runs in the desktop window. */
export function inWindow(): boolean {
  return window.go !== undefined;
}
