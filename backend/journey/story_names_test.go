package journey

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"proxycache/backend/resolve"
)

// storyNames are the names of a story; others are the system's.
type storyNames struct {
	mu    sync.Mutex
	known map[string][]netip.Addr
}

func (n *storyNames) Lookup(ctx context.Context, host string) ([]netip.Addr, time.Duration, error) {
	n.mu.Lock()
	addresses, ok := n.known[host]
	n.mu.Unlock()
	if ok {
		return addresses, 0, nil
	}
	return resolve.System{}.Lookup(ctx, host)
}

func (s *telling) naming(one section) error {
	for i, line := range one.lines() {
		words := strings.Fields(line)
		if len(words) < 2 {
			return stop{at(i+1, "%q: write a name and its addresses", line)}
		}
		var addresses []netip.Addr
		for _, text := range words[1:] {
			a, err := netip.ParseAddr(text)
			if err != nil {
				return stop{at(i+1, "%q is no address", text)}
			}
			addresses = append(addresses, a)
		}
		s.names.mu.Lock()
		s.names.known[words[0]] = addresses
		s.names.mu.Unlock()
	}
	if len(one.lines()) == 0 {
		return stop{fmt.Errorf("write names and their addresses")}
	}
	return nil
}
