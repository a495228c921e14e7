package upstream

import (
	"net"
	"net/netip"
	"strings"

	"proxycache/backend/flow"
)

// origin is what a connection leads to. Connections are kept per origin. The scheme is "http", "https",
// "h2c" (HTTP/2 in the clear, RFC 9113 §3.3) or "unix", whose host is the path of the socket. Where host
// is one of several addresses of a name, name is that name: TLS asks for it.
type origin struct{ scheme, host, port, name string }

// originOf reads host[:port]; a port that is missing is the scheme's.
func originOf(scheme, authority string) origin {
	host, port := flow.SplitAuthority(authority)
	if port == "" {
		port = "80"
		if scheme == "https" {
			port = "443"
		}
	}
	return origin{scheme: scheme, host: strings.ToLower(host), port: port}
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

// serverName is what TLS asks for, where the settings say nothing else.
func (o origin) serverName() string {
	if o.name != "" {
		return o.name
	}
	return o.host
}

// target is a server that an exchange can be sent to.
type target struct {
	origin
	address string // host:port, or unix:/path
	shown   string // what exchanges and figures call it: its address with its base, or "demo"
	field   string // what host = "upstream" sends: as written, host[:port]
	base    string // what stands before every path: "/base", or ""
	site    *site
	*member // nil where the client named it
}
