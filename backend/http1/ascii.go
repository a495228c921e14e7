package http1

import (
	"encoding/binary"
	"math/bits"
)

// class is a set of character classes; classes[c] are those of the byte c.
type class uint8

const (
	token   class = 1 << iota // tchar, RFC 9110 §5.6.2
	text                      // HTAB, SP, VCHAR, obs-text: field values and reason phrases
	target                    // what a request target may hold
	regName                   // unreserved and sub-delims, RFC 3986 §2
	digit
	alpha
	hex
)

var classes = func() (t [256]class) {
	set := func(kind class, chars string) {
		for i := range len(chars) {
			t[chars[i]] |= kind
		}
	}
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	const digits = "0123456789"
	set(token, "!#$%&'*+-.^_`|~"+digits+letters)
	set(regName, "-._~"+"!$&'()*+,;="+digits+letters)
	set(digit, digits)
	set(alpha, letters)
	set(hex, digits+"abcdefABCDEF")
	for c := 0x20; c < 0x100; c++ {
		if c == 0x7f {
			continue
		}
		t[c] |= text
		// RFC 3986 leaves out more, but browsers send "|", "[" or raw UTF-8 in queries. A "#" is not
		// among what they send, and readers disagree about what follows it.
		if c != ' ' && c != '#' {
			t[c] |= target
		}
	}
	t['\t'] |= text
	return t
}()

func is(c byte, kind class) bool { return classes[c]&kind != 0 }

// span is the length of the longest prefix of s that is all of kind.
func span(s string, kind class) int {
	for i := range len(s) {
		if classes[s[i]]&kind == 0 {
			return i
		}
	}
	return len(s)
}

// all tells whether s is not empty and all of kind.
func all(s string, kind class) bool { return s != "" && span(s, kind) == len(s) }

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// textSpan is the length of the longest prefix of s that is all of the class text. Field values are
// most of a head, so this goes by eight bytes.
func textSpan(s string) int {
	i := 0
	for i+8 <= len(s) {
		x := binary.LittleEndian.Uint64([]byte(s[i : i+8]))
		below := (x - ones*0x20) & ^x & highs
		del := x ^ ones*0x7f
		del = (del - ones) & ^del & highs
		if below|del == 0 {
			i += 8
			continue
		}
		i += bits.TrailingZeros64(below|del) / 8 // above its lowest bit such a sum may be wrong
		if s[i] != '\t' {
			return i
		}
		i++
	}
	for i < len(s) && is(s[i], text) {
		i++
	}
	return i
}

// isText tells whether s is all of the class text.
func isText(s string) bool { return textSpan(s) == len(s) }

// trim cuts optional whitespace (RFC 9110 §5.6.3) off both ends.
func trim(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// number reads 1*DIGIT; ok is false for anything else and for what does not fit an int64.
func number(s string) (n int64, ok bool) {
	if s == "" {
		return 0, false
	}
	const most = 1<<63 - 1
	for i := range len(s) {
		d := int64(s[i]) - '0'
		if d < 0 || d > 9 || n > (most-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}
