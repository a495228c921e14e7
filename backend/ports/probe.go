package ports

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
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

// answer is what a server said.
type answer struct {
	http bool
	no   int       // how often it did not answer like HTTP
	next time.Time // when it may be asked again
}

// due tells whether to ask: never again what has answered, and the rest after 5, 10, 20 … seconds. A
// server may listen before it is ready to answer.
func (a answer) due(now time.Time) bool { return !a.http && !now.Before(a.next) }

func (a answer) after(speaks bool, now time.Time) answer {
	if speaks {
		return answer{http: true}
	}
	return answer{no: a.no + 1, next: now.Add(5 * time.Second << min(a.no, 10))}
}

// ask asks those that are due, all at once, and forgets those that are gone.
func (f *Finder) ask(ctx context.Context, found []listener) map[listener]answer {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	answers := map[listener]answer{}
	var due []listener
	for _, l := range found {
		answers[l] = f.asked[l]
		if answers[l].due(now) && worthAsking(l) {
			due = append(due, l)
		}
	}
	for i, speaks := range probe(ctx, due) {
		answers[due[i]] = answers[due[i]].after(speaks, now)
	}
	f.asked = answers
	return answers
}

// worthAsking leaves out our own ports, where the question would be traffic, those that loopback does
// not reach, and those of other protocols.
func worthAsking(l listener) bool {
	return l.pid != os.Getpid() && reachable(l.address) != "" && !slices.Contains(otherwise, l.address.Port())
}

// probe asks all of them whether they speak HTTP.
func probe(ctx context.Context, all []listener) []bool {
	ctx, cancel := context.WithTimeout(ctx, probesTime)
	defer cancel()
	out := make([]bool, len(all))
	free := make(chan struct{}, probesMost)
	var asking sync.WaitGroup
	for i, l := range all {
		asking.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			out[i] = speaksHTTP(ctx, reachable(l.address))
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
