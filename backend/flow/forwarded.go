package flow

import (
	"net/netip"
	"strings"
)

// Forwarded is the address so deep in X-Forwarded-For, counted from the right over all its fields: 1 is
// what the last proxy has written, and what stands before it may be the client's own words. false where
// there is none: then the request did not come the way that the depth was meant for.
func (h Header) Forwarded(depth int) (netip.Addr, bool) {
	for i := len(h) - 1; i >= 0; i-- {
		if !EqualFold(h[i].Name, "X-Forwarded-For") {
			continue
		}
		rest, more := h[i].Value, true
		for more {
			var entry string
			if at := strings.LastIndexByte(rest, ','); at >= 0 {
				rest, entry = rest[:at], rest[at+1:]
			} else {
				entry, more = rest, false
			}
			if depth--; depth == 0 {
				return addressOf(strings.TrimSpace(entry))
			}
		}
	}
	return netip.Addr{}, false
}

// addressOf reads an address as proxies write it: plain, in brackets, or with a port.
func addressOf(text string) (netip.Addr, bool) {
	if ip, err := netip.ParseAddr(strings.Trim(text, "[]")); err == nil {
		return ip.Unmap(), true
	}
	if at, err := netip.ParseAddrPort(text); err == nil {
		return at.Addr().Unmap(), true
	}
	return netip.Addr{}, false
}
