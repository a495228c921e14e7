package ports

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	probeTime  = 500 * time.Millisecond // for one port
	probesTime = time.Second            // for all of them
	probesMost = 16                     // at a time
)

// otherwise are ports whose servers are known to speak something else, and are left in peace: Redis
// takes a Host field for an attack and logs one, PostgreSQL logs a broken packet.
var otherwise = []uint16{
	21, 22, 23, 25, 53, 110, 111, 139, 143, 389, 445, 465, 587, 636, 993, 995, 1433, 1521, 2049, 3306, 3389,
	5222, 5353, 5432, 5672, 5900, 6000, 6379, 9042, 9092, 11211, 26379, 27017,
}

// probe asks all listeners at once whether they speak HTTP. Those of the process own are not asked:
// the question would be traffic.
func probe(ctx context.Context, all []listener, own int) []bool {
	ctx, cancel := context.WithTimeout(ctx, probesTime)
	defer cancel()
	out := make([]bool, len(all))
	free := make(chan struct{}, probesMost)
	var asking sync.WaitGroup
	for i, l := range all {
		address := reachable(l.address)
		if address == "" || l.pid == own || slices.Contains(otherwise, l.address.Port()) {
			continue
		}
		asking.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			out[i] = speaksHTTP(ctx, address)
		})
	}
	asking.Wait()
	return out
}

// reachable is where to ask for what listens at a; "" for what loopback does not reach.
func reachable(a netip.AddrPort) string {
	switch ip := a.Addr(); {
	case ip.IsLoopback():
		return a.String()
	case ip.IsUnspecified() && ip.Is4():
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), a.Port()).String()
	case ip.IsUnspecified():
		return netip.AddrPortFrom(netip.IPv6Loopback(), a.Port()).String()
	}
	return ""
}

// speaksHTTP asks "OPTIONS *", which RFC 9110 §9.3.7 calls a ping: it is about the server as a whole,
// so that no page is made, nothing is counted as a visit, and most applications never see it. Any
// answer that begins like HTTP will do, a refusal too. The User-Agent says in their log who asked.
func speaksHTTP(ctx context.Context, address string) bool {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	if _, err := fmt.Fprintf(c, "OPTIONS * HTTP/1.1\r\nHost: %s\r\nUser-Agent: Proxycache (looks for local servers)\r\nConnection: close\r\n\r\n", address); err != nil {
		return false
	}
	var begin [5]byte
	if _, err := io.ReadFull(c, begin[:]); err != nil {
		return false
	}
	return string(begin[:]) == "HTTP/"
}
