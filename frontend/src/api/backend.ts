// The one interface to the backend, and the words it speaks. The Go side of the types is
// backend/core/api.go (with flow, schema and config); svelte-check compares both through the
// generated bindings in api/wails.ts.

export type State = 'pending' | 'done' | 'aborted' | 'error';
export type Door = 'reverse' | 'forward' | 'intercept' | 'tunnel';
/** Values as the document holds them. */
export type Settings = Record<string, unknown>;
/** Chooses the editor of a field. */
export type FieldKind =
  | 'text' | 'code' | 'int' | 'float' | 'bool' | 'choice' | 'duration' | 'size'
  | 'filter' | 'list' | 'pairs' | 'tables';

/** Field is one header or trailer line, spelt as it was sent. */
export interface HeaderField {
  name: string;
  value: string;
}

/** Fact is one thing a cell decided on: ("key", "GET shop.localhost/v1"), ("left", "87 of 100"). */
export interface Fact {
  name: string;
  value: string;
}

/** FieldEdit is one changed field: Was empty for an added one, Now empty for a removed one. */
export interface FieldEdit {
  op: string; // "add", "remove", "set"
  name: string;
  was: string;
  now: string;
}

/** Row is the narrow part of a record that the list shows. */
export interface Row {
  seq: number;
  started: number; // Unix milliseconds
  method: string;
  scheme: string;
  authority: string;
  target: string;
  status: number; // 0 while there is none
  type: string; // short: "json", "html", "sse", "ws"; "" when unknown
  requestSize: number;
  responseSize: number;
  // Micros is the duration in microseconds; -1 while it is pending.
  micros: number;
  state: State;
  door: Door;
  route: string;
  mocked: boolean;
  replayOf: number; // 0 when it is not a replay
  // Cells has one letter a step, in order: a acted (changed, answered, picked), p passed, s skipped,
  // f failed. The last one that is not s is where the answer came from.
  cells: string;
}

/** Field describes one setting. It crosses to the window as it is. */
export interface SchemaField {
  name: string; // the key in the document
  title: string; // "Header name"
  help: string;
  kind: FieldKind;
  default: string; // as written in the document, without quotes; "" for none
  min: string; // as written; "" for none
  max: string;
  oneOf: string[];
  unit: string; // "%", "requests"
  placeholder: string;
  required: boolean;
  fields: SchemaField[]; // of the items of Tables
}

/** Document is the whole configuration as a value: what TOML, JSON and the window speak about. */
export interface Document {
  version: number;
  // Trusted are the networks (CIDR or address) whose forwarding fields are believed.
  trusted: string[];
  // passThrough are hosts ("bank.example", "*.bank.example") whose CONNECT is tunnelled, not opened.
  passThrough: string[];
  listen: Listen[];
  // Sections are the top-level tables with a schema of their own, by name: "capture", "forward".
  sections: Record<string, Settings>;
  upstreams: Upstream[]; // [upstreams.NAME], in the order of the file
  cells: Cell[]; // apply to every route, before its own
  routes: Route[]; // the first that matches takes the exchange
}

/** Listen is one address and what it accepts: "reverse", "forward", "connect", "socks5". */
export interface Listen {
  address: string;
  accept: string[];
  // ProxyProtocol: a load balancer in Trusted says at each connection's start who the client is.
  proxyProtocol: boolean;
  // Username and Password are wanted from those who use it as a proxy; both are empty where none are.
  username: string;
  password: string;
}

/** Upstream is a named pool. */
export interface Upstream {
  name: string;
  settings: Settings;
}

/** Route takes the exchanges that its condition matches and sends them through its cells to a pool. */
export interface Route {
  name: string;
  when: string; // a filter; "" matches everything
  to: string; // a pool's name; "" when its cells answer everything
  off: boolean;
  // lenient names the faults of form (flow.Tolerance) that its HTTP/1 messages may have.
  lenient: string[];
  cells: Cell[];
}

/** Cell is one module at work. */
export interface Cell {
  // ID is unique among the cells of its route (or among the common ones). Where the file has no
  // `id` it is the module's name, and "headers-2" for the second one; it is then not written.
  id: string;
  use: string;
  when: string;
  off: boolean;
  settings: Settings;
}

/** Status is what the status bar and the top bar show. */
export interface Status {
  version: string;
  listeners: Listener[];
  proxyUrl: string; // of the first listener that is bound: "http://127.0.0.1:8080"; "" if none is
  recording: boolean;
  exchanges: number; // kept and in flight
  lost: number;
  rate: number; // requests a second, over the last 5 s
  p99: number; // milliseconds over the last minute; -1 without traffic
  dataDir: string;
  configFile: string;
  database: string;
  revision: string; // of the configuration in force
  // ConfigProblems say what is wrong with the file on disk while an older one stays in force.
  configProblems: Problem[];
  warnings: string[]; // stay until their cause is gone: not on loopback, disk full
  authority: Authority;
}

/** Listener is one configured address. */
export interface Listener {
  address: string; // as bound: the port is known
  accept: string[];
  problem: string; // why it is not bound; "" when it is
}

/** Authority is the local certificate authority. */
export interface Authority {
  file: string; // path of the certificate, PEM
  fingerprint: string; // SHA-256, "AB:CD:…"
  notAfter: string;
}

/** Problem is a problem.Problem for people. */
export interface Problem {
  kind: string;
  where: string;
  message: string;
  line: number;
  column: number;
}

/** ExchangeQuery asks for a page of the list, ascending by Seq: the rows that match Filter, beginning behind After (0: from the first), Skip further on, Limit of them (at most 500). */
export interface ExchangeQuery {
  filter: string;
  after: number;
  skip: number;
  limit: number;
  // Count asks for Matching, which costs a pass over the index.
  count: boolean;
}

/** ExchangePage is a page of the list. */
export interface ExchangePage {
  rows: Row[];
  matching: number; // rows the filter matches; -1 when not asked
  total: number;
}

/** Exchange is the detail of one exchange. Bodies are fetched from /body/SEQ/request and …/response (ranges; ?decoded=1 undoes the content coding), messages as raw bytes from /raw/SEQ/request and …/response, the heads between the proxy and the target from …/sent and …/came. */
export interface Exchange {
  row: Row;
  id: string;
  started: string;
  url: string;
  client: string;
  sentTo: string;
  upstream: string;
  request: Message;
  response: Message | null; // nil while there is none
  timing: Timing;
  steps: Step[];
  problem: Problem | null;
  clientConnection: Connection;
  targetConnection: Connection;
  replays: number[]; // Seqs of the exchanges that repeat this one
}

/** Message is one direction of an exchange. */
export interface Message {
  line: string; // the first line, as sent
  proto: string;
  fields: HeaderField[];
  trailers: HeaderField[];
  body: Body;
}

/** Body describes a kept body. */
export interface Body {
  size: number; // bytes that passed
  kept: number; // bytes in the store; less than Size when the cap was reached
  type: string;
  encoding: string;
  truncated: boolean;
}

/** Timing holds offsets from the start in microseconds; -1 where a moment did not happen. */
export interface Timing {
  dnsStart: number;
  dnsDone: number;
  connectStart: number;
  connectDone: number;
  tlsStart: number;
  tlsDone: number;
  sendStart: number;
  sent: number;
  firstByte: number;
  done: number;
}

/** Step is one line of the X-ray. Before and After are nanoseconds. */
export interface Step {
  cell: string; // "shop-api/headers"
  module: string;
  title: string;
  icon: string;
  stage: string;
  verdict: string;
  why: string;
  facts: Fact[];
  before: number;
  after: number;
  request: Delta;
  response: Delta;
  sent: Leg; // of a pool: from the request as the cells left it to what the target was sent
  came: Leg; // of a pool: from the answer as it came to what the cells got; its lines are the same
}

/** Leg is how a head changed on its way between the cells and a target. LineAfter is "" where there was none. */
export interface Leg {
  before: HeaderField[]; // all fields
  fields: FieldEdit[];
  lineBefore: string;
  lineAfter: string;
}

/** Delta is what a cell changed in one message. */
export interface Delta {
  fields: FieldEdit[];
  lineBefore: string;
  lineAfter: string;
  body: boolean;
}

/** Connection is one side's connection. */
export interface Connection {
  local: string;
  remote: string;
  reused: boolean;
  tls: string; // "TLS 1.3"; "" in the clear
  cipher: string;
  alpn: string;
  sni: string;
  subject: string[]; // of each certificate, leaf first
}

/** Selection names exchanges: Seqs, or all that match Filter when All is set. */
export interface Selection {
  seqs: number[];
  all: boolean;
  filter: string;
}

/** Removal can be taken back by its token until it is purged (30 s later, or at the next start). */
export interface Removal {
  token: number;
  count: number;
}

/** ReplayRequest sends an exchange again. Without Edited it goes out as it was recorded. */
export interface ReplayRequest {
  seq: number; // the original; 0 for a request made from nothing
  edited: boolean;
  method: string;
  url: string;
  fields: HeaderField[];
  // Body is base64 of the new body. KeepBody sends the recorded one instead.
  body: string;
  keepBody: boolean;
}

/** ExportRequest makes a file of exchanges. Format: "postman" or "har". Redact blanks secrets. */
export interface ExportRequest {
  format: string;
  selection: Selection;
  redact: boolean;
}

/** Place is where a cell stands in the configuration. */
export interface Place {
  route: string;
  cell: string; // the id within the route
  revision: string;
}

/** Module is an entry of the palette with the fields of its form. */
export interface Module {
  name: string;
  title: string;
  summary: string;
  icon: string;
  stage: string;
  figure: string;
  fields: SchemaField[];
}

/** Catalogue is all that forms are made from. */
export interface Catalogue {
  modules: Module[]; // in pipeline order
  upstream: SchemaField[];
  capture: SchemaField[];
  forward: SchemaField[];
  limits: SchemaField[];
  tls: SchemaField[];
}

/** Config is the configuration in force. */
export interface Config {
  revision: string; // names this text; Apply refuses another base
  text: string; // the TOML
  document: Document;
  explain: Explained[];
}

/** Explained is a cell's settings in a sentence. */
export interface Explained {
  route: string; // "" for a common cell
  cell: string;
  sentence: string;
}

/** ApplyRequest replaces the configuration: refused with a conflict when Base is no longer in force. */
export interface ApplyRequest {
  base: string;
  document: Document;
}

/** Checked is what would be said about a document if it were applied. */
export interface Checked {
  problems: Problem[];
  explain: Explained[];
  text: string; // the TOML it would become; "" when there are problems
}

/** Figure is the live count of one cell. Recent is over the last 10 s. */
export interface Figure {
  cell: string; // "shop-api/headers"; the pool: "upstream/shop"; a target: "upstream/shop/127.0.0.1:3000"
  seen: number; // exchanges that came by since the start
  acted: number; // it changed or answered
  failed: number;
  rate: number; // seen a second, recent
  share: number; // acted of seen, recent, 0..1
}

/** RouteFigure is the count of one route. */
export interface RouteFigure {
  route: string;
  seen: number;
  rate: number;
}

/** Figures are the live numbers of the comb, sent once a second while there is a change. */
export interface Figures {
  cells: Figure[];
  routes: RouteFigure[];
  clients: number; // open client connections
  doors: Doors;
  pools: PoolFigure[];
  states: CellMood[]; // of the cells that tell one
  latencies: Latency[];
}

/** Level says how much a state wants to be seen: warn works, and not as it should; alarm keeps exchanges from where they should go. */
export type Level = 'calm' | 'warn' | 'alarm';

/** CellMood is how a running cell stands, in brief: see Backend.cells. */
export interface CellMood {
  cell: string;
  summary: string;
  level: Level;
}

/** Latency is how long exchanges took, over the last ten seconds, minute and ten minutes. */
export interface Latency {
  // Name: "" all exchanges; "route/shop"; "upstream/shop"; "upstream/shop/127.0.0.1:3000"; a cell, "shop-api/cache".
  name: string;
  tenSeconds: Quantiles;
  minute: Quantiles;
  tenMinutes: Quantiles;
}

/** Quantiles are in microseconds; they say nothing while Count is 0. */
export interface Quantiles {
  count: number;
  p50: number;
  p90: number;
  p99: number;
  p999: number;
}

/** PoolFigure is what a pool has of connections to its targets. */
export interface PoolFigure {
  pool: string; // "" for that of the targets that clients name
  connections: Connections;
  targets: TargetFigure[];
}

/** Health of a target: whether the pool sends it exchanges, and if not, why not. */
export type Health = 'healthy' | 'unhealthy' | 'ejected' | 'draining' | 'off' | 'unknown';

/** TargetFigure is how one target of a pool stands. */
export interface TargetFigure {
  target: string; // "127.0.0.1:3000/base", as exchanges name it in sentTo
  connections: Connections;
  state: Health;
  reason: string; // why it is in that state; "" when there is nothing to say
  since: string; // RFC 3339; "" when it was never in another state
  weight: number; // as it was set
  effectiveWeight: number; // as it is now: less while it starts slowly or fails
  inFlight: number; // exchanges that wait for its answer
  latency: number; // moving average, microseconds; 0 for none
  ejections: number; // since the pool began
  backup: boolean; // only used while no other target can be
  history: HealthChange[]; // newest last, at most 20
}

/** HealthChange is the moment when a target came into a state. */
export interface HealthChange {
  at: string; // RFC 3339
  state: string;
  reason: string;
}

/** CellState is how a running cell stands, and what can be done with it. */
export interface CellState {
  cell: string; // "shop-api/cache"
  module: string;
  summary: string; // a few words; "" where there is nothing to tell
  level: Level;
  figures: CellFigure[];
  actions: CellAct[];
}

/** CellFigure is one number of a state. Its name ends in the unit ("bytes", "open_seconds"), or in _total where it only grows. */
export interface CellFigure {
  name: string;
  help: string;
  counter: boolean;
  labels?: CellLabel[]; // tell figures of one name apart
  value: number;
}

/** CellLabel is a label of a figure. */
export interface CellLabel {
  name: string;
  value: string;
}

/** CellAct is something that can be done with a running cell. */
export interface CellAct {
  name: string;
  title: string;
  help: string;
  arguments?: CellArgument[];
}

/** CellArgument is what an action wants to know. */
export interface CellArgument {
  name: string;
  title: string;
  help: string;
  placeholder?: string;
  required?: boolean;
  // Recorded: what a person writes is a filter; the action gets the addresses of the recorded GET requests that match it.
  recorded?: boolean;
}

/** CellAction asks for one: Arguments are by name, as written. */
export interface CellAction {
  cell: string;
  action: string;
  arguments: Record<string, string>;
}

/** Connections count those to targets, and what became of exchanges on them. */
export interface Connections {
  open: number; // with those that are being opened
  idle: number; // of open, those that no exchange uses
  inUse: number; // of open, the others
  waiting: number; // exchanges in the queue for one
  http2: number; // of open, those that speak HTTP/2
  streams: number; // exchanges on them
  opened: number; // since the pool began
  reused: number; // exchanges that went over one that was open
  faults: Faults; // exchanges that failed since the pool began, by what failed
}

/** Faults count exchanges that failed. */
export interface Faults {
  connect: number; // no address, nothing listens, no way to it
  tls: number; // the handshake, the certificate
  timeout: number; // of connecting, or of the answer
  reset: number; // the connection ended in the middle
  protocol: number; // the answer was no HTTP
  crowded: number; // there was no connection to be had
}

/** Doors are what clients take of the section limits, and what was refused them since the start. */
export interface Doors {
  http1: number; // open connections
  http2: number; // open connections
  tunnels: number; // open ones, with WebSockets and event streams
  places: number; // how many connections may be open
  accepted: number; // connections
  waited: number; // connections that had to wait for a place
  overPerClient: number; // connections refused for connections_per_client
  overInFlight: number; // requests refused for in_flight
  inFlight: number; // requests under way
  highest: number; // the most that were under way at once
}

/** RouteProbe asks which route would take a request. */
export interface RouteProbe {
  method: string;
  url: string;
}

/** RouteAnswer names the route, and for each other one why not. */
export interface RouteAnswer {
  route: string; // "" when none would
  others: RouteReason[];
}

/** RouteReason says why a route did not take the request. */
export interface RouteReason {
  route: string;
  why: string;
}

/** Port is a local port on which a program listens. */
export interface Port {
  port: number;
  address: string;
  pid: number;
  process: string; // "node"; "" when the system does not tell
  detail: string; // what is known of it: the folder it runs in, its script
  http: boolean; // it answered like an HTTP server
  ours: boolean; // a port of Proxycache itself
}

/** Fronted is a route made in front of a server. */
export interface Fronted {
  route: string;
  url: string; // where to send requests now
  revision: string;
}

/** Program can be started with its traffic set to pass through here. */
export interface Program {
  id: string; // "chromium", "chrome", "edge", "brave"
  name: string;
  installed: boolean;
  running: boolean; // started by us and still open
}

/** TerminalLine is a line to paste that sends a terminal's programs through here. Shell: "sh", "fish", "powershell". */
export interface TerminalLine {
  shell: string;
  set: string;
  unset: string;
}

/** Demo is how far the tour is. */
export interface Demo {
  running: boolean;
  elapsed: number; // seconds
  length: number; // seconds
  requests: number;
  steps: DemoStep[];
}

/** DemoStep is one thing the tour shows. */
export interface DemoStep {
  title: string;
  state: string; // "waiting", "running", "done", "failed"
  result: string; // "200", "0.2 ms"
}

/** Preferences are how a person likes the window; kept in preferences.json. */
export interface Preferences {
  theme: string; // "dark", "light", "system"
  rowHeight: string; // "compact", "comfortable"
  // Pages is what each page wants to remember, as JSON of its own (at most 64 KiB in all).
  pages: Record<string, string>;
}

/** News goes to the window at most ten times a second. */
export interface News {
  // Rows started or changed since the last news, oldest first, at most 500; More when there were more.
  rows: Row[];
  more: boolean;
  total: number;
  reset: boolean; // rows were removed or came back: what was loaded is stale
  status: Status | null; // at most once a second, when it changed
  figures: Figures | null; // at most once a second, when they changed
  revision: string; // set when another configuration came into force
  demo: Demo | null; // while the tour runs
}

/** Side of an exchange. */
export type Side = 'request' | 'response';
/** RawSide is what can be seen as raw bytes, in the order of the way: Sent and Came are the heads between the proxy and the target. */
export type RawSide = 'request' | 'sent' | 'came' | 'response';

/**
 * Everything the window asks of the backend. Each call rejects with a Failure. Implemented by
 * api/wails.ts (the desktop window), api/http.ts (a browser) and api/fake.ts (tests).
 */
export interface Backend {
  status(): Promise<Status>;
  setRecording(on: boolean): Promise<void>;

  exchanges(query: ExchangeQuery): Promise<ExchangePage>;
  exchange(seq: number): Promise<Exchange>;
  /** Address of a kept body; `decoded` undoes its content coding. Ranges are answered. */
  bodyURL(seq: number, side: Side, decoded: boolean): string;
  /** Address of a message as its raw bytes, head and body; of sent and came the head alone. */
  rawURL(seq: number, side: RawSide): string;
  remove(selection: Selection): Promise<Removal>;
  undoRemove(token: number): Promise<void>;
  /** Checks a filter; rejects with a Failure whose column says where it is wrong. */
  checkFilter(filter: string): Promise<void>;

  /** Sends it again and returns the new exchange's seq at once, before its answer. */
  replay(request: ReplayRequest): Promise<number>;
  curl(seq: number): Promise<string>;
  /** Saves a file (a dialog in the window, a download in a browser); null when the person cancelled. */
  saveExport(request: ExportRequest): Promise<string | null>;
  /** Saves the authority's certificate; null when cancelled. */
  saveAuthority(): Promise<string | null>;
  mockThis(seq: number): Promise<Place>;

  catalogue(): Promise<Catalogue>;
  config(): Promise<Config>;
  check(document: Document): Promise<Checked>;
  apply(request: ApplyRequest): Promise<Config>;
  figures(): Promise<Figures>;
  /** The running cells that have a state or actions, in the order of the routes. */
  cells(): Promise<CellState[]>;
  /** Does something with a running cell and says in a sentence what was done; a Failure's `where` may be an argument. */
  actOnCell(action: CellAction): Promise<string>;
  probe(request: RouteProbe): Promise<RouteAnswer>;

  ports(): Promise<Port[]>;
  /** Makes a route and a pool in front of "3000", "127.0.0.1:3000" or a URL. */
  putInFront(target: string): Promise<Fronted>;
  programs(): Promise<Program[]>;
  launch(id: string): Promise<void>;
  terminalLine(shell: string): Promise<TerminalLine>;
  startDemo(): Promise<void>;
  stopDemo(): Promise<void>;

  preferences(): Promise<Preferences>;
  setPreferences(preferences: Preferences): Promise<void>;
  copy(text: string): Promise<void>;
  openURL(url: string): Promise<void>;

  /** Calls back at most ten times a second; the result stops it. `connected` tells of a lost backend. */
  listen(hear: (news: News) => void, connected: (yes: boolean) => void): () => void;
}

/** What a rejected call carries. */
export class Failure extends Error {
  constructor(readonly problem: Problem) {
    super(problem.message);
  }
}
