package flow

import "strings"

// Field is one header or trailer line, spelt as it was sent.
type Field struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Header is the list of fields in the order of the wire, repeats and spelling kept. Look-ups fold
// ASCII case (RFC 9110 §5.1). It is a plain slice: small, and cheap to copy.
type Header []Field

// Get is the value of the first field called name, or "".
func (h Header) Get(name string) string {
	for i := range h {
		if EqualFold(h[i].Name, name) {
			return h[i].Value
		}
	}
	return ""
}

// Has tells whether a field called name is there, even an empty one.
func (h Header) Has(name string) bool {
	for i := range h {
		if EqualFold(h[i].Name, name) {
			return true
		}
	}
	return false
}

// Values are all values of name, in order.
func (h Header) Values(name string) []string {
	var vs []string
	for i := range h {
		if EqualFold(h[i].Name, name) {
			vs = append(vs, h[i].Value)
		}
	}
	return vs
}

// Joined are all values of name as one comma-separated list (RFC 9110 §5.3).
func (h Header) Joined(name string) string { return strings.Join(h.Values(name), ", ") }

// HasToken tells whether token is a member of the comma-separated list in name, case folded.
func (h Header) HasToken(name, token string) bool {
	for i := range h {
		if !EqualFold(h[i].Name, name) {
			continue
		}
		for part := range strings.SplitSeq(h[i].Value, ",") {
			if EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}

// Add appends a field.
func (h *Header) Add(name, value string) { *h = append(*h, Field{name, value}) }

// Set leaves exactly one field called name: at the place of the first, in the spelling given here,
// or at the end. The backing array is never shared with an earlier copy of h.
func (h *Header) Set(name, value string) {
	out := make(Header, 0, len(*h)+1)
	done := false
	for _, f := range *h {
		switch {
		case !EqualFold(f.Name, name):
			out = append(out, f)
		case !done:
			out = append(out, Field{name, value})
			done = true
		}
	}
	if !done {
		out = append(out, Field{name, value})
	}
	*h = out
}

// Del removes every field called name. The backing array is never shared with an earlier copy of h.
func (h *Header) Del(name string) {
	if !h.Has(name) {
		return
	}
	out := make(Header, 0, len(*h))
	for _, f := range *h {
		if !EqualFold(f.Name, name) {
			out = append(out, f)
		}
	}
	*h = out
}

// Clone is an independent copy.
func (h Header) Clone() Header { return append(Header(nil), h...) }

// Is tells that both are the same slice: nothing has edited one since it was the other (edits copy).
func (h Header) Is(other Header) bool {
	return len(h) == len(other) && (len(h) == 0 || &h[0] == &other[0])
}

// EqualFold compares two field names or tokens, folding ASCII letters only.
func EqualFold(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		x, y := a[i], b[i]
		if x != y && lower(x) != lower(y) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
