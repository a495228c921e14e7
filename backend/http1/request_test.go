package http1

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"proxycache/backend/flow"
)

type requestCase struct {
	name, text string
	want       Head // Header and Raw apart
}

var requestCases = []requestCase{
	{"§3 request line", "GET /where?q=now HTTP/1.1\r\nHost: www.example.org\r\n\r\n",
		Head{Method: "GET", Target: "/where?q=now", Proto: "HTTP/1.1"}},
	{"§3.1 a method of its own", "M-SEARCH! / HTTP/1.1\r\nHost: a\r\n\r\n", Head{Method: "M-SEARCH!", Target: "/", Proto: "HTTP/1.1"}},
	{"§3.1 methods are case-sensitive", "get / HTTP/1.1\r\nHost: a\r\n\r\n", Head{Method: "get", Target: "/", Proto: "HTTP/1.1"}},
	{"§2.2 one empty line before", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Head{Method: "GET", Target: "/", Proto: "HTTP/1.1"}},
	{"§2.2 two empty lines before", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Head{Method: "GET", Target: "/", Proto: "HTTP/1.1"}},
	{"§2.3 HTTP/1.0 needs no Host", "GET / HTTP/1.0\r\n\r\n", Head{Method: "GET", Target: "/", Proto: "HTTP/1.0", Close: true}},
	{"§2.3 a higher minor version", "GET / HTTP/1.9\r\nHost: a\r\n\r\n", Head{Method: "GET", Target: "/", Proto: "HTTP/1.1"}},
	{"§3.2 an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", Head{Method: "GET", Target: "/", Proto: "HTTP/1.1"}},
	{"§3.2 a Host with an IPv6 address", "GET / HTTP/1.1\r\nHost: [2001:db8::7:1.2.3.4]:8080\r\n\r\n", Head{Method: "GET", Target: "/", Proto: "HTTP/1.1"}},
	{"§3.2 a Host with an address to come", "GET / HTTP/1.1\r\nHost: [v1.a:b]\r\n\r\n", Head{Method: "GET", Target: "/", Proto: "HTTP/1.1"}},
	{"§3.2 a Host with encoded bytes and an empty port", "GET / HTTP/1.1\r\nHost: a%20_b:\r\n\r\n", Head{Method: "GET", Target: "/", Proto: "HTTP/1.1"}},
	{"§3.2.1 a target as browsers send it", "GET /a[]|b?x={\xc3\xbc}%zz^\"` HTTP/1.1\r\nHost: a\r\n\r\n",
		Head{Method: "GET", Target: "/a[]|b?x={\xc3\xbc}%zz^\"`", Proto: "HTTP/1.1"}},
	{"§3.2.1 a path of slashes", "GET //a HTTP/1.1\r\nHost: a\r\n\r\n", Head{Method: "GET", Target: "//a", Proto: "HTTP/1.1"}},
	{"§3.2.2 absolute-form", "GET http://www.example.org:80/pub HTTP/1.1\r\nHost: a\r\n\r\n",
		Head{Method: "GET", Target: "http://www.example.org:80/pub", Proto: "HTTP/1.1"}},
	{"§3.2.2 absolute-form without a path", "GET HTTPS://[::1]?x HTTP/1.1\r\nHost: a\r\n\r\n", Head{Method: "GET", Target: "HTTPS://[::1]?x", Proto: "HTTP/1.1"}},
	{"§3.2.3 authority-form", "CONNECT www.example.com:80 HTTP/1.1\r\nHost: www.example.com\r\n\r\n",
		Head{Method: "CONNECT", Target: "www.example.com:80", Proto: "HTTP/1.1"}},
	{"§3.2.3 a CONNECT that says it has no body", "CONNECT [::1]:65535 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
		Head{Method: "CONNECT", Target: "[::1]:65535", Proto: "HTTP/1.1"}},
	{"§3.2.4 asterisk-form", "OPTIONS * HTTP/1.1\r\nHost: www.example.org:8001\r\n\r\n", Head{Method: "OPTIONS", Target: "*", Proto: "HTTP/1.1"}},
	{"§6.1 chunked, in any case", "POST / HTTP/1.1\r\nHost: a\r\ntransfer-ENCODING:\tChunked \r\n\r\n",
		Head{Method: "POST", Target: "/", Proto: "HTTP/1.1", Length: Chunked}},
	{"§6.2 a length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0042\r\n\r\n", Head{Method: "POST", Target: "/", Proto: "HTTP/1.1", Length: 42}},
	{"§6.2 the largest length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n",
		Head{Method: "POST", Target: "/", Proto: "HTTP/1.1", Length: 1<<63 - 1}},
	{"§6.3 a GET with a body", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n", Head{Method: "GET", Target: "/", Proto: "HTTP/1.1", Length: 3}},
	{"§6.3 an upgrade has an ordinary length", "POST /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 2\r\n\r\n",
		Head{Method: "POST", Target: "/ws", Proto: "HTTP/1.1", Length: 2}},
	{"§9.3 close among other options", "GET / HTTP/1.1\r\nHost: a\r\nConnection: x ,\tCLOSE\r\n\r\n", Head{Method: "GET", Target: "/", Proto: "HTTP/1.1", Close: true}},
	{"§9.3 close in a second line", "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n",
		Head{Method: "GET", Target: "/", Proto: "HTTP/1.1", Close: true}},
	{"§9.3 keep-alive in HTTP/1.0", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", Head{Method: "GET", Target: "/", Proto: "HTTP/1.0"}},
	{"§9.3 close beats keep-alive", "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", Head{Method: "GET", Target: "/", Proto: "HTTP/1.0", Close: true}},
	{"9110 §10.1.1 an expectation", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-Continue\r\n\r\n",
		Head{Method: "POST", Target: "/", Proto: "HTTP/1.1", Length: 1, Expect: true}},
	{"9110 §10.1.1 an expectation in a list", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: x ,100-continue,\r\n\r\n",
		Head{Method: "POST", Target: "/", Proto: "HTTP/1.1", Length: 1, Expect: true}},
	{"9110 §10.1.1 not in HTTP/1.0", "POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n",
		Head{Method: "POST", Target: "/", Proto: "HTTP/1.0", Length: 1, Close: true}},
	{"9110 §10.1.1 not without a body", "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", Head{Method: "POST", Target: "/", Proto: "HTTP/1.1"}},
}

func TestARequestIsReadByTheGrammar(t *testing.T) {
	for _, c := range requestCases {
		t.Run(c.name, func(t *testing.T) {
			agreeOnRequest(t, []byte(c.text))
			h, n, err := ParseRequest([]byte(c.text+"more"), Limits{})
			if err != nil || n != len(c.text) {
				t.Fatalf("took %d bytes of %d, %v", n, len(c.text), err)
			}
			if raw := strings.TrimLeft(c.text, "\r\n"); string(h.Raw) != raw {
				t.Errorf("the text is %q, want %q", h.Raw, raw)
			}
			h.Raw, h.Header = nil, nil
			if !reflect.DeepEqual(*h, c.want) {
				t.Errorf("got %+v, want %+v", *h, c.want)
			}
		})
	}
}

type refusedCase struct {
	name, text string
	status     int
	reason     string // a part of it
}

var refusedRequests = []refusedCase{
	{"§2.2 three empty lines before", "\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "empty lines"},
	{"§2.2 a line feed before", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "byte 0x0a"},
	{"§2.2 a carriage return before", "\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "byte 0x0d"},
	{"§2.2 line feeds alone", "GET / HTTP/1.1\nHost: a\n\n", 400, "line feed alone"},
	{"§2.2 a line feed alone at the end", "GET / HTTP/1.1\r\nHost: a\r\n\n", 400, "line feed alone"},
	{"§2.2 a carriage return in the line", "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", 400, "must be encoded"},
	{"§2.2 a carriage return in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400, "control character"},
	{"§2.2 two carriage returns", "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\r\n\r\n", 400, "control character"},
	{"§2.2 whitespace before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400, "folded"},
	{"§2.3 another major version", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "HTTP/2.0"},
	{"§2.3 the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "HTTP/2.0"},
	{"§2.3 a version of two digits", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400, "version"},
	{"§2.3 the name is case-sensitive", "GET / http/1.1\r\nHost: a\r\n\r\n", 400, "version"},
	{"§2.3 no version", "GET /\r\nHost: a\r\n\r\n", 400, "request line"},
	{"§2.3 nothing but a version", "HTTP/1.1\r\nHost: a\r\n\r\n", 400, "request line"},
	{"§3 two spaces after the method", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "must be encoded"},
	{"§3 two spaces after the target", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400, "must be encoded"},
	{"§3 a tab", "GET\t/\tHTTP/1.1\r\nHost: a\r\n\r\n", 400, "request line"},
	{"§3 a tab in the method", "GET\t/ / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "not a token"},
	{"§3 a space at the end", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400, "version"},
	{"§3 no target", "GET  HTTP/1.1\r\nHost: a\r\n\r\n", 400, "empty"},
	{"§3 a space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "must be encoded"},
	{"§3.1 a method with a comma", "GE,T / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "not a token"},
	{"§3.1 a handshake", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "TLS"},
	{"§3.2 a fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "must be encoded"},
	{"§3.2 a NUL in the target", "GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "must be encoded"},
	{"§3.2 a target of no form", "GET a/b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "neither a path"},
	{"§3.2 no Host", "GET / HTTP/1.1\r\n\r\n", 400, "no Host"},
	{"§3.2 two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", 400, "more than one Host"},
	{"§3.2 two Hosts in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400, "more than one Host"},
	{"§3.2 a Host that is a URI", "GET / HTTP/1.1\r\nHost: http://a/\r\n\r\n", 400, "Host is"},
	{"§3.2 a list of Hosts", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400, "Host is"},
	{"§3.2 a Host with a user", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400, "Host is"},
	{"§3.2 a Host with a bad port", "GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n", 400, "Host is"},
	{"§3.2 a Host with two ports", "GET / HTTP/1.1\r\nHost: a:1:2\r\n\r\n", 400, "Host is"},
	{"§3.2 a Host with half an escape", "GET / HTTP/1.1\r\nHost: a%2\r\n\r\n", 400, "Host is"},
	{"§3.2 a Host with a zone", "GET / HTTP/1.1\r\nHost: [fe80::1%25en0]\r\n\r\n", 400, "Host is"},
	{"§3.2 a Host with IPv4 in brackets", "GET / HTTP/1.1\r\nHost: [1.2.3.4]\r\n\r\n", 400, "Host is"},
	{"§3.2 a Host with an open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400, "Host is"},
	{"§3.2 a Host with text after the bracket", "GET / HTTP/1.1\r\nHost: [::1]x80\r\n\r\n", 400, "Host is"},
	{"§3.2.2 absolute-form without a host", "GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n", 400, "names the host"},
	{"§3.2.2 absolute-form with a port alone", "GET http://:80/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, "names the host"},
	{"§3.2.2 absolute-form with a user", "GET http://u:p@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, "names a user"},
	{"§3.2.2 absolute-form of no scheme", "GET 1http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, "neither a path"},
	{"§3.2.2 an opaque URI", "GET urn:a:b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "neither a path"},
	{"§3.2.3 CONNECT to a path", "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "CONNECT names"},
	{"§3.2.3 CONNECT to a URI", "CONNECT http://a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "CONNECT names"},
	{"9110 §9.3.6 CONNECT without a port", "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", 400, "CONNECT names"},
	{"9110 §9.3.6 CONNECT to an empty port", "CONNECT a: HTTP/1.1\r\nHost: a\r\n\r\n", 400, "CONNECT names"},
	{"9110 §9.3.6 CONNECT to port 0", "CONNECT a:0 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "CONNECT names"},
	{"9110 §9.3.6 CONNECT to port 65536", "CONNECT a:65536 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "CONNECT names"},
	{"9110 §9.3.6 CONNECT with a body", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n", 400, "tunnel"},
	{"9110 §9.3.6 CONNECT with chunks", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "tunnel"},
	{"§3.2.3 authority-form of another method", "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "neither a path"},
	{"§3.2.4 asterisk-form of another method", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400, "neither a path"},
	{"§5 no colon", "GET / HTTP/1.1\r\nHost: a\r\nNothing\r\n\r\n", 400, "no colon"},
	{"§5 no name", "GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", 400, "field name"},
	{"§5 a name that is no token", "GET / HTTP/1.1\r\nHost: a\r\nA(b): x\r\n\r\n", 400, "field name"},
	{"§5 a name with a NUL", "GET / HTTP/1.1\r\nHost: a\r\nA\x00: x\r\n\r\n", 400, "field name"},
	{"§5 a name with obs-text", "GET / HTTP/1.1\r\nHost: a\r\n\xc3\xa4: x\r\n\r\n", 400, "field name"},
	{"§5 a name with a space", "GET / HTTP/1.1\r\nHost: a\r\nA b: x\r\n\r\n", 400, "field name"},
	{"§5.1 whitespace before the colon", "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding \t: chunked\r\n\r\n", 400, "its colon"},
	{"§5.2 a folded line", "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb\r\n\r\n", 400, "folded"},
	{"§5.2 a folded line of blanks", "GET / HTTP/1.1\r\nHost: a\r\n \r\n\r\n", 400, "folded"},
	{"9110 §5.5 a NUL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: 12345678\x00\r\n\r\n", 400, "control character"},
	{"9110 §5.5 a DEL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: 1234\x7f5678\r\n\r\n", 400, "control character"},
	{"§6.1 both framings", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "both"},
	{"§6.1 chunks in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "HTTP/1.0"},
	{"§6.1 an unknown coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip;q=1, chunked\r\n\r\n", 501, "gzip"},
	{"§6.1 an unknown coding in a bad request", "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 400, "no Host"},
	{"§6.1 chunked twice", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", 400, "alone"},
	{"§6.1 chunked in two lines", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "more than one"},
	{"§6.3 chunked is not last", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", 400, "alone"},
	{"§6.3 no chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 400, "alone"},
	{"§6.1 an empty coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n", 400, "alone"},
	{"§6.1 an empty member", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ,chunked\r\n\r\n", 400, "alone"},
	{"§7.1 chunked with a parameter", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;a=b\r\n\r\n", 400, "alone"},
	{"§6.1 a vertical tab", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n", 400, "control character"},
	{"§6.2 a sign", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\n", 400, "Content-Length is"},
	{"§6.2 a negative length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\n", 400, "Content-Length is"},
	{"§6.2 an empty length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400, "Content-Length is"},
	{"§6.2 a hexadecimal length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\n", 400, "Content-Length is"},
	{"§6.2 a length with a space", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3 3\r\n\r\n", 400, "Content-Length is"},
	{"§6.2 a length that overflows", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775808\r\n\r\n", 400, "Content-Length is"},
	{"§6.3 a list of lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n", 400, "Content-Length is"},
	{"§6.3 the same length twice", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", 400, "more than one"},
	{"§6.3 two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400, "more than one"},
	{"9110 §15.5.15 a long target", "GET /" + strings.Repeat("a", 8<<10) + " HTTP/1.1\r\nHost: a\r\n\r\n", 414, "8192"},
	{"9110 §15.5.15 a long target still to come", "GET /" + strings.Repeat("a", 8<<10), 414, "8192"},
	{"9110 §15.5.15 a long path in absolute-form", "GET http://a/" + strings.Repeat("a", 8<<10) + " HTTP/1.1\r\nHost: a\r\n\r\n", 414, "8192"},
	{"9110 §15.5.15 a long query in absolute-form", "GET http://a?" + strings.Repeat("a", 8<<10) + " HTTP/1.1\r\nHost: a\r\n\r\n", 414, "8192"},
	{"9110 §15.5.15 a long host in absolute-form", "GET http://" + strings.Repeat("a", 1<<10) + "/ HTTP/1.1\r\nHost: a\r\n\r\n", 414, "1024"},
	{"9110 §15.5.15 a long host in authority-form", "CONNECT " + strings.Repeat("a", 1<<10) + ":1 HTTP/1.1\r\nHost: a\r\n\r\n", 414, "1024"},
	{"9110 §15.5.15 a long absolute-form still to come", "GET http://a/" + strings.Repeat("a", 8<<10+1<<10), 414, "8192"},
	{"9110 §15.5.15 a long host still to come", "GET http://" + strings.Repeat("a", 9<<10), 414, "1024"},
	{"6585 §5 a long header", "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("a", 64<<10) + "\r\n\r\n", 431, "65536 bytes"},
	{"6585 §5 a long header still to come", "GET / HTTP/1.1\r\nX: " + strings.Repeat("a", 64<<10), 431, "65536 bytes"},
	{"6585 §5 many fields", "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: 1\r\n", 100) + "\r\n", 431, "100 fields"},
	{"6585 §5 many fields still to come", "GET / HTTP/1.1\r\n" + strings.Repeat("X: 1\r\n", 101), 431, "100 fields"},
}

func TestARequestOutsideTheGrammarIsRefused(t *testing.T) {
	for _, c := range refusedRequests {
		t.Run(c.name, func(t *testing.T) {
			agreeOnRequest(t, []byte(c.text))
			h, n, err := ParseRequest([]byte(c.text), Limits{})
			refusedWith(t, err, c.status, c.reason)
			if h != nil || n != 0 {
				t.Errorf("took %d bytes, %+v", n, h)
			}
		})
	}
}

func refusedWith(t *testing.T, err error, status int, reason string) {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("the error is %v", err)
	}
	if e.Status != status || !strings.Contains(e.Error(), reason) {
		t.Errorf("refused with %d, %q; want %d, %q", e.Status, e.Reason, status, reason)
	}
}

func TestLimitsHoldToTheByte(t *testing.T) {
	text := []byte("GET /abc HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n")
	if _, n, err := ParseRequest(text, Limits{Head: len(text), Fields: 2, Target: 4}); n != len(text) || err != nil {
		t.Fatalf("at the limits: took %d bytes, %v", n, err)
	}
	_, _, err := ParseRequest(text, Limits{Head: len(text) - 1})
	refusedWith(t, err, 431, "35 bytes")
	_, _, err = ParseRequest(text, Limits{Fields: 1})
	refusedWith(t, err, 431, "1 fields")
	_, _, err = ParseRequest(text, Limits{Target: 3})
	refusedWith(t, err, 414, "3 bytes")
}

func TestTheLimitOfATargetIsOfItsPathAndQuery(t *testing.T) {
	host := strings.Repeat("a", 100)
	for _, c := range []struct {
		line   string
		status int
	}{
		{"GET /bc?d", 0}, {"GET /bc?de", 414}, {"GET http://" + host + "/bc?d", 0}, {"GET http://" + host + "/bc?de", 414},
		{"GET http://" + host + "?bcd/", 0}, {"GET http://" + host + "?bcd/e", 414}, {"GET http://" + host, 0},
		{"CONNECT " + host + ":443", 0}, {"OPTIONS *", 0},
	} {
		text := c.line + " HTTP/1.1\r\nHost: a\r\n\r\n"
		for _, cut := range []int{len(c.line), len(c.line) + 1, len(text)} {
			_, n, err := ParseRequest([]byte(text[:cut]), Limits{Target: 5})
			switch {
			case c.status != 0 && cut == len(text):
				refusedWith(t, err, c.status, "5 bytes")
			case c.status != 0: // it may wait for the line's end
			case err != nil || (n > 0) != (cut == len(text)):
				t.Errorf("%q: took %d bytes of %d, %v", text[:cut], n, cut, err)
			}
		}
	}
}

func TestFieldsKeepOrderSpellingAndRepeats(t *testing.T) {
	h, _, err := ParseRequest([]byte("GET / HTTP/1.1\r\nhOST: a\r\nX-A:1\r\nx-a: \t2 \t \r\nX-Empty:\r\nX-Blank: \t\r\nX-T: \xe4,\t\"b\"\r\n\r\n"), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	want := flow.Header{{Name: "hOST", Value: "a"}, {Name: "X-A", Value: "1"}, {Name: "x-a", Value: "2"}, {Name: "X-Empty"}, {Name: "X-Blank"}, {Name: "X-T", Value: "\xe4,\t\"b\""}}
	if !reflect.DeepEqual(h.Header, want) {
		t.Errorf("got %q", h.Header)
	}
}

func TestAHeadOwnsItsText(t *testing.T) {
	buf := []byte("GET /path HTTP/1.1\r\nHost: a\r\n\r\n")
	h, _, err := ParseRequest(buf, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	clear(buf)
	if h.Target != "/path" || h.Header.Get("host") != "a" || !strings.HasPrefix(string(h.Raw), "GET /path") {
		t.Errorf("it changed with the buffer: %+v", h)
	}
}
