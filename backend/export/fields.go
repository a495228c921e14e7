package export

import (
	"bytes"
	"strings"

	"proxycache/backend/flow"
)

// fieldsOf reads the fields of a raw head. Lines that are none, and pseudo-fields, are left out.
func fieldsOf(head []byte) flow.Header {
	var out flow.Header
	for i, line := range bytes.Split(bytes.TrimRight(head, "\r\n"), []byte("\n")) {
		text := strings.TrimSuffix(string(line), "\r")
		if n := len(out); n > 0 && text != strings.TrimLeft(text, " \t") { // folded (RFC 9112 §5.2)
			out[n-1].Value = strings.Trim(out[n-1].Value+" "+strings.Trim(text, " \t"), " ")
			continue
		}
		name, value, ok := strings.Cut(text, ":")
		if i > 0 && ok && isToken(name) {
			out.Add(name, strings.Trim(value, " \t"))
		}
	}
	return out
}

// reasonOf is the phrase in a raw response head, or "".
func reasonOf(head []byte) string {
	line, _, _ := strings.Cut(string(head), "\n")
	parts := strings.SplitN(strings.TrimRight(line, "\r"), " ", 3)
	if len(parts) < 3 {
		return ""
	}
	return parts[2]
}

// isToken is RFC 9110 §5.6.2.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// perHop are the fields between two neighbours (RFC 9110 §7.6.1), and the framing that the sender of
// a message writes itself.
var perHop = map[string]bool{
	"connection": true, "keep-alive": true, "proxy-connection": true, "proxy-authenticate": true,
	"proxy-authorization": true, "te": true, "trailer": true, "transfer-encoding": true, "upgrade": true,
	"content-length": true, "expect": true, "http2-settings": true,
}

// bound are fields that belong to the message whatever Connection nominates: a request without them
// is another request.
var bound = map[string]bool{
	"host": true, "authorization": true, "cookie": true, "content-type": true, "content-encoding": true,
	"accept": true, "user-agent": true,
}

// endToEnd leaves out what another client decides by itself: what is per hop, and a Host that is the
// URL's own.
func endToEnd(r *flow.Record, fields flow.Header) flow.Header {
	var out flow.Header
	for _, f := range fields {
		name := strings.ToLower(f.Name)
		switch {
		case perHop[name], !bound[name] && fields.HasToken("Connection", name):
		case name == "host" && f.Value == ownHost(r):
		default:
			out = append(out, f)
		}
	}
	return out
}

// ownHost is the Host that a client makes of the URL: the authority without its scheme's usual port.
func ownHost(r *flow.Record) string {
	usual := map[string]string{"http": ":80", "https": ":443"}[r.Scheme]
	if host, port := flow.SplitAuthority(r.Authority); ":"+port == usual && host != "" {
		return strings.TrimSuffix(r.Authority, usual)
	}
	return r.Authority
}

// upgradesToWebSocket tells whether the request asks for a WebSocket (RFC 6455 §4.1).
func upgradesToWebSocket(fields flow.Header) bool {
	return fields.HasToken("Connection", "upgrade") && fields.HasToken("Upgrade", "websocket")
}

// urlOf is the absolute form of what was asked. A tunnel's is that of its host: nothing more was seen.
func urlOf(r *flow.Record) string {
	if r.Door == flow.Tunnel {
		return "https://" + r.Authority + "/"
	}
	return r.Scheme + "://" + r.Authority + r.Target
}
