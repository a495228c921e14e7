package http1

import (
	"errors"
	"io"
	"net"
	"strconv"
	"sync"

	"proxycache/backend/flow"
)

// What a BodyWriter says of a body that is not as long as was promised.
var (
	ErrTooLong  = errors.New("http1: the body is longer than its Content-Length")
	ErrTooShort = errors.New("http1: the body is shorter than its Content-Length")
)

var errClosed = errors.New("http1: the body was closed")

// large is the largest chunk that is copied to leave in one piece with its framing.
const large = 32 << 10

// larges have room for such a chunk and its framing.
var larges = sync.Pool{New: func() any { return new([large + chunkFrame]byte) }}

// BodyWriter frames a body onto a writer. Each Write goes out at once and whole. After an error
// nothing more is written: the peer must not take a broken body for a complete one.
type BodyWriter struct {
	to      io.Writer
	length  int64 // as in Head
	left    int64 // bytes still promised, where length is a number
	err     error
	scratch *[large + chunkFrame]byte
	vector  [3][]byte // a chunk too large for scratch
}

// NewBodyWriter writes a body of the given length (bytes, Chunked or UntilClose) to w.
func NewBodyWriter(w io.Writer, length int64) *BodyWriter {
	b := new(BodyWriter)
	b.Open(w, length)
	return b
}

// Open makes b what NewBodyWriter gives: for those who keep it beside other things. It is zero or closed.
func (b *BodyWriter) Open(w io.Writer, length int64) {
	b.to, b.length, b.left, b.err = w, length, max(0, length), nil
}

// Write sends p, as one chunk where the body is chunked. Writing more than was promised is
// ErrTooLong, and none of p is sent.
func (b *BodyWriter) Write(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if len(p) == 0 { // as a chunk it would end the body
		return 0, nil
	}
	var n int
	switch {
	case b.length == Chunked:
		n, b.err = b.chunk(p)
	case b.length == UntilClose:
		n, b.err = b.to.Write(p)
	case int64(len(p)) > b.left:
		b.err = ErrTooLong
	default:
		n, b.err = b.to.Write(p)
		b.left -= int64(n)
	}
	return n, b.err
}

// Left is how many bytes may still be written; 0 where the body has no length.
func (b *BodyWriter) Left() int64 {
	if b.err != nil {
		return 0
	}
	return b.left
}

// Passed counts n bytes, no more than were left, that were written without b; err is why there were no more.
func (b *BodyWriter) Passed(n int, err error) {
	b.left -= int64(n)
	b.err = err
}

// chunk sends p with its framing in one Write, or in one vector where p is large.
func (b *BodyWriter) chunk(p []byte) (int, error) {
	if b.scratch == nil {
		b.scratch, _ = larges.Get().(*[large + chunkFrame]byte)
	}
	frame := strconv.AppendInt(b.scratch[:0], int64(len(p)), 16)
	frame = append(frame, "\r\n"...)
	head := len(frame)
	if len(p) > large {
		end := append(frame, "\r\n"...)[head:]
		b.vector = [3][]byte{frame, p, end}
		pieces := net.Buffers(b.vector[:])
		n, err := pieces.WriteTo(b.to)
		b.vector = [3][]byte{}
		return inside(n, head, len(p)), err
	}
	frame = append(frame, p...)
	frame = append(frame, "\r\n"...)
	n, err := b.to.Write(frame)
	return inside(int64(n), head, len(p)), err
}

// inside is how many of size bytes of data are among the first n of a chunk.
func inside(n int64, head, size int) int { return min(max(0, int(n)-head), size) }

// Close ends the body: the last chunk with the trailer where it is chunked, ErrTooShort where less
// was written than promised. A trailer is left out where there is no place for it, and so are fields
// that may not stand in one (RFC 9110 §6.5.1). It does not close the writer.
func (b *BodyWriter) Close(trailer flow.Header) error {
	err := b.err
	switch {
	case err != nil:
	case b.length == Chunked:
		_, err = b.to.Write(lastChunk(trailer))
	case b.left > 0:
		err = ErrTooShort
	}
	if b.scratch != nil {
		larges.Put(b.scratch)
		b.scratch = nil
	}
	if b.err == nil {
		b.err = errClosed
	}
	return err
}

func lastChunk(trailer flow.Header) []byte {
	if len(trailer) == 0 {
		return []byte("0\r\n\r\n")
	}
	dst := appendFields([]byte("0\r\n"), permitted(trailer.Clone()))
	return append(dst, "\r\n"...)
}
