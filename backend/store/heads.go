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

// appendHead appends head, told by like.
func appendHead(b, head, like []byte) []byte {
	b = binary.AppendUvarint(b, uint64(countLines(head)))
	behind, number := like, uint64(1) // where the line is looked for first: they come in the same order
	for len(head) > 0 {
		var line []byte
		line, head = cutLine(head)
		n, rest := findLine(line, behind, number)
		if n == 0 {
			n, rest = findLine(line, like, 1)
		}
		if b = binary.AppendUvarint(b, n); n == 0 {
			b = append(binary.AppendUvarint(b, uint64(len(line))), line...)
			continue
		}
		behind, number = rest, n+1
	}
	return b
}

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

// findLine is the number of a line among those of text, of which the first has number n, and what follows it; 0
// where it is not there.
func findLine(line, text []byte, n uint64) (number uint64, rest []byte) {
	for len(text) > 0 {
		var one []byte
		if one, text = cutLine(text); bytes.Equal(one, line) {
			return n, text
		}
		n++
	}
	return 0, nil
}

func countLines(text []byte) int {
	n := bytes.Count(text, []byte{'\n'})
	if len(text) > 0 && text[len(text)-1] != '\n' {
		n++
	}
	return n
}
