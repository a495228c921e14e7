package socket

import (
	"errors"
	"io"
	"syscall"
	"time"
)

// Ask sends, and waits for the answer. It asks the socket before only for what the poller has not told.
func (c *conn) Ask(request, p []byte) (n int, rest []byte, sent time.Time, err error) {
	if err := c.may(&c.in); err != nil {
		return 0, request, time.Time{}, err
	}
	if a, ok := c.askAtDesk(request, p); ok {
		return a.n, a.rest, a.sent, a.err
	}
	if !c.silent() {
		if _, err := c.receive(p); err != syscall.EAGAIN {
			return 0, request, time.Time{}, io.EOF
		}
	}
	switch n, err = c.send(request); {
	case n > 0:
		sent, rest = time.Now(), request[n:]
	case err != syscall.EAGAIN:
		return 0, request, time.Time{}, err
	default:
		return 0, request, time.Time{}, nil
	}
	if len(rest) > 0 {
		return 0, rest, sent, nil
	}
	n, err = c.Read(p)
	return n, nil, sent, err
}

// asked is what came of a request that was left at the poller's desk.
type asked struct {
	n    int
	rest []byte
	sent time.Time
	err  error
}

// errSpoken says that a request was not sent, because its peer had spoken before.
var errSpoken = errors.New("socket: the peer has spoken unasked")

// askAtDesk has the poller send the request, right after it has listened, and read the answer. It is not ok
// where nothing was sent and nothing is known.
func (c *conn) askAtDesk(request, p []byte) (a asked, ok bool) {
	in, out := &c.in.job, &c.out.job
	if !c.poller.desk.open.Load() || !c.calm() || !in.begin(p) {
		return a, false
	}
	if !out.begin(request) {
		in.end()
		return a, false
	}
	if !c.use() {
		out.end()
		in.end()
		return a, false
	}
	defer c.done()
	out.asks = true
	out.state.Store(quietly)
	in.state.Store(lent)
	if len(c.in.news) == 0 && c.poller.desk.leave(out) {
		<-in.made
		if out.state.CompareAndSwap(quietly, taken) { // it is at the desk still
			<-out.made
		}
	} else if !in.state.CompareAndSwap(lent, back) {
		<-in.made // and nothing was sent
	}
	sent := out.at
	w, failed, left := out.end()
	n, err, answered := c.lentRead()
	switch {
	case !left && !answered:
		return a, false
	case !left || failed == errSpoken:
		return asked{rest: request, err: io.EOF}, true
	case failed == syscall.EAGAIN:
		return asked{rest: request}, true
	case failed != nil:
		return asked{rest: request, err: failed}, true
	case w < len(request):
		return asked{rest: request[w:], sent: sent}, true
	case !answered || err == syscall.EAGAIN:
		n, err = c.Read(p)
	}
	return asked{n: n, sent: sent, err: err}, true
}

func (c *conn) Silent() bool { return c.silent() || c.poller.desk.open.Load() && c.calm() }

// silent tells of nothing only what had come before the poller listened last. By then it had listened to
// whatever woke who asks.
func (c *conn) silent() bool { return c.poller.told.Load() > c.heard && c.calm() }

// calm tells that nothing was left by the last read, and the poller has told of nothing since.
func (c *conn) calm() bool { return c.dry && !c.unsure.Load() && len(c.in.news) == 0 }
