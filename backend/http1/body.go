package http1

import (
	"errors"
	"io"
	"math"

	"proxycache/backend/flow"
)

// Body is the body of one message, without its framing. One that is cut short returns
// io.ErrUnexpectedEOF, never io.EOF; malformed chunking is an *Error. It belongs to the goroutine
// that owns its Reader.
type Body struct {
	reader   *Reader
	length   int64 // as in Head
	left     int64 // bytes to come, in the current chunk if it is chunked
	chunks   chunks
	response bool
	err      error
	done     bool
}

// Body reads the body of the message whose head was just read. It must be read to io.EOF before the
// next head: reading a head before that is an error.
func (r *Reader) Body(h *Head) *Body {
	b := new(Body)
	b.Open(r, h)
	return b
}

// Open makes b, which is zero, the body that r.Body gives: for those who keep it beside other things.
func (b *Body) Open(r *Reader, h *Head) {
	b.reader, b.length, b.left = r, h.Length, h.Length
	b.response, b.done = h.Status != 0, h.Length == 0
	switch h.Length {
	case Chunked:
		b.left = 0
		b.chunks.limits = r.limits
	case UntilClose:
		b.left = math.MaxInt64
	}
}

// Close does nothing to the connection: its owner reads the body to the end or gives both up.
func (b *Body) Close() error { return nil }

// Trailer is what followed a chunked body, complete after io.EOF. Fields that may not stand in a
// trailer section (RFC 9110 §6.5.1) are left out.
func (b *Body) Trailer() flow.Header { return b.chunks.trailer }

// Done tells that all of the body was read: the connection may be used again, unless its end was the
// body's.
func (b *Body) Done() bool { return b.done }

// Ready tells that a Read does not wait: data is there, or the end. Framing alone is not.
func (b *Body) Ready() bool {
	data, err := b.ready()
	return err != nil || data && len(b.reader.Buffered()) > 0
}

// Read returns what has arrived and waits only when that is nothing. The end comes with the last bytes where
// it is known: who passes them on has given the connection back by then.
func (b *Body) Read(p []byte) (int, error) {
	for len(p) > 0 {
		n, err := b.collect(p)
		if n > 0 && err != io.EOF {
			return n, nil // an error is told again
		}
		if err != nil {
			return n, err
		}
		// Past the buffer only for much: a small chunk and the framing after it come in one go.
		if want := min(int64(len(p)), b.left); want >= small {
			n, err := b.reader.read(p[:want])
			return n, b.Passed(n, err)
		}
		if err := b.cut(b.reader.fill()); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

// Beside is how many bytes of the body may be taken from the connection without its reader, which has none of
// them: 0 where it has, and where the body has no length.
func (b *Body) Beside() int64 {
	if b.length < 0 || b.err != nil || b.reader.failed != nil || len(b.reader.Buffered()) > 0 {
		return 0
	}
	return b.left
}

// Passed counts n bytes of data that were taken so, and is what Read would say: err is why there were no more.
func (b *Body) Passed(n int, err error) error {
	b.arrived(n)
	if b.done {
		return b.finish(io.EOF)
	}
	return b.cut(err)
}

// collect copies the data that is in the buffer, of several chunks if they are there.
func (b *Body) collect(p []byte) (total int, err error) {
	for total < len(p) {
		ready, err := b.ready()
		waiting := b.reader.Buffered()
		if err != nil || !ready || len(waiting) == 0 {
			return total, err
		}
		n := copy(p[total:], waiting[:min(int64(len(waiting)), b.left)])
		b.reader.start += n
		b.arrived(n)
		total += n
	}
	return total, nil
}

// ready tells whether data comes next; if not, framing is incomplete and more must be read. The
// error is the body's end or its refusal, and stays.
func (b *Body) ready() (bool, error) {
	if b.err != nil {
		return false, b.err
	}
	if b.length == Chunked && b.left == 0 && !b.done {
		if err := b.nextChunk(); err != nil {
			if b.response {
				err = err.as502()
			}
			return false, b.finish(err)
		}
	}
	if b.done {
		return false, b.finish(io.EOF)
	}
	return b.left > 0, nil
}

// arrived counts n bytes of data.
func (b *Body) arrived(n int) {
	if b.length == UntilClose {
		return
	}
	b.left -= int64(n)
	if b.left == 0 && b.length != Chunked {
		b.end()
	}
}

// end marks that all of the body was consumed.
func (b *Body) end() {
	b.done = true
	b.reader.unread = false
}

func (b *Body) finish(err error) error {
	b.err = err
	return err
}

// cut turns the end of the connection into the body's: its end if it was to go on until then, else a
// cut. Other errors of the connection pass, and the body may be read on.
func (b *Body) cut(err error) error {
	switch {
	case err == nil || !errors.Is(err, io.EOF):
		return err
	case b.length == UntilClose:
		b.end()
		return b.finish(io.EOF)
	}
	return b.finish(io.ErrUnexpectedEOF)
}
