package export

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// jsonWriter writes JSON piece by piece, so that bodies pass through and never stand in memory whole.
// The first error stays.
type jsonWriter struct {
	w   *bufio.Writer
	err error
}

func newJSONWriter(w io.Writer) *jsonWriter { return &jsonWriter{w: bufio.NewWriterSize(w, 64<<10)} }

func (j *jsonWriter) raw(s string) {
	if j.err == nil {
		_, j.err = j.w.WriteString(s)
	}
}

// value writes v whole, with < and > as they are.
func (j *jsonWriter) value(v any) { j.raw(j.encode(v)) }

// object writes v without its last brace: more members follow, and then end.
func (j *jsonWriter) object(v any) { j.raw(strings.TrimSuffix(j.encode(v), "}")) }

func (j *jsonWriter) member(name string) { j.raw(`,"` + name + `":`) }

func (j *jsonWriter) end() { j.raw("}") }

func (j *jsonWriter) encode(v any) string {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil && j.err == nil {
		j.err = err
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// content writes a body as a string: text as it is, bytes as base64.
func (j *jsonWriter) content(c content) {
	if j.err != nil {
		return
	}
	body, err := c.open()
	if err != nil {
		j.err = err
		return
	}
	j.raw(`"`)
	if c.utf8 {
		_, err = io.Copy(escaper{j}, body)
	} else {
		coder := base64.NewEncoder(base64.StdEncoding, j.w)
		_, err = io.Copy(coder, body)
		err = errors.Join(err, coder.Close())
	}
	j.raw(`"`)
	if err = errors.Join(err, body.Close()); j.err == nil {
		j.err = err
	}
}

func (j *jsonWriter) flush() error {
	if j.err == nil {
		j.err = j.w.Flush()
	}
	return j.err
}

// escaper writes UTF-8 as the inside of a JSON string (RFC 8259 §7). What it escapes is ASCII, so that
// a character may come in two pieces.
type escaper struct{ j *jsonWriter }

func (e escaper) Write(p []byte) (int, error) {
	from := 0
	for i, c := range p {
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		e.j.raw(string(p[from:i]))
		from = i + 1
		switch c {
		case '"', '\\':
			e.j.raw(`\` + string(rune(c)))
		case '\n':
			e.j.raw(`\n`)
		case '\r':
			e.j.raw(`\r`)
		case '\t':
			e.j.raw(`\t`)
		default:
			const hex = "0123456789abcdef"
			e.j.raw(`\u00` + string(hex[c>>4]) + string(hex[c&15]))
		}
	}
	e.j.raw(string(p[from:]))
	return len(p), e.j.err
}
