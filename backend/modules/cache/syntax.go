package cache

import "strings"

func isAlpha(b byte) bool { return 'a' <= b|0x20 && b|0x20 <= 'z' }
func isDigit(b byte) bool { return '0' <= b && b <= '9' }

// isTchar tells whether b may stand in a token (RFC 9110 §5.6.2).
func isTchar(b byte) bool {
	return isAlpha(b) || isDigit(b) || b > ' ' && b < 0x7f && strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0
}

// member cuts the first member of a comma-separated list (RFC 9110 §5.6.1) from text, without the
// whitespace around it. Commas within quotes do not part it.
func member(text string) (first, rest string) {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch b := text[i]; {
		case quoted && b == '\\':
			i++
		case b == '"':
			quoted = !quoted
		case b == ',' && !quoted:
			return strings.Trim(text[:i], " \t"), text[i+1:]
		}
	}
	return strings.Trim(text, " \t"), ""
}

// unquote is the value of a quoted string (RFC 9110 §5.6.4); ok is false where text is none.
func unquote(text string) (value string, ok bool) {
	if len(text) < 2 || text[0] != '"' || text[len(text)-1] != '"' {
		return "", false
	}
	inner := text[1 : len(text)-1]
	if !strings.ContainsAny(inner, `\"`) {
		return inner, true
	}
	var b strings.Builder
	for i := 0; i < len(inner); i++ {
		switch inner[i] {
		case '"':
			return "", false
		case '\\':
			if i++; i == len(inner) {
				return "", false
			}
		}
		b.WriteByte(inner[i])
	}
	return b.String(), true
}

// maxDelta is what a larger number of seconds is taken for (RFC 9111 §1.2.2).
const maxDelta = 1 << 31

// deltaSeconds reads a non-negative whole number of seconds.
func deltaSeconds(text string) (n int64, ok bool) {
	if text == "" {
		return 0, false
	}
	for i := range len(text) {
		if !isDigit(text[i]) {
			return 0, false
		}
		n = min(n*10+int64(text[i]-'0'), maxDelta)
	}
	return n, true
}
