package upstream

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"time"
)

// Resolver finds the addresses of a name; resolve.System is one.
type Resolver interface {
	// Lookup tells with the addresses how long they hold; 0 where that is not known.
	Lookup(ctx context.Context, host string) (ips []netip.Addr, ttl time.Duration, err error)
}

// names are the addresses of an origin that is given by its name. New connections look it up by
// themselves; this is about those that are open: they end once their address is none of the name's.
// Its fields are under lines.mu.
type names struct {
	resolver Resolver
	host     string
	every    time.Duration // so often it is looked up beside, and sooner where an answer holds shorter

	due     time.Time // not before
	running bool
	now     []netip.Addr // as last answered; nil before
	four    bool         // the answer began with an address of IPv4
	answers int          // that changed now
}

// lookUpWithin is how long a look-up beside may take.
const lookUpWithin = 10 * time.Second

// lookAgain begins a look-up beside when it is time. It is called under the lock, while s is in use.
func (l *lines) lookAgain(s *site, now time.Time) {
	n := s.names
	if n.due.IsZero() {
		n.due = now.Add(n.every)
	}
	if n.running || l.closed || now.Before(n.due) {
		return
	}
	n.running, n.due = true, now.Add(n.every)
	go l.lookUp(s)
}

// lookNow is lookAgain at once: an address did not answer.
func (l *lines) lookNow(s *site) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.names != nil {
		s.names.due = time.Now()
		l.lookAgain(s, s.names.due)
	}
}

// lookUp asks once. A look-up that fails changes nothing.
func (l *lines) lookUp(s *site) {
	ctx, cancel := context.WithTimeout(l.over, lookUpWithin)
	defer cancel()
	n := s.names
	ips, ttl, err := n.resolver.Lookup(ctx, n.host)
	if err == nil {
		l.learn(n, ips)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	n.running = false
	if err == nil {
		n.dueIn(ttl)
	}
}

// dueIn has the name looked up again when an answer that has just come does not hold any more.
func (n *names) dueIn(ttl time.Duration) {
	if ttl == 0 {
		ttl = n.every
	}
	n.due = time.Now().Add(min(ttl, n.every))
}

// learnFirst takes the answer that came before the first connection to s, where its name is looked up
// again. Later ones are left to the look-ups beside: where answers differ from one moment to the next,
// connections do not end with each.
func (l *lines) learnFirst(s *site, ips []netip.Addr, ttl time.Duration) {
	l.mu.Lock()
	n := s.names
	first := n != nil && n.now == nil
	if first {
		n.dueIn(ttl)
	}
	l.mu.Unlock()
	if first {
		l.learn(n, ips)
	}
}

// learn takes an answer, and closes the idle connections that lead to where the name no longer points.
func (l *lines) learn(n *names, ips []netip.Addr) {
	if len(ips) == 0 {
		return
	}
	l.mu.Lock()
	changed := n.changed(slices.Clone(ips))
	var idle []*conn
	var unused []*shared
	for _, s := range l.sites {
		if changed && s.names == n {
			some, more := l.moved(s)
			idle, unused = append(idle, some...), append(unused, more...)
		}
	}
	l.mu.Unlock()
	if changed && l.told != nil {
		l.told(n)
	}
	for _, c := range idle {
		c.end()
	}
	for _, h := range unused {
		h.retire()
	}
}

// changed takes an answer and tells whether it is another than the last.
func (n *names) changed(ips []netip.Addr) bool {
	four := ips[0].Unmap().Is4()
	for i, ip := range ips {
		ips[i] = ip.Unmap().WithZone("")
	}
	slices.SortFunc(ips, netip.Addr.Compare)
	if slices.Equal(ips, n.now) {
		return false
	}
	n.now, n.four = ips, four
	n.answers++
	return true
}

// moved removes the connections of s whose address is none any more; it is called under the lock.
func (l *lines) moved(s *site) (idle []*conn, unused []*shared) {
	left := s.idle[:0]
	for _, c := range s.idle {
		if s.moved(c) {
			idle = append(idle, c)
		} else {
			left = append(left, c)
		}
	}
	clear(s.idle[len(left):])
	s.idle = left
	l.total -= len(idle)
	return idle, s.drop(func(h *shared) bool { return !slices.Contains(s.names.now, h.ip) })
}

// moved tells whether c leads to an address that is none of the name's any more.
func (s *site) moved(c *conn) bool {
	if s.names == nil || c.answers == s.names.answers {
		return false
	}
	c.answers = s.names.answers
	return !slices.Contains(s.names.now, c.ip)
}

// ipOf is the address at the other end, or none.
func ipOf(c net.Conn) netip.Addr {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap().WithZone("")
	}
	return netip.Addr{}
}
