import {
  Failure, type ApplyRequest, type Backend, type Catalogue, type CellAction, type CellState, type Checked, type Config, type Document, type Exchange,
  type ExchangePage, type ExchangeQuery, type ExportRequest, type Figures, type Fronted, type News, type Place,
  type Port, type Preferences, type Problem, type Program, type RawSide, type Removal, type ReplayRequest, type RouteAnswer,
  type RouteProbe, type Selection, type Side, type Status, type TerminalLine,
} from './backend';
import { wholeCells, wholeFigures } from './whole';

/**
 * What the two real backends have in common: every question is a call by name with at most one
 * argument. How a call travels, and what only one of them can do, is theirs.
 */
export abstract class CallingBackend implements Backend {
  /** Calls the method; rejects with a Failure. Without an argument none is sent. */
  protected abstract call<T>(name: string, argument?: unknown): Promise<T>;

  /** Calls a method that answers nothing. */
  protected async tell(name: string, argument?: unknown): Promise<void> {
    await this.call<unknown>(name, argument);
  }

  abstract saveExport(request: ExportRequest): Promise<string | null>;
  abstract saveAuthority(): Promise<string | null>;
  abstract copy(text: string): Promise<void>;
  abstract openURL(url: string): Promise<void>;
  abstract listen(hear: (news: News) => void, connected: (yes: boolean) => void): () => void;

  status = () => this.call<Status>('status');
  setRecording = (on: boolean) => this.tell('setRecording', on);

  exchanges = (query: ExchangeQuery) => this.call<ExchangePage>('exchanges', query);
  exchange = (seq: number) => this.call<Exchange>('exchange', seq);
  bodyURL = (seq: number, side: Side, decoded: boolean) => `/body/${seq}/${side}${decoded ? '?decoded=1' : ''}`;
  rawURL = (seq: number, side: RawSide) => `/raw/${seq}/${side}`;
  remove = (selection: Selection) => this.call<Removal>('remove', selection);
  undoRemove = (token: number) => this.tell('undoRemove', token);
  checkFilter = (filter: string) => this.tell('checkFilter', filter);

  replay = (request: ReplayRequest) => this.call<number>('replay', request);
  curl = (seq: number) => this.call<string>('curl', seq);
  mockThis = (seq: number) => this.call<Place>('mockThis', seq);

  catalogue = () => this.call<Catalogue>('catalogue');
  config = () => this.call<Config>('config');
  check = (document: Document) => this.call<Checked>('check', document);
  apply = (request: ApplyRequest) => this.call<Config>('apply', request);
  figures = async () => wholeFigures(await this.call<Figures>('figures'));
  cells = async () => wholeCells(await this.call<CellState[] | null>('cells'));
  actOnCell = (action: CellAction) => this.call<string>('actOnCell', action);
  probe = (request: RouteProbe) => this.call<RouteAnswer>('probe', request);

  ports = () => this.call<Port[]>('ports');
  putInFront = (target: string) => this.call<Fronted>('putInFront', target);
  programs = () => this.call<Program[]>('programs');
  launch = (id: string) => this.tell('launch', id);
  terminalLine = (shell: string) => this.call<TerminalLine>('terminalLine', shell);
  startDemo = () => this.tell('startDemo');
  stopDemo = () => this.tell('stopDemo');

  preferences = () => this.call<Preferences>('preferences');
  setPreferences = (preferences: Preferences) => this.tell('setPreferences', preferences);
}

/** A Failure of this kind in these words. */
export function failure(kind: string, message: string): Failure {
  return new Failure({ kind, where: '', message, line: 0, column: 0 });
}

/** Tells whether a decoded value is a problem as the backend tells it. */
export function isProblem(value: unknown): value is Problem {
  return typeof value === 'object' && value !== null && 'kind' in value && 'message' in value && typeof value.message === 'string';
}

/** What went wrong in words, whatever was thrown. */
export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
