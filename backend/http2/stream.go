package http2

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"proxycache/backend/flow"
)

// Stream is one request and its answer. The request's body is read from it, the answer written to
// it, by two goroutines if need be.
type Stream struct {
	Request Request // the handler's

	conn  *Conn
	id    uint32
	first bool

	// What follows is guarded by the connection's mu.
	cond    sync.Cond // something here changed
	gone    *Error    // it was reset by either side, or lost; nil while it was not
	tell    func()    // told of that; nil where nobody wants to know
	endless bool      // idleness does not end it
	freed   bool      // it does not count for Options.Streams any more

	inbox     inbox
	window    int   // what it may send before that is read
	receive   int   // what the client may still send
	taken     int   // what was read of that and not given back
	arrived   int64 // of the body
	ended     bool  // END_STREAM came
	ignored   bool  // the body is not read any more
	trailer   flow.Header
	readTimer *time.Timer

	sendable   int64  // the client's window; may be negative
	pending    []byte // what a Write waits to get rid of
	begun      bool   // the final head was sent
	moved      int    // pieces of the answer that left, its head the first
	ending     bool   // the end follows what is pending
	sent       bool   // END_STREAM was sent
	endTrailer flow.Header
	writeTimer *time.Timer
	queued     bool
	after      *Stream // in the queue
}

func newStream(c *Conn, b *block, r Request) *Stream {
	s := &Stream{Request: r, conn: c, id: b.stream, first: c.begun == 0, ended: b.ends, window: streamWindow, receive: streamWindow, sendable: c.window}
	s.cond.L = &c.mu
	return s
}

// OnGone has f called when the stream is reset by either side or lost with its connection, at once
// if it is. f must neither block nor use the stream.
func (s *Stream) OnGone(f func()) {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	s.tell = f
	if s.gone != nil {
		f()
	}
}

// First tells that no request came before on this connection.
func (s *Stream) First() bool { return s.first }

// run has the request answered.
func (s *Stream) run() {
	defer s.done()
	s.conn.handler.ServeStream(s)
}

// refuse answers what is beyond a limit.
func (s *Stream) refuse(status int, why string) {
	defer s.done()
	text := "This is not a request that can be passed on: " + why + ".\n"
	h := flow.Header{
		{Name: "content-type", Value: "text/plain; charset=utf-8"},
		{Name: "content-length", Value: strconv.Itoa(len(text))},
		{Name: "date", Value: time.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")},
	}
	if s.Request.Method == "HEAD" { // RFC 9110 §9.3.2
		_ = s.Answer(status, h) // the client may have left
		return
	}
	if s.Begin(status, h) == nil {
		_ = s.Finish([]byte(text), nil) // the client may have left
	}
}

// done ends what the handler left open.
func (s *Stream) done() {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case s.gone != nil:
	case !s.sent:
		c.resetStream(s, &Error{Code: InternalError, Reason: "the answer is not complete"})
	case !s.ended: // what still comes of the request is nobody's (RFC 9113 §8.1)
		c.resetStream(s, &Error{Code: NoError, Reason: "the answer is complete"})
	}
	s.ignored, s.tell = true, nil
	c.giveBack(s.inbox.discard())
	c.grown -= s.window - streamWindow
	s.free()
	c.over()
	c.push()
}

// free lets another stream begin in place of s.
func (s *Stream) free() {
	if !s.freed {
		s.freed = true
		s.conn.active--
	}
}

// over counts a stream that both sides have ended.
func (s *Stream) over() {
	if s.sent && s.ended && s.gone == nil {
		delete(s.conn.streams, s.id)
		s.conn.past.add(s.id, complete)
		s.conn.calm.earn(broken, 1)
		s.conn.calm.earn(refused, 1)
		s.free()
	}
}

// drop ends s without a word to the client. It counts for Options.Streams until its handler returns,
// so that what is reset cannot be piled up behind our back.
func (c *Conn) drop(s *Stream, why *Error) {
	delete(c.streams, s.id)
	s.gone = why
	c.giveBack(s.inbox.discard())
	if s.tell != nil {
		s.tell()
	}
	s.cond.Broadcast()
	c.changed.Broadcast()
}

func (c *Conn) resetStream(s *Stream, why *Error) {
	c.past.add(s.id, byUs)
	c.drop(s, why)
	c.resetID(s.id, why.Code)
}

// Reset ends the stream at once. Any goroutine may call it.
func (s *Stream) Reset(code Code, why string) {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.gone == nil && !(s.sent && s.ended) {
		c.resetStream(s, &Error{Code: code, Reason: why})
		c.push()
	}
}

// Endless says that what follows is no message but a connection of its own: idleness does not end it.
func (s *Stream) Endless() {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	s.endless = true
}

// wait waits for something to change; false when limit has passed since the first wait with by.
func (s *Stream) wait(t **time.Timer, by *time.Time, limit time.Duration) bool {
	if s.endless {
		s.cond.Wait()
		return true
	}
	now := time.Now()
	if by.IsZero() {
		*by = now.Add(limit)
	}
	left := by.Sub(now)
	if left <= 0 {
		return false
	}
	if *t == nil {
		*t = time.AfterFunc(left, s.wake)
	} else {
		(*t).Reset(left)
	}
	s.cond.Wait()
	(*t).Stop()
	return true
}

func (s *Stream) wake() {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	s.cond.Broadcast()
}

// arrive takes DATA, which was whole bytes long with its padding.
func (s *Stream) arrive(f frame, whole int) *Error {
	c := s.conn
	s.arrived += int64(len(f.payload))
	ends, length := f.has(flagEndStream), s.Request.Length
	switch {
	case whole > s.receive:
		c.giveBack(whole)
		return onStream(s.id, FlowControlError, "DATA beyond the window of stream %d (RFC 9113 §6.9)", s.id)
	case length >= 0 && (s.arrived > length || ends && s.arrived < length):
		c.giveBack(whole)
		return onStream(s.id, ProtocolError, "content-length is %d and the body has %d bytes (RFC 9113 §8.1.1)", length, s.arrived)
	}
	s.receive -= whole
	if s.ignored {
		c.giveBack(whole)
	} else {
		s.inbox.write(f.payload)
		s.took(whole - len(f.payload))
	}
	if len(f.payload) > 0 {
		c.calm.earn(empty, 1)
		c.calm.earn(pings, 1)
	}
	if ends {
		s.ended = true
		s.over()
	}
	s.cond.Broadcast()
	return nil
}

// trail takes the trailer that ends a body (RFC 9113 §8.1).
func (s *Stream) trail(b *block) *Error {
	h, length := &b.section, s.Request.Length
	switch {
	case s.Request.Method == "CONNECT":
		return onStream(s.id, ProtocolError, "HEADERS on stream %d, which is a tunnel: DATA alone may come (RFC 9113 §8.5)", s.id)
	case !b.ends:
		return onStream(s.id, ProtocolError, "a second HEADERS of stream %d does not end it (RFC 9113 §8.1)", s.id)
	case b.itself:
		return onStream(s.id, ProtocolError, "stream %d depends on itself (RFC 7540 §5.3.1)", s.id)
	case h.over != "":
		return onStream(s.id, EnhanceYourCalm, "%s", h.over)
	case h.malformed != "":
		return onStream(s.id, ProtocolError, "%s", h.malformed)
	case length >= 0 && s.arrived < length:
		return onStream(s.id, ProtocolError, "content-length is %d and the body has %d bytes (RFC 9113 §8.1.1)", length, s.arrived)
	}
	s.trailer = append(s.trailer, h.fields...)
	s.ended = true
	s.over()
	s.cond.Broadcast()
	return nil
}

// took gives n bytes of the window back.
func (s *Stream) took(n int) {
	s.conn.giveBack(n)
	if s.ended || s.gone != nil {
		return
	}
	if s.taken += n; s.taken >= s.window/2 {
		more := s.taken + s.grow()
		s.conn.windowUpdate(s.id, more)
		s.receive += more
		s.taken = 0
	}
}

// grow makes the window of a body that is being read larger, while there is room for that.
func (s *Stream) grow() int {
	by := min(grownWindow-s.window, growth-s.conn.grown)
	s.window += by
	s.conn.grown += by
	return by
}

var errIgnored = errors.New("http2: the body is not read any more")

// Ready tells that a Read does not wait.
func (s *Stream) Ready() bool {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	return s.inbox.size > 0 || s.ended || s.ignored || s.gone != nil
}

// Read reads the request's body. One that is cut short is an *Error, never io.EOF; one that does not
// go on in time an error that is os.ErrDeadlineExceeded. While the client takes the answer it has the time:
// who listens may have nothing to say.
func (s *Stream) Read(p []byte) (int, error) {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	var by time.Time
	for moved := s.moved; s.inbox.size == 0; {
		switch {
		case s.ignored:
			return 0, errIgnored
		case s.gone != nil:
			return 0, s.gone
		case s.ended:
			return 0, io.EOF
		}
		if s.moved != moved {
			moved, by = s.moved, time.Time{}
		}
		if !s.wait(&s.readTimer, &by, c.limits().BodyTimeout) {
			return 0, fmt.Errorf("http2: the client sent nothing for %s: %w", c.limits().BodyTimeout, os.ErrDeadlineExceeded)
		}
	}
	n := s.inbox.read(p)
	s.took(n)
	c.push()
	if s.inbox.size == 0 && s.ended && s.gone == nil {
		return n, io.EOF
	}
	return n, nil
}

// Trailer is the request's; it is complete after Read has returned io.EOF.
func (s *Stream) Trailer() flow.Header {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	return s.trailer
}

// Ignore throws away what still comes of the body, and ends a Read that waits.
func (s *Stream) Ignore() {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	s.ignored = true
	c.giveBack(s.inbox.discard())
	s.cond.Broadcast()
	c.push()
}
