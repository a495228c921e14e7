package mock

import (
	"bytes"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"proxycache/backend/flow"
	"proxycache/backend/schema"
)

// typed tells that the headers say what the body is, or that it is coded and cannot be looked at.
func typed(headers []schema.Pair) bool {
	return slices.ContainsFunc(headers, func(p schema.Pair) bool {
		return flow.EqualFold(p.Name, "Content-Type") || flow.EqualFold(p.Name, "Content-Encoding")
	})
}

// looked is how much of a file is looked at.
const looked = 4 << 10

// kindOfFile is the Content-Type of a file by how it begins; a file that cannot be read says so when
// it is sent.
func kindOfFile(r io.Reader) string {
	start, err := io.ReadAll(io.LimitReader(r, looked))
	if err != nil || len(start) == 0 {
		return ""
	}
	return kindOf(start)
}

// kindOf is the Content-Type of a body by how it begins. Places of a template make JSON that does
// not parse, so a bracket at the start is enough where there are any.
func kindOf(body []byte) string {
	for _, m := range magic {
		if strings.HasPrefix(string(body), m.start) {
			return m.kind
		}
	}
	text := bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff")))
	lower := strings.ToLower(string(text[:min(len(text), 64)]))
	open := strings.HasPrefix(lower, "{") || strings.HasPrefix(lower, "[")
	switch {
	case strings.HasPrefix(lower, "<!doctype html"), strings.HasPrefix(lower, "<html"):
		return "text/html; charset=utf-8"
	case strings.HasPrefix(lower, "<svg"):
		return "image/svg+xml"
	case strings.HasPrefix(lower, "<?xml"):
		return "application/xml"
	case json.Valid(text), open && (bytes.Contains(text, []byte("${")) || len(body) >= looked):
		return "application/json"
	case isText(body):
		return "text/plain; charset=utf-8"
	}
	return "application/octet-stream"
}

var magic = []struct{ start, kind string }{
	{"\x89PNG\r\n\x1a\n", "image/png"}, {"\xff\xd8\xff", "image/jpeg"}, {"GIF8", "image/gif"},
	{"%PDF-", "application/pdf"}, {"PK\x03\x04", "application/zip"}, {"\x1f\x8b\x08", "application/gzip"},
	{"wOF2", "font/woff2"}, {"\x00asm", "application/wasm"},
}

// isText allows a character that is cut at the end: only the start of a file is looked at.
func isText(body []byte) bool {
	for len(body) > 0 {
		c, n := utf8.DecodeRune(body)
		switch {
		case c == utf8.RuneError && n == 1:
			return !utf8.FullRune(body)
		case c < ' ' && !strings.ContainsRune("\t\n\r\f\x1b", c):
			return false
		}
		body = body[n:]
	}
	return true
}
