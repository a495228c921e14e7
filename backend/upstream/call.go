package upstream

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/http1"
	"proxycache/backend/problem"
)

// smallBody is the largest request body that leaves in one write with its head.
const smallBody = 16 << 10

// maxInterim is how many 1xx a server may send before its response.
const maxInterim = 32

// call is one exchange with one target. It is the body of the response, too.
type call struct {
	p *Pool
	x *flow.Exchange
	t *target

	out      *[]byte // the request's head and as much of its body as leaves with it; nil before and after
	head     int     // bytes of the head in out
	absolute bool    // the connection leads to a proxy, which is told the whole URL
	expects  bool    // the target is asked whether it wants the body, before anybody reads it
	length   int64   // of the request body: bytes, or http1.Chunked
	left     int64   // what of it is not in out
	ahead    []byte  // what of it was read for another target, which did not get it

	c      *conn
	stop   func() bool // ends the watch over x's context; false when it has closed the connection
	upload *upload     // nil when the whole request left in one write

	answer   *http1.Head
	body     *http1.Body // nil when there is none
	opened   http1.Body  // what body points to
	response flow.Response
	over     bool        // the connection is given back or closed
	held     atomic.Bool // its target counts it
	failed   error       // what every later Read returns
}

// stale says that an idle connection was closed by the target before it answered, and that the
// request may be repeated.
type stale struct{ *problem.Problem }

func (s *stale) Error() string {
	return "the server closed a connection that was used before, without an answer"
}

var spent = sync.Pool{New: func() any { return new(call) }}

// Release gives k to another exchange, unless its request is still being sent.
func (k *call) Release() {
	if k.upload == nil {
		*k = call{}
		spent.Put(k)
	}
}

func newCall(p *Pool, x *flow.Exchange, t *target) *call {
	k, _ := spent.Get().(*call)
	k.p, k.x, k.t, k.absolute = p, x, t, p.asksProxy(x, t)
	x.Own(k)
	if x.Request.Body != flow.NoBody && x.Request.ContentLength != 0 {
		k.length = x.Request.ContentLength
	}
	k.left = k.length
	return k
}

// outs have room for a head and a small body.
var outs = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// headers are scratch for the fields of one request.
var headers = sync.Pool{New: func() any { h := make(flow.Header, 0, 32); return &h }}

// build prints the request once: a repetition sends the same bytes.
func (k *call) build() error {
	if k.out != nil {
		return nil
	}
	fields, _ := headers.Get().(*flow.Header)
	*fields = k.p.requestFields((*fields)[:0], k.x, k.t, k.length, wire1)
	if k.absolute && k.p.proxy.basic != "" {
		fields.Add("Proxy-Authorization", k.p.proxy.basic)
	}
	// A body that has begun to come, or was read for another target, is nothing its client waits with.
	k.expects = k.x.Request.ExpectContinue && k.length != 0 && len(k.ahead) == 0 && !flow.Ready(k.x.Request.Body)
	if k.expects {
		fields.Add("Expect", "100-continue")
	}
	k.out, _ = outs.Get().(*[]byte)
	*k.out = http1.AppendRequest((*k.out)[:0], k.x.Request.Method, k.path(), "HTTP/1.1", *fields)
	clear(*fields)
	headers.Put(fields)
	k.head = len(*k.out)
	if 0 < k.length && k.length <= smallBody && !k.expects {
		return k.begin()
	}
	return nil
}

func (k *call) path() string {
	if k.absolute {
		return k.absoluteForm()
	}
	if k.t.base == "" || k.x.Request.Target == "*" {
		return k.x.Request.Target
	}
	return k.t.base + k.x.Request.Target
}

// absoluteForm is what a proxy is asked for; OPTIONS * has no path then (RFC 9112 §3.2.4).
func (k *call) absoluteForm() string {
	if k.x.Request.Target == "*" {
		return "http://" + k.t.field
	}
	return "http://" + k.t.field + k.t.base + k.x.Request.Target
}

// begin reads what has come of a small body: mostly all of it. What was read before comes first.
func (k *call) begin() error {
	buf := *k.out
	for cap(buf) < k.head+int(k.length) {
		buf = append(buf[:cap(buf)], 0)
	}
	buf = buf[:k.head+int(k.length)]
	var err error
	n := copy(buf[k.head:], k.ahead)
	if n == 0 {
		n, err = k.x.Request.Body.Read(buf[k.head:])
	}
	*k.out = buf[:k.head+n]
	k.left -= int64(n)
	if err != nil && k.left > 0 {
		return k.clientFailed(err)
	}
	return nil
}

// dropRequest gives the printed request back once it is not needed for a repetition.
func (k *call) dropRequest() {
	if k.out != nil {
		outs.Put(k.out)
		k.out = nil
	}
}

func (k *call) doing(what string) string { return fmt.Sprintf(what, k.t.address) }

// clientFailed is why the request's body did not come to its end.
func (k *call) clientFailed(err error) *problem.Problem {
	doing := k.doing("Sending the request to %s")
	if k.x.Context().Err() != nil {
		return k.p.cancelled(k.x, doing)
	}
	if given, ok := errors.AsType[*problem.Problem](err); ok {
		return given
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return problem.Wrap(problem.ClientLeft, err, "%s: its body broke off (%v). See why the client stopped sending.", doing, err)
}

// send speaks HTTP/1.1. After an error nothing is left of the connection.
func (c *conn) send(k *call) (*flow.Response, error) {
	k.noteConnection(c.facts)
	k.c, k.over, k.upload = c, false, nil
	if err := k.build(); err != nil {
		c.lines.put(c) // nothing was sent on it
		return nil, err
	}
	k.stop = whenOver(k.x.Context(), c.aborted)
	c.expect()
	n, err := k.write()
	k.x.Sent = k.x.Sent || n > 0
	if n > 0 {
		k.noteHead()
	}
	if err != nil {
		return nil, k.fail(k.doing("Sending the request to %s"), err, n == 0)
	}
	h, err := k.read()
	k.x.Sent = k.x.Sent || !c.unsent
	if n == 0 && !c.unsent { // it left in the wait for the answer
		k.noteHead()
	}
	if err != nil {
		return nil, k.fail(k.doing("Waiting for the answer of %s"), err, c.unsent)
	}
	if !c.sent.IsZero() {
		k.x.Timing.Sent = c.sent.Sub(k.x.Started)
	}
	k.answer = h
	k.x.NoteCame(h.Raw)
	k.x.Timing.FirstByte = c.first.Sub(k.x.Started)
	if h.Status == 101 {
		return k.upgrade()
	}
	return k.respond(), nil
}

func (k *call) noteConnection(facts flow.Conn) {
	k.x.TargetConn = facts
	if facts.TLS != nil && k.p.settings.SkipVerify {
		k.x.Note("certificate", "not verified")
	}
	if facts.Reused {
		k.x.Note("connection", "reused")
	} else {
		k.x.Note("connection", "new")
	}
}

// write sends the head with what is there of the body, and starts sending the rest beside.
func (k *call) write() (sent int, err error) {
	k.x.Timing.SendStart = k.x.Since()
	limit := k.p.settings.responseTimeout()
	if k.left == 0 && k.c.asks() && (k.idempotent() || k.c.quiet()) { // what may be repeated needs no look
		k.c.request = *k.out
		if limit > 0 {
			return 0, k.c.SetReadDeadline(time.Now().Add(limit))
		}
		return 0, nil
	}
	if err := k.c.unasked(); err != nil {
		return 0, err
	}
	if n, err := k.c.Write(*k.out); err != nil {
		return n, err
	}
	if k.left != 0 {
		k.c.beside = true
		k.c.paced.answer.Store(unread)
		k.upload = startUpload(k.c, k.x, k.left, limit, k.expects)
		return len(*k.out), nil
	}
	k.x.Timing.Sent = k.x.Since()
	if limit > 0 {
		return len(*k.out), k.c.SetReadDeadline(time.Now().Add(limit))
	}
	return len(*k.out), nil
}

// unasked is what is wrong with a connection on which something came that nobody asked for: it would be
// taken for the answer. A new one that has TLS cannot be told: what waits may be session tickets.
func (c *conn) unasked() error {
	early, behind := c.Conn.(*begun)
	switch {
	case c.facts.Reused && c.quiet():
		return nil
	case c.facts.Reused:
		return io.EOF
	case behind && len(early.ahead) > 0: // the proxy's answer
	case !c.clear || c.quiet():
		return nil
	}
	if _, err := c.reader.Peek(1); err != nil {
		return err // its end
	}
	return &http1.Error{Status: 502, Reason: "it speaks before it is asked"}
}

// read waits for the final head; interim ones go to the client at once.
func (k *call) read() (*http1.Head, error) {
	k.c.reader.Tolerate(k.x.Lenient)
	for range maxInterim {
		h, err := k.c.reader.ReadResponse(k.x.Request.Method)
		if err != nil {
			return nil, err
		}
		if h.Status == 407 && k.absolute {
			return nil, k.p.wantsPassword(fmt.Sprintf("Asking %s through the proxy %s", k.t.address, k.p.proxy.shown))
		}
		if h.Tolerated != 0 {
			k.x.Note("tolerated", h.Tolerated.String()+" in the response")
		}
		if h.Status == 101 {
			k.goOn() // who switches takes the whole request first (RFC 9110 §7.8)
		}
		if h.Status >= 200 || h.Status == 101 {
			return h, k.stopClock()
		}
		if h.Status != 100 || k.x.Request.ExpectContinue {
			k.x.Interim(h.Status, AnswerFields(h.Header, h.Status, h.Proto))
		}
		if h.Status == 100 {
			k.goOn() // behind the target's own 100: who reads the body says one where there was none
		}
		k.c.next()
	}
	return nil, &http1.Error{Status: 502, Reason: fmt.Sprintf("it sent %d interim responses (1xx) and no final one", maxInterim)}
}

// goOn sends the body that waited for the target's word.
func (k *call) goOn() {
	if k.upload != nil {
		k.upload.goOn()
	}
}

// stopClock ends the wait for the head; the body may take its time.
func (k *call) stopClock() error {
	switch {
	case k.upload != nil:
		return k.upload.answered()
	case k.p.settings.ResponseTimeout > 0:
		return k.c.SetReadDeadline(time.Time{})
	}
	return nil
}

// fail ends the connection and says why. unsent tells that the target got nothing.
func (k *call) fail(doing string, err error, unsent bool) error {
	k.over = true
	k.leave()
	aborted := !k.stop()
	err = k.hint(err)
	k.c.abort()
	k.c.end()
	unread := k.upload == nil || k.upload.withhold()
	k.endUpload()
	if k.upload != nil {
		if p := k.upload.clientFailed.Load(); p != nil {
			return k.clientFailed(*p)
		}
		if k.upload.stalled.Load() {
			err = errStalled
		}
	}
	if aborted || k.x.Context().Err() != nil {
		return k.p.cancelled(k.x, doing)
	}
	p := k.p.broken(k.t, doing, err)
	if k.c.facts.Reused && !k.c.heard && p.Kind == problem.Terminated && unread && (unsent || k.idempotent()) {
		return &stale{p}
	}
	return p
}

// leave tells the target that the exchange is over, where it counts.
func (k *call) leave() {
	if k.held.Load() && k.held.Swap(false) {
		k.t.leave()
	}
}

// hint names what answers on the port where it is not HTTP/1.
func (k *call) hint(err error) error {
	if _, ok := err.(*http1.Error); !ok {
		return err
	}
	b := k.c.reader.Buffered()
	if len(b) > 8 && string(b[:2]) == "\x00\x00" && b[3] == 4 && string(b[5:9]) == "\x00\x00\x00\x00" { // SETTINGS (RFC 9113 §6.5)
		return &http1.Error{Status: 502, Reason: "it answers with HTTP/2, so its address begins with h2c://"}
	}
	if len(b) > 1 && (b[0] == 0x15 || b[0] == 0x16) && b[1] == 3 {
		return &http1.Error{Status: 502, Reason: "it answers with TLS, so its address begins with https://"}
	}
	return err
}

// idempotent tells whether sending the request again does no harm (RFC 9110 §9.2.2).
func (k *call) idempotent() bool {
	switch k.x.Request.Method {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE":
		return true
	}
	return false
}

// asksUpgrade tells whether the client asks for another protocol, which HTTP/1.0 has no way to
// (RFC 9110 §7.8). HTTP/2 and TLS are not passed on, alone or in a list: requests inside a tunnel of
// theirs would go past the routes (RFC 9113 §3.1, RFC 2817).
func asksUpgrade(r *flow.Request) bool {
	if r.UpgradeTo() == "" || r.Proto == "HTTP/1.0" {
		return false
	}
	for offer := range strings.SplitSeq(r.Header.Joined("Upgrade"), ",") {
		name, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(offer)), "/")
		switch name {
		case "h2c", "h2", "http", "tls":
			return false
		}
	}
	return true
}

// grants tells whether a 101 names nothing but what was asked for; one that names nothing takes the
// first of these.
func grants(asked, answered flow.Header) bool {
	for part := range strings.SplitSeq(answered.Joined("Upgrade"), ",") {
		if part = strings.TrimSpace(part); part != "" && !asked.HasToken("Upgrade", part) {
			return false
		}
	}
	return true
}
