// Package resolve finds the addresses of names as the system does, and learns how long they hold.
//
// Package net keeps the time to live of an answer (TTL, RFC 1035 §3.2.1) to itself. But it lets the
// connections to the DNS servers be made by others, and these see what comes on them. Where the system's own
// resolver is asked instead (on macOS and Windows, and where nsswitch.conf has a Linux ask something that
// package net does not know), and for names from the hosts file, nobody says how long an answer holds.
package resolve

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"time"
)

// System asks what the system asks: the hosts file, DNS servers, the system's own resolver.
type System struct {
	server string // host:port asked in place of the system's DNS servers; for tests
}

// Lookup finds the addresses of a name, of both families. The errors are those of net.Resolver.
//
// ttl is how long they hold: the shortest time of all records on the way to them, a second for none at all;
// 0 where that is not known.
func (s System) Lookup(ctx context.Context, host string) (ips []netip.Addr, ttl time.Duration, err error) {
	var h holding
	// One for each look-up: two of the same name at one time would share an answer of which one hears nothing.
	r := net.Resolver{PreferGo: s.server != "", Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		if s.server != "" {
			address = s.server
		}
		var d net.Dialer
		c, err := d.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return h.listen(c), nil
	}}
	ips, err = r.LookupNetIP(ctx, "ip", host)
	return ips, h.read(), err
}

// holding is the shortest time for which the answers of one look-up hold.
type holding struct {
	mu    sync.Mutex
	known bool
	ttl   time.Duration
}

func (h *holding) take(ttl time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.known || ttl < h.ttl {
		h.known, h.ttl = true, ttl
	}
}

func (h *holding) read() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.known {
		return 0
	}
	return max(h.ttl, time.Second)
}
