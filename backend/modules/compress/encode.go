package compress

import (
	"io"
	"sync/atomic"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

const (
	// pieceSize is what is read of a body at once.
	pieceSize = 32 << 10
	// keptOut is how much room for what an encoder writes is kept for the next body.
	keptOut = 256 << 10
)

// work is an encoder with its memory; it serves one body after another.
type work struct {
	encoder encoder
	in      [pieceSize]byte
	out     []byte // what the encoder wrote
	taken   int    // of out
}

// Write takes what the encoder writes.
func (w *work) Write(p []byte) (int, error) {
	w.out = append(w.out, p...)
	return len(p), nil
}

// begin makes w ready for a body.
func (w *work) begin() {
	w.out, w.taken = w.out[:0], 0
	w.encoder.Reset(w)
}

// release gives w back to e.
func (w *work) release(e *encoders) {
	w.encoder.Reset(io.Discard)
	if cap(w.out) > keptOut {
		w.out = nil
	}
	e.Put(w)
}

// encoded is a body that is compressed while it is read. What arrives leaves: the encoder is flushed
// whenever the next bytes of the body would have to be waited for.
type encoded struct {
	from  io.ReadCloser
	left  int64 // bytes to come; negative where that is not known
	ahead int   // bytes of the body that stand in the work already
	ended error // why from gives nothing more; told when all before it was read

	work     *work // nil once closed
	encoders *encoders
	tally    *tally
	running  *atomic.Int64 // how many there are: one less when it is closed
	events   bool          // each read is an event
}

func (e *encoded) Read(p []byte) (int, error) {
	w := e.work
	if w == nil {
		return 0, io.ErrClosedPipe
	}
	if len(p) == 0 {
		return 0, nil
	}
	for e.wants(len(p)) {
		e.more()
	}
	if w.taken == len(w.out) {
		return 0, e.ended
	}
	n := copy(p, w.out[w.taken:])
	w.taken += n
	if w.taken == len(w.out) && e.ended == io.EOF {
		return n, io.EOF
	}
	return n, nil
}

// wants tells that the encoder should take more before n bytes are given out: there are none yet, or
// not so many and more of the body is there.
func (e *encoded) wants(n int) bool {
	have := len(e.work.out) - e.work.taken
	switch {
	case e.ended != nil && e.ahead == 0:
		return false
	case have == 0:
		e.work.out, e.work.taken = e.work.out[:0], 0
		return true
	}
	return have < n && e.arrived()
}

// arrived tells that what comes next of the body is there. Behind the last byte only its end comes.
func (e *encoded) arrived() bool { return e.left == 0 || flow.Ready(e.from) }

// more has the encoder take the next piece.
func (e *encoded) more() {
	w, n := e.work, e.ahead
	e.ahead = 0
	if n == 0 {
		n, e.ended = e.from.Read(w.in[:])
	}
	e.left -= int64(n)
	flush := n > 0 && (e.events || e.ended != nil || !e.arrived())
	began, had := time.Now(), len(w.out)
	err := w.take(w.in[:n], flush, e.ended == io.EOF)
	e.tally.add(int64(n), int64(len(w.out)-had), time.Since(began))
	if err != nil {
		e.ended = problem.Wrap(problem.Internal, err, "Compressing an answer: %v. Report this with the answer's type and the settings of the cell.", err)
	}
}

// take gives the encoder a piece; last ends the body, flush makes it readable up to here.
func (w *work) take(piece []byte, flush, last bool) error {
	if _, err := w.encoder.Write(piece); err != nil {
		return err
	}
	switch {
	case last:
		return w.encoder.Close()
	case flush:
		return w.encoder.Flush()
	}
	return nil
}

// Ready tells that a Read does not wait.
func (e *encoded) Ready() bool {
	w := e.work
	return w != nil && (w.taken < len(w.out) || e.ahead > 0 || e.ended != nil || e.arrived())
}

func (e *encoded) Close() error {
	if e.work != nil {
		e.work.release(e.encoders)
		e.work = nil
		e.running.Add(-1)
	}
	return e.from.Close()
}

// lookAhead reads what is there of a body of unknown length, up to enough bytes; whole says that this
// is all of it. It never waits.
func (w *work) lookAhead(body io.Reader, enough int) (n int, ended error) {
	for n < enough && ended == nil && flow.Ready(body) {
		var read int
		if read, ended = body.Read(w.in[n:]); read == 0 && ended == nil {
			break
		}
		n += read
	}
	return n, ended
}
