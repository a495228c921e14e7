package http1

import (
	"strconv"

	"proxycache/backend/flow"
)

// AppendRequest appends a request head with its blank line. The header holds the framing fields
// already. Nothing in the arguments can end a line early: in a target whitespace and control
// characters are percent-encoded, in values they become spaces, and a field whose name is no token
// is left out. A proto other than "HTTP/1.0" is printed as HTTP/1.1.
func AppendRequest(dst []byte, method, target, proto string, h flow.Header) []byte {
	dst = appendToken(dst, method)
	dst = append(dst, ' ')
	dst = appendTarget(dst, target)
	dst = append(dst, ' ')
	dst = append(dst, printed(proto)...)
	dst = append(dst, "\r\n"...)
	dst = appendFields(dst, h)
	return append(dst, "\r\n"...)
}

// AppendResponse appends a response head with its blank line, as AppendRequest does. An empty reason
// is StatusText's.
func AppendResponse(dst []byte, proto string, status int, reason string, h flow.Header) []byte {
	if reason == "" {
		reason = StatusText(status)
	}
	dst = append(dst, printed(proto)...)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, ' ')
	dst = appendText(dst, reason)
	dst = append(dst, "\r\n"...)
	dst = appendFields(dst, h)
	return append(dst, "\r\n"...)
}

func printed(proto string) string {
	if proto == "HTTP/1.0" {
		return proto
	}
	return "HTTP/1.1"
}

func appendFields(dst []byte, h flow.Header) []byte {
	for i := range h {
		if !all(h[i].Name, token) {
			continue
		}
		dst = append(dst, h[i].Name...)
		dst = append(dst, ": "...)
		dst = appendText(dst, h[i].Value)
		dst = append(dst, "\r\n"...)
	}
	return dst
}

func appendText(dst []byte, s string) []byte {
	if isText(s) {
		return append(dst, s...)
	}
	for i := range len(s) {
		if is(s[i], text) {
			dst = append(dst, s[i])
		} else {
			dst = append(dst, ' ')
		}
	}
	return dst
}

func appendToken(dst []byte, s string) []byte {
	for i := range len(s) {
		if is(s[i], token) {
			dst = append(dst, s[i])
		}
	}
	return dst
}

func appendTarget(dst []byte, s string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(s) {
		if is(s[i], target) {
			dst = append(dst, s[i])
		} else {
			dst = append(dst, '%', digits[s[i]>>4], digits[s[i]&15])
		}
	}
	return dst
}
