package http1

import (
	"bytes"
	"strings"

	"proxycache/backend/flow"
)

// exchange is what a Reader must know of the message it reads: a request, or the answer to one of
// that method.
type exchange struct {
	answered bool
	method   string
}

// strict parses by the grammar.
func (e exchange) strict(h *Head, buf []byte, l Limits, s *scan) (int, *Error) {
	if e.answered {
		return h.parseResponse(buf, e.method, l, s)
	}
	return h.parseRequest(buf, l, s)
}

// lenient parses what has faults that may be tolerated, and tells in h which. The text is brought
// into the form it should have, and that is parsed strictly: there is one way to understand a head.
func (e exchange) lenient(h *Head, buf []byte, l Limits, s *scan) (int, *Error) {
	skip, n, err := e.section(buf, l, s)
	if err != nil || n == 0 {
		return 0, e.blamed(err)
	}
	m := mend(buf[skip:skip+n], e.answered)
	if bytes.IndexByte(bytes.ReplaceAll(buf[:skip], []byte("\r\n"), nil), '\n') >= 0 {
		m.tolerated |= flow.LineFeed
	}
	if e.answered {
		err = h.response(m.text, e.method, m.fields)
	} else {
		err = h.request(m.text, l, m.fields)
	}
	if err != nil {
		return 0, e.blamed(err)
	}
	h.Raw = bytes.Clone(buf[skip : skip+n])
	h.Tolerated = m.tolerated
	return skip + n, nil
}

func (e exchange) section(buf []byte, l Limits, s *scan) (skip, n int, err *Error) {
	if e.answered {
		n, err = responseSection(buf, l, s)
		return 0, n, err
	}
	return requestSection(buf, l, s)
}

// blamed is a fault that nothing tolerates.
func (e exchange) blamed(err *Error) *Error {
	if e.answered {
		err = err.as502()
	}
	return err.final()
}

// refuse is the refusal of a head for faults that are not tolerated.
func (e exchange) refuse(missing flow.Tolerance) *Error {
	err := bad("%s", missing.Faults()).unless(missing)
	if e.answered {
		err = err.as502()
	}
	return err
}

// wanting is why a head is refused whose first fault is not tolerated: as far as it has come, the
// error says all that had to be tolerated, or that nothing helps.
func (e exchange) wanting(first *Error, buf []byte, l Limits, granted flow.Tolerance) *Error {
	var h Head
	n, err := e.lenient(&h, buf, l, &scan{lenient: true})
	switch {
	case err != nil:
		return err
	case n > 0:
		first.Lenient = h.Tolerated &^ granted
	}
	return first
}

// mended is the text of a head in the form it should have. What cannot be mended stands in it as it
// came, for the strict parser to refuse.
type mended struct {
	text      []byte
	fields    int
	tolerated flow.Tolerance

	response bool
	framing  bool   // the last field says where the message ends or goes, so nothing of it is mended
	length   string // of the Content-Length before
}

func mend(head []byte, response bool) *mended {
	m := &mended{text: make([]byte, 0, len(head)+len(" ")), response: response}
	first := true
	for line := range bytes.Lines(head) {
		text, whole := strings.CutSuffix(string(line), "\r\n")
		if !whole {
			text = strings.TrimSuffix(text, "\n")
			m.tolerated |= flow.LineFeed
		}
		switch {
		case first:
			m.start(text)
		case text == "":
			m.add("")
		case text[0] == ' ' || text[0] == '\t':
			m.fold(text)
		default:
			m.field(text)
		}
		first = false
	}
	return m
}

func (m *mended) add(line string) {
	m.text = append(m.text, line...)
	m.text = append(m.text, "\r\n"...)
}

// start adds the request line or the status line.
func (m *mended) start(line string) {
	if m.response && len(line) == len("HTTP/1.1 200") {
		line += " "
		m.tolerated |= flow.StatusLine
	}
	m.add(line)
}

// fold adds a line that goes on with the value before it (RFC 9112 §5.2).
func (m *mended) fold(line string) {
	more := trim(line)
	if m.fields == 0 || m.framing || more == "" {
		m.add(line)
		return
	}
	m.text = bytes.TrimRight(bytes.TrimSuffix(m.text, []byte("\r\n")), " \t")
	m.text = append(m.text, ' ')
	m.add(m.visible(more))
	m.tolerated |= flow.ObsFold
}

// field adds a field line.
func (m *mended) field(line string) {
	n := span(line, token)
	name, rest := line[:n], line[n:]
	if m.response && n > 0 && rest != "" && rest[0] != ':' {
		if after := strings.TrimLeft(rest, " \t"); strings.HasPrefix(after, ":") {
			rest = after
			m.tolerated |= flow.SpaceBeforeColon
		}
	}
	m.framing = frames(name)
	if m.response && flow.EqualFold(name, "Content-Length") && strings.HasPrefix(rest, ":") {
		m.contentLength(name, rest)
		return
	}
	m.fields++
	m.add(name + m.visible(rest))
}

// frames tells the fields that say where a message ends or where it goes.
func frames(name string) bool {
	for _, f := range []string{"Content-Length", "Transfer-Encoding", "Host", "Connection", "Upgrade", "Expect"} {
		if flow.EqualFold(name, f) {
			return true
		}
	}
	return false
}

// contentLength adds one length for several that are spelt the same (RFC 9110 §8.6).
func (m *mended) contentLength(name, rest string) {
	lengths := strings.Split(rest[1:], ",")
	same := trim(lengths[0])
	for _, l := range lengths {
		if trim(l) != same || !all(same, digit) || m.length != "" && m.length != same {
			m.fields++
			m.add(name + rest)
			return
		}
	}
	if len(lengths) > 1 || m.length != "" {
		m.tolerated |= flow.EqualLengths
	}
	if m.length == "" {
		m.length = same
		m.fields++
		m.add(name + ": " + same)
	}
}

// visible puts spaces for control characters in a value, but for those that no reader may let pass.
func (m *mended) visible(value string) string {
	if !m.response || m.framing || isText(value) {
		return value
	}
	b := []byte(value)
	for i, c := range b {
		if !is(c, text) && c != 0 && c != '\r' {
			b[i] = ' '
			m.tolerated |= flow.FieldBytes
		}
	}
	return string(b)
}
