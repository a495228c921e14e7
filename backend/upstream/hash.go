package upstream

import (
	"math"
	"strings"

	"proxycache/backend/flow"
)

// hashKey is what of a request keeps to one target.
type hashKey struct {
	kind string // "client_ip", "uri", "header", "cookie", "query"
	name string
	said string // as people read it: "cookie sid"
}

// parseHashKey reads "client_ip", "uri", "header:NAME", "cookie:NAME" or "query:NAME".
func parseHashKey(text string) (hashKey, bool) {
	kind, name, named := strings.Cut(text, ":")
	switch kind {
	case "client_ip", "uri":
		return hashKey{kind: kind, said: kind}, !named
	case "header", "cookie":
		return hashKey{kind, name, kind + " " + name}, isToken(name)
	case "query":
		return hashKey{kind, name, kind + " " + name}, name != "" && !strings.ContainsAny(name, "&=#? ")
	}
	return hashKey{}, false
}

// of is the hash of what x has; false when it has none of it.
func (k hashKey) of(x *flow.Exchange) (uint64, bool) {
	switch k.kind {
	case "client_ip":
		return clientHash(x), x.Client.IsValid()
	case "uri":
		return hashOf(x.Request.Target), true
	case "header":
		value := x.Request.Header.Get(k.name)
		return hashOf(value), value != ""
	case "cookie":
		value := cookieOf(x.Request.Header, k.name)
		return hashOf(value), value != ""
	}
	value := queryOf(x.Request.Query(), k.name)
	return hashOf(value), value != ""
}

// clientHash is that of who asks: behind a proxy that is trusted, of whom that one names last.
func clientHash(x *flow.Exchange) uint64 {
	addr := x.Client.Addr()
	if x.Trusted {
		if said, ok := x.Request.Header.Forwarded(1); ok {
			addr = said
		}
	}
	bytes := addr.Unmap().As16()
	return hashOf(string(bytes[:]))
}

// cookieOf is the value of a cookie as it is sent; "" where it is not.
func cookieOf(h flow.Header, name string) string {
	for i := range h {
		if !flow.EqualFold(h[i].Name, "Cookie") {
			continue
		}
		for rest := h[i].Value; rest != ""; {
			var pair string
			pair, rest, _ = strings.Cut(rest, ";")
			if n, value, ok := strings.Cut(strings.TrimSpace(pair), "="); ok && n == name {
				return value
			}
		}
	}
	return ""
}

// queryOf is the first value of a parameter as it is sent.
func queryOf(query, name string) string {
	for query != "" {
		var pair string
		pair, query, _ = strings.Cut(query, "&")
		if n, value, _ := strings.Cut(pair, "="); n == name {
			return value
		}
	}
	return ""
}

// hashOf is FNV-1a, mixed. It is the same at every start: so are the targets that keys keep to.
func hashOf(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return mix(h)
}

// mix spreads every bit over all (the finaliser of SplitMix64).
func mix(h uint64) uint64 {
	h ^= h >> 30
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 27
	h *= 0x94d049bb133111eb
	return h ^ h>>31
}

// rendezvous is the target with the highest score for key (highest random weight): when one goes, only
// its keys move. With weights the score is -weight/ln(u), which gives each its share.
func rendezvous(among []*target, key uint64) *target {
	best, highest := among[0], math.Inf(-1)
	for _, t := range among {
		u := (float64(mix(key^t.seed)>>11) + 0.5) / (1 << 53)
		if score := -float64(t.weight) / math.Log(u); score > highest {
			best, highest = t, score
		}
	}
	return best
}
