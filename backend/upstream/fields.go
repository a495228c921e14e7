package upstream

import (
	"strconv"
	"strings"

	"proxycache/backend/flow"
	"proxycache/backend/http1"
)

// wire is the protocol a head is written for.
type wire int

const (
	wire1 wire = iota // HTTP/1.1
	wire2             // HTTP/2: no fields of the connection, no Host, no framing (RFC 9113 §8.2.2)
)

// requestFields appends to dst what t is told: the fields of x in their order and spelling without
// those that end here (RFC 9110 §7.6.1), with Host, framing, Via, and in the reverse door who asks.
func (p *Pool) requestFields(dst flow.Header, x *flow.Exchange, t *target, length int64, w wire) flow.Header {
	b := fieldWriter{out: dst, x: x, wire: w, length: length, host: p.hostFor(x, t), gone: nominated(x.Request.Header)}
	b.upgrade = w == wire1 && asksUpgrade(x.Request)
	if w == wire1 && !x.Request.Header.Has("Host") {
		b.put("Host", b.host)
	}
	for _, f := range x.Request.Header {
		b.field(f)
	}
	b.finish(p.pseudonym)
	return b.out
}

// hostFor is what t is told in Host. A forward request's is that of its target, whatever its own Host
// says (RFC 9112 §3.2.2).
func (p *Pool) hostFor(x *flow.Exchange, t *target) string {
	switch p.host {
	case "preserve":
		if host := x.Request.Header.Get("Host"); host != "" && x.Door != flow.Forward {
			return host
		}
		return x.Request.Authority
	case "upstream":
		return t.field
	}
	return p.host
}

// fieldWriter writes the fields of one request.
type fieldWriter struct {
	out    flow.Header
	x      *flow.Exchange
	wire   wire
	length int64 // of the body
	host   string
	gone   []string // what Connection nominates

	upgrade                                            bool
	hosted, framed, trailers, forHost, forProto, forIP bool // was written
}

func (b *fieldWriter) put(name, value string) {
	b.out = append(b.out, flow.Field{Name: name, Value: value})
}

// field passes one on, drops it, or puts ours in its place.
func (b *fieldWriter) field(f flow.Field) {
	switch {
	case len(b.gone) > 0 && isNominated(b.gone, f.Name):
	case isConnectionField(f.Name):
		if flow.EqualFold(f.Name, "TE") && !b.trailers && b.x.Request.Header.HasToken("TE", "trailers") {
			b.trailers = true
			b.put(f.Name, "trailers")
		}
		if flow.EqualFold(f.Name, "Transfer-Encoding") && b.length == http1.Chunked {
			b.framing(f.Name)
		}
		if flow.EqualFold(f.Name, "Upgrade") && b.upgrade {
			b.put(f.Name, f.Value)
		}
	case flow.EqualFold(f.Name, "Host"):
		if !b.hosted && b.wire == wire1 {
			b.put(f.Name, b.host)
		}
		b.hosted = true
	case flow.EqualFold(f.Name, "Content-Length"):
		if b.length != http1.Chunked {
			b.framing(f.Name)
		}
	case b.x.Door == flow.Reverse && isForwarding(f.Name):
		b.forwarding(f)
	default:
		b.out = append(b.out, f)
	}
}

// framing writes the one field that says how long the body is.
func (b *fieldWriter) framing(name string) {
	switch {
	case b.framed || b.wire == wire2: // HTTP/2 frames by itself
	case b.length == http1.Chunked:
		b.put(name, "chunked")
	default:
		b.put(name, strconv.FormatInt(b.length, 10))
	}
	b.framed = true
}

// forwarding takes X-Forwarded-* of a trusted peer and replaces that of others.
func (b *fieldWriter) forwarding(f flow.Field) {
	x := b.x
	switch len(f.Name) {
	case len("X-Forwarded-For"):
		ip := clientIP(x)
		if b.forIP {
			return
		}
		b.forIP = true
		value := ip
		if x.Trusted {
			value = strings.TrimPrefix(strings.TrimSuffix(x.Request.Header.Joined("X-Forwarded-For")+", "+ip, ", "), ", ")
		}
		if value != "" {
			b.put(f.Name, value)
		}
	case len("X-Forwarded-Host"):
		b.forHost = b.firstOf(f, b.forHost, x.Request.Authority)
	default:
		b.forProto = b.firstOf(f, b.forProto, x.Request.Scheme)
	}
}

// firstOf keeps what a trusted peer said: it names what the first client asked for.
func (b *fieldWriter) firstOf(f flow.Field, written bool, ours string) bool {
	switch {
	case b.x.Trusted:
		b.out = append(b.out, f)
	case !written:
		b.put(f.Name, ours)
	}
	return true
}

// finish adds what has had no place in the request.
func (b *fieldWriter) finish(pseudonym string) {
	x := b.x
	switch {
	case b.length == http1.Chunked:
		b.framing("Transfer-Encoding")
	case b.length > 0, x.Request.Method == "POST", x.Request.Method == "PUT", x.Request.Method == "PATCH":
		b.framing("Content-Length") // 0 too, where a body is expected (RFC 9110 §8.6)
	}
	if x.Door == flow.Reverse {
		if ip := clientIP(x); !b.forIP && ip != "" {
			b.put("X-Forwarded-For", ip)
		}
		if !b.forHost {
			b.put("X-Forwarded-Host", x.Request.Authority)
		}
		if !b.forProto {
			b.put("X-Forwarded-Proto", x.Request.Scheme)
		}
	}
	b.put("Via", viaProtocol(x.Request.Proto)+" "+pseudonym)
	if b.wire == wire1 {
		switch {
		case b.upgrade && b.trailers:
			b.put("Connection", "Upgrade, TE")
		case b.upgrade:
			b.put("Connection", "Upgrade")
		case b.trailers:
			b.put("Connection", "TE") // RFC 9110 §10.1.4
		}
	}
}

// viaProtocol is the version in which the request was received, without "HTTP/".
func viaProtocol(proto string) string {
	if v, ok := strings.CutPrefix(proto, "HTTP/"); ok && v != "" {
		return v
	}
	return "1.1"
}

func clientIP(x *flow.Exchange) string {
	if !x.Client.IsValid() {
		return ""
	}
	return x.Client.Addr().Unmap().WithZone("").String()
}

// isConnectionField tells whether name ends at each hop, or has done its work here (Expect).
func isConnectionField(name string) bool {
	switch len(name) {
	case 2:
		return flow.EqualFold(name, "TE")
	case 6:
		return flow.EqualFold(name, "Expect")
	case 7:
		return flow.EqualFold(name, "Upgrade")
	case 10:
		return flow.EqualFold(name, "Connection") || flow.EqualFold(name, "Keep-Alive")
	case 16:
		return flow.EqualFold(name, "Proxy-Connection")
	case 17:
		return flow.EqualFold(name, "Transfer-Encoding")
	case 18:
		return flow.EqualFold(name, "Proxy-Authenticate")
	case 19:
		return flow.EqualFold(name, "Proxy-Authorization")
	}
	return false
}

func isForwarding(name string) bool {
	switch len(name) {
	case 15:
		return flow.EqualFold(name, "X-Forwarded-For")
	case 16:
		return flow.EqualFold(name, "X-Forwarded-Host")
	case 17:
		return flow.EqualFold(name, "X-Forwarded-Proto")
	}
	return false
}

// nominated are the fields that Connection names as its own, without the options that name none.
func nominated(h flow.Header) []string {
	var out []string
	for i := range h {
		if !flow.EqualFold(h[i].Name, "Connection") {
			continue
		}
		for part := range strings.SplitSeq(h[i].Value, ",") {
			part = strings.TrimSpace(part)
			if part != "" && !flow.EqualFold(part, "close") && !flow.EqualFold(part, "keep-alive") && !endToEnd(part) && !isConnectionField(part) {
				out = append(out, part)
			}
		}
	}
	return out
}

func isNominated(gone []string, name string) bool {
	for _, g := range gone {
		if flow.EqualFold(g, name) {
			return true
		}
	}
	return false
}

// kept are fields that no Connection takes away: a client could otherwise make us forget who it is,
// or where a message ends.
var kept = []string{
	"Host", "Authorization", "Cookie", "Set-Cookie", "Forwarded", "Via", "Content-Length", "Content-Type", "Content-Encoding",
	"Content-Range", "Cache-Control", "Date", "Location", "Origin", "Age", "Vary", "Trailer", "WWW-Authenticate",
}

func endToEnd(name string) bool {
	for _, k := range kept {
		if flow.EqualFold(name, k) {
			return true
		}
	}
	return len(name) > len("X-Forwarded-") && flow.EqualFold(name[:len("X-Forwarded-")], "X-Forwarded-")
}

// responseFields drops what ends here, in place; status 101 keeps Upgrade.
func responseFields(h flow.Header, status int) flow.Header {
	gone := nominated(h)
	out := h[:0]
	for _, f := range h {
		drop := len(gone) > 0 && isNominated(gone, f.Name)
		switch len(f.Name) {
		case 7:
			drop = drop || flow.EqualFold(f.Name, "Upgrade") && status != 101
		case 10:
			drop = drop || flow.EqualFold(f.Name, "Connection") || flow.EqualFold(f.Name, "Keep-Alive")
		case 16:
			drop = drop || flow.EqualFold(f.Name, "Proxy-Connection")
		case 17:
			drop = drop || flow.EqualFold(f.Name, "Transfer-Encoding")
		}
		if !drop {
			out = append(out, f)
		}
	}
	return out
}
