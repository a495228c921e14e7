package http1

import (
	"strings"
	"unsafe"

	"proxycache/backend/flow"
)

// The text of a head and its fields are one allocation, of a size that most heads fit. The sizes are
// classes of the allocator, less the word it keeps for itself in the larger ones.
type (
	smallHead struct {
		fields [4]flow.Field
		text   [128]byte
	}
	plainHead struct {
		fields [8]flow.Field
		text   [256]byte
	}
	answerHead struct { // what a server says with a few fields of its own
		fields [10]flow.Field
		text   [248]byte
	}
	commonHead struct {
		fields [12]flow.Field
		text   [312]byte
	}
	mediumHead struct {
		fields [12]flow.Field
		text   [504]byte
	}
	usualHead struct {
		fields [16]flow.Field
		text   [760]byte
	}
)

// keep copies the text once, into h.Raw, and makes room for exactly that many fields in h.Header: one
// that is added beyond goes into another array.
func (h *Head) keep(text []byte, fields int) {
	n := len(text)
	switch {
	case n <= len(smallHead{}.text) && fields <= len(smallHead{}.fields):
		m := new(smallHead)
		h.Raw, h.Header = m.text[:n:n], m.fields[:0:fields]
	case n <= len(plainHead{}.text) && fields <= len(plainHead{}.fields):
		m := new(plainHead)
		h.Raw, h.Header = m.text[:n:n], m.fields[:0:fields]
	case n <= len(answerHead{}.text) && fields <= len(answerHead{}.fields):
		m := new(answerHead)
		h.Raw, h.Header = m.text[:n:n], m.fields[:0:fields]
	case n <= len(commonHead{}.text) && fields <= len(commonHead{}.fields):
		m := new(commonHead)
		h.Raw, h.Header = m.text[:n:n], m.fields[:0:fields]
	case n <= len(mediumHead{}.text) && fields <= len(mediumHead{}.fields):
		m := new(mediumHead)
		h.Raw, h.Header = m.text[:n:n], m.fields[:0:fields]
	case n <= len(usualHead{}.text) && fields <= len(usualHead{}.fields):
		m := new(usualHead)
		h.Raw, h.Header = m.text[:n:n], m.fields[:0:fields]
	default:
		h.Raw, h.Header = make([]byte, n), make(flow.Header, 0, fields)
	}
	copy(h.Raw, text)
}

// text is h.Raw as a string that shares its memory.
func (h *Head) text() string { return unsafe.String(unsafe.SliceData(h.Raw), len(h.Raw)) }

// startLine parts the first line from the fields. Every line of the text ends with CR LF: its scan has
// seen to that.
func (h *Head) startLine() (line, rest string) {
	text := h.text()
	end := strings.IndexByte(text, '\n')
	return text[:end-1], text[end+1:]
}
