package store

import (
	"bytes"
	"encoding/binary"
)

// The heads between the proxy and a target say mostly what the client's own say. Of each line is kept where it
// stands in the client's, or itself where it does not: the number of lines, and for each the number of the
// client's line, or 0 and the text.

// headMost is more than a head can have: a few bytes of a file that is broken could tell of much.
const headMost = 16 << 20

// appendHead appends head, told by like. Their lines mostly come in the same order, so that the one behind the
// last that was found is looked at first.
func appendHead(b, head, like []byte) []byte {
	b = binary.AppendUvarint(b, uint64(countLines(head)))
	expected, number := like, uint64(1)
	for len(head) > 0 {
		var line []byte
		line, head = cutLine(head)
		n, at := number, expected
		if !startsWith(at, line) {
			n, at = findLine(line, like)
		}
		if b = binary.AppendUvarint(b, n); n == 0 {
			b = append(binary.AppendUvarint(b, uint64(len(line))), line...)
			continue
		}
		expected, number = at[len(line):], n+1
	}
	return b
}

var newline = []byte{'\n'}

// head reads what appendHead wrote; nil where there was none.
func (d *restReader) head(like []byte) []byte {
	var out []byte
	for range d.length() {
		n := d.number()
		if n == 0 {
			out = append(out, d.bytes(d.length())...)
			continue
		}
		line, rest := cutLine(like)
		for ; n > 1 && len(line) > 0; n-- {
			line, rest = cutLine(rest)
		}
		if len(line) == 0 || len(out) > headMost {
			d.err = errRest
			return nil
		}
		out = append(out, line...)
	}
	return out
}

// cutLine parts text behind its first line.
func cutLine(text []byte) (line, rest []byte) {
	if end := bytes.IndexByte(text, '\n'); end >= 0 {
		return text[:end+1], text[end+1:]
	}
	return text, nil
}

// startsWith tells that the first line of text is line.
func startsWith(text, line []byte) bool {
	return bytes.HasPrefix(text, line) && (bytes.HasSuffix(line, newline) || len(line) == len(text))
}

// findLine is the number of a line among those of text, counted from 1, and text from there; 0 where it is not
// there.
func findLine(line, text []byte) (number uint64, at []byte) {
	for number = 1; len(text) > 0; number++ {
		if startsWith(text, line) {
			return number, text
		}
		_, text = cutLine(text)
	}
	return 0, nil
}

func countLines(text []byte) int {
	n := bytes.Count(text, newline)
	if len(text) > 0 && text[len(text)-1] != '\n' {
		n++
	}
	return n
}
