package upstream

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/http1"
)

// upload sends the rest of a request's body while the response may already come.
type upload struct {
	c       *conn
	request *flow.Request
	limit   time.Duration // for the response to begin once all is sent; 0 for none
	begun   time.Time
	left    int64       // of the body; or http1.Chunked
	asking  *time.Timer // begins to send where the target says nothing; nil where it is not asked

	stopped      atomic.Bool           // nothing more of the body is read
	ending       atomic.Bool           // all of the body was read: what is left is to send it
	clientFailed atomic.Pointer[error] // why the body did not end; the connection is closed then
	stalled      atomic.Bool           // the target takes nothing; the connection is closed then

	done chan struct{}
	err  error         // after done
	sent time.Duration // after done: since begun, the start of the exchange

	withheld bool // the target answered without the body, of which nothing was read; for the one who has the call

	mu   sync.Mutex
	head bool // the response's head is there: no deadline any more
}

// continueTimeout is how long a target that was asked may be silent until it gets the body all the same:
// many know nothing of expectations, and the client is not to wait for ever (RFC 9110 §10.1.1).
const continueTimeout = time.Second

var errWithheld = errors.New("the target answered without the request's body")

// uploadBuffer is what one write carries.
const uploadBuffer = 32 << 10

var uploadBuffers = sync.Pool{New: func() any { return new([uploadBuffer]byte) }}

// startUpload sends left bytes of the body, or all of it in chunks. Where the target is asked it waits
// until goOn, or continueTimeout; no goroutine does, and nothing reads the body meanwhile: that would ask
// the client for it.
func startUpload(c *conn, x *flow.Exchange, left int64, limit time.Duration, asks bool) *upload {
	u := &upload{c: c, request: x.Request, limit: limit, begun: x.Started, left: left, done: make(chan struct{})}
	if asks {
		u.sent = time.Since(u.begun) // where nothing follows
		u.asking = time.AfterFunc(continueTimeout, u.run)
	} else {
		go u.run()
	}
	return u
}

// goOn sends what waits, at once. Stop tells who was first: here, in withhold, or the timer.
func (u *upload) goOn() {
	if u.asking != nil && u.asking.Stop() {
		go u.run()
	}
}

// withhold ends what waits, and tells whether nothing of the body was ever read. The target still waits
// for it: its connection must not be used again, as after any upload that failed.
func (u *upload) withhold() bool {
	if u.asking != nil && u.asking.Stop() {
		u.withheld, u.err = true, errWithheld
		close(u.done)
	}
	return u.withheld
}

func (u *upload) run() {
	defer close(u.done)
	u.err = u.copy(u.left)
	u.sent = time.Since(u.begun)
	switch {
	case u.err == nil:
		u.err = u.startClock()
	case errors.Is(u.err, errStalled):
		u.stalled.Store(true)
		u.c.abort()
	}
}

// copy sends the body. Where the client does not bring it to its end the connection is closed: the
// target must not take what it has for all.
func (u *upload) copy(left int64) error {
	out := http1.NewBodyWriter(u.c, left)
	buf, _ := uploadBuffers.Get().(*[uploadBuffer]byte)
	defer uploadBuffers.Put(buf)
	bypass := u.c.bypass(u.request.Body)
	defer bypass.Close()
	for left != 0 {
		if u.stopped.Load() {
			return io.ErrClosedPipe
		}
		var n int
		var err, lost error
		past := bypass.Open(out.Left())
		if past {
			n, err = bypass.Fill(out.Left())
		} else {
			n, err = u.request.Body.Read(buf[:])
		}
		u.ending.Store(err == io.EOF || left == int64(n))
		switch {
		case n > 0 && past:
			lost = u.c.splice(out, &bypass)
		case n > 0:
			_, lost = out.Write(buf[:n])
		}
		if lost != nil {
			return lost // the response may still say why
		}
		if left > 0 {
			left -= int64(n)
		}
		if err == io.EOF && left <= 0 {
			break
		}
		if err != nil {
			u.clientFailed.Store(&err)
			u.c.abort()
			return err
		}
	}
	return out.Close(without(nominated(u.request.Header), u.request.Trailer))
}

// lastWrite is how long a response that is over waits for the last write of its request, which the
// target has already read and the scheduler not yet told.
const lastWrite = 50 * time.Millisecond

// settle tells whether all was sent, waiting only where that is a matter of moments.
func (u *upload) settle() bool {
	if u.running() && u.ending.Load() {
		timer := time.NewTimer(lastWrite)
		defer timer.Stop()
		select {
		case <-u.done:
		case <-timer.C:
		}
	}
	return !u.running()
}

func (u *upload) running() bool {
	select {
	case <-u.done:
		return false
	default:
		return true
	}
}

// startClock begins the wait for the response.
func (u *upload) startClock() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.limit == 0 || u.head {
		return nil
	}
	return u.c.SetReadDeadline(time.Now().Add(u.limit))
}

// answered ends it, and withholds a body that the target answered without.
func (u *upload) answered() error {
	u.withhold()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.head = true
	if u.limit == 0 {
		return nil
	}
	return u.c.SetReadDeadline(time.Time{})
}
