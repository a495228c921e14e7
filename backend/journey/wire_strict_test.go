package journey

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// strict reads HTTP/1 by the letter of RFC 9112's grammar, written as regular expressions, and shares
// nothing with the code under test. What it refuses on the far side of the proxy is a byte that another
// reader may take for something else.
type strict struct {
	response bool
	method   string // of the request that a response answers
}

// spoken is one message as strict read it.
type spoken struct {
	line    string // the first line
	method  string
	target  string
	status  int
	fields  [][2]string
	body    []byte
	trailer [][2]string
	chunked bool
	toEnd   bool // the end of the connection is the body's end
}

func (s *spoken) values(name string) (out []string) {
	for _, f := range s.fields {
		if strings.EqualFold(f[0], name) {
			out = append(out, f[1])
		}
	}
	return out
}

func (s *spoken) value(name string) string { return strings.Join(s.values(name), ", ") }

// echo is how tables write a request.
func (s *spoken) echo() string { return s.method + " " + s.target + " " + short(s.body) }

// short is a body, or what tells it from others where it is long.
func short(body []byte) string {
	if len(body) <= 64 {
		return string(body)
	}
	sum := 0
	for _, b := range body {
		sum = sum*31%65521 + int(b)
	}
	return fmt.Sprintf("[%d bytes, sum %d]", len(body), sum)
}

const tchar = "[!#$%&'*+.^_`|~0-9A-Za-z-]"

var (
	requestLine = regexp.MustCompile(`^(` + tchar + `+) (/[!"$-~\x80-\xff]*|\*) HTTP/1\.([01])$`)
	statusLine  = regexp.MustCompile(`^HTTP/1\.([01]) ([1-9][0-9][0-9]) [\t -~\x80-\xff]*$`)
	fieldLine   = regexp.MustCompile(`^(` + tchar + `+):[ \t]*([!-~\x80-\xff](?:[\t -~\x80-\xff]*[!-~\x80-\xff])?|)[ \t]*$`)
	sizeLine    = regexp.MustCompile(`^[0-9A-Fa-f]{1,15}$`)
	lengthValue = regexp.MustCompile(`^[0-9]{1,19}$`)
	hostValue   = regexp.MustCompile(`^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%!$&'()*+,;=-]*)(:[0-9]*)?$`)
)

// read takes the message at the start of b; n is its length, 0 while more is needed. ended says that no
// more will come.
func (s strict) read(b []byte, ended bool) (m *spoken, n int, err error) {
	m, at, err := s.head(b)
	if m == nil || err != nil {
		return nil, 0, err
	}
	lengths, codings := m.values("Content-Length"), m.values("Transfer-Encoding")
	switch {
	case len(codings) > 0 && len(lengths) > 0:
		return nil, 0, fmt.Errorf("both framing fields: %q", b[:at])
	case len(codings) > 1 || len(lengths) > 1:
		return nil, 0, fmt.Errorf("a framing field twice: %q", b[:at])
	case len(codings) == 1 && !strings.EqualFold(codings[0], "chunked"):
		return nil, 0, fmt.Errorf("Transfer-Encoding %q", codings[0])
	case len(lengths) == 1 && !lengthValue.MatchString(lengths[0]):
		return nil, 0, fmt.Errorf("Content-Length %q", lengths[0])
	case s.response && (s.method == "HEAD" || m.status < 200 || m.status == 204 || m.status == 304):
		if m.status != 304 && s.method != "HEAD" && len(lengths)+len(codings) > 0 {
			return nil, 0, fmt.Errorf("a %d with a framing field (RFC 9112 §6.1, RFC 9110 §8.6)", m.status)
		}
		return m, at, nil
	case len(codings) == 1:
		m.chunked = true
		return s.chunks(m, b, at)
	case len(lengths) == 1:
		length, err := strconv.Atoi(lengths[0])
		if err != nil || len(b)-at < length {
			return nil, 0, err
		}
		m.body = bytes.Clone(b[at : at+length])
		return m, at + length, nil
	case s.response:
		if !ended {
			return nil, 0, nil
		}
		m.toEnd, m.body = true, bytes.Clone(b[at:])
		return m, len(b), nil
	}
	return m, at, nil
}

func (s strict) head(b []byte) (*spoken, int, error) {
	end := bytes.Index(b, []byte("\r\n\r\n"))
	part := b
	if end >= 0 {
		part = b[:end]
	}
	lines := strings.Split(string(part), "\r\n")
	for i, line := range lines {
		if end < 0 && i == len(lines)-1 { // still growing
			line = strings.TrimSuffix(line, "\r")
		}
		if strings.ContainsAny(line, "\r\n\x00") {
			return nil, 0, fmt.Errorf("a bare CR, LF or NUL in the line %q", line)
		}
	}
	if end < 0 {
		return nil, 0, nil
	}
	m := &spoken{line: lines[0]}
	if err := s.first(m); err != nil {
		return nil, 0, err
	}
	var err error
	if m.fields, err = readFields(lines[1:]); err != nil {
		return nil, 0, err
	}
	if !s.response {
		hosts := m.values("Host")
		if len(hosts) != 1 || !hostValue.MatchString(hosts[0]) {
			return nil, 0, fmt.Errorf("Host is %q in %q", hosts, part)
		}
		if strings.HasSuffix(m.line, "1.0") && m.value("Transfer-Encoding") != "" {
			return nil, 0, fmt.Errorf("Transfer-Encoding in HTTP/1.0")
		}
	}
	return m, end + 4, nil
}

func (s strict) first(m *spoken) error {
	if s.response {
		parts := statusLine.FindStringSubmatch(wide(m.line))
		if parts == nil {
			return fmt.Errorf("the status line %q", m.line)
		}
		var err error
		m.status, err = strconv.Atoi(parts[2])
		return err
	}
	parts := requestLine.FindStringSubmatch(wide(m.line))
	if parts == nil || parts[2] == "*" && parts[1] != "OPTIONS" {
		return fmt.Errorf("the request line %q", m.line)
	}
	m.method, m.target = narrow(parts[1]), narrow(parts[2])
	return nil
}

// wide makes each byte a rune, which is what regular expressions count in; narrow undoes it.
func wide(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}

func narrow(s string) string {
	var b []byte
	for _, r := range s {
		b = append(b, byte(r))
	}
	return string(b)
}

func readFields(lines []string) (out [][2]string, err error) {
	for _, line := range lines {
		parts := fieldLine.FindStringSubmatch(wide(line))
		if parts == nil {
			return nil, fmt.Errorf("the field line %q", line)
		}
		out = append(out, [2]string{parts[1], narrow(parts[2])})
	}
	return out, nil
}

// chunks reads a chunked body. It wants no extensions: nobody needs to pass them on.
func (s strict) chunks(m *spoken, b []byte, at int) (*spoken, int, error) {
	for {
		end := bytes.Index(b[at:], []byte("\r\n"))
		if end < 0 {
			return nil, 0, nil
		}
		line := string(b[at : at+end])
		if !sizeLine.MatchString(line) {
			return nil, 0, fmt.Errorf("the chunk's line %q", line)
		}
		size, err := strconv.ParseInt(line, 16, 64)
		if err != nil {
			return nil, 0, err
		}
		at += end + 2
		if size == 0 {
			break
		}
		next := at + int(size)
		if len(b) < next+2 {
			return nil, 0, nil
		}
		if string(b[next:next+2]) != "\r\n" {
			return nil, 0, fmt.Errorf("%q behind a chunk's data", b[next:next+2])
		}
		m.body = append(m.body, b[at:next]...)
		at = next + 2
	}
	if bytes.HasPrefix(b[at:], []byte("\r\n")) {
		return m, at + 2, nil
	}
	end := bytes.Index(b[at:], []byte("\r\n\r\n"))
	if end < 0 {
		return nil, 0, nil
	}
	var err error
	if m.trailer, err = readFields(strings.Split(string(b[at:at+end]), "\r\n")); err != nil {
		return nil, 0, err
	}
	for _, f := range m.trailer {
		switch strings.ToLower(f[0]) {
		case "content-length", "transfer-encoding", "host", "trailer", "te", "connection", "authorization", "cookie", "content-type":
			return nil, 0, fmt.Errorf("the trailer holds %s", f[0])
		}
	}
	return m, at + end + 4, nil
}
