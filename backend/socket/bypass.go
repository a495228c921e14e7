package socket

import (
	"errors"
	"io"
	"net"
)

// worthwhile is how much of a body must be left for a pipe: with less, it costs more than it spares.
const worthwhile = 32 << 10

// A Source is a body whose bytes can be had in the system, from the socket that they come by.
type Source interface {
	// Beside is that socket, and how many bytes of it may be taken next; none where only Read has them.
	Beside() (from net.Conn, most int64)
	// Fill is a Read of at most so many bytes into a pipe that leads away from there, with the errors of Read, and
	// those of Pipe.Fill.
	Fill(p *Pipe, most int64) (int, error)
}

// A Bypass leads the bytes of a body from socket to socket, without their coming to us (splice(2)), as soon as
// that is possible and worthwhile. It is used in turn with the body's Read and the writes of its bytes.
type Bypass struct {
	source Source // nil where everything must be read
	to     net.Conn
	pipe   *Pipe
}

// NewBypass leads from body, if that is a Source, to a connection. It is to be closed.
func NewBypass(body io.Reader, to net.Conn) Bypass {
	source, _ := body.(Source)
	return Bypass{source: source, to: to}
}

// Close closes neither side, and loses what was not written.
func (b *Bypass) Close() {
	if b.pipe != nil {
		b.pipe.Close()
	}
	b.pipe, b.source = nil, nil
}

// Open tells that what comes next, of which so much is wanted, is to be had by Fill instead of by Read.
func (b *Bypass) Open(wanted int64) bool {
	switch {
	case b.source == nil || wanted == 0:
		return false
	case b.pipe != nil:
		return true
	}
	from, most := b.source.Beside()
	if min(most, wanted) < worthwhile {
		return false
	}
	pipe, err := NewPipe(b.to, from)
	if err != nil { // there is none here, or descriptors are short
		b.source = nil
		return false
	}
	b.pipe = pipe
	return true
}

// Fill is a Read of at most so many bytes. They leave by Empty, before anything else. It may have none, with no
// error, where what comes next must be read after all.
func (b *Bypass) Fill(most int64) (int, error) {
	n, err := b.source.Fill(b.pipe, most)
	if errors.Is(err, errors.ErrUnsupported) {
		b.Close()
		return 0, nil
	}
	return n, err
}

// Empty is a Write of what Fill had, and can go on behind a deadline.
func (b *Bypass) Empty() (int, error) { return b.pipe.Empty() }
