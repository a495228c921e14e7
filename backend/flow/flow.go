// Package flow holds the nouns of Proxycache: an exchange, its request, its response, and the trail
// of what happened to it on the way.
package flow

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"proxycache/backend/problem"
)

// Door is the way an exchange came in.
type Door string

const (
	Reverse   Door = "reverse"   // origin-form: a route decides where it goes
	Forward   Door = "forward"   // absolute-form: the client said where
	Intercept Door = "intercept" // inside a CONNECT whose TLS we answered
	Tunnel    Door = "tunnel"    // a CONNECT passed through untouched: bytes are counted, not read
)

// Request is what the client asked. Modules may change it before they hand it on; Body may be
// replaced, and who replaces it closes the old one.
type Request struct {
	Method    string
	Scheme    string // "http" or "https"
	Authority string // host[:port] as the client named it: the absolute-form's, else Host, else :authority
	// Dial is the address and port that the client had a tunnel opened to, where it gave no name; "" elsewhere.
	// Authority is what it says inside then. The forward door connects to Dial and looks no name up.
	Dial    string
	Target  string // path and query as on the wire, "/v1/items?x=1"; "*" for OPTIONS *; "" for a tunnel
	Proto   string // "HTTP/1.1", "HTTP/1.0", "HTTP/2.0"
	Header  Header // order, case and repeats of the wire; HTTP/2 pseudo-fields are not in it
	Trailer Header // complete once Body has returned io.EOF

	// Body is never nil; NoBody when there is none. It is closed by the ingress after the response ended.
	Body          io.ReadCloser
	ContentLength int64 // bytes of Body; -1 when only the end will tell
	// ExpectContinue: the client waits for 100 (Continue). The ingress sends it at the first Read of Body, or
	// when the target's comes by Interim.
	ExpectContinue bool

	// RawHead is the head as it arrived, up to and with the blank line; nil where the protocol has no
	// text form (HTTP/2): then the recorder prints one.
	RawHead []byte
	// Tolerated is what is wrong with the form of that head. The route has to let it pass.
	Tolerated Tolerance
}

// Response is a value: who answers returns one. Body is closed by whoever consumes the response.
type Response struct {
	Status  int
	Reason  string // the phrase as sent; empty in HTTP/2
	Proto   string
	Header  Header
	Trailer func() Header // after Body returned io.EOF; nil when there can be none

	Body          io.ReadCloser // never nil; NoBody when there is none
	ContentLength int64         // bytes of Body; -1 when only the end will tell

	// Upgraded is set on a 101 (RFC 9110 §7.8) and on a tunnel's 200: the connection to the target from
	// there on, both ways. Body is then NoBody. Modules leave such a response alone.
	Upgraded io.ReadWriteCloser

	// Cut tells the ingress to close the client's connection without a word (the fault module).
	Cut bool

	RawHead []byte // as it arrived; nil for answers that never were on a wire

	// Watcher, where there is one, hears what the client is told. Who watches sets it when all cells have had
	// the response.
	Watcher Watcher
}

// Watcher is who wants to know what goes over the wire to the client.
type Watcher interface {
	// Begins is told the head of the final response when it is about to be sent, in the goroutine of the exchange:
	// as it is on the wire, or as HTTP/1 would write it where proto, the client's protocol, is "HTTP/2.0". The bytes
	// are the caller's.
	Begins(proto string, head []byte)
}

// Begins tells the watcher, where there is one, with which head r is about to be sent.
func (r *Response) Begins(proto string, head []byte) {
	if r.Watcher != nil {
		r.Watcher.Begins(proto, head)
	}
}

// NewResponse is a complete answer made here. An empty contentType sets no field.
func NewResponse(status int, contentType string, body []byte) *Response {
	r := &Response{Status: status, Proto: "HTTP/1.1", Body: NoBody, ContentLength: int64(len(body))}
	if contentType != "" {
		r.Header.Add("Content-Type", contentType)
	}
	if len(body) > 0 {
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return r
}

// Path is Target without its query.
func (r *Request) Path() string { p, _, _ := strings.Cut(r.Target, "?"); return p }

// Query is what follows the "?" in Target, undecoded.
func (r *Request) Query() string { _, q, _ := strings.Cut(r.Target, "?"); return q }

// Host is Authority without its port, lower case, IPv6 without brackets.
func (r *Request) Host() string { h, _ := SplitAuthority(r.Authority); return strings.ToLower(h) }

// Port is Authority's port, or the scheme's default.
func (r *Request) Port() string {
	if _, p := SplitAuthority(r.Authority); p != "" {
		return p
	}
	if r.Scheme == "https" {
		return "443"
	}
	return "80"
}

// URL is the absolute form, as the client meant it.
func (r *Request) URL() string { return r.Scheme + "://" + r.Authority + r.Target }

// MaxForwards is how many more hops an OPTIONS or TRACE may take; ok is false where nothing bounds them, as
// with all other methods (RFC 9110 §7.6.2).
func (r *Request) MaxForwards() (n uint64, ok bool) {
	if r.Method != "OPTIONS" && r.Method != "TRACE" {
		return 0, false
	}
	n, err := strconv.ParseUint(r.Header.Get("Max-Forwards"), 10, 64)
	return n, err == nil
}

// UpgradeTo is the protocol the request asks to switch to ("websocket"), or "".
func (r *Request) UpgradeTo() string {
	if r.Header.HasToken("Connection", "upgrade") {
		return strings.ToLower(r.Header.Get("Upgrade"))
	}
	return ""
}

// SplitAuthority parts "host:port", "[::1]:80", "host" into host (without brackets) and port ("" if none).
func SplitAuthority(a string) (host, port string) {
	if strings.HasPrefix(a, "[") {
		if end := strings.IndexByte(a, ']'); end > 0 {
			return a[1:end], strings.TrimPrefix(a[end+1:], ":")
		}
		return a, ""
	}
	if i := strings.LastIndexByte(a, ':'); i >= 0 && strings.IndexByte(a, ':') == i {
		return a[:i], a[i+1:]
	}
	return a, ""
}

// Conn is what is known of one side's connection.
type Conn struct {
	Local, Remote string // ip:port
	Reused        bool   // an exchange before this one used the same connection
	TLS           *TLS   // nil in the clear
}

// TLS is what a handshake agreed on.
type TLS struct {
	Version string // "TLS 1.3"
	Cipher  string
	ALPN    string // "h2", "http/1.1", ""
	SNI     string
	Chain   []*x509.Certificate // the peer's, leaf first; empty where the peer showed none
}

// Timing holds the moments of an exchange as offsets from Started; zero where one did not happen.
// Receive ends at Done. The order is: Queue, DNS, Connect, TLS, Sent, FirstByte, Done.
type Timing struct {
	DNSStart, DNSDone         time.Duration
	ConnectStart, ConnectDone time.Duration
	TLSStart, TLSDone         time.Duration
	SendStart, Sent           time.Duration // first and last byte of the request left
	FirstByte                 time.Duration // first byte of the final response's head
	Done                      time.Duration // last byte of the response reached the client
}

// Exchange is one request and what came of it. It belongs to the goroutine that runs the pipeline;
// what others may touch meanwhile says so.
type Exchange struct {
	ID      uuid.UUID // version 7: sorts by time
	Seq     int64     // the number people see; given by the recorder, 0 before
	Started time.Time
	Door    Door
	Client  netip.AddrPort
	Trusted bool // the peer is in the configuration's `trusted` list: its forwarding fields may be believed

	Request *Request
	// Interim passes a 1xx on to the client at once (RFC 9110 §15.2). Never nil; not for 101.
	Interim func(status int, h Header)

	Route    string    // the route's name; "" where none took it
	Upstream string    // the pool's name; "" in a forward door without a route
	Target   string    // what it was sent to, "127.0.0.1:3000", with the path of the target's URL behind it; "" where nothing was sent
	Mocked   bool      // a mock answered
	Sent     bool      // bytes of the request have left for Target
	Lenient  Tolerance // what the route lets pass in heads, the response's too
	ReplayOf int64     // Seq of the exchange this one repeats; 0 if none

	// What cells tell the pool behind them.
	Avoid  []string // targets, as Target names them, that it takes only where there is no other
	Bars   []Bar    // targets that it does not take
	SendTo string   // the pool to send to; "" is the route's

	// Private are fields of the answer for this client alone, such as the cookie of its target: they are
	// added when all cells have had the response, so that none keeps them for another client.
	Private Header

	ClientConn Conn
	TargetConn Conn
	Timing     Timing
	Trail      Trail
	Problem    *problem.Problem // why there is no ordinary answer; nil if there is one

	ctx     context.Context
	running int // index in Trail of the cell that runs now

	origin *Exchange     // of a fork
	joined time.Duration // that the forks took
	came   *Given        // what a fork is answered with, or of x the last that joined; nil where none is known
	facts  []Fact        // room for those of Trail
	noted  int           // facts for which room was made
	owned  []Releaser
}

// Bar keeps exchanges from a target.
type Bar struct {
	Target string
	Why    string    // "its breaker is open"
	Until  time.Time // zero where that is not known
}

// Releaser is what was made for one exchange and can serve another.
type Releaser interface {
	// Release says that the exchange is over and nobody holds anything of it.
	Release()
}

// NewExchange starts an exchange now; ctx ends when the client leaves.
func NewExchange(ctx context.Context, door Door, r *Request) *Exchange {
	x := &Exchange{}
	x.Start(ctx, door, r)
	return x
}

// Start makes x an exchange that starts now: for those who keep it beside its request. It is zero, or
// has been released: its memory serves again then.
func (x *Exchange) Start(ctx context.Context, door Door, r *Request) {
	now := time.Now()
	facts := x.facts[:0]
	if cap(facts) < x.noted {
		facts = make([]Fact, 0, x.noted)
	}
	*x = Exchange{
		ID: newID(now), Started: now, Door: door, Request: r, Interim: noInterim, ctx: ctx,
		Trail: x.Trail[:0], facts: facts, owned: x.owned[:0],
	}
}

// Own has r released with x. Where it cannot be known that nobody holds x any more, it never is.
func (x *Exchange) Own(r Releaser) { x.owned = append(x.owned, r) }

// Release says that x is over and nobody holds anything of it any more: not its request or response,
// and not its context.
func (x *Exchange) Release() {
	for i, r := range x.owned {
		r.Release()
		x.owned[i] = nil
	}
	x.owned = x.owned[:0]
}

func noInterim(int, Header) {}

// newID is a version 7 UUID (RFC 9562 §5.7) whose first random bits are the fraction of its
// millisecond (§6.2, method 3). It tells exchanges apart and is no secret.
func newID(now time.Time) (id uuid.UUID) {
	const perMilli = int64(time.Millisecond)
	nanos := now.UnixNano()
	fraction := uint64(nanos%perMilli) << 12 / uint64(perMilli)
	binary.BigEndian.PutUint64(id[:8], uint64(nanos/perMilli)<<16|7<<12|fraction)
	binary.BigEndian.PutUint64(id[8:], rand.Uint64()&^(3<<62)|2<<62)
	return id
}

// Fork makes an exchange of its own for what is behind the cell that runs: another try beside the
// first, or one that goes on when x is over. It has its own trail and its own Request, whose header is
// shared until it is edited and whose body is NoBody; ctx ends it. Its response's body must be closed.
func (x *Exchange) Fork(ctx context.Context) *Exchange {
	request := *x.Request
	request.Body, request.ContentLength, request.ExpectContinue = NoBody, 0, false
	request.Header = slices.Clip(request.Header) // what one fork adds is not written over by another
	return &Exchange{
		ID: x.ID, Seq: x.Seq, Started: x.Started, Door: x.Door, Client: x.Client, Trusted: x.Trusted,
		Request: &request, Interim: noInterim, Route: x.Route, Lenient: x.Lenient, ReplayOf: x.ReplayOf,
		Avoid: slices.Clone(x.Avoid), Bars: slices.Clone(x.Bars), SendTo: x.SendTo, ClientConn: x.ClientConn,
		ctx: ctx, origin: x,
	}
}

// Origin is what x is a fork of, or nil. It may be over.
func (x *Exchange) Origin() *Exchange { return x.origin }

// Join makes what f, a fork of x, found that of x, and puts its steps behind x's.
func (x *Exchange) Join(f *Exchange) {
	x.Upstream, x.Target, x.Mocked, x.Sent = f.Upstream, f.Target, f.Mocked, f.Sent
	x.TargetConn, x.Timing = f.TargetConn, f.Timing
	x.Private, x.SendTo, x.came = f.Private, f.SendTo, f.came
	x.Trail = append(x.Trail, f.Trail...)
	for i := range f.Trail {
		x.joined += f.Trail[i].Before + f.Trail[i].After
	}
}

// Given is a response at a moment. Edits of fields copy (Header), so keeping the slice is enough.
type Given struct {
	Status int
	Header Header
	Body   io.ReadCloser
}

// GivenBy is r as it is now.
func GivenBy(r *Response) Given { return Given{r.Status, r.Header, r.Body} }

// Came notes what a fork is answered with, for when it joins.
func (x *Exchange) Came(r *Response) {
	g := GivenBy(r)
	x.came = &g
}

// Brought is what the last fork that joined x was answered with; nil where that is not known.
func (x *Exchange) Brought() *Given { return x.came }

// Joined is how much time was spent in the cells and the pool behind the cells that joined a fork: the
// steps of those have it.
func (x *Exchange) Joined() time.Duration { return x.joined }

// Beside puts the steps of f, a fork of x that did not win, behind x's; each says why.
func (x *Exchange) Beside(f *Exchange, why string) {
	for _, s := range f.Trail {
		s.Facts = append(slices.Clone(s.Facts), Fact{"beside", why})
		x.Trail = append(x.Trail, s)
	}
}

// Context ends when the client leaves or the exchange is over.
func (x *Exchange) Context() context.Context { return x.ctx }

// WithContext replaces the context; the ingress and modules with a deadline use it.
func (x *Exchange) WithContext(ctx context.Context) { x.ctx = ctx }

// Since is the offset of now from Started.
func (x *Exchange) Since() time.Duration { return time.Since(x.Started) }

// Handler answers an exchange, always: where something failed the response says so and x.Problem why.
type Handler interface {
	Handle(x *Exchange) *Response
}

// HandlerFunc makes a function a Handler.
type HandlerFunc func(x *Exchange) *Response

func (f HandlerFunc) Handle(x *Exchange) *Response { return f(x) }
