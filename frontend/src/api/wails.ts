import * as desktop from '../../wailsjs/go/desktop/Desktop';
import { EventsOn } from '../../wailsjs/runtime/runtime';
import { Failure, type Backend, type ExportRequest, type News } from './backend';
import { CallingBackend, failure, isProblem } from './calls';
import { wholeNews } from './whole';

const newsEvent = 'news';

type Bound = typeof desktop;
/** The generated method of a backend's method: "exchange" is Exchange. */
type Method<Name extends string> = Capitalize<Name> extends keyof Bound ? Bound[Capitalize<Name>] : never;
/** What both sides mean by a type: a pointer of Go is optional there and null here, and a set of words is a text there. */
type Crossing<T> = T extends string ? string
  : T extends number | boolean ? T
  : T extends readonly (infer Item)[] ? Crossing<Item>[]
  : T extends object ? { [Key in keyof T]-?: Crossing<NonNullable<T[Key]>> }
  : T;
type Same<Ours, Theirs> = [Crossing<Ours>] extends [Crossing<Theirs>] ? ([Crossing<Theirs>] extends [Crossing<Ours>] ? true : false) : false;
/** Methods whose address is no call, or whose answer is another in each door. */
type Own = 'bodyURL' | 'rawURL' | 'listen' | 'saveExport' | 'saveAuthority';
/** The methods of which backend.ts and the Go side (backend/desktop) say different things. */
type Different = {
  [Name in Exclude<keyof Backend, Own>]: Method<Name> extends (...of: infer Given) => Promise<infer Told>
    ? Same<Parameters<Backend[Name]>, Given> extends true
      ? Same<Awaited<ReturnType<Backend[Name]>>, Told> extends true ? never : Name
      : Name
    : Name;
}[Exclude<keyof Backend, Own>];
type None<T extends never> = T;
/** Does not compile when both sides differ: the error names the method. Then mend backend.ts, or run `go run ./build bindings`. */
export type Agreed = None<Different>;

/** The backend in the same process, for the desktop window. */
export class WailsBackend extends CallingBackend {
  protected async call<T>(name: string, argument?: unknown): Promise<T> {
    const bound = name.charAt(0).toUpperCase() + name.slice(1);
    const method = (desktop as unknown as Record<string, ((...of: unknown[]) => Promise<unknown>) | undefined>)[bound];
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

  copy = (text: string) => this.tell('copy', text);
  openURL = (url: string) => this.tell('openURL', url);

  listen(hear: (news: News) => void, connected: (yes: boolean) => void): () => void {
    connected(true); // the same process: it is always there
    return EventsOn(newsEvent, (news: News) => hear(wholeNews(news)));
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

/** Tells whether the page runs in the desktop window: Wails has put the bound methods into it. */
export function inWindow(): boolean {
  return 'go' in window;
}
