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

// maxSpoken bounds the origins whose protocol is remembered.
const maxSpoken = 1024

// lines are the connections of a pool that wait for their next exchange.
type lines struct {
	perOrigin int
	timeout   time.Duration

	mu     sync.Mutex
	closed bool
	idle   map[origin][]*conn   // the last used last
	shared map[origin][]*shared // HTTP/2: in use and idle ones
	spoken map[origin]string    // what TLS agreed on at the last connection: "h2", "http/1.1"
	gates  map[origin]*gate
	total  int // of idle
	sweep  *time.Timer
}

// gate lets one exchange at a time open a connection to an origin that may speak HTTP/2: the others
// wait and share it.
type gate struct {
	enter chan struct{}
	users int // under lines.mu; the last one removes it
}

func (l *lines) open(s dialing) {
	l.perOrigin, l.timeout = s.MaxIdle, s.idleTimeout()
	l.idle, l.shared = map[origin][]*conn{}, map[origin][]*shared{}
	l.spoken, l.gates = map[origin]string{}, map[origin]*gate{}
}

// take is the idle connection to o that was used last, or nil.
func (l *lines) take(o origin) *conn {
	for {
		c := l.pop(o)
		if c == nil || time.Since(c.since) < l.timeout && c.quiet() {
			return c
		}
		c.end()
	}
}

func (l *lines) pop(o origin) *conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := l.idle[o]
	if len(list) == 0 {
		return nil
	}
	c := list[len(list)-1]
	l.idle[o] = slices.Delete(list, len(list)-1, len(list))
	l.total--
	return c
}

// put keeps c for the next exchange, or closes it where there is no place.
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
	if l.closed || l.perOrigin == 0 {
		return c
	}
	list := l.idle[c.origin]
	switch {
	case len(list) >= l.perOrigin:
		surplus = list[0]
		list = slices.Delete(list, 0, 1)
		l.total--
	case l.total >= maxIdleTotal:
		surplus = l.oldest()
		list = l.idle[c.origin]
	}
	l.idle[c.origin] = append(list, c)
	l.total++
	l.sweepLater()
	return surplus
}

// oldest removes the connection that has been idle for longest.
func (l *lines) oldest() *conn {
	var oldest *conn
	for _, list := range l.idle {
		if len(list) > 0 && (oldest == nil || list[0].since.Before(oldest.since)) {
			oldest = list[0]
		}
	}
	l.idle[oldest.origin] = slices.Delete(l.idle[oldest.origin], 0, 1)
	l.total--
	return oldest
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
	for o, list := range l.idle {
		n := 0
		for n < len(list) && !list[n].since.After(limit) {
			n++
		}
		conns = append(conns, list[:n]...)
		l.total -= n
		if n == len(list) {
			delete(l.idle, o)
		} else {
			l.idle[o] = slices.Delete(list, 0, n)
		}
	}
	for o := range l.shared {
		unused = append(unused, l.dropShared(o, func(s *shared) bool { return s.dead() || s.idleSince(limit) })...)
	}
	if l.total > 0 || len(l.shared) > 0 {
		l.sweepLater()
	}
	return conns, unused
}

// dropShared removes those of o that are to go; it is called under the lock.
func (l *lines) dropShared(o origin, gone func(*shared) bool) (out []*shared) {
	left := slices.DeleteFunc(l.shared[o], func(s *shared) bool {
		if gone(s) {
			out = append(out, s)
			return true
		}
		return false
	})
	if len(left) == 0 {
		delete(l.shared, o)
	} else {
		l.shared[o] = left
	}
	return out
}

// share is an HTTP/2 connection to o that has room for one more exchange, with that room reserved.
func (l *lines) share(o origin) *shared {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.shared[o] {
		if s.reserve() {
			return s
		}
	}
	return nil
}

// add makes an HTTP/2 connection known to others. Where it cannot be kept it ends with its exchange.
func (l *lines) add(s *shared) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.perOrigin == 0 {
		s.retire()
		return
	}
	l.dropShared(s.origin, (*shared).dead)
	l.shared[s.origin] = append(l.shared[s.origin], s)
	l.sweepLater()
}

// speaks notes what o agreed on.
func (l *lines) speaks(o origin, protocol string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.spoken) >= maxSpoken {
		clear(l.spoken)
	}
	l.spoken[o] = protocol
}

func (l *lines) protocol(o origin) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.spoken[o]
}

// pass waits until nobody else opens a connection to o; leave must be called then. False when ctx
// ended before.
func (l *lines) pass(ctx context.Context, o origin) (leave func(), ok bool) {
	l.mu.Lock()
	g := l.gates[o]
	if g == nil {
		g = &gate{enter: make(chan struct{}, 1)}
		l.gates[o] = g
	}
	g.users++
	l.mu.Unlock()
	release := func() {
		l.mu.Lock()
		if g.users--; g.users == 0 {
			delete(l.gates, o)
		}
		l.mu.Unlock()
	}
	select {
	case g.enter <- struct{}{}:
		return func() { <-g.enter; release() }, true
	case <-ctx.Done():
		release()
		return nil, false
	}
}

// close closes what is idle and keeps nothing from now on.
func (l *lines) close() {
	l.mu.Lock()
	l.closed = true
	if l.sweep != nil {
		l.sweep.Stop()
		l.sweep = nil
	}
	idle, sharedBefore := l.idle, l.shared
	l.idle, l.shared, l.total = map[origin][]*conn{}, map[origin][]*shared{}, 0
	l.mu.Unlock()
	for _, list := range idle {
		for _, c := range list {
			c.end()
		}
	}
	for _, list := range sharedBefore {
		for _, s := range list {
			s.retire()
		}
	}
}
