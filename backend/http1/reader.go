package http1

import (
	"errors"
	"io"
	"sync"
)

// small is the buffer a connection holds; it grows only for a head that is longer.
const small = 4 << 10

var smalls = sync.Pool{New: func() any { return new([small]byte) }}

var (
	errUnread   = errors.New("http1: the body before was not read to its end")
	errReleased = errors.New("http1: the reader was released")
)

// Reader reads messages one after another from a connection, through one pooled buffer. An error of
// the connection, such as a deadline, loses nothing: the same call may be made again. It belongs to
// one goroutine at a time, together with the bodies it gave.
type Reader struct {
	from       io.Reader
	limits     Limits
	buf        []byte
	start, end int          // what is read and not consumed
	pooled     *[small]byte // holds buf; nil once that has grown
	scan       scan         // in the head at start
	failed     error        // came together with bytes, told once these are used up
	unread     bool         // the body of the last head has not been read to its end
}

// NewReader reads from r. Release gives its buffer back.
func NewReader(r io.Reader, l Limits) *Reader {
	pooled, _ := smalls.Get().(*[small]byte)
	return &Reader{from: r, limits: l.orDefault(), pooled: pooled, buf: pooled[:]}
}

// Release gives the buffer back; the Reader and its bodies are not used afterwards.
func (r *Reader) Release() {
	r.giveBack()
	r.buf, r.start, r.end = nil, 0, 0
}

// ReadRequest reads the next request's head. It returns io.EOF when the connection ends cleanly
// between messages, io.ErrUnexpectedEOF when it ends inside a head, *Error for a refused head, and
// the connection's own error otherwise.
func (r *Reader) ReadRequest() (*Head, error) {
	for !r.unread {
		h, n, refused := parseRequest(r.Buffered(), r.limits, &r.scan)
		if done, err := r.headRead(h, n, refused); done {
			return h, err
		}
	}
	return nil, errUnread
}

// ReadResponse reads the next response's head, an interim one (1xx) too: the caller loops. method is
// that of the request it answers. The errors are ReadRequest's.
func (r *Reader) ReadResponse(method string) (*Head, error) {
	for !r.unread {
		h, n, refused := parseResponse(r.Buffered(), method, r.limits, &r.scan)
		if done, err := r.headRead(h, n, refused); done {
			return h, err
		}
	}
	return nil, errUnread
}

// headRead takes what a parser said: done when that is final, else more has been read.
func (r *Reader) headRead(h *Head, n int, refused *Error) (done bool, err error) {
	if refused != nil {
		return true, refused
	}
	if n > 0 {
		r.start += n
		r.scan = scan{}
		r.unread = h.Length != 0
		return true, nil
	}
	if err = r.fill(); err == nil {
		return false, nil
	}
	if errors.Is(err, io.EOF) && !r.between() {
		err = io.ErrUnexpectedEOF
	}
	return true, err
}

// between tells that nothing of a message is waiting, empty lines apart.
func (r *Reader) between() bool {
	n, err := emptyLines(r.Buffered())
	return err == nil && n == r.end-r.start
}

// Peek is the next n bytes without consuming them, valid until the next call. It blocks until they
// are there; fewer come with the error that says why.
func (r *Reader) Peek(n int) ([]byte, error) {
	for r.end-r.start < n {
		if err := r.fill(); err != nil {
			return r.Buffered(), err
		}
	}
	return r.buf[r.start : r.start+n], nil
}

// Buffered is what was read ahead and not consumed: after an upgrade or a CONNECT it belongs to what
// follows. It is valid until the next call.
func (r *Reader) Buffered() []byte { return r.buf[r.start:r.end] }

// Discard consumes the next n bytes, or what is buffered if that is less.
func (r *Reader) Discard(n int) {
	r.start += min(n, r.end-r.start)
	r.scan = scan{}
}

// fill reads once, making room first. The callers keep within their limits before they ask for more.
func (r *Reader) fill() error {
	if r.buf == nil {
		return errReleased
	}
	if r.start == r.end {
		r.start, r.end = 0, 0
	}
	if r.end == len(r.buf) {
		r.makeRoom()
	}
	n, err := r.read(r.buf[r.end:])
	r.end += n
	return err
}

// makeRoom moves what is left to the front of the buffer, of a larger one if it is full.
func (r *Reader) makeRoom() {
	if r.start > 0 {
		r.end = copy(r.buf, r.Buffered())
		r.start = 0
		return
	}
	r.buf = append(r.buf, make([]byte, len(r.buf))...)
	r.giveBack()
}

func (r *Reader) giveBack() {
	if r.pooled != nil {
		smalls.Put(r.pooled)
		r.pooled = nil
	}
}

// read reads at least one byte into p, past the buffer, or returns an error.
func (r *Reader) read(p []byte) (int, error) {
	if err := r.failed; err != nil {
		r.failed = nil
		return 0, err
	}
	for range 100 {
		n, err := r.from.Read(p)
		if n > 0 {
			r.failed = err
			return n, nil
		}
		if err != nil {
			return 0, err
		}
	}
	return 0, io.ErrNoProgress
}
