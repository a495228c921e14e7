package cache

import (
	"strconv"
	"strings"
	"time"

	"proxycache/backend/flow"
)

func formatInt(n int64) string { return strconv.FormatInt(n, 10) }

// keptFields are the fields of a response that are stored (RFC 9111 §3.1), copied so that they pin no
// head that they came in. A Date is added where none came: later it would tell another time.
func keptFields(h flow.Header, received time.Time) flow.Header {
	size, dated, nominates := 0, false, h.Has("Connection")
	out := make(flow.Header, 0, len(h)+1)
	for _, f := range h {
		if notKept(f.Name) || nominates && h.HasToken("Connection", f.Name) {
			continue
		}
		size += len(f.Name) + len(f.Value)
		dated = dated || flow.EqualFold(f.Name, "Date")
		out = append(out, f)
	}
	var b strings.Builder
	b.Grow(size)
	for _, f := range out {
		b.WriteString(f.Name)
		b.WriteString(f.Value)
	}
	text := b.String()
	for i, f := range out {
		n, v := len(f.Name), len(f.Value)
		out[i] = flow.Field{Name: text[:n], Value: text[n : n+v]}
		text = text[n+v:]
	}
	if !dated {
		out.Add("Date", formatDate(received))
	}
	return out
}

// notKept are the fields of one connection, and of one proxy's own affairs.
func notKept(name string) bool {
	switch len(name) {
	case len("TE"):
		return flow.EqualFold(name, "TE")
	case len("Upgrade"):
		return flow.EqualFold(name, "Upgrade")
	case len("Connection"): // and Keep-Alive
		return flow.EqualFold(name, "Connection") || flow.EqualFold(name, "Keep-Alive")
	case len("Proxy-Connection"):
		return flow.EqualFold(name, "Proxy-Connection")
	case len("Transfer-Encoding"):
		return flow.EqualFold(name, "Transfer-Encoding")
	case len("Proxy-Authenticate"):
		return flow.EqualFold(name, "Proxy-Authenticate")
	case len("Proxy-Authorization"):
		return flow.EqualFold(name, "Proxy-Authorization")
	case len("Proxy-Authentication-Info"):
		return flow.EqualFold(name, "Proxy-Authentication-Info")
	}
	return false
}

// freshened are the stored fields with those of a 304 or of a HEAD's 200 in their place (RFC 9111 §3.2).
// What describes the stored bytes stays as it is, and a cookie is for the client that asked.
func freshened(stored, update flow.Header, received time.Time) flow.Header {
	update = keptFields(update, received)
	dropCookies(&update)
	out := make(flow.Header, 0, len(stored)+len(update))
	for _, f := range stored {
		if !update.Has(f.Name) || ofTheBytes(f.Name) {
			out = append(out, f)
		}
	}
	for _, f := range update {
		if !ofTheBytes(f.Name) {
			out = append(out, f)
		}
	}
	return out
}

// dropCookies takes the fields that set cookies out of h, which nobody else has.
func dropCookies(h *flow.Header) {
	h.Del("Set-Cookie")
	h.Del("Set-Cookie2")
}

// withCookies makes the fields of out that set cookies those of from, where from has some.
func withCookies(out *flow.Header, from flow.Header) {
	for _, name := range [...]string{"Set-Cookie", "Set-Cookie2"} {
		if !from.Has(name) {
			continue
		}
		out.Del(name)
		for _, f := range from {
			if flow.EqualFold(f.Name, name) {
				out.Add(f.Name, f.Value)
			}
		}
	}
}

// ofTheBytes are the fields that belong to the body as it is stored.
func ofTheBytes(name string) bool {
	for _, n := range [...]string{"Content-Length", "Content-Encoding", "Content-Range", "Content-MD5", "Content-Digest", "ETag"} {
		if flow.EqualFold(name, n) {
			return true
		}
	}
	return false
}
