package http1

// The rules below are HTTP's, whatever version carries it (RFC 9110): HTTP/2 reads its fields by them too.

// IsToken tells whether s is a token (RFC 9110 §5.6.2): a method or a field name.
func IsToken(s string) bool { return all(s, token) }

// IsValue tells whether s holds only what a field value may (RFC 9110 §5.5): no control character
// but the tab.
func IsValue(s string) bool { return isText(s) }

// IsTarget tells whether s is not empty and holds only what a request target may.
func IsTarget(s string) bool { return all(s, target) }

// IsScheme tells whether s is a scheme (RFC 3986 §3.1).
func IsScheme(s string) bool { return isScheme(s) }

// IsHost tells whether s is a host with an optional port (RFC 9110 §7.2), without user information.
func IsHost(s string) bool {
	host, _, ok := splitHost(s)
	return ok && host != ""
}

// IsTunnel tells whether s is what CONNECT may name: a host and a port from 1 to 65535 (RFC 9110
// §9.3.6).
func IsTunnel(s string) bool { return checkTunnel(s) == nil }

// Length reads the value of Content-Length (RFC 9110 §8.6).
func Length(s string) (n int64, ok bool) { return number(s) }
