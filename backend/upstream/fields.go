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
	if x.Door == flow.Reverse {
		b.said, b.ip = said(x)
	}
	if w == wire1 && !x.Request.Header.Has("Host") {
		b.put("Host", b.host)
	}
	for _, f := range x.Request.Header {
		b.field(f)
	}
	b.finish(p)
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
	said   string   // what Forwarded says of this hop, and the client's address in it; "" where nothing is said
	ip     string

	upgrade                                                       bool
	hosted, framed, trailers, forHost, forProto, forIP, forwarded bool // was written
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
	case flow.EqualFold(f.Name, "Max-Forwards"):
		if n, ok := b.x.Request.MaxForwards(); ok { // where it is 0 nothing is sent
			f.Value = strconv.FormatUint(max(n, 1)-1, 10)
		}
		b.out = append(b.out, f)
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
	case b.x.Door == flow.Reverse && flow.EqualFold(f.Name, "Forwarded"):
		if !b.forwarded {
			b.put(f.Name, b.continued("Forwarded", b.said))
		}
		b.forwarded = true
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

// forwarding continues X-Forwarded-* of a trusted peer. Of others nothing of that name passes, in the
// spelling with underscores neither, which some servers take for the same: -For, -Host and -Proto are
// replaced by ours, the rest is dropped.
func (b *fieldWriter) forwarding(f flow.Field) {
	switch {
	case flow.EqualFold(f.Name, "X-Forwarded-For"):
		if value := b.continued("X-Forwarded-For", b.ip); !b.forIP && value != "" {
			b.put(f.Name, value)
		}
		b.forIP = true
	case flow.EqualFold(f.Name, "X-Forwarded-Host"):
		b.forHost = b.firstOf(f, b.forHost, b.x.Request.Authority)
	case flow.EqualFold(f.Name, "X-Forwarded-Proto"):
		b.forProto = b.firstOf(f, b.forProto, b.x.Request.Scheme)
	case b.x.Trusted:
		b.out = append(b.out, f)
	}
}

// continued is ours behind what a trusted peer said in name, and ours alone behind others.
func (b *fieldWriter) continued(name, ours string) string {
	if !b.x.Trusted {
		return ours
	}
	return strings.TrimPrefix(strings.TrimSuffix(b.x.Request.Header.Joined(name)+", "+ours, ", "), ", ")
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
func (b *fieldWriter) finish(p *Pool) {
	x := b.x
	switch {
	case b.length == http1.Chunked:
		b.framing("Transfer-Encoding")
	case b.length > 0, x.Request.Method == "POST", x.Request.Method == "PUT", x.Request.Method == "PATCH":
		b.framing("Content-Length") // 0 too, where a body is expected (RFC 9110 §8.6)
	}
	if x.Door == flow.Reverse {
		b.whoAsks()
	}
	if x.Request.Proto == "HTTP/1.1" {
		b.put("Via", p.via)
	} else {
		b.put("Via", viaProtocol(x.Request.Proto)+" "+p.pseudonym)
	}
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

// whoAsks writes X-Forwarded-* and Forwarded (RFC 7239) where the request had none. What a trusted
// peer said in only one of the two is continued there alone: the other would begin with that peer, and
// the client be forgotten.
func (b *fieldWriter) whoAsks() {
	told, toldX := b.forwarded, b.forIP || b.forHost || b.forProto
	if !b.x.Trusted || toldX || !told {
		if !b.forIP && b.ip != "" {
			b.put("X-Forwarded-For", b.ip)
		}
		if !b.forHost {
			b.put("X-Forwarded-Host", b.x.Request.Authority)
		}
		if !b.forProto {
			b.put("X-Forwarded-Proto", b.x.Request.Scheme)
		}
	}
	if !told && (!b.x.Trusted || !toldX) {
		b.put("Forwarded", b.said)
	}
}

// said is the element of Forwarded for this hop (RFC 7239 §4), and the client's address as it stands in
// it; "" where that is not known.
func said(x *flow.Exchange) (element, ip string) {
	var space [192]byte
	b := append(space[:0], "for="...)
	from, to := 0, 0
	switch a := x.Client.Addr().Unmap().WithZone(""); {
	case !a.IsValid():
		b = append(b, "unknown"...)
	case a.Is6():
		b = append(b, `"[`...)
		from = len(b)
		b = a.AppendTo(b)
		to = len(b)
		b = append(b, `]"`...)
	default:
		from = len(b)
		b = a.AppendTo(b)
		to = len(b)
	}
	b = appendValue(append(b, ";host="...), x.Request.Authority)
	b = appendValue(append(b, ";proto="...), x.Request.Scheme)
	element = string(b)
	return element, element[from:to]
}

// appendValue writes a token, or in quotes what is none (RFC 9110 §5.6.4).
func appendValue(b []byte, value string) []byte {
	if isToken(value) {
		return append(b, value...)
	}
	b = append(b, '"')
	for i := range len(value) {
		if value[i] == '"' || value[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, value[i])
	}
	return append(b, '"')
}

func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~':
		default:
			return false
		}
	}
	return s != ""
}

// viaProtocol is the version in which a message was received, without "HTTP/".
func viaProtocol(proto string) string {
	if v, ok := strings.CutPrefix(proto, "HTTP/"); ok && v != "" {
		return v
	}
	return "1.1"
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

// isForwarding tells whether name begins with X-Forwarded, underscores taken for hyphens.
func isForwarding(name string) bool {
	const prefix = "x-forwarded"
	if len(name) < len(prefix) || name[0]|0x20 != 'x' {
		return false
	}
	for i := range len(prefix) {
		c := name[i] | 0x20
		if name[i] == '_' {
			c = '-'
		}
		if c != prefix[i] {
			return false
		}
	}
	return true
}
