package upstream

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"time"
)

// Resolver finds the addresses of a name; *net.Resolver is one. network is "ip".
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// names are the addresses of an origin that is given by its name. New connections look it up by
// themselves; this is about those that are open: they end once their address is none of the name's.
// Its fields are under lines.mu.
type names struct {
	resolver Resolver
	host     string
	every    time.Duration // at most so often it is looked up beside

	due     time.Time // not before
	running bool
	now     []netip.Addr // as last answered; nil before
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

// lookUp asks once, and closes the idle connections that lead to where the name no longer points. A
// look-up that fails changes nothing.
func (l *lines) lookUp(s *site) {
	ctx, cancel := context.WithTimeout(l.over, lookUpWithin)
	defer cancel()
	ips, err := s.names.resolver.LookupNetIP(ctx, "ip", s.names.host)
	l.mu.Lock()
	s.names.running = false
	var idle []*conn
	var unused []*shared
	if err == nil && len(ips) > 0 && s.names.changed(ips) {
		idle, unused = l.moved(s)
	}
	l.mu.Unlock()
	for _, c := range idle {
		c.end()
	}
	for _, h := range unused {
		h.retire()
	}
}

// changed takes an answer and tells whether it is another than the last.
func (n *names) changed(ips []netip.Addr) bool {
	for i, ip := range ips {
		ips[i] = ip.Unmap().WithZone("")
	}
	slices.SortFunc(ips, netip.Addr.Compare)
	if slices.Equal(ips, n.now) {
		return false
	}
	n.now = ips
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
