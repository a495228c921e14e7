package export

import (
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"proxycache/backend/coding"
	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// longestDecoded bounds what a small body may unpack to; a longer one is exported as it was sent.
const longestDecoded = 64 << 20

// content is a kept body as an export shows it.
type content struct {
	open    func() (io.ReadCloser, error) // nil when there is nothing to show
	size    int64                         // bytes that open gives
	utf8    bool                          // what open gives is text
	decoded bool                          // the content coding was undone
	note    string                        // what a reader should know; a sentence, or ""
}

// exporter is one export as it runs.
type exporter struct {
	source  Source
	options Options
}

// asSent is a kept body in its content coding.
func (e exporter) asSent(b flow.Stored) (content, error) {
	c := content{open: func() (io.ReadCloser, error) { return e.source.Body(b) }}
	return c, c.measure(b)
}

// readable is a kept body with its content coding undone, if that can be, and blanked if that is
// wished.
func (e exporter) readable(b flow.Stored) (content, error) {
	if b.Encoding != "" && b.Kept == b.Size {
		c := content{decoded: true, open: func() (io.ReadCloser, error) { return e.decode(b) }}
		if err := c.measure(b); err == nil && c.size <= longestDecoded {
			return c, nil
		}
	}
	switch {
	case !e.options.Redact, !blankable(b.Type):
		return e.asSent(b)
	case b.Encoding != "": // what is in it cannot be seen, so it cannot be blanked
		return content{note: "The body could not be unpacked to take its secrets out, and is left out."}, nil
	}
	c := content{open: func() (io.ReadCloser, error) {
		body, err := e.source.Body(b)
		if err != nil {
			return nil, err
		}
		return both{blankBody(body, b.Type), body}, nil
	}}
	return c, c.measure(b)
}

func (e exporter) decode(b flow.Stored) (io.ReadCloser, error) {
	body, err := e.source.Body(b)
	if err != nil {
		return nil, err
	}
	decoded, err := coding.Decode(body, b.Encoding)
	if err != nil {
		return nil, errors.Join(err, body.Close())
	}
	var out io.Reader = decoded
	if e.options.Redact {
		out = blankBody(out, b.Type)
	}
	return both{both{io.LimitReader(out, longestDecoded+1), decoded}, body}, nil
}

// both reads from one and closes another as well.
type both struct {
	io.Reader
	below io.Closer
}

func (b both) Close() error {
	var err error
	if c, ok := b.Reader.(io.Closer); ok {
		err = c.Close()
	}
	return errors.Join(err, b.below.Close())
}

// measure reads the body once, to know its size and whether it is text before the first byte is
// written. A body that is not kept any more leaves a content with nothing to open.
func (c *content) measure(b flow.Stored) error {
	open := c.open
	c.open = nil
	switch {
	case b.Size == 0:
		return nil
	case b.Kept == 0:
		c.note = "The body was not kept."
		return nil
	case b.Kept < b.Size:
		c.note = "The body was kept in part."
	}
	body, err := open()
	if problem.KindOf(err) == problem.NotFound {
		c.note = "The body is not kept any more."
		return nil
	}
	if err != nil {
		return err
	}
	var check utf8Check
	c.size, err = io.Copy(&check, body)
	if err = errors.Join(err, body.Close()); err != nil {
		return err
	}
	c.open, c.utf8 = open, check.valid()
	return nil
}

// utf8Check tells of bytes written to it in pieces whether they are UTF-8.
type utf8Check struct {
	rest []byte // the beginning of a character whose end is in the next piece
	bad  bool
}

func (u *utf8Check) Write(p []byte) (int, error) {
	n := len(p)
	if len(u.rest) > 0 {
		p = append(u.rest, p...)
		u.rest = nil
	}
	for i := max(0, len(p)-utf8.UTFMax+1); i < len(p); i++ {
		if utf8.RuneStart(p[i]) && !utf8.FullRune(p[i:]) {
			p, u.rest = p[:i], append([]byte(nil), p[i:]...)
			break
		}
	}
	u.bad = u.bad || !utf8.Valid(p)
	return n, nil
}

func (u *utf8Check) valid() bool { return !u.bad && len(u.rest) == 0 }

// shown is a string that JSON can hold: one that is not UTF-8 is taken for ISO 8859-1, as browsers do
// with fields.
func shown(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return latin1(s)
}

// latin1 makes each byte a character.
func latin1(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteRune(rune(s[i]))
	}
	return b.String()
}
