package http1

import (
	"errors"
	"io"
	"sync"

	"proxycache/backend/flow"
)

// small is the buffer a connection holds while there is something in it to read, or soon will be; it
// grows only for a head that is longer.
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
	buf        []byte       // nil until the first read, and after Rest
	start, end int          // what is read and not consumed
	pooled     *[small]byte // holds buf; nil once that has grown
	scan       scan         // in the head at start
	granted    flow.Tolerance
	relented   bool  // the head at start is read leniently
	head       Head  // the last one
	failed     error // came together with bytes, told once these are used up
	unread     bool  // the body of the last head has not been read to its end
	released   bool
}

// NewReader reads from r. Release gives its buffer back.
func NewReader(r io.Reader, l Limits) *Reader { return &Reader{from: r, limits: l.orDefault()} }

// Release gives the buffer back; the Reader and its bodies are not used afterwards.
func (r *Reader) Release() {
	r.giveBack()
	r.buf, r.start, r.end, r.released = nil, 0, 0, true
}

// Rest gives the buffer back while nothing is in it, and forgets the last head. The next read takes a
// buffer again: a connection that waits needs none.
func (r *Reader) Rest() {
	if r.start < r.end {
		return
	}
	r.head = Head{}
	r.giveBack()
	r.buf, r.start, r.end = nil, 0, 0
}

// Limit sets the limits of the heads from here on.
func (r *Reader) Limit(l Limits) { r.limits = l.orDefault() }

// Tolerate says what faults of form the heads from here on may have; none at first. Such a head is
// read as if it had been sent right, and tells in Tolerated what was wrong.
func (r *Reader) Tolerate(t flow.Tolerance) { r.granted = t }

// ReadRequest reads the next request's head. It returns io.EOF when the connection ends cleanly
// between messages, io.ErrUnexpectedEOF when it ends inside a head, *Error for a refused head, and
// the connection's own error otherwise. The Head is valid until the next one is read.
func (r *Reader) ReadRequest() (*Head, error) { return r.readHead(exchange{}) }

// ReadResponse reads the next response's head, an interim one (1xx) too: the caller loops. method is
// that of the request it answers. The errors are ReadRequest's, and so is how long the Head is valid.
func (r *Reader) ReadResponse(method string) (*Head, error) {
	return r.readHead(exchange{answered: true, method: method})
}

// readHead reads the next head of the side that e tells.
func (r *Reader) readHead(e exchange) (*Head, error) {
	if r.unread {
		return nil, errUnread
	}
	r.head = Head{} // nothing of the last message is kept while this one comes
	for {
		n, refused := r.parse(e)
		if refused != nil {
			return nil, refused
		}
		if n > 0 {
			r.start += n
			r.begin()
			r.unread = r.head.Length != 0
			return &r.head, nil
		}
		if err := r.fill(); err != nil {
			if errors.Is(err, io.EOF) && !r.between() {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

// begin starts to read strictly what is at start.
func (r *Reader) begin() { r.scan, r.relented = scan{}, false }

// parse looks for a head at start: strictly, and leniently from where that fails for a reason that
// may be tolerated.
func (r *Reader) parse(e exchange) (int, *Error) {
	if !r.relented {
		n, refused := e.strict(&r.head, r.Buffered(), r.limits, &r.scan)
		if refused == nil || refused.Lenient == 0 {
			return n, refused
		}
		if refused.Lenient&^r.granted != 0 {
			return 0, e.wanting(refused, r.Buffered(), r.limits, r.granted)
		}
		r.scan, r.relented = scan{lenient: true}, true
	}
	n, refused := e.lenient(&r.head, r.Buffered(), r.limits, &r.scan)
	if missing := r.head.Tolerated &^ r.granted; n > 0 && missing != 0 {
		return 0, e.refuse(missing)
	}
	return n, refused
}

// between tells that nothing of a message is waiting, empty lines apart.
func (r *Reader) between() bool {
	n, err := emptyLines(r.Buffered(), r.relented)
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
	r.begin()
}

// fill reads once, making room first. The callers keep within their limits before they ask for more.
func (r *Reader) fill() error {
	if r.buf == nil {
		if r.released {
			return errReleased
		}
		r.pooled, _ = smalls.Get().(*[small]byte)
		r.buf = r.pooled[:]
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
