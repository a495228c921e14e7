package upstream

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"proxycache/backend/problem"
)

// refuseThrough keeps what must not be reached from being reached through a proxy, as far as it can be
// known here: by its address in any spelling, and by a name, which the proxy looks up, where the proxy
// runs on this machine and the port is one of those that are refused. addresses are the proxy's.
func (p *Pool) refuseThrough(ctx context.Context, t *target, addresses []netip.AddrPort) error {
	port, err := strconv.ParseUint(t.port, 10, 16)
	if err != nil || port == 0 || t.host == "" {
		return p.noAddress(t)
	}
	refused := func(ip netip.Addr) bool {
		return p.refuse(netip.AddrPortFrom(ip.Unmap().WithZone(""), uint16(port)))
	}
	loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	host := strings.TrimSuffix(t.host, ".")
	if isLocalhost(host) {
		if refused(loopback) || refused(netip.IPv6Loopback()) {
			return p.forbidden(t)
		}
		return nil
	}
	if ip, ok := anyAddress(host); ok {
		if refused(ip) {
			return p.forbidden(t)
		}
		return nil
	}
	if !refused(loopback) || !slices.ContainsFunc(addresses, func(a netip.AddrPort) bool { return OwnAddress(a.Addr()) }) {
		return nil
	}
	ips, _, err := p.resolver.Lookup(ctx, host)
	if err != nil {
		return p.forbidden(t) // where it leads is not known
	}
	for _, ip := range ips {
		if refused(ip) {
			return p.forbidden(t)
		}
	}
	return nil
}

// refuseProxy refuses a proxy that is one of our own listeners, where what it is sent would come back to
// it without end: SOCKS5 has no Via to tell that by.
func (p *Pool) refuseProxy(addresses []netip.AddrPort) error {
	if p.proxy.scheme == "socks5" && slices.ContainsFunc(addresses, p.listens) {
		return problem.New(problem.Loop, "Connecting to the proxy %s: this is a listener of Proxycache itself. Name another program as proxy in %s, or none.", p.proxy.shown, p.section())
	}
	return nil
}

// OwnAddress tells the addresses of this machine. They may change while it runs; where they cannot be
// known, every address may be one.
func OwnAddress(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if a.IsLoopback() || a.IsUnspecified() {
		return true
	}
	all, err := net.InterfaceAddrs()
	return err != nil || slices.ContainsFunc(all, func(own net.Addr) bool {
		prefix, err := netip.ParsePrefix(own.String())
		return err == nil && prefix.Addr().Unmap() == a
	})
}

// anyAddress reads an address as systems do that take what inet_aton(3) takes: "127.1", "0x7f000001",
// "2130706433", "0177.0.0.1" are all 127.0.0.1.
func anyAddress(host string) (netip.Addr, bool) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip, true
	}
	parts := strings.Split(host, ".")
	if len(parts) > 4 {
		return netip.Addr{}, false
	}
	var sum uint64
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 0, 32)
		if err != nil || strings.ContainsAny(part, "_bBoO") {
			return netip.Addr{}, false
		}
		left := 8 * (4 - len(parts) + 1) // bits of the last part, which takes all that is left
		if i < len(parts)-1 {
			left = 8
		}
		if n >= 1<<left {
			return netip.Addr{}, false
		}
		sum = sum<<left | n
	}
	return netip.AddrFrom4([4]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)}), true
}
