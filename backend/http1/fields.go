package http1

import (
	"strings"

	"proxycache/backend/flow"
)

// framing is what a header says about where its message ends and what becomes of the connection.
type framing struct {
	lengths, codings, hosts int // lines called Content-Length, Transfer-Encoding, Host
	length, coding, host    string
	close, keepAlive        bool
	expect                  bool
}

// note remembers a field that has a say in framing.
func (f *framing) note(name, value string) {
	switch len(name) {
	case len("Host"):
		if flow.EqualFold(name, "Host") {
			f.hosts++
			f.host = value
		}
	case len("Expect"):
		if flow.EqualFold(name, "Expect") {
			f.expectations(value)
		}
	case len("Connection"):
		if flow.EqualFold(name, "Connection") {
			f.options(value)
		}
	case len("Content-Length"):
		if flow.EqualFold(name, "Content-Length") {
			f.lengths++
			f.length = value
		}
	case len("Transfer-Encoding"):
		if flow.EqualFold(name, "Transfer-Encoding") {
			f.codings++
			f.coding = value
		}
	}
}

func (f *framing) expectations(value string) {
	for expectation := range strings.SplitSeq(value, ",") {
		f.expect = f.expect || flow.EqualFold(trim(expectation), "100-continue")
	}
}

func (f *framing) options(value string) {
	for option := range strings.SplitSeq(value, ",") {
		option = trim(option)
		switch {
		case flow.EqualFold(option, "close"):
			f.close = true
		case flow.EqualFold(option, "keep-alive"):
			f.keepAlive = true
		}
	}
}

// closes applies RFC 9112 §9.3.
func (f *framing) closes(proto string) bool {
	return f.close || proto == "HTTP/1.0" && !f.keepAlive
}

// none tells that neither framing field is there.
func (f *framing) none() bool { return f.lengths == 0 && f.codings == 0 }

// body is the length the framing fields give (RFC 9112 §6.1 to §6.3). It is asked only where one of
// them is there.
func (f *framing) body(proto string) (int64, *Error) {
	switch {
	case f.lengths > 0 && f.codings > 0:
		return 0, bad("the message has both Content-Length and Transfer-Encoding (RFC 9112 §6.1)")
	case f.codings > 0:
		return Chunked, f.chunked(proto)
	case f.lengths > 1:
		return 0, bad("the message has more than one Content-Length (RFC 9112 §6.3)").unless(flow.EqualLengths)
	}
	n, ok := number(f.length)
	if !ok {
		return 0, bad("Content-Length is %s, one number of bytes is needed (RFC 9112 §6.2)", excerpt(f.length)).unless(flow.EqualLengths)
	}
	return n, nil
}

func (f *framing) chunked(proto string) *Error {
	if proto == "HTTP/1.0" {
		return bad("an HTTP/1.0 message has Transfer-Encoding (RFC 9112 §6.1)")
	}
	if f.codings > 1 {
		return bad("the message has more than one Transfer-Encoding line, \"chunked\" alone is understood (RFC 9112 §6.1)")
	}
	if flow.EqualFold(f.coding, "chunked") {
		return nil
	}
	if unknownCoding(f.coding) {
		return refuse(501, "Transfer-Encoding is %s, \"chunked\" alone is understood (RFC 9112 §6.1)", excerpt(f.coding))
	}
	return bad("Transfer-Encoding is %s, it must be \"chunked\" alone (RFC 9112 §6.1)", excerpt(f.coding))
}

// unknownCoding tells a well-formed list that ends in chunked, once, after codings we do not know
// from one that does not say where the message ends.
func unknownCoding(list string) bool {
	rest, last := list, ""
	if i := strings.LastIndexByte(list, ','); i >= 0 {
		rest, last = list[:i], trim(list[i+1:])
	}
	if !flow.EqualFold(last, "chunked") {
		return false
	}
	for coding := range strings.SplitSeq(rest, ",") {
		name, _, _ := strings.Cut(coding, ";")
		name = trim(name)
		if !all(name, token) || flow.EqualFold(name, "chunked") {
			return false
		}
	}
	return true
}

// parseFields reads field lines up to the blank line that ends s. f is told of each. Each line of s
// ends with CR LF.
func parseFields(s string, h flow.Header, f *framing) (flow.Header, *Error) {
	for len(s) > len("\r\n") {
		n := span(s, token)
		if n == 0 || s[n] != ':' {
			return nil, badName(s, n)
		}
		name := s[:n]
		s = s[n+1:]
		end := textSpan(s)
		if s[end] != '\r' || s[end+1] != '\n' {
			return nil, bad("the value of %s holds a control character (RFC 9110 §5.5)", excerpt(name)).unless(flow.FieldBytes)
		}
		value := trim(s[:end])
		f.note(name, value)
		h = append(h, flow.Field{Name: name, Value: value})
		s = s[end+2:]
	}
	return h, nil
}

// badName says what is wrong with a field line whose first n bytes are a token.
func badName(line string, n int) *Error {
	line, _, _ = strings.Cut(line, "\r\n")
	blank := n < len(line) && (line[n] == ' ' || line[n] == '\t')
	switch {
	case blank && n == 0:
		return bad("a field is folded over two lines, which is obsolete (RFC 9112 §5.2)").unless(flow.ObsFold)
	case blank && strings.HasPrefix(trim(line[n:]), ":"):
		return bad("there is whitespace between the field name %s and its colon (RFC 9112 §5.1)", excerpt(line[:n])).unless(flow.SpaceBeforeColon)
	case n == len(line):
		return bad("the field line %s has no colon (RFC 9112 §5)", excerpt(line))
	}
	return bad("the field line %s does not start with a field name (RFC 9110 §5.1)", excerpt(line))
}
