package http1

import (
	"bytes"
	"strings"

	"proxycache/backend/flow"
)

// ParseRequest parses the request head at the start of buf. n is the bytes it took, 0 while more are
// needed. Up to two empty lines before it are passed over (RFC 9112 §2.2). What cannot become a
// request any more is refused before it is complete.
func ParseRequest(buf []byte, l Limits) (h *Head, n int, err error) {
	h = new(Head)
	n, refused := h.parseRequest(buf, l.orDefault(), new(scan))
	switch {
	case refused != nil:
		return nil, 0, refused
	case n == 0:
		return nil, 0, nil
	}
	return h, n, nil
}

// parseRequest goes on where s stopped; all of buf so far is given again.
func (h *Head) parseRequest(buf []byte, l Limits, s *scan) (int, *Error) {
	skip, n, err := requestSection(buf, l, s)
	if err != nil || n == 0 {
		return 0, err
	}
	if err := h.request(buf[skip:skip+n], l, s.lines-2); err != nil {
		return 0, err
	}
	return skip + n, nil
}

// requestSection finds a head of n bytes behind skip bytes of empty lines; n is 0 while more are
// needed.
func requestSection(buf []byte, l Limits, s *scan) (skip, n int, err *Error) {
	skip, err = emptyLines(buf, s.lenient)
	if err != nil || skip == len(buf) {
		return 0, 0, err
	}
	buf = buf[skip:]
	if len(buf) == 1 && buf[0] == '\r' { // half an empty line
		return 0, 0, nil
	}
	if !is(buf[0], token) {
		return 0, 0, notAMethod(buf[0])
	}
	n, err = s.section(buf, l, 1)
	if s.lines == 0 && (err == nil || err.Lenient == 0) {
		if long := longTarget(buf, l); long != nil {
			return 0, 0, long
		}
	}
	return skip, n, err
}

// emptyLines is the length of the empty lines at the start of buf.
func emptyLines(buf []byte, lenient bool) (n int, err *Error) {
	for lines := 0; ; {
		switch {
		case len(buf) >= n+2 && buf[n] == '\r' && buf[n+1] == '\n':
			n += 2
		case lenient && len(buf) > n && buf[n] == '\n':
			n++
		default:
			return n, nil
		}
		if lines++; lines > 2 {
			return 0, bad("there are more than two empty lines before the request (RFC 9112 §2.2)")
		}
	}
}

func notAMethod(c byte) *Error {
	if c == 0x16 { // a handshake record, RFC 8446 §5.1
		return bad("the connection starts with a TLS handshake where plain HTTP is spoken")
	}
	err := bad("the request line starts with the byte %#02x, which no method has (RFC 9110 §9.1)", c)
	if c == '\n' {
		err.Lenient = flow.LineFeed
	}
	return err
}

// longTarget refuses a target while its line is still coming.
func longTarget(line []byte, l Limits) *Error {
	if len(line) <= l.Target {
		return nil
	}
	_, rest, _ := bytes.Cut(line, []byte(" "))
	come, _, _ := bytes.Cut(rest[:min(len(rest), l.Target+originSize+1)], []byte(" "))
	return checkSize(string(come), l)
}

// request reads text, which is all of a head and has that many fields.
func (h *Head) request(text []byte, l Limits, fields int) *Error {
	h.keep(text, fields)
	line, rest := h.startLine()
	if err := h.requestLine(line, l); err != nil {
		return err
	}
	var f framing
	var err *Error
	if h.Header, err = parseFields(rest, h.Header, &f); err != nil {
		return err
	}
	if err := f.checkHost(h.Proto); err != nil {
		return err
	}
	h.Close = f.closes(h.Proto)
	if !f.none() {
		if h.Length, err = f.body(h.Proto); err != nil {
			return err
		}
	}
	if h.Method == "CONNECT" && h.Length != 0 {
		return bad("a CONNECT request has a body: what follows its head belongs to the tunnel (RFC 9110 §9.3.6)")
	}
	h.Expect = f.expect && h.Length != 0 && h.Proto == "HTTP/1.1"
	return nil
}

// requestLine reads method SP request-target SP HTTP-version (RFC 9112 §3).
func (h *Head) requestLine(line string, l Limits) *Error {
	first, last := strings.IndexByte(line, ' '), strings.LastIndexByte(line, ' ')
	if first == last {
		return bad("the request line %s is not a method, a target and a version (RFC 9112 §3)", excerpt(line))
	}
	h.Method, h.Target = line[:first], line[first+1:last]
	proto, err := version(line[last+1:])
	if err != nil {
		return err
	}
	h.Proto = proto
	if !all(h.Method, token) {
		return bad("the method %s is not a token (RFC 9110 §9.1)", excerpt(h.Method))
	}
	if err := checkSize(h.Target, l); err != nil {
		return err
	}
	if !all(h.Target, target) {
		return bad("the request target %s is empty or holds a character that must be encoded (RFC 9112 §3.2)", excerpt(h.Target))
	}
	return checkForm(h.Method, h.Target)
}

// version reads HTTP-version (RFC 9112 §2.3).
func version(s string) (string, *Error) {
	switch s {
	case "HTTP/1.1":
		return "HTTP/1.1", nil
	case "HTTP/1.0":
		return "HTTP/1.0", nil
	}
	if len(s) != len("HTTP/1.1") || s[:5] != "HTTP/" || !is(s[5], digit) || s[6] != '.' || !is(s[7], digit) {
		return "", bad("the version %s is not one of HTTP (RFC 9112 §2.3)", excerpt(s))
	}
	if s[5] != '1' {
		return "", refuse(505, "the version is %s, HTTP/1.1 and HTTP/1.0 are spoken here (RFC 9112 §2.3)", s)
	}
	return "HTTP/1.1", nil
}
