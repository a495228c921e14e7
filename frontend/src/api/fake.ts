import {
  Failure, type ApplyRequest, type Backend, type Catalogue, type CellAction, type CellState, type Checked, type Config,
  type Demo, type Document,
  type Exchange, type ExchangePage, type ExchangeQuery, type ExportRequest, type FieldEdit, type Figures, type Fronted, type HeaderField, type Leg, type News,
  type Place, type Port, type Preferences, type Problem, type Program, type RawSide, type Removal, type ReplayRequest,
  type RouteAnswer, type RouteProbe, type Row, type Selection, type Side, type Status, type TerminalLine,
} from './backend';
import * as cells from './fakecells';
import * as data from './fakedata';

export const noNews: News = {
  rows: [], more: false, total: 0, reset: false, status: null, figures: null, revision: '', demo: null,
};

/** Options of a FakeBackend. */
export interface FakeOptions {
  /** How many exchanges there are. */
  rows?: number;
}

/** A backend of its own making, in memory: for tests, and for looking at the window alone. */
export class FakeBackend implements Backend {
  /** What was called, in order. */
  readonly calls: { name: string; argument: unknown }[] = [];
  /** What the next call of the name is refused with. */
  readonly failures = new Map<string, Problem>();

  rows: Row[];
  theStatus: Status;
  theConfig: Config = data.config();
  theCatalogue: Catalogue = data.catalogue;
  theFigures: Figures = data.figures();
  theCells: CellState[] = cells.cells();
  thePorts: Port[] = data.ports();
  thePrograms: Program[] = data.programs();
  thePreferences: Preferences = { theme: 'dark', rowHeight: 'compact', pages: {} };
  /** What `check` and `apply` find wrong with any document. */
  theProblems: Problem[] = [];
  clipboard = '';

  #hearers = new Set<{ hear: (news: News) => void; connected: (yes: boolean) => void }>();
  #removed = new Map<number, Row[]>();
  #next: number;

  constructor({ rows = 200 }: FakeOptions = {}) {
    this.rows = Array.from({ length: rows }, (_, i) => data.row(i + 1));
    this.#next = rows + 1;
    this.theStatus = data.status(rows);
  }

  /** Refuses the next call of the name. */
  fail(name: keyof Backend, message: string, over: Partial<Problem> = {}): void {
    this.failures.set(name, { kind: 'invalid', where: '', message, line: 0, column: 0, ...over });
  }

  /** Tells everyone who listens. */
  emit(news: Partial<News>): void {
    const whole = { ...noNews, total: this.rows.length, ...news };
    for (const { hear } of this.#hearers) hear(whole);
  }

  /** Tells everyone whether the backend can be reached. */
  connect(yes: boolean): void {
    for (const { connected } of this.#hearers) connected(yes);
  }

  /** A new exchange arrives: told as pending first when `pending`, else whole. */
  arrive(over: Partial<Row> = {}): Row {
    const made = { ...data.row(this.#next), started: Date.now(), ...over, seq: this.#next++ };
    this.rows.push(made);
    this.#setStatus({ exchanges: this.rows.length });
    this.emit({ rows: [made], status: this.theStatus });
    return made;
  }

  /** Changes an exchange that arrived before, as when it ends. */
  change(seq: number, over: Partial<Row>): void {
    const at = this.rows.findIndex((row) => row.seq === seq);
    const old = this.rows[at];
    if (!old) return;
    const changed = { ...old, ...over };
    this.rows[at] = changed;
    this.emit({ rows: [changed] });
  }

  async status(): Promise<Status> {
    return this.#called('status', null, () => this.theStatus);
  }

  async setRecording(on: boolean): Promise<void> {
    return this.#called('setRecording', on, () => {
      this.#setStatus({ recording: on });
      this.emit({ status: this.theStatus });
    });
  }

  async exchanges(query: ExchangeQuery): Promise<ExchangePage> {
    return this.#called('exchanges', query, () => {
      const fits = this.#matching(query.filter);
      const rows = fits.filter((row) => row.seq > query.after).slice(query.skip, query.skip + Math.min(query.limit, 500));
      return { rows, matching: query.count ? fits.length : -1, total: this.rows.length };
    });
  }

  async exchange(seq: number): Promise<Exchange> {
    return this.#called('exchange', seq, () => withHeads(data.exchange(this.#row(seq))));
  }

  bodyURL(seq: number, side: Side, decoded: boolean): string {
    return `/body/${seq}/${side}${decoded ? '?decoded=1' : ''}`;
  }

  rawURL(seq: number, side: RawSide): string {
    return `/raw/${seq}/${side}`;
  }

  async remove(selection: Selection): Promise<Removal> {
    return this.#called('remove', selection, () => {
      const gone = selection.all ? this.#matching(selection.filter) : this.rows.filter((row) => selection.seqs.includes(row.seq));
      this.rows = this.rows.filter((row) => !gone.includes(row));
      const token = this.#removed.size + 1;
      this.#removed.set(token, gone);
      this.#setStatus({ exchanges: this.rows.length });
      this.emit({ reset: true, status: this.theStatus });
      return { token, count: gone.length };
    });
  }

  async undoRemove(token: number): Promise<void> {
    return this.#called('undoRemove', token, () => {
      this.rows = [...this.rows, ...(this.#removed.get(token) ?? [])].sort((a, b) => a.seq - b.seq);
      this.#removed.delete(token);
      this.#setStatus({ exchanges: this.rows.length });
      this.emit({ reset: true, status: this.theStatus });
    });
  }

  async checkFilter(filter: string): Promise<void> {
    return this.#called('checkFilter', filter, () => void this.#matching(filter));
  }

  async replay(request: ReplayRequest): Promise<number> {
    return this.#called('replay', request, () => {
      const like = request.seq > 0 ? this.#row(request.seq) : data.row(1);
      return this.arrive({ ...like, replayOf: request.seq, method: request.edited ? request.method : like.method }).seq;
    });
  }

  async curl(seq: number): Promise<string> {
    return this.#called('curl', seq, () => {
      const row = this.#row(seq);
      return `curl ${row.method === 'GET' ? '' : `-X ${row.method} `}'${row.scheme}://${row.authority}${row.target}'`;
    });
  }

  async saveExport(request: ExportRequest): Promise<string | null> {
    return this.#called('saveExport', request, () => `proxycache.${request.format === 'har' ? 'har' : 'postman_collection.json'}`);
  }

  async saveAuthority(): Promise<string | null> {
    return this.#called('saveAuthority', null, () => 'proxycache-ca.pem');
  }

  async mockThis(seq: number): Promise<Place> {
    return this.#called('mockThis', seq, () => ({ route: this.#row(seq).route || 'shop-api', cell: 'mock', revision: this.theConfig.revision }));
  }

  async catalogue(): Promise<Catalogue> {
    return this.#called('catalogue', null, () => this.theCatalogue);
  }

  async config(): Promise<Config> {
    return this.#called('config', null, () => this.theConfig);
  }

  async check(document: Document): Promise<Checked> {
    return this.#called('check', document, () => ({
      problems: this.theProblems, explain: this.theConfig.explain, text: this.theProblems.length > 0 ? '' : this.theConfig.text,
    }));
  }

  async apply(request: ApplyRequest): Promise<Config> {
    return this.#called('apply', request, () => {
      if (request.base !== this.theConfig.revision) throw new Failure(problem('conflict', 'Applying the configuration: it changed meanwhile. Load it again.'));
      const [first] = this.theProblems;
      if (first) throw new Failure(first);
      const revision = `r${Number(request.base.slice(1)) + 1}`;
      this.theConfig = { ...this.theConfig, revision, document: structuredClone(request.document) };
      this.#setStatus({ revision });
      this.emit({ revision, status: this.theStatus });
      return this.theConfig;
    });
  }

  async figures(): Promise<Figures> {
    return this.#called('figures', null, () => this.theFigures);
  }

  async cells(): Promise<CellState[]> {
    return this.#called('cells', null, () => this.theCells);
  }

  async actOnCell(action: CellAction): Promise<string> {
    return this.#called('actOnCell', action, () => cells.done(this.theCells, action));
  }

  async probe(request: RouteProbe): Promise<RouteAnswer> {
    return this.#called('probe', request, () => {
      const takes = request.url.includes('/v1/') ? 'shop-api' : 'shop-web';
      const others = this.theConfig.document.routes.filter((route) => route.name !== takes);
      return { route: takes, others: others.map((route) => ({ route: route.name, why: route.off ? 'it is off' : `not ${route.when}` })) };
    });
  }

  async ports(): Promise<Port[]> {
    return this.#called('ports', null, () => this.thePorts);
  }

  async putInFront(target: string): Promise<Fronted> {
    return this.#called('putInFront', target, () => {
      const name = `server-${target.replace(/\D/g, '')}`;
      return { route: name, url: `http://${name}.localhost:8080`, revision: this.theConfig.revision };
    });
  }

  async programs(): Promise<Program[]> {
    return this.#called('programs', null, () => this.thePrograms);
  }

  async launch(id: string): Promise<void> {
    return this.#called('launch', id, () => {
      this.thePrograms = this.thePrograms.map((program) => (program.id === id ? { ...program, running: true } : program));
    });
  }

  async terminalLine(shell: string): Promise<TerminalLine> {
    const set = { fish: 'set -x https_proxy http://127.0.0.1:8080', powershell: '$env:https_proxy = "http://127.0.0.1:8080"' }[shell];
    return this.#called('terminalLine', shell, () => ({
      shell, set: set ?? 'export http_proxy=http://127.0.0.1:8080 https_proxy=http://127.0.0.1:8080 SSL_CERT_FILE="$HOME/.local/share/proxycache/authority/bundle.pem"', unset: 'unset http_proxy https_proxy SSL_CERT_FILE',
    }));
  }

  async startDemo(): Promise<void> {
    return this.#called('startDemo', null, () => this.emit({ demo: demo(0, true) }));
  }

  async stopDemo(): Promise<void> {
    return this.#called('stopDemo', null, () => this.emit({ demo: demo(18, false) }));
  }

  async preferences(): Promise<Preferences> {
    return this.#called('preferences', null, () => this.thePreferences);
  }

  async setPreferences(preferences: Preferences): Promise<void> {
    return this.#called('setPreferences', preferences, () => void (this.thePreferences = preferences));
  }

  async copy(text: string): Promise<void> {
    return this.#called('copy', text, () => void (this.clipboard = text));
  }

  async openURL(url: string): Promise<void> {
    return this.#called('openURL', url, () => undefined);
  }

  listen(hear: (news: News) => void, connected: (yes: boolean) => void): () => void {
    const hearer = { hear, connected };
    this.#hearers.add(hearer);
    return () => this.#hearers.delete(hearer);
  }

  #setStatus(over: Partial<Status>): void {
    this.theStatus = { ...this.theStatus, ...over };
  }

  #row(seq: number): Row {
    const row = this.rows.find((one) => one.seq === seq);
    if (!row) throw new Failure(problem('not_found', `Opening exchange ${seq}: it is not kept any more.`));
    return row;
  }

  /** Enough of the filter language: words, and comparisons of status, method, host and path, joined by "and". */
  #matching(filter: string): Row[] {
    const parts = filter.split(/\s+and\s+/).map((part) => part.replace(/^[(\s]+|[)\s]+$/g, '')).filter((part) => part !== '');
    return this.rows.filter((row) => parts.every((part) => fits(row, part)));
  }

  async #called<T>(name: keyof Backend, argument: unknown, answer: () => T): Promise<T> {
    this.calls.push({ name, argument });
    const refused = this.failures.get(name);
    if (refused) {
      this.failures.delete(name);
      throw new Failure(refused);
    }
    return answer();
  }
}

function problem(kind: string, message: string): Problem {
  return { kind, where: '', message, line: 0, column: 0 };
}

/** Its pool's step tells what was on the wire to the target, where the target was asked. */
function withHeads(of: Exchange): Exchange {
  if (of.problem || of.row.mocked) return of;
  const leg = (line: string, before: HeaderField[], fields: FieldEdit[]): Leg => ({ before, fields: line === '' ? [] : fields, lineBefore: line, lineAfter: line });
  const sent = leg(of.request.line, of.request.fields, [
    { op: 'add', name: 'X-Forwarded-For', was: '', now: '127.0.0.1' }, { op: 'add', name: 'Via', was: '', now: '1.1 proxycache' },
  ]);
  const came = leg(of.response?.line ?? '', [...(of.response?.fields ?? []), { name: 'Keep-Alive', value: 'timeout=5' }], [{ op: 'remove', name: 'Keep-Alive', was: 'timeout=5', now: '' }]);
  return { ...of, steps: of.steps.map((step) => (step.module === 'upstream' ? { ...step, sent, came } : step)) };
}

function fits(row: Row, part: string): boolean {
  const found = /^(\w+)\s*(>=|<=|!=|\^=|=|~|>|<)\s*(.+)$/.exec(part);
  if (!found) {
    if (/[=<>~]/.test(part)) throw new Failure({ ...problem('invalid', `Reading the filter: "${part}" is not complete. Write a value behind the sign.`), column: part.length + 1 });
    return `${row.method} ${row.authority}${row.target}`.toLowerCase().includes(part.replaceAll('"', '').toLowerCase());
  }
  const [, name = '', sign = '=', value = ''] = found;
  const wanted = value.replaceAll('"', '');
  const values: Record<string, string | number> = {
    status: row.status, method: row.method, host: row.authority, path: row.target.split('?')[0] ?? '', type: row.type, route: row.route,
  };
  const has = values[name];
  if (has === undefined) throw new Failure({ ...problem('invalid', `Reading the filter: there is no "${name}". Did you mean "path"?`), column: 1 });
  switch (sign) {
    case '>=': return Number(has) >= Number(wanted);
    case '<=': return Number(has) <= Number(wanted);
    case '>': return Number(has) > Number(wanted);
    case '<': return Number(has) < Number(wanted);
    case '!=': return String(has) !== wanted;
    case '^=': return String(has).startsWith(wanted);
    case '~': return String(has).includes(wanted);
    default: return String(has) === wanted;
  }
}

/** The tour after so many seconds. */
export function demo(elapsed: number, running: boolean): Demo {
  const step = (title: string, from: number, to: number, result: string) => ({
    title, result: elapsed >= to ? result : '', state: elapsed >= to ? 'done' : running && elapsed >= from ? 'running' : 'waiting',
  });
  return {
    running, elapsed, length: 30, requests: elapsed * 3,
    steps: [
      step('A request passes the cells', 0, 6, '200'), step('A mock answers in its place', 6, 12, '0.2 ms'),
      step('A fault slows one down', 12, 22, '800 ms'), step('A client leaves early', 22, 30, 'aborted'),
    ],
  };
}
