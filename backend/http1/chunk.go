package http1

import (
	"bytes"
	"math"
	"strings"

	"proxycache/backend/flow"
)

const (
	// chunkLine bounds a chunk's size with its extensions.
	chunkLine = 1 << 10
	// chunkExcess is how many bytes of extensions and padding a body may carry beyond what its data
	// pays for (RFC 9112 §7.1.1 asks for a limit).
	chunkExcess = 16 << 10
	// chunkFrame is room for a chunk's size and both line ends.
	chunkFrame = 16 + 2 + 2
)

// part is what comes next in a chunked body (RFC 9112 §7.1).
type part int

const (
	sizeLine part = iota
	dataEnd       // the CR LF after a chunk's data
	trailers
)

// chunks is the state of the chunked coding.
type chunks struct {
	limits  Limits
	next    part
	excess  int64
	scan    scan // in the trailer section
	trailer flow.Header
}

// nextChunk consumes framing that is in the buffer, up to the next data or the body's end. What is
// incomplete stays.
func (b *Body) nextChunk() *Error {
	for b.left == 0 && !b.done {
		n, err := b.step(b.reader.Buffered())
		if n == 0 || err != nil {
			return err
		}
		b.reader.start += n
	}
	return nil
}

// step reads one piece of framing; n is the bytes it took, 0 while more are needed.
func (b *Body) step(buf []byte) (n int, err *Error) {
	c := &b.chunks
	switch c.next {
	case dataEnd:
		if n, err = lineEnd(buf); n > 0 {
			c.next = sizeLine
		}
	case sizeLine:
		if n, b.left, err = c.size(buf); n > 0 {
			c.next = dataEnd
			if b.left == 0 {
				c.next = trailers
			}
		}
	case trailers:
		if n, err = c.trailers(buf); n > 0 {
			b.end()
		}
	}
	return n, err
}

func lineEnd(buf []byte) (int, *Error) {
	if !strings.HasPrefix("\r\n", string(buf[:min(2, len(buf))])) {
		return 0, bad("a chunk is longer than its size says (RFC 9112 §7.1)")
	}
	if len(buf) < 2 {
		return 0, nil
	}
	return 2, nil
}

// size reads a chunk's first line.
func (c *chunks) size(buf []byte) (n int, size int64, err *Error) {
	i := bytes.IndexByte(buf[:min(len(buf), chunkLine)], '\n')
	switch {
	case i < 0 && len(buf) >= chunkLine:
		return 0, 0, bad("a chunk's size and extensions are longer than %d bytes", chunkLine)
	case i < 0:
		return 0, 0, nil
	case i == 0 || buf[i-1] != '\r':
		return 0, 0, bad("a chunk's size ends with a line feed alone, CR LF is needed (RFC 9112 §2.2)")
	}
	line := buf[:i-1]
	size, digits, ok := hexNumber(line)
	if !ok {
		return 0, 0, bad("the chunk size %s is not a hexadecimal number that fits (RFC 9112 §7.1)", excerpt(string(line)))
	}
	if digits < len(line) && !isExtensions(string(line[digits:])) {
		return 0, 0, bad("what follows the chunk size in %s is not an extension (RFC 9112 §7.1.1)", excerpt(string(line)))
	}
	// A plain line of up to sixteen digits is free, and so are extensions that go with real data.
	if c.excess += int64(i+1) - chunkFrame; c.excess > size {
		c.excess -= size
	} else {
		c.excess = 0 // what is below 0 less the largest size would wrap around
	}
	if c.excess > chunkExcess {
		return 0, 0, bad("the chunk extensions are out of proportion to the data (RFC 9112 §7.1.1)")
	}
	return i + 1, size, nil
}

// hexNumber reads 1*HEXDIG at the start of s; ok is false where there is none and for what does not
// fit an int64.
func hexNumber(s []byte) (n int64, digits int, ok bool) {
	for digits < len(s) && is(s[digits], hex) {
		if n > math.MaxInt64>>4 {
			return 0, 0, false
		}
		d := int64(s[digits]&15) + 9 // a letter's low bits are 1 to 6
		if is(s[digits], digit) {
			d -= 9
		}
		n = n<<4 | d
		digits++
	}
	return n, digits, digits > 0
}

// isExtensions reads *( ";" BWS name [ BWS "=" BWS value ] BWS ). They mean nothing to us, but what
// is no extension may be another reader's next chunk. Whitespace before the first ";" is refused.
func isExtensions(s string) bool {
	for first := true; s != ""; first = false {
		if !first {
			s = strings.TrimLeft(s, " \t")
		}
		if s == "" || s[0] != ';' {
			return false
		}
		s = strings.TrimLeft(s[1:], " \t")
		n := span(s, token)
		if n == 0 {
			return false
		}
		s = s[n:]
		if rest := strings.TrimLeft(s, " \t"); strings.HasPrefix(rest, "=") {
			s = strings.TrimLeft(rest[1:], " \t")
			if n = valueLength(s); n == 0 {
				return false
			}
			s = s[n:]
		}
	}
	return true
}

// valueLength is the length of the token or quoted-string (RFC 9110 §5.6.4) at the start of s, 0 if
// there is neither.
func valueLength(s string) int {
	if !strings.HasPrefix(s, `"`) {
		return span(s, token)
	}
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return i + 1
		case s[i] == '\\':
			i++
			if i == len(s) || !is(s[i], text) {
				return 0
			}
		case !is(s[i], text):
			return 0
		}
	}
	return 0
}

// trailers reads the trailer section with its blank line.
func (c *chunks) trailers(buf []byte) (int, *Error) {
	n, err := c.scan.section(buf, c.limits, 0)
	if err != nil || n == 0 {
		return 0, err.final()
	}
	if n == len("\r\n") {
		return n, nil
	}
	var f framing
	fields, err := parseFields(string(buf[:n]), make(flow.Header, 0, c.scan.lines-1), &f)
	if err != nil {
		return 0, err.final()
	}
	c.trailer = permitted(fields)
	return n, nil
}

// permitted leaves out the fields that may not stand in a trailer section, in place.
func permitted(h flow.Header) flow.Header {
	kept := h[:0]
	for _, field := range h {
		if !headerOnly(field.Name) {
			kept = append(kept, field)
		}
	}
	return kept
}

// headerOnly tells the fields a trailer section may not have because they frame, route, modify,
// authenticate or describe the message (RFC 9110 §6.5.1).
func headerOnly(name string) bool {
	switch strings.ToLower(name) {
	case "content-length", "transfer-encoding", "trailer", "te", "connection", "keep-alive", "proxy-connection", "upgrade",
		"host", "forwarded", "via", "max-forwards", "expect", "range", "cache-control", "pragma",
		"authorization", "proxy-authorization", "www-authenticate", "proxy-authenticate", "proxy-authentication-info", "cookie", "set-cookie",
		"age", "date", "expires", "location", "retry-after", "vary", "warning",
		"content-encoding", "content-type", "content-range":
		return true
	}
	return hasPrefix(name, "if-") || hasPrefix(name, "x-forwarded")
}

func hasPrefix(name, prefix string) bool {
	return len(name) >= len(prefix) && flow.EqualFold(name[:len(prefix)], prefix)
}
