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

	stopped      atomic.Bool           // nothing more of the body is read
	ending       atomic.Bool           // all of the body was read: what is left is to send it
	clientFailed atomic.Pointer[error] // why the body did not end; the connection is closed then
	stalled      atomic.Bool           // the target takes nothing; the connection is closed then

	done chan struct{}
	err  error         // after done
	sent time.Duration // after done: since begun, the start of the exchange

	mu   sync.Mutex
	head bool // the response's head is there: no deadline any more
}

// uploadBuffer is what one write carries.
const uploadBuffer = 32 << 10

var uploadBuffers = sync.Pool{New: func() any { return new([uploadBuffer]byte) }}

// startUpload sends left bytes of the body, or all of it in chunks.
func startUpload(c *conn, x *flow.Exchange, left int64, limit time.Duration) *upload {
	u := &upload{c: c, request: x.Request, limit: limit, begun: x.Started, done: make(chan struct{})}
	go u.run(left)
	return u
}

func (u *upload) run(left int64) {
	defer close(u.done)
	u.err = u.copy(left)
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
	for left != 0 {
		if u.stopped.Load() {
			return io.ErrClosedPipe
		}
		n, err := u.request.Body.Read(buf[:])
		u.ending.Store(err == io.EOF || left == int64(n))
		if n > 0 {
			if _, err := out.Write(buf[:n]); err != nil {
				return err // the response may still say why
			}
			if left > 0 {
				left -= int64(n)
			}
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
	return out.Close(u.request.Trailer)
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

// answered ends it.
func (u *upload) answered() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.head = true
	if u.limit == 0 {
		return nil
	}
	return u.c.SetReadDeadline(time.Time{})
}
