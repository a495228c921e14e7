// Package core is everything Proxycache can do, once; the window, the command line and the HTTP
// interface decode, call it and encode.
package core

import (
	"proxycache/backend/config"
	"proxycache/backend/flow"
	"proxycache/backend/schema"
)

// The types here cross to the window as JSON. frontend/src/api/backend.ts has the same ones; times
// are RFC 3339 strings, durations microseconds, nil slices never.

// Status is what the status bar and the top bar show.
type Status struct {
	Version    string     `json:"version"`
	Listeners  []Listener `json:"listeners"`
	ProxyURL   string     `json:"proxyUrl"` // of the first listener that is bound: "http://127.0.0.1:8080"; "" if none is
	Recording  bool       `json:"recording"`
	Exchanges  int64      `json:"exchanges"` // kept and in flight
	Lost       int64      `json:"lost"`
	Rate       float64    `json:"rate"` // requests a second, over the last 5 s
	P99        float64    `json:"p99"`  // milliseconds over the last minute; -1 without traffic
	DataDir    string     `json:"dataDir"`
	ConfigFile string     `json:"configFile"`
	Database   string     `json:"database"`
	Revision   string     `json:"revision"` // of the configuration in force
	// ConfigProblems say what is wrong with the file on disk while an older one stays in force.
	ConfigProblems []Problem `json:"configProblems"`
	Warnings       []string  `json:"warnings"` // stay until their cause is gone: not on loopback, disk full
	Authority      Authority `json:"authority"`
}

// Listener is one configured address.
type Listener struct {
	Address string   `json:"address"` // as bound: the port is known
	Accept  []string `json:"accept"`
	Problem string   `json:"problem"` // why it is not bound; "" when it is
}

// Authority is the local certificate authority.
type Authority struct {
	File        string `json:"file"`        // path of the certificate, PEM
	Fingerprint string `json:"fingerprint"` // SHA-256, "AB:CD:…"
	NotAfter    string `json:"notAfter"`
}

// Problem is a problem.Problem for people.
type Problem struct {
	Kind    string `json:"kind"`
	Where   string `json:"where"`
	Message string `json:"message"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
}

// ExchangeQuery asks for a page of the list, ascending by Seq: the rows that match Filter, beginning
// behind After (0: from the first), Skip further on, Limit of them (at most 500).
type ExchangeQuery struct {
	Filter string `json:"filter"`
	After  int64  `json:"after"`
	Skip   int    `json:"skip"`
	Limit  int    `json:"limit"`
	// Count asks for Matching, which costs a pass over the index.
	Count bool `json:"count"`
}

// ExchangePage is a page of the list.
type ExchangePage struct {
	Rows     []flow.Row `json:"rows"`
	Matching int64      `json:"matching"` // rows the filter matches; -1 when not asked
	Total    int64      `json:"total"`
}

// Exchange is the detail of one exchange. Bodies are fetched from /body/SEQ/request and …/response
// (ranges; ?decoded=1 undoes the content coding), messages as raw bytes from /raw/SEQ/request and …/response.
type Exchange struct {
	Row              flow.Row   `json:"row"`
	ID               string     `json:"id"`
	Started          string     `json:"started"`
	URL              string     `json:"url"`
	Client           string     `json:"client"`
	SentTo           string     `json:"sentTo"`
	Upstream         string     `json:"upstream"`
	Request          Message    `json:"request"`
	Response         *Message   `json:"response"` // nil while there is none
	Timing           Timing     `json:"timing"`
	Steps            []Step     `json:"steps"`
	Problem          *Problem   `json:"problem"`
	ClientConnection Connection `json:"clientConnection"`
	TargetConnection Connection `json:"targetConnection"`
	Replays          []int64    `json:"replays"` // Seqs of the exchanges that repeat this one
}

// Message is one direction of an exchange.
type Message struct {
	Line     string       `json:"line"` // the first line, as sent
	Proto    string       `json:"proto"`
	Fields   []flow.Field `json:"fields"`
	Trailers []flow.Field `json:"trailers"`
	Body     Body         `json:"body"`
}

// Body describes a kept body.
type Body struct {
	Size      int64  `json:"size"` // bytes that passed
	Kept      int64  `json:"kept"` // bytes in the store; less than Size when the cap was reached
	Type      string `json:"type"`
	Encoding  string `json:"encoding"`
	Truncated bool   `json:"truncated"`
}

// Timing holds offsets from the start in microseconds; -1 where a moment did not happen.
type Timing struct {
	DNSStart     int64 `json:"dnsStart"`
	DNSDone      int64 `json:"dnsDone"`
	ConnectStart int64 `json:"connectStart"`
	ConnectDone  int64 `json:"connectDone"`
	TLSStart     int64 `json:"tlsStart"`
	TLSDone      int64 `json:"tlsDone"`
	SendStart    int64 `json:"sendStart"`
	Sent         int64 `json:"sent"`
	FirstByte    int64 `json:"firstByte"`
	Done         int64 `json:"done"`
}

// Step is one line of the X-ray. Before and After are nanoseconds.
type Step struct {
	Cell     string      `json:"cell"` // "shop-api/headers"
	Module   string      `json:"module"`
	Title    string      `json:"title"`
	Icon     string      `json:"icon"`
	Stage    string      `json:"stage"`
	Verdict  string      `json:"verdict"`
	Why      string      `json:"why"`
	Facts    []flow.Fact `json:"facts"`
	Before   int64       `json:"before"`
	After    int64       `json:"after"`
	Request  Delta       `json:"request"`
	Response Delta       `json:"response"`
	Sent     Leg         `json:"sent"` // of a pool: from the request as the cells left it to what the target was sent
	Came     Leg         `json:"came"` // of a pool: from the answer as it came to what the cells got; its lines are the same
}

// Leg is how a head changed on its way between the cells and a target. LineAfter is "" where there was none.
type Leg struct {
	Before     []flow.Field     `json:"before"` // all fields
	Fields     []flow.FieldEdit `json:"fields"`
	LineBefore string           `json:"lineBefore"`
	LineAfter  string           `json:"lineAfter"`
}

// Delta is what a cell changed in one message.
type Delta struct {
	Fields     []flow.FieldEdit `json:"fields"`
	LineBefore string           `json:"lineBefore"`
	LineAfter  string           `json:"lineAfter"`
	Body       bool             `json:"body"`
}

// Connection is one side's connection.
type Connection struct {
	Local   string   `json:"local"`
	Remote  string   `json:"remote"`
	Reused  bool     `json:"reused"`
	TLS     string   `json:"tls"` // "TLS 1.3"; "" in the clear
	Cipher  string   `json:"cipher"`
	ALPN    string   `json:"alpn"`
	SNI     string   `json:"sni"`
	Subject []string `json:"subject"` // of each certificate, leaf first
}

// Selection names exchanges: Seqs, or all that match Filter when All is set.
type Selection struct {
	Seqs   []int64 `json:"seqs"`
	All    bool    `json:"all"`
	Filter string  `json:"filter"`
}

// Removal can be taken back by its token until it is purged (30 s later, or at the next start).
type Removal struct {
	Token int64 `json:"token"`
	Count int64 `json:"count"`
}

// ReplayRequest sends an exchange again. Without Edited it goes out as it was recorded.
type ReplayRequest struct {
	Seq    int64        `json:"seq"` // the original; 0 for a request made from nothing
	Edited bool         `json:"edited"`
	Method string       `json:"method"`
	URL    string       `json:"url"`
	Fields []flow.Field `json:"fields"`
	// Body is base64 of the new body. KeepBody sends the recorded one instead.
	Body     string `json:"body"`
	KeepBody bool   `json:"keepBody"`
}

// ExportRequest makes a file of exchanges. Format: "postman" or "har". Redact blanks secrets.
type ExportRequest struct {
	Format    string    `json:"format"`
	Selection Selection `json:"selection"`
	Redact    bool      `json:"redact"`
}

// Place is where a cell stands in the configuration.
type Place struct {
	Route    string `json:"route"`
	Cell     string `json:"cell"` // the id within the route
	Revision string `json:"revision"`
}

// Module is an entry of the palette with the fields of its form.
type Module struct {
	Name    string         `json:"name"`
	Title   string         `json:"title"`
	Summary string         `json:"summary"`
	Icon    string         `json:"icon"`
	Stage   string         `json:"stage"`
	Figure  string         `json:"figure"`
	Fields  []schema.Field `json:"fields"`
}

// Catalogue is all that forms are made from.
type Catalogue struct {
	Modules  []Module       `json:"modules"` // in pipeline order
	Upstream []schema.Field `json:"upstream"`
	Capture  []schema.Field `json:"capture"`
	Forward  []schema.Field `json:"forward"`
	Limits   []schema.Field `json:"limits"`
	TLS      []schema.Field `json:"tls"`
}

// Config is the configuration in force.
type Config struct {
	Revision string          `json:"revision"` // names this text; Apply refuses another base
	Text     string          `json:"text"`     // the TOML
	Document config.Document `json:"document"`
	Explain  []Explained     `json:"explain"`
}

// Explained is a cell's settings in a sentence.
type Explained struct {
	Route    string `json:"route"` // "" for a common cell
	Cell     string `json:"cell"`
	Sentence string `json:"sentence"`
}

// ApplyRequest replaces the configuration: refused with a conflict when Base is no longer in force.
type ApplyRequest struct {
	Base     string          `json:"base"`
	Document config.Document `json:"document"`
}

// Checked is what would be said about a document if it were applied.
type Checked struct {
	Problems []Problem   `json:"problems"`
	Explain  []Explained `json:"explain"`
	Text     string      `json:"text"` // the TOML it would become; "" when there are problems
}

// Figure is the live count of one cell. Recent is over the last 10 s.
type Figure struct {
	Cell   string  `json:"cell"`  // "shop-api/headers"; the pool: "upstream/shop"; a target: "upstream/shop/127.0.0.1:3000"
	Seen   int64   `json:"seen"`  // exchanges that came by since the start
	Acted  int64   `json:"acted"` // it changed or answered
	Failed int64   `json:"failed"`
	Rate   float64 `json:"rate"`  // seen a second, recent
	Share  float64 `json:"share"` // acted of seen, recent, 0..1
}

// RouteFigure is the count of one route.
type RouteFigure struct {
	Route string  `json:"route"`
	Seen  int64   `json:"seen"`
	Rate  float64 `json:"rate"`
}

// Figures are the live numbers of the comb, sent once a second while there is a change.
type Figures struct {
	Cells   []Figure      `json:"cells"`
	Routes  []RouteFigure `json:"routes"`
	Clients int           `json:"clients"` // open client connections
	Doors   Doors         `json:"doors"`
	Pools   []PoolFigure  `json:"pools"`
	States  []CellMood    `json:"states"` // of the cells that tell one
	// Latencies are those of names as the figures have them: "" for all, "route/shop", "upstream/shop",
	// "upstream/shop/127.0.0.1:3000", "shop-api/cache".
	Latencies []Latency `json:"latencies"`
}

// CellMood is how a running cell stands, in brief: see Core.Cells.
type CellMood struct {
	Cell    string `json:"cell"`
	Summary string `json:"summary"`
	Level   string `json:"level"` // "calm", "warn", "alarm"
}

// PoolFigure is what a pool has of connections to its targets.
type PoolFigure struct {
	Pool        string         `json:"pool"` // "" for that of the targets that clients name
	Connections Connections    `json:"connections"`
	Targets     []TargetFigure `json:"targets"`
}

// Connections count those to targets, and what became of exchanges on them.
type Connections struct {
	Open    int   `json:"open"`    // with those that are being opened
	Idle    int   `json:"idle"`    // of open, those that no exchange uses
	InUse   int   `json:"inUse"`   // of open, the others
	Waiting int   `json:"waiting"` // exchanges in the queue for one
	HTTP2   int   `json:"http2"`   // of open, those that speak HTTP/2
	Streams int   `json:"streams"` // exchanges on them
	Opened  int64 `json:"opened"`  // since the pool began
	Reused  int64 `json:"reused"`  // exchanges that went over one that was open
	// Faults are exchanges that failed since the pool began, by what failed.
	Faults Faults `json:"faults"`
}

// Faults count exchanges that failed.
type Faults struct {
	Connect  int64 `json:"connect"`  // no address, nothing listens, no way to it
	TLS      int64 `json:"tls"`      // the handshake, the certificate
	Timeout  int64 `json:"timeout"`  // of connecting, or of the answer
	Reset    int64 `json:"reset"`    // the connection ended in the middle
	Protocol int64 `json:"protocol"` // the answer was no HTTP
	Crowded  int64 `json:"crowded"`  // there was no connection to be had
}

// Doors are what clients take of the section limits, and what was refused them since the start.
type Doors struct {
	HTTP1   int `json:"http1"`   // open connections
	HTTP2   int `json:"http2"`   // open connections
	Tunnels int `json:"tunnels"` // open ones, with WebSockets and event streams
	Places  int `json:"places"`  // how many connections may be open

	Accepted      int64 `json:"accepted"`      // connections
	Waited        int64 `json:"waited"`        // connections that had to wait for a place
	OverPerClient int64 `json:"overPerClient"` // connections refused for connections_per_client
	OverInFlight  int64 `json:"overInFlight"`  // requests refused for in_flight
	InFlight      int64 `json:"inFlight"`      // requests under way
	Highest       int64 `json:"highest"`       // the most that were under way at once
}

// RouteProbe asks which route would take a request.
type RouteProbe struct {
	Method string `json:"method"`
	URL    string `json:"url"`
}

// RouteAnswer names the route, and for each other one why not.
type RouteAnswer struct {
	Route  string        `json:"route"` // "" when none would
	Others []RouteReason `json:"others"`
}

// RouteReason says why a route did not take the request.
type RouteReason struct {
	Route string `json:"route"`
	Why   string `json:"why"`
}

// Port is a local port on which a program listens.
type Port struct {
	Port    int    `json:"port"`
	Address string `json:"address"`
	PID     int    `json:"pid"`
	Process string `json:"process"` // "node"; "" when the system does not tell
	Detail  string `json:"detail"`  // what is known of it: the folder it runs in, its script
	HTTP    bool   `json:"http"`    // it answered like an HTTP server
	Ours    bool   `json:"ours"`    // a port of Proxycache itself
}

// Fronted is a route made in front of a server.
type Fronted struct {
	Route    string `json:"route"`
	URL      string `json:"url"` // where to send requests now
	Revision string `json:"revision"`
}

// Program can be started with its traffic set to pass through here.
type Program struct {
	ID        string `json:"id"` // "chromium", "chrome", "edge", "brave"
	Name      string `json:"name"`
	Installed bool   `json:"installed"`
	Running   bool   `json:"running"` // started by us and still open
}

// TerminalLine is a line to paste that sends a terminal's programs through here. Shell: "sh", "fish", "powershell".
type TerminalLine struct {
	Shell string `json:"shell"`
	Set   string `json:"set"`
	Unset string `json:"unset"`
}

// Demo is how far the tour is.
type Demo struct {
	Running  bool       `json:"running"`
	Elapsed  float64    `json:"elapsed"` // seconds
	Length   float64    `json:"length"`  // seconds
	Requests int        `json:"requests"`
	Steps    []DemoStep `json:"steps"`
}

// DemoStep is one thing the tour shows.
type DemoStep struct {
	Title  string `json:"title"`
	State  string `json:"state"`  // "waiting", "running", "done", "failed"
	Result string `json:"result"` // "200", "0.2 ms"
}

// Preferences are how a person likes the window; kept in preferences.json.
type Preferences struct {
	Theme     string `json:"theme"`     // "dark", "light", "system"
	RowHeight string `json:"rowHeight"` // "compact", "comfortable"
	// Pages is what each page wants to remember, as JSON of its own (at most 64 KiB in all).
	Pages map[string]string `json:"pages"`
}

// News goes to the window at most ten times a second.
type News struct {
	// Rows started or changed since the last news, oldest first, at most 500; More when there were more.
	Rows     []flow.Row `json:"rows"`
	More     bool       `json:"more"`
	Total    int64      `json:"total"`
	Reset    bool       `json:"reset"`    // rows were removed or came back: what was loaded is stale
	Status   *Status    `json:"status"`   // at most once a second, when it changed
	Figures  *Figures   `json:"figures"`  // at most once a second, when they changed
	Revision string     `json:"revision"` // set when another configuration came into force
	Demo     *Demo      `json:"demo"`     // while the tour runs
}
