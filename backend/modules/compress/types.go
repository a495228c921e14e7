package compress

import (
	"fmt"
	"strings"

	"proxycache/backend/flow"
	"proxycache/backend/http1"
)

// pattern is a set of media types: "text/html", "text/*", "application/*+json", "*/*".
type pattern struct {
	kind   string // "text"; "" for each
	sub    string // "html"; the suffix "+json" where any is set; "" for each
	anySub bool   // "*" stands before sub
}

func parsePattern(text string) (pattern, error) {
	bad := fmt.Errorf("%q is no media type: write one as text/html, text/* or application/*+json", text)
	kind, sub, ok := strings.Cut(strings.ToLower(text), "/")
	if !ok {
		return pattern{}, bad
	}
	p := pattern{kind: kind, sub: sub}
	if kind == "*" {
		p.kind = ""
	} else if !token(kind) {
		return pattern{}, bad
	}
	if rest, any := strings.CutPrefix(sub, "*"); any {
		p.sub, p.anySub = rest, true
		if rest != "" && (rest[0] != '+' || !token(rest[1:])) {
			return pattern{}, bad
		}
	} else if !token(sub) {
		return pattern{}, bad
	}
	return p, nil
}

// token tells a word that can stand on each side of the slash: a token (RFC 9110 §8.3.1), without "*".
func token(word string) bool {
	return !strings.Contains(word, "*") && http1.IsToken(word)
}

// mediaType is the type in a Content-Type, without parameters.
func mediaType(contentType string) string {
	kind, _, _ := strings.Cut(contentType, ";")
	return strings.TrimSpace(kind)
}

func (p pattern) matches(kind, sub string) bool {
	if p.kind != "" && !flow.EqualFold(kind, p.kind) {
		return false
	}
	if !p.anySub {
		return flow.EqualFold(sub, p.sub)
	}
	return len(sub) >= len(p.sub) && flow.EqualFold(sub[len(sub)-len(p.sub):], p.sub)
}

func matchesOne(patterns []pattern, media string) bool {
	kind, sub, ok := strings.Cut(media, "/")
	for _, p := range patterns {
		if ok && p.matches(kind, sub) {
			return true
		}
	}
	return false
}

// eventStream is sent event by event (HTML §9.2).
func eventStream(media string) bool { return flow.EqualFold(media, "text/event-stream") }

// grpc tells the types whose messages have codings of their own: application/grpc, …+proto, grpc-web.
func grpc(media string) bool {
	const begin = "application/grpc"
	return len(media) >= len(begin) && flow.EqualFold(media[:len(begin)], begin)
}
