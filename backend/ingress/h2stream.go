package ingress

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/http1"
	"proxycache/backend/http2"
	"proxycache/backend/problem"
)

// stream is one request of an HTTP/2 connection and its answer.
type stream struct {
	client  *client
	wire    *http2.Stream
	door    flow.Door
	request flow.Request
	x       flow.Exchange
	ctx     span // ends when the client resets the stream or leaves

	key      string // Sec-WebSocket-Key that an extended CONNECT went on with; "" else
	admitted bool   // counted as being answered

	expects atomic.Bool // the client waits for 100 (Continue)
	touched atomic.Bool // somebody began to read the request's body
	wasCut  atomic.Bool // by us
}

// body gives the request its body, where it has one.
func (s *stream) body() {
	if s.request.ContentLength == 0 {
		return
	}
	s.request.Body = (*streamBody)(s)
	s.request.ExpectContinue = flow.EqualFold(s.request.Header.Get("Expect"), "100-continue")
	s.expects.Store(s.request.ExpectContinue)
}

// run has the request answered.
func (s *stream) run() {
	c := s.client
	if !c.server.acquire() {
		why, h, body := overloaded(s.request.Header.Joined("Accept"))
		w := newWord(why, h, body)
		s.write(w.response)
		c.turnedAway(&s.request, s.door, why, w.sent(s.request.Method))
		return
	}
	s.admitted = true
	s.x.Start(&s.ctx, s.door, &s.request)
	s.x.Client, s.x.Trusted, s.x.ClientConn = c.address, c.trusted(), c.facts
	s.x.ClientConn.Reused = !s.wire.First()
	s.x.Interim = s.interim
	s.wire.OnGone(s.ctx.cancel)
	s.answer(c.server.options.Handler.Handle(&s.x))
}

// release says that the exchange is not being answered any more.
func (s *stream) release() {
	if s.admitted {
		s.admitted = false
		s.client.server.release()
	}
}

// streamBody is the request's body as the pipeline reads it.
type streamBody stream

func (b *streamBody) Read(p []byte) (int, error) {
	s := (*stream)(b)
	s.touched.Store(true)
	if s.expects.Load() {
		s.interim(100, nil)
	}
	n, err := s.wire.Read(p)
	switch {
	case err == io.EOF:
		s.request.Trailer = s.wire.Trailer()
	case err != nil:
		err = s.fault(err)
	}
	return n, err
}

// Ready tells that a Read does not wait.
func (b *streamBody) Ready() bool { return b.wire.Ready() }

// Close throws away what still comes.
func (b *streamBody) Close() error {
	b.wire.Ignore()
	return nil
}

// fault is why no more of the request's body will come.
func (s *stream) fault(err error) error {
	if ended, ok := errors.AsType[*http2.Error](err); ok {
		if !ended.Peer && ended.Code == http2.ProtocolError {
			return problem.Wrap(problem.BadRequest, err, "Reading the request's body: %s. Mend the client.", ended.Reason)
		}
		return problem.Wrap(problem.ClientLeft, err, "Reading the request's body: the client left before its end. Try again.")
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return problem.Wrap(problem.SlowClient, err, "Reading the request's body: nothing of its content came for %s. Send faster, or try again.", s.client.server.limits.Load().bodyTimeout)
	}
	return err
}

// interim passes a 1xx on, until the final answer begins. Who waits for 100 gets one.
func (s *stream) interim(status int, h flow.Header) {
	if status < 100 || status > 199 || status == 101 {
		return
	}
	if status == 100 && !s.expects.Swap(false) { // not asked for, or sent already
		return
	}
	var kept flow.Header
	for _, f := range h {
		if !hopByHop(f.Name) && !flow.EqualFold(f.Name, "Content-Length") {
			kept = append(kept, f)
		}
	}
	_ = s.wire.Interim(status, kept) // told by the final answer
}

// answer gives the response to the client and ends the exchange. What cannot be completed is ended by
// a reset of the stream.
func (s *stream) answer(r *flow.Response) {
	complete := false
	switch {
	case s.ctx.Err() != nil || r.Cut:
	case r.Upgraded != nil:
		complete = s.upgrade(r)
	case s.key != "" && r.Status/100 == 2: // which would say that the bytes of the WebSocket follow
		s.x.Problem = s.notUpgraded("the server answered with status %d and did not switch to WebSocket", r.Status)
		complete = s.fail(s.x.Problem)
	default:
		complete = s.write(r)
	}
	x := &s.x
	x.Timing.Done = x.Since()
	if !complete && !r.Cut && s.ctx.Err() != nil {
		s.client.server.endedEarly(x, r, &s.request, !s.client.wasCut() && !s.wasCut.Load())
	}
	if complete && s.door != flow.Tunnel && !s.touched.Load() && s.request.Body != flow.NoBody && s.request.ContentLength <= drainBytes && !s.expects.Load() {
		s.readUnasked()
	}
	if !complete {
		s.cutShort(r)
	}
	s.wire.Ignore()
	closeAll(x, r)
	s.ctx.cancel()
}

// cutShort ends an answer that is not complete. The code says whose doing that was: CANCEL is nobody's fault,
// and gRPC takes it for its own client's. gRPC is told more where its answer has begun, in the trailer that it
// looks for.
func (s *stream) cutShort(r *flow.Response) {
	code := http2.Cancel
	if p := s.x.Problem; p != nil && !r.Cut && s.ctx.Err() == nil && p.Kind != problem.ClientLeft && p.Kind != problem.SlowClient && p.Kind != problem.BadRequest {
		code = http2.InternalError
		if isGRPC(r.Header) && r.ContentLength < 0 && s.wire.Finish(nil, unavailable(p.Message)) == nil {
			code = http2.NoError
		}
	}
	s.wire.Reset(code, "the answer broke off")
}

func isGRPC(h flow.Header) bool {
	kind, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	kind, _, _ = strings.Cut(strings.ToLower(strings.TrimSpace(kind)), "+")
	return kind == "application/grpc"
}

// unavailable is a trailer of gRPC that says why no more comes: its code 14, UNAVAILABLE.
func unavailable(why string) flow.Header {
	var b strings.Builder
	for _, c := range []byte(why) {
		if ' ' <= c && c <= '~' && c != '%' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return flow.Header{{Name: "grpc-status", Value: "14"}, {Name: "grpc-message", Value: b.String()}}
}

// readUnasked reads a body that nobody asked for through those who watch it, so that a request which
// a mock or a limit answered is shown whole.
func (s *stream) readUnasked() {
	late := time.AfterFunc(drainTime, s.wire.Ignore)
	defer late.Stop()
	_, _ = io.CopyN(io.Discard, s.x.Request.Body, drainBytes) // those who watch know how far it came
}

// headers are scratch for the fields of one answer.
var headers pool[flow.Header]

// write gives an ordinary response to the client; false when it is not complete.
func (s *stream) write(r *flow.Response) (complete bool) {
	empty := s.request.Method == "HEAD" || r.Status == 204 || r.Status == 304
	length := r.ContentLength
	if length < 0 {
		length = http1.Chunked
	}
	if r.Status < 200 {
		return false // it ends no exchange
	}
	scratch := headers.Get()
	h := s.h2Header((*scratch)[:0], r, length, empty)
	// An answer that is over with its head says so in the head: gRPC takes it for one of trailers alone.
	empty = empty || length == 0 && (r.Body == flow.NoBody || r.Trailer == nil)
	send := s.wire.Begin
	if empty {
		send = s.wire.Answer
	}
	begins(r, r.Status, h)
	err := send(r.Status, h)
	clear(h)
	*scratch = h
	headers.Put(scratch)
	switch {
	case err != nil:
		return false
	case empty:
		return true
	}
	if length < 0 && isEventStream(r.Header) {
		s.client.streams.lasts(s)
	}
	return s.pass(r, length)
}

// begins tells who watches r with which head it is sent.
func begins(r *flow.Response, status int, h flow.Header) {
	if r.Watcher != nil {
		r.Begins("HTTP/2.0", http1.AppendResponse(nil, "HTTP/1.1", status, "", h))
	}
}

// pass streams the body: what arrives leaves at once.
func (s *stream) pass(r *flow.Response, length int64) (complete bool) {
	buf := buffers.Get()
	defer buffers.Put(buf)
	var sent int64
	for {
		n, err := r.Body.Read(buf[:])
		sent += int64(n)
		if err == nil && sent == length { // the end comes at once, to leave with the last bytes
			err = atEnd(r.Body)
		}
		switch {
		case length >= 0 && sent > length:
			err = http1.ErrTooLong
		case err == io.EOF && sent < length:
			err = io.ErrUnexpectedEOF
		case err == io.EOF:
			return s.delivered(s.wire.Finish(buf[:n], trailerOf(r)))
		}
		if n > 0 && err != http1.ErrTooLong {
			if _, err := s.wire.Write(buf[:n]); !s.delivered(err) {
				return false
			}
		}
		if err != nil {
			if s.x.Problem == nil && s.ctx.Err() == nil {
				s.x.Problem = whyBroken(&s.request, err, sent)
			}
			return false
		}
	}
}

// delivered tells whether a piece is on its way, by the error of its writing.
func (s *stream) delivered(err error) bool {
	if err != nil && errors.Is(err, os.ErrDeadlineExceeded) && s.x.Problem == nil {
		s.x.Problem = s.client.server.whyNotTaken(&s.request, err)
	}
	return err == nil
}

// atEnd reads the end of a body that gave all its bytes.
func atEnd(body io.Reader) error {
	var more [1]byte
	for range 10 {
		switch n, err := body.Read(more[:]); {
		case n > 0:
			return http1.ErrTooLong
		case err != nil:
			return err
		}
	}
	return io.ErrNoProgress
}

func trailerOf(r *flow.Response) flow.Header {
	if r.Trailer == nil {
		return nil
	}
	var out flow.Header
	for _, f := range r.Trailer() {
		if !hopByHop(f.Name) {
			out = append(out, f)
		}
	}
	return out
}
