package ingress

import (
	"net"
	"sync"
	"time"
)

// phase says which deadline the next read has.
type phase int

const (
	between phase = iota // nothing of a request was read yet
	inHead
	inBody
)

// input is what http1 reads from: the connection with deadlines by phase, and with what the watch
// read ahead in front.
type input struct {
	client *client
	phase  phase
	headBy time.Time // when the head must be complete
	ahead  []byte    // read by the watch, not given out yet
	watch  watch
}

// await begins the wait for a request.
func (in *input) await() {
	in.phase = between
	if in.client.unread() {
		in.headBegins()
		return
	}
	in.client.stage.CompareAndSwap(working, waiting)
	if in.client.server.draining.Load() { // a shutdown that looked while this was working
		in.client.dismiss()
	}
}

func (in *input) headBegins() {
	in.phase = inHead
	in.headBy = time.Now().Add(headWithin)
}

// Read reads once, and waits as long as the phase allows.
func (in *input) Read(p []byte) (int, error) {
	if len(in.ahead) > 0 {
		n := copy(p, in.ahead)
		in.ahead = in.ahead[n:]
		return n, nil
	}
	if err := in.setDeadline(); err != nil {
		return 0, err
	}
	n, err := in.client.conn.Read(p)
	if n > 0 && in.phase == between {
		in.headBegins()
		if !in.client.stage.CompareAndSwap(waiting, working) && in.client.stage.Load() == closing {
			return 0, net.ErrClosed // a shutdown came first
		}
	}
	return n, err
}

func (in *input) setDeadline() error {
	until := in.headBy
	switch in.phase {
	case between:
		until = time.Now().Add(idleBetween)
	case inBody:
		return nil // requestBody sets its own, so that its Close can end a read
	}
	return in.client.conn.SetReadDeadline(until)
}

// watchDelay is how long an exchange runs before its client is watched: most are over by then, and a
// watch costs a goroutine.
const watchDelay = 10 * time.Millisecond

// watch notices a client that leaves while nothing is expected of it: it reads in the background
// until something comes. Bytes are the next request, sent early; an end is the client's leaving.
type watch struct {
	mu      sync.Mutex
	timer   *time.Timer
	wanted  bool
	reading chan struct{} // closed when the read that runs is over; nil when none runs
}

// watchFor begins to watch for the client's end, as soon as its request has been read.
func (in *input) watchFor() {
	w := &in.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wanted = true
	if w.timer == nil {
		w.timer = time.AfterFunc(watchDelay, in.look)
	} else {
		w.timer.Reset(watchDelay)
	}
}

// unwatch ends the watch; after it nobody else reads from the connection.
func (in *input) unwatch() {
	w := &in.watch
	w.mu.Lock()
	w.wanted = false
	if w.timer != nil {
		w.timer.Stop()
	}
	reading := w.reading
	if reading != nil {
		_ = in.client.conn.SetReadDeadline(longAgo) // a closed connection ends the read too
	}
	w.mu.Unlock()
	if reading != nil {
		<-reading
	}
}

var longAgo = time.Unix(1, 0)

// look is the background read. It may run late, when the watch is over or has begun again: then it
// finds that nobody wants it, or looks early.
func (in *input) look() {
	w := &in.watch
	w.mu.Lock()
	if !w.wanted || w.reading != nil || len(in.ahead) > 0 {
		w.mu.Unlock()
		return
	}
	reading := make(chan struct{})
	w.reading = reading
	_ = in.client.conn.SetReadDeadline(time.Time{}) // a closed connection fails the read
	w.mu.Unlock()

	buf := make([]byte, 256)
	n, err := in.client.conn.Read(buf)

	w.mu.Lock()
	in.ahead = buf[:n]
	w.reading = nil
	left := err != nil && w.wanted
	w.mu.Unlock()
	close(reading)
	if left {
		in.client.left()
	}
}
