package upstream

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"proxycache/backend/flow"
)

// origin is what a connection leads to. Connections are kept per origin. The scheme is "http", "https",
// "h2c" (HTTP/2 in the clear, RFC 9113 §3.3) or "unix", whose host is the path of the socket.
type origin struct{ scheme, host, port string }

// originOf reads host[:port]; a port that is missing is the scheme's.
func originOf(scheme, authority string) origin {
	host, port := flow.SplitAuthority(authority)
	if port == "" {
		port = "80"
		if scheme == "https" {
			port = "443"
		}
	}
	return origin{scheme, strings.ToLower(host), port}
}

func (o origin) address() string {
	if o.scheme == "unix" {
		return "unix:" + o.host
	}
	return net.JoinHostPort(o.host, o.port)
}

// isName tells whether the addresses of o are found by looking its host up.
func (o origin) isName() bool {
	if o.scheme == "unix" || isLocalhost(o.host) {
		return false
	}
	_, err := netip.ParseAddr(o.host)
	return err != nil
}

// target is a server that an exchange can be sent to.
type target struct {
	origin
	address string // host:port, or unix:/path
	shown   string // what exchanges and figures call it: its address, or "demo"
	field   string // what host = "upstream" sends: as written, host[:port]
	base    string // what stands before every path: "/base", or ""
	site    *site

	// Of the balance, under its lock.
	weight  int
	current int       // smooth weighted round robin
	rests   time.Time // until then it is tried last: it could not be reached
}

// rest is for how long a target that could not be reached is tried last.
const rest = 5 * time.Second

// balance spreads exchanges by smooth weighted round robin: of weights 3 and 1 come a a b a.
type balance struct {
	mu      sync.Mutex
	targets []*target
}

// next picks among the targets that are not in tried: one that does not rest, else the one whose
// rest ends first; nil when all were tried.
func (b *balance) next(tried []*target) *target {
	if len(b.targets) == 1 {
		if len(tried) == 0 {
			return b.targets[0]
		}
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	var best, resting *target
	total := 0
	for _, t := range b.targets {
		switch {
		case slices.Contains(tried, t):
		case now.Before(t.rests):
			if resting == nil || t.rests.Before(resting.rests) {
				resting = t
			}
		default:
			t.current += t.weight
			total += t.weight
			if best == nil || t.current > best.current {
				best = t
			}
		}
	}
	if best == nil {
		return resting
	}
	best.current -= total
	return best
}

// failed lets t rest, reached ends its rest.
func (b *balance) failed(t *target) { b.restUntil(t, time.Now().Add(rest)) }

func (b *balance) reached(t *target) {
	if len(b.targets) > 1 {
		b.restUntil(t, time.Time{})
	}
}

func (b *balance) restUntil(t *target, end time.Time) {
	b.mu.Lock()
	t.rests = end
	b.mu.Unlock()
}
