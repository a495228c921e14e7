package http1

import (
	"net/netip"
	"strings"
)

// originSize bounds what stands before the path: a scheme, and a name of at most 255 bytes (RFC 1035
// §2.3.4), which escapes may make three times as long, with its port.
const originSize = 1 << 10

// checkSize keeps a target, or what has come of it, within the limit. That is of the path and the
// query: the absolute-form of a request may be no longer there than its origin-form.
func checkSize(target string, l Limits) *Error {
	path := pathIn(target)
	switch {
	case len(target)-path > l.Target:
		return refuse(414, "the path and the query of the request target are longer than %d bytes", l.Target)
	case path > originSize:
		return refuse(414, "what the request target has before its path is longer than %d bytes", originSize)
	}
	return nil
}

// pathIn is where the path and the query begin; in the forms that have none, at the end.
func pathIn(target string) int {
	if strings.HasPrefix(target, "/") {
		return 0
	}
	_, rest, _ := strings.Cut(target, "://")
	if path := strings.IndexAny(rest, "/?"); path >= 0 {
		return len(target) - len(rest) + path
	}
	return len(target)
}

// checkForm tells whether the target has the form its method asks for (RFC 9112 §3.2).
func checkForm(method, target string) *Error {
	switch {
	case method == "CONNECT":
		return checkTunnel(target)
	case target[0] == '/':
		return nil
	case target == "*" && method == "OPTIONS":
		return nil
	}
	scheme, rest, ok := strings.Cut(target, "://")
	if !ok || !isScheme(scheme) {
		return bad("the request target %s is neither a path nor an absolute URI (RFC 9112 §3.2)", excerpt(target))
	}
	authority := rest
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		authority = rest[:i]
	}
	if strings.Contains(authority, "@") {
		return bad("the request target names a user before its host (RFC 9110 §4.2.4)") // and no word of a password
	}
	if host, _, ok := splitHost(authority); !ok || host == "" {
		return bad("the request target names the host %s, a host with an optional port is needed (RFC 9110 §4.2)", excerpt(authority))
	}
	return nil
}

// isScheme reads a scheme (RFC 3986 §3.1).
func isScheme(s string) bool {
	for i := range len(s) {
		if !is(s[i], alpha) && (i == 0 || !is(s[i], digit) && !strings.ContainsRune("+-.", rune(s[i]))) {
			return false
		}
	}
	return s != ""
}

// checkTunnel reads authority-form (RFC 9112 §3.2.3). CONNECT needs a port one can connect to
// (RFC 9110 §9.3.6).
func checkTunnel(target string) *Error {
	host, port, ok := splitHost(target)
	n, numeric := number(port)
	if !ok || host == "" || !numeric || n < 1 || n > 65535 {
		return bad("CONNECT names %s, a host and a port from 1 to 65535 are needed (RFC 9110 §9.3.6)", excerpt(target))
	}
	return nil
}

// checkHost applies RFC 9112 §3.2.
func (f *framing) checkHost(proto string) *Error {
	switch {
	case f.hosts > 1:
		return bad("the request has more than one Host (RFC 9112 §3.2)")
	case f.hosts == 0 && proto == "HTTP/1.1":
		return bad("the request has no Host (RFC 9112 §3.2)")
	case f.hosts == 0:
		return nil
	}
	if _, _, ok := splitHost(f.host); !ok {
		return bad("Host is %s, a host with an optional port is needed (RFC 9110 §7.2)", excerpt(f.host))
	}
	return nil
}

// splitHost reads uri-host [ ":" port ] (RFC 9110 §7.2, RFC 3986 §3.2.2). The host keeps its
// brackets and may be empty; the port may be empty or too large for TCP.
func splitHost(s string) (host, port string, ok bool) {
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 || !isLiteral(s[1:end]) {
			return "", "", false
		}
		host, port = s[:end+1], s[end+1:]
		if port == "" {
			return host, "", true
		}
		return host, port[1:], port[0] == ':' && span(port[1:], digit) == len(port)-1
	}
	host, port, _ = strings.Cut(s, ":")
	return host, port, isRegName(host) && span(port, digit) == len(port)
}

// isRegName reads reg-name, which covers IPv4 addresses.
func isRegName(s string) bool {
	for i := 0; i < len(s); i++ {
		if is(s[i], regName) {
			continue
		}
		if s[i] != '%' || i+2 >= len(s) || !is(s[i+1], hex) || !is(s[i+2], hex) {
			return false
		}
		i += 2
	}
	return true
}

// isLiteral reads what stands between the brackets of an IP-literal: an IPv6 address without a zone,
// or an address of a version yet to come.
func isLiteral(s string) bool {
	if s != "" && (s[0] == 'v' || s[0] == 'V') {
		version, rest, _ := strings.Cut(s[1:], ".")
		return all(version, hex) && rest != "" && all(strings.ReplaceAll(rest, ":", "-"), regName)
	}
	a, err := netip.ParseAddr(s)
	return err == nil && a.Is6() && a.Zone() == ""
}
