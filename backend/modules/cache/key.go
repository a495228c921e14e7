package cache

import (
	"crypto/sha256"
	"encoding/hex"
	"iter"
	"strings"

	"proxycache/backend/flow"
)

// maxKey is how long a key may be, in bytes; a request whose key is longer passes.
const maxKey = 16 << 10

// keyer makes keys: the URL, then the fields and cookies that tell responses apart. GET and HEAD share
// one; other methods have none.
type keyer struct {
	headers, cookies []string
	ignored          []string // names of query parameters; one that ends in "*" is a beginning
	routes           bool     // the cell is of several routes, which may get different answers for a URL
}

func newKeyer(s *Settings) keyer {
	k := keyer{cookies: s.KeyCookies, ignored: s.IgnoreQuery}
	for _, name := range s.KeyHeaders {
		k.headers = append(k.headers, strings.ToLower(name))
	}
	return k
}

// of is the key of x, and the URL, which the key begins with. claims are more lines for it.
func (k *keyer) of(x *flow.Exchange, claims string) (key, url string) {
	q := x.Request
	url = k.url(q.Scheme, q.Authority, q.Target)
	if len(k.headers)+len(k.cookies)+len(claims) == 0 && !k.routes && q.Dial == "" {
		return url, url
	}
	b := append(make([]byte, 0, len(url)+128), url...)
	b = append(b, claims...)
	if q.Dial != "" { // the name is the client's word alone: others must not get what it had from there
		b = append(append(b, "\nat "...), q.Dial...)
		if s := x.ClientConn.TLS; s != nil && q.Scheme == "https" {
			b = append(append(b, ' '), s.SNI...)
		}
	}
	if k.routes {
		b = append(append(b, "\nroute "...), x.Route...)
	}
	for _, name := range k.headers {
		b = append(append(b, '\n'), name...)
		switch {
		case !q.Header.Has(name):
		case secret(name):
			b = appendHash(b, appendNormal(nil, name, q.Header))
		default:
			b = appendNormal(append(b, '='), name, q.Header)
		}
	}
	for _, name := range k.cookies {
		b = append(append(b, "\ncookie "...), name...)
		if values, ok := cookie(q.Header, name); ok {
			b = appendHash(b, []byte(values))
		}
	}
	key = string(b)
	return key, key[:len(url)]
}

// secret tells whether the values of a field are of a kind that is not to be read in a key, which is
// stored and shown.
func secret(name string) bool {
	for _, part := range [...]string{"authorization", "cookie", "key", "token", "secret", "session"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

func appendHash(b, value []byte) []byte {
	sum := sha256.Sum256(value)
	return hex.AppendEncode(append(b, '#'), sum[:16])
}

// shown is a key in one line.
func shown(key string) string {
	if strings.IndexByte(key, '\n') < 0 {
		return key
	}
	return strings.ReplaceAll(key, "\n", " ")
}

// url is the URL in one spelling (RFC 9110 §4.2.3): the authority in lower case and without the port of
// the scheme. Path and query stay as they are.
func (k *keyer) url(scheme, authority, target string) string {
	return scheme + "://" + plainAuthority(scheme, authority) + k.target(target)
}

func plainAuthority(scheme, authority string) string {
	port := ":80"
	if scheme == "https" {
		port = ":443"
	}
	return strings.ToLower(strings.TrimSuffix(authority, port))
}

// target is the path and the query, without the parameters that are ignored.
func (k *keyer) target(target string) string {
	path, query, has := strings.Cut(target, "?")
	if !has || len(k.ignored) == 0 {
		return target
	}
	var kept []string
	for parameter := range strings.SplitSeq(query, "&") {
		if name, _, _ := strings.Cut(parameter, "="); !k.ignores(name) || severalByOthers(parameter) {
			kept = append(kept, parameter)
		}
	}
	if len(kept) == 0 {
		return path
	}
	return path + "?" + strings.Join(kept, "&")
}

// severalByOthers tells whether a server that parts parameters by semicolons, too, perhaps after it has
// decoded them, reads more than one in it: then it makes a difference.
func severalByOthers(parameter string) bool {
	return strings.IndexByte(parameter, ';') >= 0 || strings.Contains(parameter, "%3B") || strings.Contains(parameter, "%3b")
}

func (k *keyer) ignores(name string) bool {
	for _, ignored := range k.ignored {
		if begin, ok := strings.CutSuffix(ignored, "*"); ok && strings.HasPrefix(name, begin) || name == ignored {
			return true
		}
	}
	return false
}

// cookie is what a request has of a cookie (RFC 6265 §4.2). A name may be there more than once, and
// servers differ in which one counts: values are all of them, in their order, parted by what no value has.
func cookie(h flow.Header, name string) (values string, ok bool) {
	for n, value := range cookies(h) {
		switch {
		case n != name:
		case ok:
			values += ";" + value
		default:
			values, ok = value, true
		}
	}
	return values, ok
}

// cookies are the names and values of those of a request. A value whose quote does not end goes on to the
// end of its field: some servers read it so.
func cookies(h flow.Header) iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for i := range h {
			if !flow.EqualFold(h[i].Name, "Cookie") {
				continue
			}
			for rest, more := h[i].Value, true; more; {
				whole := rest
				var pair string
				pair, rest, more = strings.Cut(rest, ";")
				name, value, _ := strings.Cut(pair, "=")
				if value = strings.TrimSpace(value); strings.HasPrefix(value, `"`) && (len(value) == 1 || !strings.HasSuffix(value, `"`)) {
					_, value, _ = strings.Cut(whole, "=")
				}
				if !yield(strings.TrimSpace(name), value) {
					return
				}
			}
		}
	}
}

// cookiesInKey tells whether key, which is of a request with the fields h, has all of its cookies.
func cookiesInKey(key string, h flow.Header) bool {
	_, lines, _ := strings.Cut(key, "\n")
	for name, value := range cookies(h) {
		if blank := name == "" && value == ""; !blank && !cookieInKey(lines, name) { // "=value" is a cookie, too
			return false
		}
	}
	return true
}

// cookieInKey looks for the line of a cookie, or for that of all, which key_headers can have there.
func cookieInKey(lines, name string) bool {
	for line := range strings.SplitSeq(lines, "\n") {
		if strings.HasPrefix(line, "cookie#") {
			return true
		}
		rest, ok := strings.CutPrefix(line, "cookie "+name)
		if ok && len(rest) == len("#")+32 && rest[0] == '#' {
			return true
		}
	}
	return false
}
