export namespace config {
	
	export interface Cell {
	    id: string;
	    use: string;
	    when: string;
	    off: boolean;
	    settings: {[key: string]: any};
	}
	export interface Route {
	    name: string;
	    when: string;
	    to: string;
	    off: boolean;
	    lenient: string[];
	    cells: Cell[];
	}
	export interface Upstream {
	    name: string;
	    settings: {[key: string]: any};
	}
	export interface Listen {
	    address: string;
	    accept: string[];
	    proxyProtocol: boolean;
	    username: string;
	    password: string;
	}
	export interface Document {
	    version: number;
	    trusted: string[];
	    passThrough: string[];
	    listen: Listen[];
	    sections: {[key: string]: {[key: string]: any}};
	    upstreams: Upstream[];
	    cells: Cell[];
	    routes: Route[];
	}
	
	

}

export namespace core {
	
	export interface ApplyRequest {
	    base: string;
	    document: config.Document;
	}
	export interface Authority {
	    file: string;
	    fingerprint: string;
	    notAfter: string;
	}
	export interface Body {
	    size: number;
	    kept: number;
	    type: string;
	    encoding: string;
	    truncated: boolean;
	}
	export interface Module {
	    name: string;
	    title: string;
	    summary: string;
	    icon: string;
	    stage: string;
	    figure: string;
	    fields: schema.Field[];
	}
	export interface Catalogue {
	    modules: Module[];
	    upstream: schema.Field[];
	    capture: schema.Field[];
	    forward: schema.Field[];
	    limits: schema.Field[];
	    tls: schema.Field[];
	}
	export interface CellAction {
	    cell: string;
	    action: string;
	    arguments: {[key: string]: string};
	}
	export interface CellMood {
	    cell: string;
	    summary: string;
	    level: string;
	}
	export interface CellState {
	    cell: string;
	    module: string;
	    summary: string;
	    level: string;
	    figures: policy.Figure[];
	    actions: policy.Action[];
	}
	export interface Explained {
	    route: string;
	    cell: string;
	    sentence: string;
	}
	export interface Problem {
	    kind: string;
	    where: string;
	    message: string;
	    line: number;
	    column: number;
	}
	export interface Checked {
	    problems: Problem[];
	    explain: Explained[];
	    text: string;
	}
	export interface Config {
	    revision: string;
	    text: string;
	    document: config.Document;
	    explain: Explained[];
	}
	export interface Connection {
	    local: string;
	    remote: string;
	    reused: boolean;
	    tls: string;
	    cipher: string;
	    alpn: string;
	    sni: string;
	    subject: string[];
	}
	export interface Faults {
	    connect: number;
	    tls: number;
	    timeout: number;
	    reset: number;
	    protocol: number;
	    crowded: number;
	}
	export interface Connections {
	    open: number;
	    idle: number;
	    inUse: number;
	    waiting: number;
	    http2: number;
	    streams: number;
	    opened: number;
	    reused: number;
	    faults: Faults;
	}
	export interface Delta {
	    fields: flow.FieldEdit[];
	    lineBefore: string;
	    lineAfter: string;
	    body: boolean;
	}
	export interface Doors {
	    http1: number;
	    http2: number;
	    tunnels: number;
	    places: number;
	    accepted: number;
	    waited: number;
	    overPerClient: number;
	    overInFlight: number;
	    inFlight: number;
	    highest: number;
	}
	export interface Leg {
	    before: flow.Field[];
	    fields: flow.FieldEdit[];
	    lineBefore: string;
	    lineAfter: string;
	}
	export interface Step {
	    cell: string;
	    module: string;
	    title: string;
	    icon: string;
	    stage: string;
	    verdict: string;
	    why: string;
	    facts: flow.Fact[];
	    before: number;
	    after: number;
	    request: Delta;
	    response: Delta;
	    sent: Leg;
	    came: Leg;
	}
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
	export interface Message {
	    line: string;
	    proto: string;
	    fields: flow.Field[];
	    trailers: flow.Field[];
	    body: Body;
	}
	export interface Exchange {
	    row: flow.Row;
	    id: string;
	    started: string;
	    url: string;
	    client: string;
	    sentTo: string;
	    upstream: string;
	    request: Message;
	    response?: Message;
	    timing: Timing;
	    steps: Step[];
	    problem?: Problem;
	    clientConnection: Connection;
	    targetConnection: Connection;
	    replays: number[];
	}
	export interface ExchangePage {
	    rows: flow.Row[];
	    matching: number;
	    total: number;
	}
	export interface ExchangeQuery {
	    filter: string;
	    after: number;
	    skip: number;
	    limit: number;
	    count: boolean;
	}
	
	export interface Selection {
	    seqs: number[];
	    all: boolean;
	    filter: string;
	}
	export interface ExportRequest {
	    format: string;
	    selection: Selection;
	    redact: boolean;
	}
	
	export interface Figure {
	    cell: string;
	    seen: number;
	    acted: number;
	    failed: number;
	    rate: number;
	    share: number;
	}
	export interface Quantiles {
	    count: number;
	    p50: number;
	    p90: number;
	    p99: number;
	    p999: number;
	}
	export interface Latency {
	    name: string;
	    tenSeconds: Quantiles;
	    minute: Quantiles;
	    tenMinutes: Quantiles;
	}
	export interface HealthChange {
	    at: string;
	    state: string;
	    reason: string;
	}
	export interface TargetFigure {
	    target: string;
	    connections: Connections;
	    state: string;
	    reason: string;
	    since: string;
	    weight: number;
	    effectiveWeight: number;
	    inFlight: number;
	    latency: number;
	    ejections: number;
	    backup: boolean;
	    history: HealthChange[];
	}
	export interface PoolFigure {
	    pool: string;
	    connections: Connections;
	    targets: TargetFigure[];
	}
	export interface RouteFigure {
	    route: string;
	    seen: number;
	    rate: number;
	}
	export interface Figures {
	    cells: Figure[];
	    routes: RouteFigure[];
	    clients: number;
	    doors: Doors;
	    pools: PoolFigure[];
	    states: CellMood[];
	    latencies: Latency[];
	}
	export interface Fronted {
	    route: string;
	    url: string;
	    revision: string;
	}
	
	
	
	export interface Listener {
	    address: string;
	    accept: string[];
	    problem: string;
	}
	
	
	export interface Place {
	    route: string;
	    cell: string;
	    revision: string;
	}
	
	export interface Port {
	    port: number;
	    address: string;
	    pid: number;
	    process: string;
	    detail: string;
	    http: boolean;
	    ours: boolean;
	}
	export interface Preferences {
	    theme: string;
	    rowHeight: string;
	    pages: {[key: string]: string};
	}
	
	export interface Program {
	    id: string;
	    name: string;
	    installed: boolean;
	    running: boolean;
	}
	
	export interface Removal {
	    token: number;
	    count: number;
	}
	export interface ReplayRequest {
	    seq: number;
	    edited: boolean;
	    method: string;
	    url: string;
	    fields: flow.Field[];
	    body: string;
	    keepBody: boolean;
	}
	export interface RouteReason {
	    route: string;
	    why: string;
	}
	export interface RouteAnswer {
	    route: string;
	    others: RouteReason[];
	}
	
	export interface RouteProbe {
	    method: string;
	    url: string;
	}
	
	
	export interface Status {
	    version: string;
	    listeners: Listener[];
	    proxyUrl: string;
	    recording: boolean;
	    exchanges: number;
	    lost: number;
	    rate: number;
	    p99: number;
	    dataDir: string;
	    configFile: string;
	    database: string;
	    revision: string;
	    configProblems: Problem[];
	    warnings: string[];
	    authority: Authority;
	}
	
	
	export interface TerminalLine {
	    shell: string;
	    set: string;
	    unset: string;
	}

}

export namespace flow {
	
	export interface Fact {
	    name: string;
	    value: string;
	}
	export interface Field {
	    name: string;
	    value: string;
	}
	export interface FieldEdit {
	    op: string;
	    name: string;
	    was: string;
	    now: string;
	}
	export interface Row {
	    seq: number;
	    started: number;
	    method: string;
	    scheme: string;
	    authority: string;
	    target: string;
	    status: number;
	    type: string;
	    requestSize: number;
	    responseSize: number;
	    micros: number;
	    state: string;
	    door: string;
	    route: string;
	    mocked: boolean;
	    replayOf: number;
	    cells: string;
	}

}

export namespace policy {
	
	export interface Argument {
	    name: string;
	    title: string;
	    help: string;
	    placeholder?: string;
	    required?: boolean;
	    recorded?: boolean;
	}
	export interface Action {
	    name: string;
	    title: string;
	    help: string;
	    arguments?: Argument[];
	}
	
	export interface Label {
	    name: string;
	    value: string;
	}
	export interface Figure {
	    name: string;
	    help: string;
	    counter: boolean;
	    labels?: Label[];
	    value: number;
	}

}

export namespace schema {
	
	export interface Field {
	    name: string;
	    title: string;
	    help: string;
	    kind: string;
	    default: string;
	    min: string;
	    max: string;
	    oneOf: string[];
	    unit: string;
	    placeholder: string;
	    required: boolean;
	    fields: Field[];
	}

}

