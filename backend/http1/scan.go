package http1

import (
	"bytes"

	"proxycache/backend/flow"
)

// scan finds the end of a section of lines: a head, or a trailer section that has fields. It may be
// asked again with more bytes of the same section and does not look at any byte twice.
type scan struct {
	at    int // bytes looked at
	lines int // complete lines, the blank one too

	lenient bool // a line feed alone ends a line
}

// end is the length of the section with its blank line, 0 while more bytes are needed. A line feed
// without its carriage return ends a line only where that is tolerated (RFC 9112 §2.2).
func (s *scan) end(buf []byte) (int, *Error) {
	for {
		i := bytes.IndexByte(buf[s.at:], '\n')
		if i < 0 {
			s.at = len(buf)
			return 0, nil
		}
		i += s.at
		whole := i > 0 && buf[i-1] == '\r'
		if !whole && !s.lenient {
			return 0, bad("a line ends with a line feed alone, CR LF is needed (RFC 9112 §2.2)").unless(flow.LineFeed)
		}
		s.at = i + 1
		s.lines++
		if whole {
			i--
		}
		if i == 0 || buf[i-1] == '\n' {
			return s.at, nil
		}
	}
}

// section finds the end of a section and keeps it within the limits; before are the lines in it that
// are not fields.
func (s *scan) section(buf []byte, l Limits, before int) (int, *Error) {
	n, err := s.end(buf)
	if err != nil {
		return 0, err
	}
	fields := s.lines - before
	if n > 0 {
		fields--
	}
	switch {
	case n > l.Head || n == 0 && len(buf) >= l.Head:
		return 0, refuse(431, "the header is longer than %d bytes", l.Head)
	case fields > l.Fields:
		return 0, refuse(431, "the header has more than %d fields", l.Fields)
	}
	return n, nil
}
