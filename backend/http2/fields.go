package http2

import (
	"strconv"
	"strings"

	"golang.org/x/net/http2/hpack"

	"proxycache/backend/flow"
)

// scratch is a header block that is being encoded.
type scratch struct{ b []byte }

func (s *scratch) Write(p []byte) (int, error) {
	s.b = append(s.b, p...)
	return len(p), nil
}

// fields sends a field section in as many frames as it needs; a status of 0 is a trailer.
func (c *Conn) fields(stream uint32, flags uint8, status int, h flow.Header) {
	if c.dead != nil {
		return
	}
	block := &c.out.block
	block.b = block.b[:0]
	if status != 0 {
		c.field(hpack.HeaderField{Name: ":status", Value: statusText(status)})
	}
	for i := range h {
		name := lower(h[i].Name)
		c.field(hpack.HeaderField{Name: name, Value: h[i].Value, Sensitive: unique(name)})
	}
	p := c.out.page()
	for k, rest := kindHeaders, block.b; ; k, flags = kindContinuation, 0 {
		n := min(len(rest), maxFrame)
		if n == len(rest) {
			flags |= flagEndHeaders
		}
		p.b = append(appendHeader(p.b, k, flags, stream, n), rest[:n]...)
		if rest = rest[n:]; len(rest) == 0 {
			break
		}
	}
	if cap(block.b) > maxFrame {
		block.b = nil
	}
}

func (c *Conn) field(f hpack.HeaderField) { _ = c.out.encoder.WriteField(f) } // scratch takes everything

// unique tells fields whose values hardly come twice: in the table they would take the place of others.
func unique(name string) bool {
	switch name {
	case "set-cookie", "etag", "location", "content-range", "x-request-id":
		return true
	}
	return false
}

func statusText(status int) string {
	switch status {
	case 200:
		return "200"
	case 304:
		return "304"
	}
	return strconv.Itoa(status)
}

// lowerNames are common names as HTTP/1 spells them.
var lowerNames = func() map[string]string {
	m := map[string]string{}
	for _, name := range []string{
		"Accept-Ranges", "Access-Control-Allow-Credentials", "Access-Control-Allow-Headers", "Access-Control-Allow-Methods",
		"Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Access-Control-Max-Age", "Age", "Allow", "Alt-Svc",
		"Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Length", "Content-Range",
		"Content-Security-Policy", "Content-Type", "Date", "ETag", "Etag", "Expires", "Last-Modified", "Link", "Location", "Pragma",
		"Referrer-Policy", "Retry-After", "Server", "Server-Timing", "Set-Cookie", "Strict-Transport-Security", "Trailer", "Vary",
		"Via", "WWW-Authenticate", "X-Content-Type-Options", "X-Frame-Options", "X-Powered-By", "X-Request-Id", "X-Xss-Protection",
	} {
		m[name] = strings.ToLower(name)
	}
	return m
}()

// lower is a field name as HTTP/2 has it (RFC 9113 §8.2).
func lower(name string) string {
	for i := range len(name) {
		if 'A' <= name[i] && name[i] <= 'Z' {
			if known, ok := lowerNames[name]; ok {
				return known
			}
			return strings.ToLower(name)
		}
	}
	return name
}
