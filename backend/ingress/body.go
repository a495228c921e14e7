package ingress

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"proxycache/backend/http1"
	"proxycache/backend/problem"
	"proxycache/backend/socket"
)

var errBodyOver = errors.New("ingress: the exchange is over, its request body cannot be read any more")

// requestBody is the body of a request as the client sends it. It may be read by another goroutine
// than the one that serves the connection, and beyond the end of the exchange: Close ends a read that
// waits, and after it the connection is the server's again.
type requestBody struct {
	turn *turn
	from http1.Body

	one sync.Mutex // held by the read that runs

	mu      sync.Mutex
	closed  bool
	reading bool
	by      time.Time // when all of it must be there; zero while each read may take the body timeout

	buffered bool        // all of it came with the head: reading it waits for nothing
	touched  atomic.Bool // somebody began to read it
	complete atomic.Bool
	broken   atomic.Bool // its end will not come: it is malformed, or too slow
}

func (b *requestBody) Read(p []byte) (int, error) {
	return b.take(func() (int, error) { return b.from.Read(p) })
}

// Beside is the client's socket, and how much of the body Fill may take there; none where only Read has it.
func (b *requestBody) Beside() (from net.Conn, most int64) {
	b.one.Lock()
	defer b.one.Unlock()
	c := b.turn.client
	b.mu.Lock()
	closed := b.closed
	b.mu.Unlock()
	if closed || b.buffered || b.from.Done() || c.conn != c.raw || len(c.in.ahead) > 0 {
		return nil, 0
	}
	return c.raw, b.from.Beside()
}

// Fill is a Read into a pipe that leads away from there.
func (b *requestBody) Fill(pipe *socket.Pipe, most int64) (int, error) {
	return b.take(func() (int, error) {
		n, err := pipe.Fill(min(most, b.from.Beside()))
		return n, b.from.Passed(n, err)
	})
}

// take takes some of the body by read, which may be called again where it has met a deadline.
func (b *requestBody) take(read func() (int, error)) (int, error) {
	b.one.Lock()
	defer b.one.Unlock()
	b.touched.Store(true)
	b.turn.sayContinue()
	if err := b.enter(); err != nil {
		return 0, err
	}
	n, err := read()
	for err != nil && errors.Is(err, os.ErrDeadlineExceeded) && b.goOn() {
		n, err = read()
	}
	closed := b.leave()
	if b.from.Done() && !b.complete.Load() {
		b.turn.request.Trailer = b.from.Trailer()
		b.complete.Store(true)
		if !closed && !b.buffered {
			b.turn.client.in.watchFor(time.Now())
		}
	}
	if err == nil || err == io.EOF || errors.Is(err, errors.ErrUnsupported) {
		return n, err
	}
	if closed {
		return n, errBodyOver
	}
	return n, b.fault(err)
}

// Ready tells that some of the body is there, or its end: its client does not wait to be asked for it. It
// waits for nobody: who reads just now has asked.
func (b *requestBody) Ready() bool {
	if !b.one.TryLock() {
		return false
	}
	defer b.one.Unlock()
	b.mu.Lock()
	closed := b.closed
	b.mu.Unlock()
	return !closed && b.from.Ready() // closed, what is there may be the next request's; Close waits for b.one
}

// enter begins a read, unless the body is closed. A read that does not wait has no deadline: the
// watch may be reading from the connection already.
func (b *requestBody) enter() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return errBodyOver
	}
	if b.buffered || b.complete.Load() {
		return nil
	}
	b.reading = true
	by := b.by
	if by.IsZero() {
		by = time.Now().Add(b.turn.client.server.limits.Load().bodyTimeout)
	}
	return b.turn.client.in.readBy(by)
}

// goOn begins a read again that waited in vain while the client took the answer: who listens may have
// nothing to say.
func (b *requestBody) goOn() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.turn.client
	if b.closed || !b.by.IsZero() || !c.out.begun() {
		return false
	}
	limits := c.server.limits.Load()
	// A write moves its deadline, the next look, by two looks when less than one is left: the last was not later.
	wrote := time.Unix(0, c.out.until.Load()).Add(-limits.writeTimeout / slack)
	by := wrote.Add(limits.bodyTimeout)
	return time.Until(by) > 0 && c.in.readBy(by) == nil
}

// begun tells that the final answer has begun.
func (o *output) begun() bool {
	if !o.mu.TryLock() { // somebody writes it
		return true
	}
	defer o.mu.Unlock()
	return o.turn == nil
}

func (b *requestBody) leave() (closed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reading = false
	return b.closed
}

// fault is why no more of the body will come.
func (b *requestBody) fault(err error) error {
	b.broken.Store(true)
	if refused, ok := errors.AsType[*http1.Error](err); ok {
		return problem.Wrap(problem.BadRequest, err, "Reading the request's body: %s. Mend the client.", refused.Reason)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return problem.Wrap(problem.SlowClient, err, "Reading the request's body: nothing of its content came for %s. Send faster, or try again.", b.turn.client.server.limits.Load().bodyTimeout)
	}
	b.turn.client.left()
	return problem.Wrap(problem.ClientLeft, err, "Reading the request's body: the client left before its end. Try again.")
}

// Close makes later reads fail and ends one that waits.
func (b *requestBody) Close() error {
	b.mu.Lock()
	b.closed = true
	if b.reading {
		_ = b.turn.client.in.readBy(longAgo) // a closed connection ends the read too
	}
	b.mu.Unlock()
	b.one.Lock() // until that read is over
	defer b.one.Unlock()
	return nil
}

const (
	// drainBytes of a request's body are read although nobody asked for them, so that the connection
	// can be used again and the request be shown whole.
	drainBytes = 256 << 10
	drainTime  = 5 * time.Second
)

// short tells that what is left of the body is worth reading for the connection's sake.
func (b *requestBody) short() bool {
	return b.complete.Load() || b.turn.head.Length <= drainBytes
}

// drain reads the rest of a closed body.
func (b *requestBody) drain() (complete bool) {
	if b.turn.client.in.readBy(time.Now().Add(drainTime)) != nil {
		return false
	}
	_, _ = io.CopyN(io.Discard, &b.from, drainBytes) // Done says whether that was all
	b.complete.Store(b.from.Done())
	return b.from.Done()
}

// readUnasked reads a body that nobody asked for through those who watch it, so that a request which
// a mock or a limit answered is shown whole.
func (t *turn) readUnasked() {
	t.body.mu.Lock()
	t.body.by = time.Now().Add(drainTime)
	t.body.mu.Unlock()
	_, _ = io.CopyN(io.Discard, t.x.Request.Body, drainBytes) // finishReading finds how far it came
}

// finishReading brings the connection to the next request; false when the body before it is too long
// or does not come.
func (t *turn) finishReading() bool {
	if t.body.complete.Load() {
		return true
	}
	t.client.in.ended = time.Time{} // draining takes its time
	return !t.body.broken.Load() && t.body.drain()
}
