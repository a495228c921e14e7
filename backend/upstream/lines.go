package upstream

import (
	"context"
	"slices"
	"sync"
	"time"

	"proxycache/backend/flow"
)

// line is a connection that can take one more exchange.
type line interface {
	send(k *call) (*flow.Response, error)
}

// maxIdleTotal bounds the idle connections of a pool over all origins: a forward pool is sent anywhere.
const maxIdleTotal = 512

// lines are the connections of a pool: how many there are, and those that wait for their next
// exchange.
type lines struct {
	perOrigin int // idle ones kept
	limit     int // open ones to one origin; 0 for none
	queue     int // exchanges that may wait for one
	timeout   time.Duration
	patience  time.Duration       // with a target that takes nothing of a request
	watched   func(origin) *names // what looks the name of a new site up again, or nil
	told      func(*names)        // hears of names that have moved, without the lock; nil where nobody does

	mu        sync.Mutex
	closed    bool
	sites     map[origin]*site
	total     int // of idle ones
	sweep     *time.Timer
	forgotten Usage           // what sites counted that are no longer known
	over      context.Context // ends with the pool: what looks names up beside
	end       context.CancelFunc
}

func (l *lines) open(s dialing) {
	l.perOrigin, l.timeout = s.MaxIdle, s.idleTimeout()
	l.limit, l.queue, l.patience = s.MaxConnections, s.Queue, writeTimeout
	l.sites, l.watched = map[origin]*site{}, func(origin) *names { return nil }
	l.over, l.end = context.WithCancel(context.Background())
}

// take is the idle connection to s that was used last, or nil.
func (l *lines) take(s *site) *conn {
	for {
		c := l.pop(s)
		if c == nil || time.Since(c.since) < l.timeout && c.usable() {
			return c
		}
		c.end()
	}
}

func (l *lines) pop(s *site) *conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(s.idle) == 0 {
		return nil
	}
	s.reused++
	return l.popAt(s, s.latest())
}

// lately is how many of the connections that were used last are looked at.
const lately = 16

// latest is the idle connection that was used last, or one that was used little earlier and of which is known
// that nothing has come since: many are given back between two words of the poller. It is called under the lock.
func (s *site) latest() int {
	last := len(s.idle) - 1
	for i := last; i >= max(0, last-lately); i-- {
		if a := s.idle[i].asker; a == nil || a.Silent() {
			return i
		}
	}
	return last
}

// popAt is called under the lock.
func (l *lines) popAt(s *site, i int) *conn {
	c := s.idle[i]
	s.idle = slices.Delete(s.idle, i, i+1)
	l.total--
	return c
}

// put gives c to who waits for one, keeps it for the next exchange, or closes it where there is no
// place.
func (l *lines) put(c *conn) {
	c.since = time.Now()
	if surplus := l.keep(c); surplus != nil {
		surplus.end()
	}
}

// keep returns the connection that must go instead.
func (l *lines) keep(c *conn) (surplus *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := c.site
	if s.names != nil {
		l.lookAgain(s, c.since)
	}
	switch {
	case l.closed || s.gone || c.once || s.moved(c):
		return c
	case len(s.waiting) > 0:
		return s.handOn(c)
	case l.perOrigin == 0:
		return c
	case len(s.idle) >= l.perOrigin:
		surplus = l.popAt(s, 0)
	case l.total >= maxIdleTotal:
		surplus = l.oldest()
	}
	s.idle = append(s.idle, c)
	l.total++
	l.sweepLater()
	return surplus
}

// oldest removes the connection that has been idle for longest.
func (l *lines) oldest() *conn {
	var oldest *site
	for _, s := range l.sites {
		if len(s.idle) > 0 && (oldest == nil || s.idle[0].since.Before(oldest.idle[0].since)) {
			oldest = s
		}
	}
	return l.popAt(oldest, 0)
}

// sweepLater is called under the lock.
func (l *lines) sweepLater() {
	if l.sweep == nil && !l.closed {
		l.sweep = time.AfterFunc(l.timeout, l.sweepNow)
	}
}

// sweepNow closes what has been idle for too long.
func (l *lines) sweepNow() {
	conns, unused := l.expired()
	for _, c := range conns {
		c.end()
	}
	for _, s := range unused {
		s.close()
	}
}

func (l *lines) expired() (conns []*conn, unused []*shared) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sweep = nil
	limit := time.Now().Add(-l.timeout)
	left := false
	for _, s := range l.sites {
		for len(s.idle) > 0 && !s.idle[0].since.After(limit) {
			conns = append(conns, l.popAt(s, 0))
		}
		unused = append(unused, s.drop(func(h *shared) bool { return h.dead() || h.idleSince(limit) })...)
		left = left || len(s.idle) > 0 || len(s.shared) > 0
	}
	if left {
		l.sweepLater()
	}
	return conns, unused
}

// share is an HTTP/2 connection to s that has room for one more exchange, with that room reserved.
func (l *lines) share(ctx context.Context, s *site) *shared {
	l.mu.Lock()
	list := s.shared
	l.mu.Unlock()
	for _, h := range list {
		if h.reserve(ctx) {
			l.mu.Lock()
			s.reused++
			if s.names != nil {
				l.lookAgain(s, time.Now())
			}
			l.mu.Unlock()
			return h
		}
	}
	return nil
}

// add makes an HTTP/2 connection known to others. Where it cannot be kept it ends with its exchange.
func (l *lines) add(h *shared) {
	l.mu.Lock()
	s := h.site
	keep := !l.closed && !s.gone && l.perOrigin > 0
	if keep {
		s.drop((*shared).dead)
		s.shared = append(slices.Clone(s.shared), h)
		l.sweepLater()
	}
	l.mu.Unlock()
	if keep {
		l.nudge(s)
	} else {
		h.retire()
	}
}

// close closes what is idle and keeps nothing from now on.
func (l *lines) close() {
	l.mu.Lock()
	l.closed = true
	l.end()
	if l.sweep != nil {
		l.sweep.Stop()
		l.sweep = nil
	}
	var idle []*conn
	var unused []*shared
	for _, s := range l.sites {
		idle, unused = append(idle, s.idle...), append(unused, s.shared...)
		s.idle, s.shared = nil, nil
	}
	l.total = 0
	l.mu.Unlock()
	for _, c := range idle {
		c.end()
	}
	for _, h := range unused {
		h.retire()
	}
}
