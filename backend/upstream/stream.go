package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/http1"
	"proxycache/backend/page"
	"proxycache/backend/problem"
)

// stream is one exchange on a shared connection. It is the body of the response, too.
type stream struct {
	k      *call
	l      *place
	feed   *feed  // nil when the request has no body
	head   []byte // the request's, printed; nil where nobody records it
	ctx    context.Context
	cancel context.CancelCauseFunc

	answer  *http.Response
	closed  atomic.Bool // its body
	failure error       // what every later Read returns

	begun        time.Time    // the exchange
	wrote, first atomic.Int64 // offsets of the request's last and the response's first byte; 0 before

	limit time.Duration // for the response to begin; 0 for none
	mu    sync.Mutex
	final bool        // the pipeline goes on: no more interim responses, no clock
	clock *time.Timer // of the response timeout
	told  int         // interim responses

	counted atomic.Bool // net/http counts it, not its place
}

func newStream(k *call, l *place) *stream {
	s := &stream{k: k, l: l, begun: k.x.Started, limit: k.p.settings.responseTimeout()}
	s.ctx, s.cancel = context.WithCancelCause(k.x.Context())
	if k.length != 0 {
		s.feed = newFeed(k, s.cancel)
	}
	return s
}

// request is what net/http is given.
func (s *stream) request() *http.Request {
	k, x := s.k, s.k.x
	host := k.p.hostFor(x, k.t)
	r := &http.Request{Method: x.Request.Method, Host: host, Proto: "HTTP/2.0", ProtoMajor: 2, Header: http.Header{}}
	r.URL = &url.URL{Scheme: "https", Host: k.t.address, Opaque: k.path()}
	if k.t.scheme == "h2c" {
		r.URL.Scheme = "http"
	}
	if strings.HasPrefix(r.URL.Opaque, "/") { // net/http takes "//x" for a host unless there is one
		r.URL.Opaque = "//" + host + r.URL.Opaque
	}
	r.Header["User-Agent"] = nil // net/http adds its own otherwise
	fields := k.p.requestFields(nil, x, k.t, k.length, wire2)
	for _, f := range fields {
		r.Header.Add(f.Name, f.Value)
	}
	if s.feed != nil {
		r.Body, r.ContentLength = s.feed, k.length
		s.feed.announce(r)
		if x.Request.ExpectContinue && !s.feed.ready() { // see build
			r.Header.Set("Expect", "100-continue")
		}
	}
	if x.Recorded() {
		s.head = s.printed(host, fields, r.Header.Get("Expect"))
	}
	return r.WithContext(httptrace.WithClientTrace(s.ctx, s.trace()))
}

// trace notes times and passes interim responses on; net/http calls it from goroutines of its own, and
// may when the exchange is over and its memory serves another.
func (s *stream) trace() *httptrace.ClientTrace {
	return &httptrace.ClientTrace{
		WroteHeaders:         s.begin,
		GotFirstResponseByte: func() { s.first.Store(int64(time.Since(s.begun))) },
		WroteRequest: func(httptrace.WroteRequestInfo) {
			s.sent()
			s.wrote.Store(int64(time.Since(s.begun)))
			s.startClock()
		},
		Got1xxResponse: s.interim,
	}
}

var errSlow = errors.New("the response did not begin in time")

func (s *stream) startClock() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.limit > 0 && !s.final && s.clock == nil {
		s.clock = time.AfterFunc(s.limit, func() { s.cancel(errSlow) })
	}
}

// begin gives the place up, once, for the stream that has begun, or never will.
func (s *stream) begin() {
	if !s.counted.Swap(true) {
		s.l.began()
	}
}

func (s *stream) interim(status int, h textproto.MIMEHeader) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told++
	bad := connectionSpecific(http.Header(h))
	switch {
	case fieldsSize(http.Header(h)) > http1.DefaultLimits.Head:
		bad = errTooLarge
	case status == 101:
		bad = &http1.Error{Status: 502, Reason: "it switched to another protocol (101), which HTTP/2 has not (RFC 9113 §8.6)"}
	case s.told > maxInterim:
		bad = &http1.Error{Status: 502, Reason: fmt.Sprintf("it sent more than %d interim responses (1xx) and no final one", maxInterim)}
	}
	if bad != nil {
		s.cancel(bad) // net/http wraps what is returned so that nobody finds it
		return bad
	}
	if !s.final && (status != 100 || s.k.x.Request.ExpectContinue) {
		s.k.x.Interim(status, AnswerFields(listOf(http.Header(h)), status, "HTTP/2.0"))
	}
	return nil
}

// goOn ends what runs beside the pipeline while it waits.
func (s *stream) goOn() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.final = true
	if s.clock != nil {
		s.clock.Stop()
	}
}

// failed gives the place back and says why.
func (s *stream) failed(doing string, err error) error {
	k := s.k
	k.leave()
	why := context.Cause(s.ctx)
	s.cancel(nil)
	s.noteSent()
	s.sent()
	switch {
	case s.feed != nil && s.feed.broken.Load() != nil:
		return k.clientFailed(*s.feed.broken.Load())
	case k.x.Context().Err() != nil:
		return k.p.cancelled(k.x, doing)
	case errors.Is(why, errSlow):
		return k.p.broken(k.t, doing, os.ErrDeadlineExceeded)
	case errors.Is(why, errStalled):
		return k.p.broken(k.t, doing, errStalled)
	}
	switch bad, ok := errors.AsType[*http1.Error](why); {
	case ok:
		err = bad
	case s.l.held.isHTTP1():
		err = errHTTP1
	case strings.Contains(err.Error(), "response header list larger than"):
		err = errTooLarge
	}
	p := k.p.broken(k.t, doing, err)
	again := passedOver(err) || s.l.reused && (unsent(err) || s.l.dead() && k.idempotent())
	if again && s.first.Load() == 0 && s.takeBack() {
		return &stale{p}
	}
	return p
}

// takeBack makes the body ready to be sent once more; false when it cannot be had from its beginning.
func (s *stream) takeBack() bool {
	f := s.feed
	switch {
	case f == nil || !f.begun.Load():
		return true
	case !f.whole.Load() || len(f.request.Trailer) > 0:
		return false
	}
	s.k.ahead, s.k.length, s.k.left = f.kept, int64(len(f.kept)), int64(len(f.kept))
	return true
}

// unsent tells that the server did not process the request: it was gone before the first one, or had said
// GOAWAY. That makes any method safe to repeat (RFC 9113 §8.7).
func unsent(err error) bool {
	return passedOver(err) || strings.Contains(err.Error(), "client conn not usable") || strings.Contains(err.Error(), "client conn could not be established")
}

// passedOver tells that a GOAWAY named a stream before the request's as the last that was processed.
func passedOver(err error) bool {
	return strings.Contains(err.Error(), "graceful shutdown GOAWAY") || strings.Contains(err.Error(), "received GOAWAY from server")
}

// tooLarge tells that the target's SETTINGS do not let a header of that size be sent.
func tooLarge(err error) bool {
	return err != nil && strings.Contains(err.Error(), "request header list larger than")
}

// refuse answers a request whose header the target would not take (RFC 9113 §6.5.2): nobody's fault but its
// client's.
func (s *stream) refuse() *flow.Response {
	k, x := s.k, s.k.x
	k.leave()
	s.cancel(nil)
	s.sent()
	p := problem.New(problem.BadRequest, "Sending the request to %s: the server takes no header as large as this one (SETTINGS_MAX_HEADER_LIST_SIZE). Send fewer or shorter fields, of cookies for example, or raise the server's limit.", k.t.address)
	x.Problem = p
	contentType, body := page.Page{Status: 431, Title: http1.StatusText(431), Detail: p.Message, ID: x.ID.String(), Kind: string(p.Kind)}.In(x.Request.Header.Joined("Accept"))
	r := flow.NewResponse(431, contentType, body)
	r.Header.Add("Cache-Control", "no-store")
	r.Header.Add("Proxy-Status", page.ProxyStatus(string(p.Kind), p.Message))
	if x.Request.Method == "HEAD" {
		r.Body = flow.NoBody
	}
	return r
}

// errTooLarge is what is wrong with a head, or a trailer, beyond our limit.
var errTooLarge = &http1.Error{Status: 502, Reason: fmt.Sprintf("its header is longer than %d bytes", http1.DefaultLimits.Head)}

// fieldsSize is what h counts for (RFC 9113 §6.5.2).
func fieldsSize(h http.Header) (n int) {
	for name, values := range h {
		for _, v := range values {
			n += len(name) + len(v) + 32
		}
	}
	return n
}

// malformed is why an answer is not passed on (RFC 9113 §8.1.1): net/http lets it through.
func malformed(answer *http.Response) error {
	status, _, _ := strings.Cut(answer.Status, " ")
	if len(status) != 3 || answer.StatusCode < 200 {
		return &http1.Error{Status: 502, Reason: fmt.Sprintf("its :status %.20q is not a number of three digits (RFC 9113 §8.3.2)", status)}
	}
	lengths := answer.Header["Content-Length"]
	switch {
	case fieldsSize(answer.Header) > http1.DefaultLimits.Head:
		return errTooLarge
	case len(lengths) > 1:
		return &http1.Error{Status: 502, Reason: "its answer has content-length more than once (RFC 9110 §8.6)"}
	case len(lengths) == 1 && answer.ContentLength < 0: // net/http goes on without it
		return &http1.Error{Status: 502, Reason: fmt.Sprintf("its content-length %.20q is not a number that fits (RFC 9110 §8.6)", lengths[0])}
	}
	return connectionSpecific(answer.Header)
}

// connectionSpecific is what speaks against the fields of a head where they are of a connection of HTTP/1.
func connectionSpecific(h http.Header) error {
	for _, name := range [...]string{"Connection", "Proxy-Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade"} {
		if _, has := h[name]; has {
			return &http1.Error{Status: 502, Reason: "its answer has the field " + strings.ToLower(name) + ", which HTTP/2 has not (RFC 9113 §8.2.2)"}
		}
	}
	return nil
}

func (s *stream) noteSent() {
	sent := s.wrote.Load()
	if sent == 0 && s.feed == nil { // net/http may tell of it only after the answer, which came later
		sent = s.first.Load()
	}
	s.k.x.Timing.Sent = time.Duration(sent)
}

func (s *stream) respond(answer *http.Response) *flow.Response {
	s.answer = answer
	s.listens(false)
	s.k.x.Timing.FirstByte = time.Duration(s.first.Load())
	s.noteSent()
	fields := listOf(answer.Header)
	s.noteCame(answer.StatusCode, fields)
	r := &flow.Response{
		Status: answer.StatusCode, Proto: "HTTP/2.0", Header: AnswerFields(fields, answer.StatusCode, "HTTP/2.0"),
		Body: s, ContentLength: answer.ContentLength,
	}
	if s.feed != nil && s.wrote.Load() == 0 { // net/http, where it waits for windows, does not look at its context
		context.AfterFunc(s.ctx, func() { _ = s.end() })
	}
	// A length that no field gives says that the head ended the stream: no trailer comes, either.
	over := answer.ContentLength == 0 && len(answer.Header["Content-Length"]) == 0
	switch {
	case over && (s.feed == nil || s.wrote.Load() > 0):
		s.cancel(nil)
		r.Body = flow.NoBody
	case !over:
		r.Trailer = func() flow.Header { return http1.Trailer(listOf(answer.Trailer)) }
	}
	return r
}

func (s *stream) Read(p []byte) (int, error) {
	if s.failure != nil {
		return 0, s.failure
	}
	s.listens(true)
	n, err := s.answer.Body.Read(p)
	if err == io.EOF && fieldsSize(s.answer.Trailer) > http1.DefaultLimits.Head {
		err = errTooLarge
	}
	s.listens(false)
	if s.feed != nil && n > 0 {
		s.feed.turns.Add(2)
	}
	switch {
	case err == io.EOF:
		s.failure = err
	case err != nil:
		if s.k.x.Context().Err() == nil && err != errTooLarge { // whatever net/http calls it: it was cut short
			err = errors.Join(io.ErrUnexpectedEOF, err)
		}
		s.failure = s.failed(s.k.doing("Reading the answer of %s"), err)
		s.k.p.lines.failed(s.k.t.site, s.failure)
		err = s.failure
	}
	return n, err
}

// Close gives the place back; what of the response was not read is not sent any more.
func (s *stream) Close() error {
	s.noteSent()
	s.k.leave()
	if s.feed != nil {
		_ = s.feed.Close()
	}
	s.sent()
	s.cancel(nil)
	err := s.end()
	if s.failure == nil {
		s.failure = io.ErrClosedPipe
	}
	return err
}

// listens says whether somebody waits for more of the answer. While nobody does, the target may have to
// wait for that before it takes more of the request.
func (s *stream) listens(yes bool) {
	if s.feed != nil {
		s.feed.unread.Store(!yes)
	}
}

// sent says that there is nothing to send any more.
func (s *stream) sent() {
	if s.feed != nil {
		s.l.sending.remove(s.feed)
	}
}

// end closes the body of the response, once: twice would give the target's window back twice.
func (s *stream) end() error {
	if s.closed.Swap(true) {
		return nil
	}
	return s.answer.Body.Close()
}

// was lost. Blanks around a value, which may not be there (RFC 9113 §8.2.1), go.
func listOf(h http.Header) flow.Header {
	out := make(flow.Header, 0, len(h)+1) // with room for Via
	for name, values := range h {
		for _, v := range values {
			out = append(out, flow.Field{Name: strings.ToLower(name), Value: strings.Trim(v, " \t")})
		}
	}
	slices.SortStableFunc(out, func(a, b flow.Field) int { return strings.Compare(a.Name, b.Name) })
	return out
}
