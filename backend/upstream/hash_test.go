package upstream

import (
	"fmt"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"proxycache/backend/flow"
)

// hashed is a pool that keeps what key names to one target.
func hashed(t testing.TB, key string, weights ...int) *Pool {
	return pooled(t, byHash, func(s *Settings) { s.Hash = key }, weights...)
}

func TestWhatIsHashed(t *testing.T) {
	request := func(ip, path string, fields ...string) *flow.Exchange {
		x := askIn(t.Context(), flow.Reverse, "GET", "http://shop.localhost"+path, fields...)
		x.Client = netip.AddrPortFrom(netip.MustParseAddr(ip), 4711)
		return x
	}
	trusted := func(ip string, said ...string) *flow.Exchange {
		x := request(ip, "/")
		for _, line := range said {
			x.Request.Header.Add("X-Forwarded-For", line)
		}
		x.Trusted = true
		return x
	}
	cases := []struct {
		key         string
		a, b, other *flow.Exchange // a and b have the same; other has another
		missing     *flow.Exchange // has none
	}{
		{"client_ip", request("192.0.2.1", "/a"), request("::ffff:192.0.2.1", "/b"), request("192.0.2.2", "/a"), nil},
		{"client_ip", trusted("127.0.0.1", "9.9.9.9, 192.0.2.1"), request("192.0.2.1", "/"), request("127.0.0.1", "/", "X-Forwarded-For: 192.0.2.1"), nil},
		{"client_ip", trusted("127.0.0.1", "192.0.2.7", "192.0.2.1"), trusted("127.0.0.1", "192.0.2.8, 192.0.2.1"), trusted("127.0.0.1", "192.0.2.1", "192.0.2.7"), nil},
		{"client_ip", trusted("127.0.0.1", "192.0.2.1:4711"), request("192.0.2.1", "/"), trusted("127.0.0.1", "192.0.2.2:4711"), nil},
		{"client_ip", trusted("127.0.0.1", "[2001:db8::1]:443"), trusted("127.0.0.1", "2001:db8::1"), trusted("127.0.0.1", "unknown"), nil},
		{"uri", request("192.0.2.1", "/a?x=1"), request("192.0.2.2", "/a?x=1"), request("192.0.2.1", "/a?x=2"), nil},
		{"header:X-Tenant", request("192.0.2.1", "/", "x-tenant: a"), request("192.0.2.2", "/", "X-Tenant: a"), request("192.0.2.1", "/", "X-Tenant: b"), request("192.0.2.1", "/")},
		{"cookie:sid", request("192.0.2.1", "/", "Cookie: a=1; sid=x"), request("192.0.2.1", "/", "Cookie: b=2", "Cookie: sid=x"), request("192.0.2.1", "/", "Cookie: sid=y"), request("192.0.2.1", "/", "Cookie: xsid=x; sid")},
		{"query:user", request("192.0.2.1", "/?a&user=1"), request("192.0.2.1", "/b?user=1&user=2"), request("192.0.2.1", "/?user=2"), request("192.0.2.1", "/?xuser=1")},
	}
	for _, c := range cases {
		key, ok := parseHashKey(c.key)
		if !ok {
			t.Fatalf("%s is no key", c.key)
		}
		of := func(x *flow.Exchange) uint64 {
			h, ok := key.of(x)
			if !ok {
				t.Errorf("%s is not found in %v", c.key, x.Request)
			}
			return h
		}
		if of(c.a) != of(c.b) || of(c.a) == of(c.other) {
			t.Errorf("%s: %x, %x, and %x", c.key, of(c.a), of(c.b), of(c.other))
		}
		if c.missing != nil {
			if _, ok := key.of(c.missing); ok {
				t.Errorf("%s is found where it is not", c.key)
			}
		}
	}
}

func TestARequestWithoutTheKeyIsSentInTurn(t *testing.T) {
	p := hashed(t, "header:X-Tenant", 1, 1)
	x := bare(t)
	if got := picks(p, x, 4); got != "abab" {
		t.Errorf("without it comes %s", got)
	}
	if got := fact(x, "picked"); got != "weighted_round_robin: the request has no header X-Tenant: b, weight 1 of 2" {
		t.Errorf("the trail says %q", got)
	}
	x.Request.Header.Add("X-Tenant", "acme")
	if got := counted(p, x, 10); len(got) != 1 {
		t.Errorf("with it come %v", got)
	}
}

// TestRendezvousMovesOnlyWhatItMust: when a target goes, its keys spread over the others and no other
// key moves; when one comes, it takes its share and nothing else moves.
func TestRendezvousMovesOnlyWhatItMust(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.IntRange(2, 12).Draw(r, "targets")
		gone := rapid.IntRange(0, n-1).Draw(r, "gone")
		weights := rapid.SliceOfN(rapid.IntRange(1, 5), n, n).Draw(r, "weights")
		p := hashed(t, "uri", weights...)
		defer p.Close()
		all := p.balance.all()
		left := append(append([]*target{}, all[:gone]...), all[gone+1:]...)
		const keys = 2000
		total, moved := 0, 0
		for _, w := range weights {
			total += w
		}
		for i := range keys {
			key := hashOf(fmt.Sprint("/item/", i))
			before, after := rendezvous(all, key), rendezvous(left, key)
			if before != after {
				moved++
				if before != all[gone] {
					r.Fatalf("a key of %s went to %s", before.shown, after.shown)
				}
			}
		}
		share := float64(weights[gone]) / float64(total)
		if got := float64(moved) / keys; got < share*0.7-0.02 || got > share*1.3+0.02 {
			r.Fatalf("%.3f of the keys moved, the share of the target is %.3f", got, share)
		}
	})
}

func TestKeysStayWhenTheServerStartsAgain(t *testing.T) {
	one, two := hashed(t, "uri", 1, 1, 1), hashed(t, "uri", 1, 1, 1)
	for i := range 100 {
		key := hashOf(fmt.Sprint(i))
		if a, b := rendezvous(one.balance.all(), key), rendezvous(two.balance.all(), key); a.shown != b.shown {
			t.Fatalf("key %d is sent to %s and to %s", i, a.shown, b.shown)
		}
	}
	if got := hashOf("proxycache"); got != 0x21d82100017201a9 {
		t.Errorf("the hash is %#x: keys of running installations move", got)
	}
}
