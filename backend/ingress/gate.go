package ingress

import (
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// places are those of connections. Who finds none waits.
type places struct {
	mu           sync.Mutex
	taken, limit int
	waited       int64         // how many had to wait
	freed        chan struct{} // closed when one is free; nil while nobody waits
}

func (p *places) allow(limit int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit = limit
	p.tell()
}

// take waits for a place; false when done is closed first.
func (p *places) take(done <-chan struct{}) bool {
	for first := true; ; first = false {
		p.mu.Lock()
		if p.taken < p.limit {
			p.taken++
			p.mu.Unlock()
			return true
		}
		if first {
			p.waited++
		}
		if p.freed == nil {
			p.freed = make(chan struct{})
		}
		freed := p.freed
		p.mu.Unlock()
		select {
		case <-freed:
		case <-done:
			return false
		}
	}
}

func (p *places) give() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	p.tell()
}

func (p *places) tell() {
	if p.freed != nil {
		close(p.freed)
		p.freed = nil
	}
}

func (p *places) read() (limit int, waited int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.limit, p.waited
}

// gate counts who was let in, and who was not.
type gate struct {
	accepted atomic.Int64

	inFlight, highest atomic.Int64 // exchanges that are being answered, and the most there were
	overInFlight      turnedAway
	overPerClient     turnedAway
	leaving           atomic.Int64 // connections that were refused and may still read why

	mu        sync.Mutex
	perClient map[netip.Addr]int
}

// turnedAway counts refusals for one reason.
type turnedAway struct {
	total, last, logged atomic.Int64 // last and logged in Unix nanoseconds
	over                atomic.Int64 // the limit that was reached last: it may be another one now
}

// add counts one more, and logs at most once a second.
func (r *turnedAway) add(log *slog.Logger, limit string, over int) {
	total, now := r.total.Add(1), time.Now().UnixNano()
	r.over.Store(int64(over))
	r.last.Store(now)
	if before := r.logged.Load(); now-before >= int64(time.Second) && r.logged.CompareAndSwap(before, now) {
		log.Warn("clients are refused, for a limit is reached", "limit", limit, "at", over, "refused", total)
	}
}

// acquire lets one more exchange be answered; false when as many are as may be. Who was let in calls
// release, once.
func (s *Server) acquire() bool {
	g := &s.gate
	now := g.inFlight.Add(1)
	if most := s.limits.Load().InFlight; most > 0 && now > int64(most) {
		g.inFlight.Add(-1)
		g.overInFlight.add(s.options.Log, "in_flight", most)
		return false
	}
	for highest := g.highest.Load(); now > highest && !g.highest.CompareAndSwap(highest, now); {
		highest = g.highest.Load()
	}
	return true
}

func (s *Server) release() { s.gate.inFlight.Add(-1) }

// origin is what counts as one client: a network of 64 bits is what an IPv6 subscriber has at least.
func origin(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}

// enter counts the connection for its client; false when that has as many as it may.
func (c *client) enter() bool {
	g, most := &c.server.gate, c.server.limits.Load().PerClient
	from := origin(c.address.Addr())
	g.mu.Lock()
	defer g.mu.Unlock()
	if most > 0 && g.perClient[from] >= most {
		g.overPerClient.add(c.server.options.Log, "connections_per_client", most)
		return false
	}
	if g.perClient == nil {
		g.perClient = map[netip.Addr]int{}
	}
	g.perClient[from]++
	c.origin = from
	c.entered = true
	return true
}

// leave takes back what enter counted.
func (c *client) leave() {
	if !c.entered {
		return
	}
	g := &c.server.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.perClient[c.origin]--; g.perClient[c.origin] == 0 {
		delete(g.perClient, c.origin)
	}
}
