package upstream

import (
	"context"
	"slices"
	"time"
)

// maxSites bounds the origins that a pool remembers; those with a connection are kept beyond it.
const maxSites = 1024

// site is what a pool knows of one origin. Its fields are under lines.mu.
type site struct {
	origin origin
	fixed  bool // of a target in the settings: never forgotten
	gone   bool // was forgotten: what is still in use ends with its exchange
	used   time.Time

	idle   []*conn   // the last used last
	shared []*shared // HTTP/2: in use and idle ones. Replaced and never changed: it is read without the lock
	spoken string    // what TLS agreed on at the last connection: "h2", "http/1.1"
	gate   chan struct{}

	open    int       // connections, with those that are being opened
	waiting []*waiter // in the order in which they came
	names   *names    // nil where there is no name to look up

	opened, reused int64
	faults         Faults
}

// at is the site of o.
func (l *lines) at(o origin) *site {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.sites[o]
	if s == nil {
		if len(l.sites) >= maxSites {
			l.forget()
		}
		s = &site{origin: o, gate: make(chan struct{}, 1), names: l.watched(o)}
		l.sites[o] = s
	}
	s.used = time.Now()
	return s
}

// forget makes room: the site goes that has no connection and was used longest ago.
func (l *lines) forget() {
	var last *site
	for _, s := range l.sites {
		if !s.fixed && s.open == 0 && len(s.waiting) == 0 && (last == nil || s.used.Before(last.used)) {
			last = s
		}
	}
	if last != nil {
		last.gone = true
		l.forgotten.add(Usage{Opened: last.opened, Reused: last.reused, Faults: last.faults})
		delete(l.sites, last.origin)
	}
}

// drop removes the HTTP/2 connections that are to go; it is called under the lock.
func (s *site) drop(gone func(*shared) bool) (out []*shared) {
	for _, h := range s.shared {
		if gone(h) {
			out = append(out, h)
		}
	}
	if len(out) > 0 {
		s.shared = slices.DeleteFunc(slices.Clone(s.shared), func(h *shared) bool { return slices.Contains(out, h) })
	}
	return out
}

// speaks notes what s agreed on.
func (l *lines) speaks(s *site, protocol string) {
	l.mu.Lock()
	s.spoken = protocol
	l.mu.Unlock()
}

func (l *lines) protocol(s *site) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return s.spoken
}

// pass waits until nobody else opens a connection to s that may speak HTTP/2: the others wait and
// share it. leave must be called then. False when ctx ended before.
func (s *site) pass(ctx context.Context) (leave func(), ok bool) {
	select {
	case s.gate <- struct{}{}:
		return func() { <-s.gate }, true
	case <-ctx.Done():
		return nil, false
	}
}

// opened counts a new connection and returns which answer of the name it is by.
func (l *lines) opened(s *site) (answers int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s.opened++
	if s.names == nil {
		return 0
	}
	return s.names.answers
}
