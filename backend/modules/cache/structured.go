package cache

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// sfKind is the type of a bare item of a structured field (RFC 9651 §3.3).
type sfKind byte

const (
	sfInteger sfKind = iota
	sfDecimal
	sfString
	sfToken
	sfBytes
	sfBoolean
	sfDate
	sfDisplay
	sfInner // an inner list, whose members are of no interest here
)

// sfValue is a bare item; text is it as written, of a boolean "1" or "0".
type sfValue struct {
	kind sfKind
	text string
}

// sfMember is a member of a dictionary.
type sfMember struct {
	key   string
	value sfValue
}

// parseDictionary reads a dictionary (RFC 9651 §4.2.2); parameters are read and dropped. ok is false
// where text is none: the whole field is ignored then.
func parseDictionary(text string) (members []sfMember, ok bool) {
	p := sfParser{strings.Trim(text, " ")}
	for p.rest != "" {
		key, ok := p.key()
		if !ok {
			return nil, false
		}
		value := sfValue{sfBoolean, "1"}
		if p.take('=') {
			if value, ok = p.itemOrInner(); !ok {
				return nil, false
			}
		} else if !p.parameters() {
			return nil, false
		}
		members = putMember(members, sfMember{key, value})
		if !p.comma() {
			return nil, false
		}
	}
	return members, true
}

// putMember adds m; of the same key the last one counts, in the place of the last.
func putMember(members []sfMember, m sfMember) []sfMember {
	for i := range members {
		if members[i].key == m.key {
			members = append(members[:i], members[i+1:]...)
			break
		}
	}
	return append(members, m)
}

type sfParser struct{ rest string }

func (p *sfParser) take(b byte) bool {
	if p.rest == "" || p.rest[0] != b {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

// while cuts the longest beginning whose bytes fit.
func (p *sfParser) while(fits func(byte) bool) string {
	n := 0
	for n < len(p.rest) && fits(p.rest[n]) {
		n++
	}
	cut := p.rest[:n]
	p.rest = p.rest[n:]
	return cut
}

// comma reads what parts two members; a comma at the very end is a fault.
func (p *sfParser) comma() bool {
	p.rest = strings.TrimLeft(p.rest, " \t")
	if p.rest == "" {
		return true
	}
	if !p.take(',') {
		return false
	}
	p.rest = strings.TrimLeft(p.rest, " \t")
	return p.rest != ""
}

func (p *sfParser) key() (string, bool) {
	if p.rest == "" || !('a' <= p.rest[0] && p.rest[0] <= 'z' || p.rest[0] == '*') {
		return "", false
	}
	return p.while(func(b byte) bool {
		return 'a' <= b && b <= 'z' || isDigit(b) || b == '_' || b == '-' || b == '.' || b == '*'
	}), true
}

func (p *sfParser) itemOrInner() (sfValue, bool) {
	if !strings.HasPrefix(p.rest, "(") {
		value, ok := p.bare()
		return value, ok && p.parameters()
	}
	p.take('(')
	for {
		p.rest = strings.TrimLeft(p.rest, " ")
		if p.take(')') {
			return sfValue{kind: sfInner}, p.parameters()
		}
		if _, ok := p.bare(); !ok || !p.parameters() {
			return sfValue{}, false
		}
		if p.rest == "" || p.rest[0] != ' ' && p.rest[0] != ')' {
			return sfValue{}, false
		}
	}
}

func (p *sfParser) parameters() bool {
	for p.take(';') {
		p.rest = strings.TrimLeft(p.rest, " ")
		if _, ok := p.key(); !ok {
			return false
		}
		if p.take('=') {
			if _, ok := p.bare(); !ok {
				return false
			}
		}
	}
	return true
}

func (p *sfParser) bare() (sfValue, bool) {
	if p.rest == "" {
		return sfValue{}, false
	}
	switch b := p.rest[0]; {
	case b == '-' || isDigit(b):
		return p.number()
	case b == '"':
		text, ok := p.quoted()
		return sfValue{sfString, text}, ok
	case b == '*' || isAlpha(b):
		return sfValue{sfToken, p.while(func(b byte) bool { return isTchar(b) || b == ':' || b == '/' })}, true
	case b == ':':
		return p.bytes()
	case b == '?':
		return p.boolean()
	case b == '@':
		p.take('@')
		v, ok := p.number()
		return sfValue{sfDate, v.text}, ok && v.kind == sfInteger
	case strings.HasPrefix(p.rest, `%"`):
		return p.display()
	}
	return sfValue{}, false
}

func (p *sfParser) number() (sfValue, bool) {
	sign := ""
	if p.take('-') {
		sign = "-"
	}
	whole := p.while(isDigit)
	if whole == "" || len(whole) > 15 {
		return sfValue{}, false
	}
	if !p.take('.') {
		return sfValue{sfInteger, sign + whole}, true
	}
	fraction := p.while(isDigit)
	ok := len(whole) <= 12 && 1 <= len(fraction) && len(fraction) <= 3
	return sfValue{sfDecimal, sign + whole + "." + fraction}, ok
}

func (p *sfParser) quoted() (string, bool) {
	var b strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			p.rest = p.rest[i+1:]
			return b.String(), true
		case c == '\\':
			if i++; i == len(p.rest) || p.rest[i] != '"' && p.rest[i] != '\\' {
				return "", false
			}
			b.WriteByte(p.rest[i])
		case c < ' ' || c > '~':
			return "", false
		default:
			b.WriteByte(c)
		}
	}
	return "", false
}

func (p *sfParser) bytes() (sfValue, bool) {
	coded, rest, ok := strings.Cut(p.rest[1:], ":")
	if !ok {
		return sfValue{}, false
	}
	p.rest = rest
	_, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(coded, "="))
	return sfValue{sfBytes, coded}, err == nil
}

func (p *sfParser) boolean() (sfValue, bool) {
	if len(p.rest) < 2 || p.rest[1] != '0' && p.rest[1] != '1' {
		return sfValue{}, false
	}
	v := sfValue{sfBoolean, p.rest[1:2]}
	p.rest = p.rest[2:]
	return v, true
}

func (p *sfParser) display() (sfValue, bool) {
	var b []byte
	for i := 2; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			p.rest = p.rest[i+1:]
			return sfValue{sfDisplay, string(b)}, utf8.Valid(b)
		case c == '%':
			if i+2 >= len(p.rest) {
				return sfValue{}, false
			}
			high, low := lowerHex(p.rest[i+1]), lowerHex(p.rest[i+2])
			if high < 0 || low < 0 {
				return sfValue{}, false
			}
			b = append(b, byte(high<<4|low))
			i += 2
		case c < ' ' || c > '~':
			return sfValue{}, false
		default:
			b = append(b, c)
		}
	}
	return sfValue{}, false
}

func lowerHex(b byte) int {
	switch {
	case isDigit(b):
		return int(b - '0')
	case 'a' <= b && b <= 'f':
		return int(b-'a') + 10
	}
	return -1
}
