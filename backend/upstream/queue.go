package upstream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// need says which connections will do.
type need struct {
	fresh bool // none that was idle: it may turn out to be closed
	http1 bool // for an upgrade, which HTTP/2 has not (RFC 9113 §8.6)
}

// waiter is an exchange in the queue of a site.
type waiter struct {
	need
	granted chan *conn    // of one: a connection, or nil for leave to open one
	look    chan struct{} // of one: an HTTP/2 connection may have room
}

// grant is what an exchange gets: a connection, or leave to open one where both are nil.
type grant struct {
	conn   *conn
	shared *shared
}

// errFull is why an exchange was not even let into the queue.
var errFull = errors.New("the queue is full")

// admit lets x open a connection to t, at once where the limit allows it, else in its turn; a
// connection that becomes free before that is as good.
func (p *Pool) admit(x *flow.Exchange, t *target, n need) (grant, error) {
	e := p.lines.enter(t.site, n)
	if e.unused != nil {
		e.unused()
	}
	switch {
	case e.full:
		return grant{}, p.crowded(t, errFull)
	case e.conn != nil:
		return p.lines.checked(t.site, e.conn), nil
	case e.waiter == nil:
		return grant{}, nil
	}
	began := x.Since()
	g, err := p.await(x, t, e.waiter)
	if err != nil {
		return grant{}, err
	}
	x.Note("queue", fmt.Sprintf("waited %s for a connection", rounded(x.Since()-began)))
	return g, nil
}

// rounded is d with as many digits as people read.
func rounded(d time.Duration) time.Duration {
	if d < time.Millisecond {
		return d.Round(time.Microsecond)
	}
	return d.Round(time.Millisecond)
}

// crowded is why there is no connection for an exchange.
func (p *Pool) crowded(t *target, cause error) *problem.Problem {
	doing := "Waiting for a connection to " + t.address
	if cause == errFull {
		return problem.Wrap(problem.Overloaded, cause, "%s: all %d are in use, and %d exchanges wait already. Try again in a moment, or raise max_connections or queue in %s.", doing, p.settings.MaxConnections, p.settings.Queue, p.section())
	}
	return problem.Wrap(problem.Overloaded, cause, "%s: all %d were in use for %s. Try again in a moment, or raise max_connections or queue_timeout in %s.", doing, p.settings.MaxConnections, time.Duration(p.settings.QueueTimeout), p.section())
}

var errQueued = errors.New("the time in the queue is over")

// await is the time in the queue.
func (p *Pool) await(x *flow.Exchange, t *target, w *waiter) (grant, error) {
	l, s := &p.lines, t.site
	ctx, cancel := context.WithTimeout(x.Context(), time.Duration(p.settings.QueueTimeout))
	defer cancel()
	for {
		select {
		case c := <-w.granted:
			return l.checked(s, c), nil
		case <-w.look:
			if h := l.lookFor(ctx, s, w); h != nil {
				l.leave(s, w)
				return grant{shared: h}, nil
			}
		case <-ctx.Done():
			l.leave(s, w)
			if x.Context().Err() != nil {
				return grant{}, p.cancelled(x, "Waiting for a connection to "+t.address)
			}
			return grant{}, p.crowded(t, errQueued)
		}
	}
}

// entry is what comes of asking for one more connection: leave to open it when all is zero.
type entry struct {
	conn   *conn   // one that became free since it was looked for
	waiter *waiter // a place in the queue
	full   bool    // not even that
	unused func()  // closes what only stands in the way; not called under the lock
}

// enter counts one more connection to s, or, where the limit is reached, lets a waiter into the queue.
func (l *lines) enter(s *site, n need) entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.limit == 0 || s.open < l.limit && len(s.waiting) == 0:
		s.open++
		return entry{}
	case !n.fresh && len(s.idle) > 0:
		return entry{conn: l.popAt(s, s.latest())}
	case len(s.waiting) >= l.queue:
		return entry{full: true}
	}
	w := &waiter{need: n, granted: make(chan *conn, 1), look: make(chan struct{}, 1)}
	s.waiting = append(s.waiting, w)
	w.look <- struct{}{} // there may be room on HTTP/2 since it was looked for
	return entry{waiter: w, unused: l.standing(s, n)}
}

// standing is how to close an idle connection that takes the place of one for n, or nil. It is called
// under the lock.
func (l *lines) standing(s *site, n need) func() {
	if n.fresh && len(s.idle) > 0 {
		return l.popAt(s, 0).end
	}
	for _, h := range s.shared {
		if n.http1 && h.conn.InFlight() == 0 {
			s.drop(func(other *shared) bool { return other == h })
			return h.retire
		}
	}
	return nil
}

// lookFor finds room for w on an HTTP/2 connection, or makes room where w cannot use one.
func (l *lines) lookFor(ctx context.Context, s *site, w *waiter) *shared {
	if !w.http1 {
		return l.share(ctx, s)
	}
	l.mu.Lock()
	unused := l.standing(s, w.need)
	l.mu.Unlock()
	if unused != nil {
		unused()
	}
	return nil
}

// checked is a connection that was handed over, or leave to open one in its place.
func (l *lines) checked(s *site, c *conn) grant {
	if c == nil {
		return grant{}
	}
	if c.quiet() {
		l.mu.Lock()
		s.reused++
		l.mu.Unlock()
		return grant{conn: c}
	}
	c.counted = false // its place goes to who got it
	c.end()
	return grant{}
}

// leave takes w out of the queue. What it was given meanwhile goes on to the next.
func (l *lines) leave(s *site, w *waiter) {
	l.mu.Lock()
	n := len(s.waiting)
	s.waiting = slices.DeleteFunc(s.waiting, func(other *waiter) bool { return other == w })
	was := len(s.waiting) < n
	l.mu.Unlock()
	if !was {
		if c := <-w.granted; c != nil {
			l.put(c)
		} else {
			l.release(s)
		}
	}
	l.nudge(s)
}

// handOn gives c to the first in the queue, or returns it where that needs a new one: its end makes
// room. It is called under the lock.
func (s *site) handOn(c *conn) *conn {
	w := s.waiting[0]
	if w.fresh {
		return c
	}
	s.waiting = slices.Delete(s.waiting, 0, 1)
	w.granted <- c
	return nil
}

// release says that a connection is closed, or was not opened: the next in the queue may open one.
func (l *lines) release(s *site) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(s.waiting) == 0 {
		s.open--
		return
	}
	w := s.waiting[0]
	s.waiting = slices.Delete(s.waiting, 0, 1)
	w.granted <- nil
}

// nudge tells the queue that an HTTP/2 connection may have room: the first that can use it looks, and
// so does the first of all, which may need its place. Who leaves the queue nudges the next.
func (l *lines) nudge(s *site) {
	if l.limit == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(s.shared) == 0 {
		return
	}
	for i, w := range s.waiting {
		if i > 0 && w.http1 {
			continue
		}
		select {
		case w.look <- struct{}{}:
		default: // it has not looked yet since the last time
		}
		if !w.http1 {
			return
		}
	}
}
