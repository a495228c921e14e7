package http1

import (
	"strings"

	"proxycache/backend/flow"
)

// ParseResponse parses the response head at the start of buf. n is the bytes it took, 0 while more
// are needed. method is that of the request it answers: HEAD and CONNECT change where the response
// ends. What cannot become a response any more is refused before it is complete.
func ParseResponse(buf []byte, method string, l Limits) (h *Head, n int, err error) {
	h = new(Head)
	n, refused := h.parseResponse(buf, method, l.orDefault(), new(scan))
	switch {
	case refused != nil:
		return nil, 0, refused
	case n == 0:
		return nil, 0, nil
	}
	return h, n, nil
}

// parseResponse goes on where s stopped; all of buf so far is given again.
func (h *Head) parseResponse(buf []byte, method string, l Limits, s *scan) (int, *Error) {
	n, err := responseSection(buf, l, s)
	if err != nil || n == 0 {
		return 0, err.as502()
	}
	if err := h.response(buf[:n], method, s.lines-2); err != nil {
		return 0, err.as502()
	}
	return n, nil
}

func responseSection(buf []byte, l Limits, s *scan) (int, *Error) {
	const start = "HTTP/"
	if !strings.HasPrefix(start, string(buf[:min(len(buf), len(start))])) {
		return 0, bad("the answer starts with %s, which is not HTTP/1 (RFC 9112 §4)", excerpt(string(buf[:min(len(buf), 24)])))
	}
	return s.section(buf, l, 1)
}

func (e *Error) as502() *Error {
	if e != nil {
		e.Status = 502
	}
	return e
}

// response reads text, which is all of a head and has that many fields.
func (h *Head) response(text []byte, method string, fields int) *Error {
	h.keep(text, fields+1) // with room for a Via
	line, rest := h.startLine()
	if err := h.statusLine(line); err != nil {
		return err
	}
	var f framing
	var err *Error
	if h.Header, err = parseFields(rest, h.Header, &f); err != nil {
		return err
	}
	h.Close = f.closes(h.Proto)
	if h.Status == 101 || method == "CONNECT" && h.Status/100 == 2 {
		// The connection speaks something else from here on; a client ignores both framing fields
		// (RFC 9110 §9.3.6).
		h.Close = true
		return nil
	}
	h.Length = UntilClose
	if !f.none() {
		if h.Length, err = f.body(h.Proto); err != nil {
			return err
		}
	}
	h.frame(method)
	return nil
}

// frame corrects the length the header gives by RFC 9112 §6.3, rules 1 and 8.
func (h *Head) frame(method string) {
	switch {
	case h.Status == 204:
		h.Close = h.Close || h.Length > 0 || h.Length == Chunked
		h.Length = 0
	case h.Status < 200, h.Status == 304, method == "HEAD":
		h.Length = 0
	case h.Length == UntilClose:
		h.Close = true
	}
}

// statusLine reads HTTP-version SP status-code SP [ reason-phrase ] (RFC 9112 §4).
func (h *Head) statusLine(line string) *Error {
	const reason = len("HTTP/1.1 200 ")
	proto, rest, _ := strings.Cut(line, " ")
	var err *Error
	if h.Proto, err = version(proto); err != nil {
		return err
	}
	code, ok := number(rest[:min(3, len(rest))])
	if !ok || code < 100 || len(line) < reason || line[reason-1] != ' ' {
		err = bad("the status line %s has no code from 100 to 999 between single spaces (RFC 9112 §4)", excerpt(line))
		if len(line) == reason-1 {
			err.Lenient = flow.StatusLine
		}
		return err
	}
	h.Status, h.Reason = int(code), line[reason:]
	if !isText(h.Reason) {
		return bad("the reason phrase %s holds a control character (RFC 9112 §4)", excerpt(h.Reason))
	}
	return nil
}
