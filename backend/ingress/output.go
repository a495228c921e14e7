package ingress

import (
	"bufio"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/http1"
	"proxycache/backend/socket"
)

const (
	bodyChunk = 16 << 10
	// corkTime is how long a head waits for the body's first bytes, to leave in one packet with them.
	corkTime = 2 * time.Millisecond
)

// pool is a sync.Pool that knows its type.
type pool[T any] struct{ sync.Pool }

func (p *pool[T]) Get() *T {
	v, ok := p.Pool.Get().(*T)
	if !ok {
		v = new(T)
	}
	return v
}

func (p *pool[T]) Put(v *T) { p.Pool.Put(v) }

// buffers hold body bytes on their way; writers a head and one buffer with its framing.
var (
	buffers pool[[bodyChunk]byte]
	writers = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, bodyChunk+2<<10) }}
)

// output is what is written to a client: interim answers by anybody while the exchange runs, then
// the final one.
type output struct {
	client *client

	mu     sync.Mutex
	turn   *turn // whose interim answers may be written
	w      *bufio.Writer
	corked bool // the head waits in w
	cork   *time.Timer
	// until is the deadline of writes, in nanoseconds since 1970: the next look at what the client takes. 0 is
	// none.
	until atomic.Int64
}

// Write writes to the connection, until the client has taken nothing for the write timeout. The deadline
// is only the next look at that, and need not be moved for each answer.
func (o *output) Write(p []byte) (int, error) {
	if err := o.lookLater(); err != nil {
		return 0, err
	}
	if c := o.client; c.conn == c.raw {
		return o.writeOn(c.raw, p)
	}
	return o.client.conn.Write(p) // writeOn is below TLS
}

func (o *output) lookLater() error {
	look := o.client.server.limits.Load().writeTimeout / slack
	now := time.Now()
	if left := time.Duration(o.until.Load() - now.UnixNano()); left < look || left > 2*look {
		return o.lookIn(2*look, now)
	}
	return nil
}

func (o *output) lookIn(d time.Duration, now time.Time) error {
	until := now.Add(d)
	o.until.Store(until.UnixNano())
	return o.client.raw.SetWriteDeadline(until)
}

// writeOn writes, behind deadlines too, as long as the client takes something.
func (o *output) writeOn(to io.Writer, p []byte) (int, error) {
	return o.insist(func() (int, error) {
		n, err := to.Write(p)
		p = p[n:]
		return n, err
	})
}

// insist has a write go on that meets a deadline, as long as the client takes something. It tries again at each
// look: the system tells of room only when much of what it has for the client was taken.
func (o *output) insist(write func() (int, error)) (n int, err error) {
	n, err = write()
	if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	limit, since := o.client.server.limits.Load().writeTimeout, time.Now()
	for now := since; now.Sub(since) < limit; now = time.Now() {
		if err := o.lookIn(limit/slack, now); err != nil {
			return n, err
		}
		m, err := write()
		n += m
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		if m > 0 {
			since = time.Now()
		}
	}
	return n, os.ErrDeadlineExceeded
}

func (o *output) open(t *turn) {
	o.mu.Lock()
	o.turn = t
	o.mu.Unlock()
}

func (o *output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.turn, o.corked = nil, false
	if o.w != nil {
		o.w.Reset(nil)
		writers.Put(o.w)
		o.w = nil
	}
}

// head begins the final answer, with the fields h. It waits in the buffer for the body's first bytes, for
// corkTime at most where a body is to come.
func (o *output) head(r *flow.Response, h flow.Header, cork bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.turn = nil // no interim answer any more
	o.w, _ = writers.Get().(*bufio.Writer)
	o.w.Reset(o)
	head := http1.AppendResponse(o.w.AvailableBuffer(), "HTTP/1.1", r.Status, r.Reason, h)
	r.Begins("HTTP/1.1", head)
	_, _ = o.w.Write(head) // told by the next write
	if !cork {
		return
	}
	o.corked = true
	if o.cork == nil {
		o.cork = time.AfterFunc(corkTime, o.uncork)
	} else {
		o.cork.Reset(corkTime)
	}
}

// uncork sends a head whose body lets wait.
func (o *output) uncork() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.corked {
		o.corked = false
		// The system tells of a reset once: whoever watches for the client's end would hear of an ordinary one. That
		// nothing is taken is told by the next write.
		if err := o.w.Flush(); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			o.client.left()
		}
	}
}

// pass writes a piece of the body, and at once unless more follows immediately.
func (o *output) pass(body *http1.BodyWriter, p []byte, more bool) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.loosen()
	if _, err := body.Write(p); err != nil {
		return err
	}
	if more {
		return nil
	}
	return o.w.Flush()
}

// splice writes a piece of the body that passes beside us.
func (o *output) splice(body *http1.BodyWriter, piece *socket.Bypass) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.loosen()
	if err := o.w.Flush(); err != nil {
		return err
	}
	if err := o.lookLater(); err != nil {
		return err
	}
	n, err := o.insist(piece.Empty)
	body.Passed(n, err)
	return err
}

// finish ends the body and sends what is left.
func (o *output) finish(body *http1.BodyWriter, trailer flow.Header) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.loosen()
	if err := body.Close(trailer); err != nil {
		return err
	}
	return o.w.Flush()
}

// flush sends what is in the buffer.
func (o *output) flush() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.loosen()
	return o.w.Flush()
}

func (o *output) loosen() {
	if o.corked {
		o.corked = false
		o.cork.Stop()
	}
}

// interim passes a 1xx on, where the protocol has them and the final answer has not begun.
func (t *turn) interim(status int, h flow.Header) {
	if t.head.Proto != "HTTP/1.1" || status < 100 || status > 199 || status == 101 {
		return
	}
	if status == 100 && !t.expects.Swap(false) { // not asked for, or sent already
		return
	}
	o := &t.client.out
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.turn != t {
		return
	}
	var kept flow.Header
	for _, f := range h {
		if !hopByHop(f.Name) && !flow.EqualFold(f.Name, "Content-Length") {
			kept = append(kept, f)
		}
	}
	_, _ = o.Write(http1.AppendResponse(nil, "HTTP/1.1", status, "", kept)) // told by the final answer's write
}

// sayContinue asks for the body, where the client waits to be asked (RFC 9110 §10.1.1).
func (t *turn) sayContinue() {
	if t.expects.Load() {
		t.interim(100, nil)
	}
}

// hopByHop tells the fields that concern one connection (RFC 9110 §7.6.1).
func hopByHop(name string) bool {
	switch len(name) {
	case len("Upgrade"):
		return flow.EqualFold(name, "Upgrade")
	case len("Connection"): // and Keep-Alive
		return flow.EqualFold(name, "Connection") || flow.EqualFold(name, "Keep-Alive")
	case len("Proxy-Connection"):
		return flow.EqualFold(name, "Proxy-Connection")
	case len("Transfer-Encoding"):
		return flow.EqualFold(name, "Transfer-Encoding")
	}
	return false
}
