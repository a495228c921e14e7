package http2

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// input reads frames through one buffer. It belongs to the goroutine of Serve.
type input struct {
	conn net.Conn
	buf  []byte // buf[from:to] is unread
	from int
	to   int
	by   time.Time // the deadline that is set; zero when none is
}

// smallInput is what an idle connection holds; most requests fit. Larger frames get a buffer of
// largeInput until none of them is left.
const (
	smallInput = 2 << 10
	largeInput = frameHeader + maxFrame
)

var inputs = sync.Pool{New: func() any { return new([largeInput]byte) }}

func (in *input) unread() int { return in.to - in.from }

// room makes the buffer hold n bytes from the first unread one on.
func (in *input) room(n int) {
	if in.unread() == 0 {
		in.from, in.to = 0, 0
	}
	switch {
	case in.from+n <= len(in.buf):
		return
	case n > smallInput && len(in.buf) < largeInput:
		large, _ := inputs.Get().(*[largeInput]byte)
		in.to = copy(large[:], in.buf[in.from:in.to])
		in.buf = large[:]
	case in.buf == nil:
		in.buf, in.to = make([]byte, smallInput), 0
	default:
		in.to = copy(in.buf, in.buf[in.from:in.to])
	}
	in.from = 0
}

// shrink gives a large buffer back while nothing is in it.
func (in *input) shrink() {
	if in.unread() == 0 && len(in.buf) == largeInput {
		inputs.Put((*[largeInput]byte)(in.buf))
		in.buf, in.from, in.to = nil, 0, 0
	}
}

// deadline bounds the next read; a zero by lets it take as long as the peer needs.
func (in *input) deadline(by time.Time) error {
	if by == in.by {
		return nil
	}
	in.by = by
	return in.conn.SetReadDeadline(by)
}

// read reads once.
func (in *input) read() error {
	n, err := in.conn.Read(in.buf[in.to:])
	in.to += n
	if n > 0 {
		return nil // the next read tells an error again
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// next reads a frame. What it costs to wait is decided before each wait.
func (c *Conn) next() (frame, error) {
	in := &c.in
	started := time.Time{} // when this frame began to come
	for {
		need := frameHeader
		if in.unread() >= frameHeader {
			f, length := readHeader(in.buf[in.from:])
			if err := c.acceptable(f, length); err != nil {
				return frame{}, err
			}
			need += length
			if in.unread() >= need {
				f.payload = in.buf[in.from+frameHeader : in.from+need]
				in.from += need
				return f, nil
			}
		}
		if in.unread() > 0 && started.IsZero() {
			started = time.Now()
		}
		if err := c.beforeWait(c.until(started)); err != nil {
			return frame{}, err
		}
		in.room(need)
		if err := in.read(); err != nil {
			return frame{}, c.late(err)
		}
	}
}

// beforeWait has what the frames so far gave rise to written, and sets the deadline of the next read.
// Who ends the connection meanwhile has either been seen here, or wakes that read.
func (c *Conn) beforeWait(by time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return errOver
	}
	if c.out.pressing {
		c.pushLater()
	}
	if c.active == 0 {
		c.in.shrink()
	}
	return c.in.deadline(by)
}

// acceptable checks what the 9 bytes alone tell, before a payload is waited for.
func (c *Conn) acceptable(f frame, length int) *Error {
	switch {
	case length > maxFrame:
		return connection(FrameSizeError, "a frame has %d bytes, %d are allowed (RFC 9113 §4.2)", length, maxFrame)
	case !c.greeted && (f.kind != kindSettings || f.has(flagAck)):
		return connection(ProtocolError, "the preface is not followed by SETTINGS (RFC 9113 §3.4)")
	case c.block.open && (f.kind != kindContinuation || f.stream != c.block.stream):
		return connection(ProtocolError, "a header block is interrupted by another frame (RFC 9113 §4.3)")
	}
	return nil
}

// until is the deadline of the next read. A header has a time from its first byte to its last; other
// frames may come as slowly as a body may.
func (c *Conn) until(started time.Time) time.Time {
	switch {
	case !c.greeted:
		return c.began.Add(c.limits().HeaderTimeout)
	case c.block.open:
		return c.block.began.Add(c.limits().HeaderTimeout)
	case started.IsZero():
		return time.Time{}
	case c.in.unread() > 3 && kind(c.in.buf[c.in.from+3]) == kindHeaders:
		return started.Add(c.limits().HeaderTimeout)
	}
	return time.Now().Add(c.limits().BodyTimeout)
}

// late says what a read that timed out waited for.
func (c *Conn) late(err error) error {
	if ne, ok := err.(net.Error); !ok || !ne.Timeout() {
		return err
	}
	switch {
	case !c.greeted:
		return connection(SettingsTimeout, "the preface and its SETTINGS did not come within %s", c.limits().HeaderTimeout)
	case c.block.open || c.in.unread() > 3 && kind(c.in.buf[c.in.from+3]) == kindHeaders:
		return connection(EnhanceYourCalm, "a request's header did not arrive within %s", c.limits().HeaderTimeout)
	case c.in.unread() > 0:
		return connection(EnhanceYourCalm, "a frame did not go on within %s", c.limits().BodyTimeout)
	}
	return os.ErrDeadlineExceeded
}

// readPreface reads the 24 bytes that begin a connection (RFC 9113 §3.4).
func (c *Conn) readPreface() error {
	in := &c.in
	in.room(len(preface))
	if err := c.beforeWait(c.until(c.began)); err != nil {
		return err
	}
	for in.unread() < len(preface) {
		if string(in.buf[in.from:in.to]) != preface[:in.unread()] {
			break
		}
		if err := in.read(); err != nil {
			return c.late(err)
		}
	}
	if in.unread() < len(preface) || string(in.buf[in.from:in.from+len(preface)]) != preface {
		return connection(ProtocolError, "the connection does not begin with the preface (RFC 9113 §3.4)")
	}
	in.from += len(preface)
	return nil
}
