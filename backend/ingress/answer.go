package ingress

import (
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/http1"
	"proxycache/backend/socket"
)

// write gives an ordinary response to the client, and tells whether the connection may be used again.
func (t *turn) write(r *flow.Response) (again bool) {
	c := t.client
	length, empty := t.length(r)
	again = !t.head.Close && !c.lastAnswer() && !t.odd() && length != http1.UntilClose && t.readable()
	h := t.header(r, length, empty, again)
	empty = empty || length == 0 && r.Body == flow.NoBody
	c.out.head(r, h, !empty && !flow.Ready(r.Body))
	if empty {
		err := c.out.flush()
		if t.complete = err == nil; !t.complete {
			t.lost(err)
		}
		return again
	}
	if r.ContentLength < 0 && isEventStream(r.Header) {
		c.stage.CompareAndSwap(working, endless)
		defer c.stage.CompareAndSwap(endless, working)
	}
	sent, err := t.pass(r, length)
	if err == nil {
		t.complete = true
		return again
	}
	t.brokeOff(err, sent)
	if length == http1.UntilClose { // an ordinary end would say that this was all
		c.abort()
	}
	return false
}

// isEventStream tells an answer that goes on until somebody ends it (HTML §9.2).
func isEventStream(h flow.Header) bool {
	kind, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(kind), "text/event-stream")
}

// odd tells that the request was not answered as others are and had faults of form: its client may
// mean something else by what follows.
func (t *turn) odd() bool { return t.head.Tolerated != 0 && t.x.Problem != nil }

// readable tells that the request's body will be behind us when the answer is: else the connection
// closes, and the answer says so.
func (t *turn) readable() bool {
	return t.body.complete.Load() || t.body.short() && !t.expects.Load() && !t.body.broken.Load()
}

// length is what frames the response (RFC 9112 §6); empty says that it has no body whatever its
// fields say.
func (t *turn) length(r *flow.Response) (length int64, empty bool) {
	switch {
	case t.head.Method == "HEAD" || r.Status < 200 || r.Status == 204 || r.Status == 304:
		return 0, true
	case r.ContentLength >= 0:
		return r.ContentLength, false
	case t.head.Proto == "HTTP/1.0":
		return http1.UntilClose, false
	}
	return http1.Chunked, false
}

// header is the response's, in its order, with the framing that is true on this connection. It is
// valid until the next answer.
func (t *turn) header(r *flow.Response, length int64, empty, again bool) flow.Header {
	h := t.client.fields[:0]
	dated, sized, upgrade := false, false, false
	for _, f := range r.Header {
		switch {
		case r.Status == 426 && flow.EqualFold(f.Name, "Upgrade"): // it says what is required (RFC 9110 §15.5.22)
			upgrade = true
		case hopByHop(f.Name):
			continue
		case len(f.Name) == len("Content-Length") && flow.EqualFold(f.Name, "Content-Length"):
			if sized || !sizeOf(t.head.Method, r, &f, length, empty) {
				continue
			}
			sized = true
		case len(f.Name) == len("Date") && flow.EqualFold(f.Name, "Date"):
			dated = true
		}
		h = append(h, f)
	}
	switch {
	case length == http1.Chunked:
		h.Add("Transfer-Encoding", "chunked")
	case sized || length == http1.UntilClose:
	case !empty:
		h.Add("Content-Length", strconv.FormatInt(length, 10))
	case t.head.Method == "HEAD" && r.Status != 204 && r.ContentLength > 0: // of the body that a GET gets
		h.Add("Content-Length", strconv.FormatInt(r.ContentLength, 10))
	}
	if !dated {
		h.Add("Date", t.client.server.date())
	}
	switch {
	case !again:
		h.Add("Connection", "close")
	case t.head.Proto == "HTTP/1.0":
		h.Add("Connection", "keep-alive")
	}
	if upgrade {
		h.Add("Connection", "Upgrade")
	}
	t.client.fields = h
	return h
}

// sizeOf makes a Content-Length field true, and tells whether it may stand: for HEAD and 304 it is
// that of the body which is not sent (RFC 9110 §8.6).
func sizeOf(method string, r *flow.Response, f *flow.Field, length int64, empty bool) bool {
	switch {
	case empty:
		return method == "HEAD" && r.Status >= 200 && r.Status != 204 || r.Status == 304
	case length < 0:
		return false
	}
	if n, err := strconv.ParseInt(f.Value, 10, 64); err != nil || n != length {
		f.Value = strconv.FormatInt(length, 10)
	}
	return true
}

// brokenBody is a response's body that ended before its end.
type brokenBody struct{ error }

func (b brokenBody) Unwrap() error { return b.error }

// pass streams the body: what arrives leaves at once. The error is a brokenBody when the body is to
// blame, else the client's connection.
func (t *turn) pass(r *flow.Response, length int64) (sent int64, err error) {
	out := &t.client.out
	body := &t.framed
	body.Open(out.w, length)
	buf := buffers.Get()
	defer buffers.Put(buf)
	bypass := t.bypass(r.Body)
	defer bypass.Close()
	for {
		var n int
		var err, lost error
		if bypass.Open(body.Left()) {
			if n, err = bypass.Fill(body.Left()); n > 0 {
				lost = out.splice(body, &bypass)
			}
		} else if n, err = r.Body.Read(buf[:]); n > 0 {
			lost = out.pass(body, buf[:n], err == io.EOF)
		}
		if lost != nil {
			return sent, blame(lost)
		}
		sent += int64(n)
		switch {
		case err == io.EOF:
			var trailer flow.Header
			if r.Trailer != nil {
				trailer = r.Trailer()
			}
			return sent, blame(out.finish(body, trailer))
		case err != nil:
			_ = out.flush() // the client gets what there was
			return sent, brokenBody{err}
		}
	}
}

// bypass is for a body whose bytes nobody looks at, where there is no TLS.
func (t *turn) bypass(body io.ReadCloser) socket.Bypass {
	c := t.client
	if c.conn != c.raw {
		return socket.Bypass{}
	}
	return socket.NewBypass(flow.Inside(body), c.raw)
}

// blame tells a body that is not as long as it said from a connection that failed.
func blame(err error) error {
	if errors.Is(err, http1.ErrTooLong) || errors.Is(err, http1.ErrTooShort) {
		return brokenBody{err}
	}
	return err
}

// brokeOff says why the response is not complete.
func (t *turn) brokeOff(err error, sent int64) {
	broken, ok := errors.AsType[brokenBody](err)
	switch {
	case !ok:
		t.lost(err)
	case t.ctx.Err() == nil && t.x.Problem == nil:
		t.x.Problem = whyBroken(&t.request, broken.error, sent)
	}
}

// clock is the text of Date for one second.
type clock struct {
	second int64
	text   string
}

// date is the current time for Date (RFC 9110 §6.6.1). Making the text once a second is enough.
func (s *Server) date() string {
	now := time.Now()
	c := s.clock.Load()
	if c == nil || c.second != now.Unix() {
		c = &clock{now.Unix(), now.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")}
		s.clock.Store(c)
	}
	return c.text
}
