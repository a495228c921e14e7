package ingress

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
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
	headBy time.Time // when the head must be complete; zero while nobody has to wait for it
	ended  time.Time // about when the last exchange was over; zero once that was asked for
	ahead  []byte    // read by the watch, not given out yet; its own while that reads
	brief  bool      // the wait for a request ends after dozeAfter
	one    [1]byte   // ahead after a long wait
	watch  watch

	// until is the deadline of the wait for a request, in nanoseconds since 1970; 0 where another one
	// was set.
	until atomic.Int64
}

// dozeAfter is how long a connection waits for a request as one that expects it at any moment.
const dozeAfter = time.Second

// await begins the wait for a request.
func (in *input) await() {
	if in.client.unread() {
		if in.phase != inHead { // else who looked at its first bytes has begun to count
			in.headBegins()
		}
		return
	}
	in.phase = between
	in.client.stage.CompareAndSwap(working, waiting)
	if in.client.server.draining.Load() { // a shutdown that looked while this was working
		in.client.dismiss()
	}
}

// headBegins counts from the first read that has to wait for more of the head: most come whole.
func (in *input) headBegins() {
	in.phase, in.headBy = inHead, time.Time{}
}

// Read reads once, and waits as long as the phase allows.
func (in *input) Read(p []byte) (int, error) {
	if len(in.ahead) > 0 {
		n := copy(p, in.ahead)
		if in.ahead = in.ahead[n:]; len(in.ahead) == 0 {
			in.ahead = nil // it may be much, and the connection idle from here on
		}
		return n, nil
	}
	if err := in.setDeadline(); err != nil {
		return 0, err
	}
	n, err := in.client.conn.Read(p)
	if n > 0 && in.phase == between && !in.wakes() {
		return 0, net.ErrClosed
	}
	return n, err
}

// readBy sets the deadline of reads. Any goroutine may call it.
func (in *input) readBy(t time.Time) error {
	in.until.Store(0)
	return in.client.conn.SetReadDeadline(t)
}

// slack is what a deadline may come late, as a part of the time it bounds, so that one which still
// lies far enough ahead need not be moved for each request.
const slack = 32

// waitFor bounds the wait for a request by d and its slack.
func (in *input) waitFor(d time.Duration) error {
	now := in.ended
	if in.ended = (time.Time{}); now.IsZero() {
		now = time.Now()
	}
	left := time.Duration(in.until.Load() - now.UnixNano())
	if left >= d && left <= d+d/slack {
		return nil
	}
	until := now.Add(d + d/slack)
	in.until.Store(until.UnixNano())
	return in.client.conn.SetReadDeadline(until)
}

// wakes begins a head with its first byte; false when a shutdown came first.
func (in *input) wakes() bool {
	in.headBegins()
	return in.client.stage.CompareAndSwap(waiting, working) || in.client.stage.Load() != closing
}

// doze waits for the first byte of a request for what is left of the time, with nothing but room for
// that.
func (in *input) doze() error {
	in.ahead = nil // room that nothing came for
	left := in.client.server.limits.Load().keepAlive - dozeAfter
	if err := in.readBy(time.Now().Add(left)); err != nil {
		return err
	}
	n, err := in.client.conn.Read(in.one[:])
	if n == 0 {
		return err
	}
	in.ahead = in.one[:]
	if !in.wakes() {
		return net.ErrClosed
	}
	return nil
}

func (in *input) setDeadline() error {
	switch in.phase {
	case between:
		wait := in.client.server.limits.Load().keepAlive
		if in.brief {
			wait = min(wait, dozeAfter)
		}
		return in.waitFor(wait)
	case inBody:
		return nil // requestBody sets its own, so that its Close can end a read
	}
	if in.headBy.IsZero() {
		in.headBy = time.Now().Add(in.client.server.limits.Load().headerTimeout)
	}
	return in.readBy(in.headBy)
}

// watchDelay is how long an exchange runs before its client is watched: most are over by then, and a
// watch costs a goroutine.
const watchDelay = 10 * time.Millisecond

// farewell is how long a client that has ended its side may wait for its answer: who pipes a request
// into nc does, and who has left for good looks the same until something is sent to him.
const farewell = time.Second

// watch notices a client that leaves while nothing is expected of it: it reads in the background.
// Bytes are the next request, sent early, and kept for that; an end is the client's leaving, also
// behind such bytes.
//
// The timer is not moved for each exchange: where it rings too early for the one that runs, it is set
// again.
type watch struct {
	mu      sync.Mutex
	timer   *time.Timer
	set     bool // it will ring
	wanted  bool
	since   time.Time     // when what is wanted began
	delay   time.Duration // from then on, until the look
	reading chan struct{} // closed when the read that runs is over; nil when none runs
	ended   bool          // the client has ended its side
}

// watchFor begins to watch for the client's end, as soon as its request has been read: at since, which
// is about now.
func (in *input) watchFor(since time.Time) {
	w := &in.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wanted, w.since, w.delay = true, since, watchDelay
	if w.ended {
		w.delay = farewell
	}
	if !w.set {
		in.lookIn(w.delay)
	}
}

// lookIn is called under the lock.
func (in *input) lookIn(delay time.Duration) {
	w := &in.watch
	w.set = true
	if w.timer == nil {
		w.timer = time.AfterFunc(delay, in.look)
	} else {
		w.timer.Reset(delay)
	}
}

// unwatch ends the watch; after it nobody else reads from the connection, and no end that was noticed
// before ends what comes next.
func (in *input) unwatch() {
	w := &in.watch
	w.mu.Lock()
	w.wanted = false
	reading := w.reading
	if reading != nil {
		_ = in.readBy(longAgo) // a closed connection ends the read too
	}
	w.mu.Unlock()
	if reading != nil {
		<-reading
	}
}

var longAgo = time.Unix(1, 0)

// look is the background read.
func (in *input) look() {
	w := &in.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	w.set = false
	if left := w.delay - time.Since(w.since); w.wanted && left > 0 {
		in.lookIn(left)
		return
	}
	if !w.wanted || w.reading != nil {
		return
	}
	if w.ended {
		in.client.left() // under the lock: without it the exchange could be over, and another one ended
		return
	}
	w.reading = make(chan struct{})
	_ = in.readBy(time.Time{}) // a closed connection fails the read
	var err error
	for w.wanted && err == nil {
		err = in.readAhead()
	}
	close(w.reading)
	w.reading = nil
	w.ended = w.ended || err == io.EOF
	switch {
	case !w.wanted || err == errUnseen:
	case err == io.EOF:
		w.since, w.delay = time.Now(), farewell
		in.lookIn(farewell)
	default:
		in.client.left()
	}
}

// aheadPiece is the least room for a read ahead.
const aheadPiece = 256

// readAhead waits for more of what comes early, or for the end alone where as much of it is kept as a
// head may have: the system keeps the rest. It is called under the lock, and leaves it while it waits.
func (in *input) readAhead() error {
	had, most := len(in.ahead), in.client.bounds.head.Head
	var room []byte
	if had < most {
		in.ahead = slices.Grow(in.ahead, min(aheadPiece, most-had))
		room = in.ahead[had:min(cap(in.ahead), most)]
	}
	in.watch.mu.Unlock()
	var n int
	var err error
	if room != nil {
		n, err = in.client.conn.Read(room)
	} else {
		err = awaitEnd(in.client.raw)
	}
	in.watch.mu.Lock()
	in.ahead = in.ahead[:had+n]
	return err
}

// errUnseen says that an end behind bytes which are not read cannot be seen.
var errUnseen = errors.New("ingress: the end of the connection cannot be seen")

// States of a connection, as Linux counts them.
const (
	tcpClose     = 7
	tcpCloseWait = 8
)

// tcpConn is what package net and package socket have.
type tcpConn interface {
	syscall.Conn
	MultipathTCP() (bool, error)
}

// awaitEnd waits, without reading, until the other end of conn has ended its side, which is io.EOF, or
// is gone. Bytes that come meanwhile wake it too, as long as the system has room for them.
func awaitEnd(conn net.Conn) error {
	tcp, ok := conn.(tcpConn)
	if !ok || runtime.GOOS != "linux" {
		return errUnseen
	}
	if several, err := tcp.MultipathTCP(); several || err != nil { // the state is that of one path
		return errUnseen
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	var state byte
	err = raw.Read(func(fd uintptr) (done bool) {
		state = stateOf(syscall.GetsockoptInt, fd)
		return state == tcpCloseWait || state == tcpClose || state == 0
	})
	switch {
	case err != nil:
		return err
	case state == tcpCloseWait:
		return io.EOF
	case state == tcpClose:
		return net.ErrClosed
	}
	return errUnseen
}

// stateOf is the state of a connection on Linux, the first byte of its TCP_INFO; 0 where it cannot be
// known. ask is GetsockoptInt, which takes another type on Windows.
func stateOf[F ~int | ~uintptr](ask func(fd F, level, option int) (int, error), fd uintptr) byte {
	const tcpInfo = 11
	info, err := ask(F(fd), syscall.IPPROTO_TCP, tcpInfo)
	if err != nil {
		return 0
	}
	return binary.NativeEndian.AppendUint32(nil, uint32(info))[0]
}
