package upstream

import (
	"slices"
	"strings"

	"proxycache/backend/flow"
)

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

// without is a trailer without the fields that Connection nominates: they end here wherever they stand.
func without(gone []string, trailer flow.Header) flow.Header {
	if len(gone) == 0 {
		return trailer
	}
	return slices.DeleteFunc(trailer.Clone(), func(f flow.Field) bool { return isNominated(gone, f.Name) })
}

// kept are fields that no Connection takes away; nominating them is without effect. A client could
// otherwise make us forget who it is, what it may see, where a message ends, or which of several answers
// a cache may keep (RFC 9110 §7.6.1: options of a connection are not to be fields meant for all).
var kept = []string{
	"Host", "Authorization", "Cookie", "Set-Cookie", "WWW-Authenticate", "Authentication-Info", "Origin", "Referer",
	"Forwarded", "Via", "Max-Forwards",
	"Content-Length", "Content-Type", "Content-Encoding", "Content-Range", "Content-Location", "Content-Disposition", "Trailer",
	"Cache-Control", "Pragma", "Age", "Date", "Expires", "Vary", "ETag", "Last-Modified", "Location", "Range", "Accept-Ranges",
	"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range",
	"Strict-Transport-Security", "Content-Security-Policy", "X-Frame-Options", "X-Content-Type-Options",
}

func endToEnd(name string) bool {
	for _, k := range kept {
		if flow.EqualFold(name, k) {
			return true
		}
	}
	return isForwarding(name) || len(name) > len(cors) && flow.EqualFold(name[:len(cors)], cors)
}

const cors = "Access-Control-"

// AnswerFields are those of a response that was received in proto, with our Via; it has not the
// pseudonym by which loops are found. The array of h is used.
func AnswerFields(h flow.Header, status int, proto string) flow.Header {
	via := "1.1 proxycache"
	switch proto {
	case "HTTP/1.0":
		via = "1.0 proxycache"
	case "HTTP/2.0":
		via = "2.0 proxycache"
	}
	return append(responseFields(h, status), flow.Field{Name: "Via", Value: via})
}

// responseFields drops what ends here, in place. Status 101 keeps Upgrade, and so does 426, which means
// nothing without it (RFC 9110 §15.5.22).
func responseFields(h flow.Header, status int) flow.Header {
	gone := nominated(h)
	out := h[:0]
	for _, f := range h {
		drop := len(gone) > 0 && isNominated(gone, f.Name)
		switch len(f.Name) {
		case 7:
			drop = drop || flow.EqualFold(f.Name, "Upgrade") && status != 101 && status != 426
		case 10:
			drop = drop || flow.EqualFold(f.Name, "Connection") || flow.EqualFold(f.Name, "Keep-Alive")
		case 16:
			drop = drop || flow.EqualFold(f.Name, "Proxy-Connection")
		case 17:
			drop = drop || flow.EqualFold(f.Name, "Transfer-Encoding")
		case 18:
			drop = drop || flow.EqualFold(f.Name, "Proxy-Authenticate")
		case 25:
			drop = drop || flow.EqualFold(f.Name, "Proxy-Authentication-Info")
		}
		if !drop {
			out = append(out, f)
		}
	}
	return out
}
