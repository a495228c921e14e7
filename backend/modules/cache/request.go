package cache

import (
	"slices"
	"strings"

	"proxycache/backend/flow"
)

// asked is what of a request matters to a cache.
type asked struct {
	head     bool // HEAD
	key, url string
	path     string
	header   flow.Header

	wish                    wish
	ranges, ifRange         string
	noneMatch, modified     string // If-None-Match, If-Modified-Since
	hasNoneMatch, condition bool   // the request has the first; has one of both
	authorized, cookies     bool
	unkeyed                 string         // a field that may change the response, and is not in the key
	claims                  string         // what a trusted peer says of host, scheme and path, for the key
	sender                  *flow.Exchange // the exchange, or the fork, that is sent for it
	pass                    string         // why it passes by the cache; "" where it does not
	behind                  int64          // the exchange whose fetch it waited for
}

// read gathers it from the request of x, in one walk over its fields.
func (a *asked) read(x *flow.Exchange, ignoreDirectives bool, keyed []string) {
	q := x.Request
	a.head, a.header, a.wish, a.sender = q.Method == "HEAD", q.Header, noWish(), x
	a.path = q.Path()
	pragma, directed := false, false
	for i := range q.Header {
		f := &q.Header[i]
		if f.Name == "" {
			continue
		}
		switch f.Name[0] | 0x20 {
		case 'c':
			switch {
			case flow.EqualFold(f.Name, "Cache-Control"):
				directed = true
				a.wish.read(f.Value)
			case flow.EqualFold(f.Name, "Cookie"):
				a.cookies = true
			case flow.EqualFold(f.Name, "CloudFront-Forwarded-Proto"):
				a.claim(x, f, keyed)
			}
		case 'p':
			pragma = pragma || flow.EqualFold(f.Name, "Pragma") && strings.Contains(strings.ToLower(f.Value), "no-cache")
		case 'r':
			if flow.EqualFold(f.Name, "Range") {
				a.ranges = f.Value
			}
		case 'a':
			a.authorized = a.authorized || flow.EqualFold(f.Name, "Authorization")
		case 'i':
			a.conditions(f)
		case 'x', 'f':
			a.claim(x, f, keyed)
		}
	}
	a.condition = a.hasNoneMatch || a.modified != ""
	switch {
	case ignoreDirectives:
		a.wish = noWish()
	case pragma && !directed: // RFC 9111 §5.4
		a.wish.noCache = true
	}
	a.passes(q)
}

func (a *asked) conditions(f *flow.Field) {
	switch {
	case flow.EqualFold(f.Name, "If-None-Match"):
		if a.hasNoneMatch {
			a.noneMatch += ", "
		}
		a.noneMatch += f.Value
		a.hasNoneMatch = true
	case flow.EqualFold(f.Name, "If-Modified-Since"):
		a.modified = f.Value
	case flow.EqualFold(f.Name, "If-Range"):
		a.ifRange = f.Value
	case flow.EqualFold(f.Name, "If-Match"), flow.EqualFold(f.Name, "If-Unmodified-Since"):
		a.pass = f.Name + " is for the server to judge (RFC 9111 §4.3.2)"
	}
}

func (a *asked) passes(q *flow.Request) {
	switch {
	case q.ContentLength != 0: // what it holds may change the answer, and is not in the key
		a.pass = "a " + q.Method + " with a body is not kept"
	case q.UpgradeTo() != "":
		a.pass = "it asks for another protocol"
	}
}

// claim looks at a field that names another host, scheme, path or method than the request does. A
// response to it would be handed to those who did not say so: it is not kept. What a trusted peer says of
// host, scheme and path is part of the key instead.
func (a *asked) claim(x *flow.Exchange, f *flow.Field, keyed []string) {
	name := strings.ToLower(f.Name)
	if slices.Contains(keyed, name) {
		return
	}
	q, value, trustable := x.Request, f.Value, true
	switch name {
	case "x-forwarded-host", "x-host", "x-forwarded-server", "x-original-host", "x-http-host-override", "x-real-host":
		if strings.EqualFold(value, q.Authority) || strings.EqualFold(value, q.Host()) {
			return
		}
	case "x-forwarded-proto", "x-forwarded-scheme", "x-scheme", "x-forwarded-protocol", "x-url-scheme", "cloudfront-forwarded-proto":
		if strings.EqualFold(value, q.Scheme) {
			return
		}
	case "forwarded":
		if value = hostAndProto(value); value == "" {
			return
		}
	case "x-forwarded-method", "x-original-method": // peers that forward say it with every request
		if trustable = false; value == q.Method {
			return
		}
	case "x-forwarded-prefix", "x-forwarded-port", "x-forwarded-ssl", "front-end-https",
		"x-forwarded-uri", "x-forwarded-path", "x-original-uri", "x-envoy-original-path":
	case "x-original-url", "x-rewrite-url", "x-http-method-override", "x-http-method", "x-method-override":
		trustable = false
	default:
		return
	}
	switch {
	case trustable && x.Trusted:
		a.claims += "\n" + name + "=" + value
	case a.unkeyed == "":
		a.unkeyed = f.Name
	}
}

// hostAndProto is what a Forwarded field says of host and scheme (RFC 7239 §5.3, §5.4).
func hostAndProto(value string) string {
	var said []string
	for pair := range strings.FieldsFuncSeq(strings.ToLower(value), func(r rune) bool { return r == ';' || r == ',' || r == ' ' }) {
		if strings.HasPrefix(pair, "host=") || strings.HasPrefix(pair, "proto=") {
			said = append(said, pair)
		}
	}
	return strings.Join(said, ";")
}
