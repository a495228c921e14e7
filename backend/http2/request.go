package http2

import (
	"fmt"
	"strings"

	"golang.org/x/net/http2/hpack"

	"proxycache/backend/flow"
	"proxycache/backend/http1"
)

// Request is the head of a request. Host, where the peer sent it, is among the fields.
type Request struct {
	Method    string
	Scheme    string // as sent; "" for a CONNECT
	Authority string // of :authority, else of Host
	Path      string // as sent, with the query; "*" for OPTIONS *; "" for a CONNECT
	Protocol  string // of an extended CONNECT (RFC 8441 §4): "websocket"; else ""

	// Header is in the order of the wire, names in lower case as HTTP/2 has them. The crumbs of a cookie
	// are one field again, where the first was (RFC 9113 §8.2.3).
	Header flow.Header
	Length int64 // of the body: bytes; -1 when only its end will tell
}

// section is a field section on its way out of the decoder: a header or a trailer.
type section struct {
	trailer bool
	pseudo  [pseudos]string
	has     [pseudos]bool
	fields  flow.Header // scratch: a request gets a copy of its own size

	size      int // as RFC 9113 §6.5.2 counts it
	count     int
	cookie    int      // index of the cookie in fields plus one; 0 without one
	crumbs    []string // of the cookie; scratch, too
	length    string
	lengths   int
	host      string
	hosts     int
	regular   bool   // a field that is not a pseudo-field came
	malformed string // what is wrong with it; "" while nothing is
	over      string // which limit it is beyond; "" while within
	status    int    // that says so
}

// The pseudo-fields of requests (RFC 9113 §8.3.1, RFC 8441 §4).
const (
	pseudoMethod = iota
	pseudoScheme
	pseudoAuthority
	pseudoPath
	pseudoProtocol
	pseudos
)

func (s *section) reset() {
	clear(s.fields)
	clear(s.crumbs)
	*s = section{fields: s.fields[:0], crumbs: s.crumbs[:0]}
}

func (s *section) wrong(format string, args ...any) {
	if s.malformed == "" {
		s.malformed = fmt.Sprintf(format, args...)
	}
}

// take takes one field from the decoder; o bounds what is kept, not what is decoded.
func (s *section) take(f hpack.HeaderField, o *Options) {
	s.size += len(f.Name) + len(f.Value) + 32
	if s.size > o.HeaderSize && s.over == "" {
		s.status, s.over = 431, fmt.Sprintf("the header is longer than %d bytes", o.HeaderSize)
	}
	if s.over != "" && f.Name != ":method" { // which says how the refusal has to look
		return
	}
	if strings.HasPrefix(f.Name, ":") {
		s.takePseudo(f)
		return
	}
	s.regular = true
	if !s.check(f) {
		return
	}
	if f.Name == "cookie" && s.cookie > 0 { // of one field, which browsers send in dozens of pieces
		s.crumbs = append(s.crumbs, f.Value)
		return
	}
	if s.count++; s.count > o.HeaderFields {
		s.status, s.over = 431, fmt.Sprintf("the header has more than %d fields", o.HeaderFields)
		return
	}
	s.fields = append(s.fields, flow.Field{Name: f.Name, Value: f.Value})
	if f.Name == "cookie" {
		s.crumbs, s.cookie = append(s.crumbs, f.Value), len(s.fields)
	}
}

// bake makes one cookie of its crumbs (RFC 9113 §8.2.3), when all have come: one by one, each would
// copy those before it, and a byte of the block is enough for a crumb.
func (s *section) bake() {
	if len(s.crumbs) > 1 {
		s.fields[s.cookie-1].Value = strings.Join(s.crumbs, "; ")
	}
}

func (s *section) takePseudo(f hpack.HeaderField) {
	which := -1
	switch f.Name {
	case ":method":
		which = pseudoMethod
	case ":scheme":
		which = pseudoScheme
	case ":authority":
		which = pseudoAuthority
	case ":path":
		which = pseudoPath
	case ":protocol":
		which = pseudoProtocol
	}
	switch {
	case s.trailer:
		s.wrong("a trailer has the pseudo-field %.40q (RFC 9113 §8.1)", f.Name)
	case which < 0:
		s.wrong("a request has no pseudo-field %.40q (RFC 9113 §8.3)", f.Name)
	case s.regular:
		s.wrong("%s comes after a field (RFC 9113 §8.3)", f.Name)
	case s.has[which]:
		s.wrong("%s comes twice (RFC 9113 §8.3)", f.Name)
	default:
		s.pseudo[which], s.has[which] = f.Value, true
	}
}

// check reads a field by RFC 9113 §8.2.1 and §8.2.2.
func (s *section) check(f hpack.HeaderField) bool {
	switch {
	case !isName(f.Name):
		s.wrong("%.40q is not a field name in lower case (RFC 9113 §8.2.1)", f.Name)
		return false
	case !isValue(f.Value):
		s.wrong("the value of %.40q holds a control character or has whitespace around it (RFC 9113 §8.2.1)", f.Name)
		return false
	}
	switch f.Name {
	case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade":
		s.wrong("the field %s concerns a connection (RFC 9113 §8.2.2)", f.Name)
		return false
	case "te":
		if !flow.EqualFold(f.Value, "trailers") {
			s.wrong("te is %.40q, it may be \"trailers\" alone (RFC 9113 §8.2.2)", f.Value)
		}
	case "content-length":
		s.length, s.lengths = f.Value, s.lengths+1
	case "host":
		s.host, s.hosts = f.Value, s.hosts+1
	}
	return true
}

// names are those that need not be looked at again.
var names = map[string]bool{
	"accept": true, "accept-encoding": true, "accept-language": true, "authorization": true, "cache-control": true,
	"content-length": true, "content-type": true, "cookie": true, "host": true, "if-modified-since": true, "if-none-match": true,
	"origin": true, "referer": true, "te": true, "trailer": true, "user-agent": true,
}

func isName(s string) bool {
	if names[s] {
		return true
	}
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return false
		}
	}
	return http1.IsToken(s)
}

func isValue(s string) bool {
	if s == "" {
		return true
	}
	blank := func(c byte) bool { return c == ' ' || c == '\t' }
	return !blank(s[0]) && !blank(s[len(s)-1]) && http1.IsValue(s)
}

// request makes a request of a header; ends says that no body follows.
func (s *section) request(ends bool) Request {
	r := Request{
		Method: s.pseudo[pseudoMethod], Scheme: s.pseudo[pseudoScheme], Authority: s.pseudo[pseudoAuthority],
		Path: s.pseudo[pseudoPath], Protocol: s.pseudo[pseudoProtocol], Length: -1,
	}
	if !s.has[pseudoAuthority] {
		r.Authority = s.host
	}
	if ends {
		r.Length = 0
	}
	s.checkMethod(&r)
	s.checkHost(&r)
	if s.lengths > 0 {
		s.checkLength(&r, ends)
	}
	return r
}

// checkMethod applies RFC 9113 §8.3.1 and §8.5, and RFC 8441 §4.
func (s *section) checkMethod(r *Request) {
	switch {
	case !http1.IsToken(r.Method):
		s.wrong(":method is %.40q, a token is needed (RFC 9113 §8.3.1)", r.Method)
	case s.has[pseudoProtocol] && r.Method != "CONNECT":
		s.wrong(":protocol comes with %.40q, it belongs to CONNECT (RFC 8441 §4)", r.Method)
	case s.has[pseudoProtocol] && !http1.IsToken(r.Protocol):
		s.wrong(":protocol is %.40q, a token is needed (RFC 8441 §4)", r.Protocol)
	case r.Method == "CONNECT" && s.lengths > 0:
		s.wrong("a CONNECT has a content-length: what follows it belongs to the tunnel (RFC 9110 §9.3.6)")
	case r.Method == "CONNECT" && !s.has[pseudoProtocol]:
		if s.has[pseudoScheme] || s.has[pseudoPath] {
			s.wrong("a CONNECT has :scheme or :path (RFC 9113 §8.5)")
		}
		if !http1.IsTunnel(r.Authority) || !s.has[pseudoAuthority] {
			s.wrong("CONNECT names %.40q, a host and a port are needed (RFC 9113 §8.5)", r.Authority)
		}
	case !http1.IsScheme(r.Scheme):
		s.wrong(":scheme is %.40q (RFC 9113 §8.3.1)", r.Scheme)
	case r.Path == "*" && r.Method == "OPTIONS":
	case !strings.HasPrefix(r.Path, "/") || !http1.IsTarget(r.Path):
		s.wrong(":path is %.40q, a path is needed (RFC 9113 §8.3.1)", r.Path)
	}
}

// checkHost has :authority and Host name one place (RFC 9113 §8.3.1).
func (s *section) checkHost(r *Request) {
	switch {
	case s.hosts > 1:
		s.wrong("the request has more than one Host (RFC 9110 §7.2)")
	case s.hosts == 1 && !http1.IsHost(s.host):
		s.wrong("Host is %.40q, a host with an optional port is needed (RFC 9110 §7.2)", s.host)
	case s.hosts == 1 && s.has[pseudoAuthority] && !flow.EqualFold(place(s.host, r.Scheme), place(r.Authority, r.Scheme)):
		s.wrong("Host is %.40q where :authority is %.40q (RFC 9113 §8.3.1)", s.host, r.Authority)
	case !http1.IsHost(r.Authority):
		s.wrong("the request names the host %.40q, a host with an optional port is needed (RFC 9113 §8.3.1)", r.Authority)
	}
}

// place is an authority without what tells it from no other: an empty port, or the scheme's own (RFC
// 9110 §4.2.3).
func place(authority, scheme string) string {
	switch {
	case flow.EqualFold(scheme, "http"):
		authority = strings.TrimSuffix(authority, ":80")
	case flow.EqualFold(scheme, "https"):
		authority = strings.TrimSuffix(authority, ":443")
	}
	return strings.TrimSuffix(authority, ":")
}

// checkLength applies RFC 9113 §8.1.1 as far as the header goes.
func (s *section) checkLength(r *Request, ends bool) {
	n, ok := http1.Length(s.length)
	switch {
	case s.lengths > 1:
		s.wrong("the request has more than one content-length (RFC 9110 §8.6)")
	case !ok:
		s.wrong("content-length is %.40q, one number of bytes is needed (RFC 9110 §8.6)", s.length)
	case ends && n > 0:
		s.wrong("content-length is %d and no body follows (RFC 9113 §8.1.1)", n)
	default:
		r.Length = n
	}
}
