package journey

import (
	"crypto/tls"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// family is a part of the corpus.
type family struct {
	name  string
	doors string // "r" reverse, "f" forward, "c" inside CONNECT
	cases []hostile
}

const keepsAlive = "GET {/}x HTTP/1.0\r\nHost: {h}\r\nConnection: keep-alive\r\n\r\n"

func TestHostileRequests(t *testing.T) {
	for _, f := range []family{
		{"which framing field counts", "rfc", framingConflicts},
		{"Content-Length", "rc", contentLengths},
		{"chunks", "rf", chunkCases()},
		{"lines and fields", "rf", lineCases()},
		{"versions", "rf", versionCases},
		{"1.0 that keeps alive", "r", []hostile{{name: "a server", send: keepsAlive, want: "200", heard: []string{"GET /x "}}}},
		{"1.0 that would keep alive", "f", []hostile{{name: "a proxy (RFC 9112 §9.3)", send: keepsAlive, want: "200 close", heard: []string{"GET /x "}}}},
		{"who is asked", "r", authorityCases},
		{"who is asked of a proxy", "f", absoluteCases},
		{"what is cut short", "rf", cutCases()},
		{"pipelines", "rfc", pipelineCases()},
		{"Expect", "rf", expectCases},
		{"fields of the connection", "rf", connectionCases},
		{"too long", "rf", longCases()},
	} {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			o := openRawOrigin(t, nil)
			reverse, forward, inside := doorways(openHouse(t, reverseTo(o.address)), o)
			for _, k := range f.cases {
				for letter, d := range map[string]door{"r": reverse, "f": forward, "c": inside} {
					if strings.Contains(f.doors, letter) {
						k.run(t, o, d)
					}
				}
			}
		})
	}
}

// post is a request with the fields that a case is about, and what follows them.
func post(fields, body string) string {
	return "POST {/}first HTTP/1.1\r\nHost: {h}\r\n" + fields + "\r\n\r\n" + body
}

// ask is a request with more fields.
func ask(target string, fields ...string) string {
	return strings.Join(append([]string{"GET {/}" + target + " HTTP/1.1", "Host: {h}"}, fields...), "\r\n") + "\r\n\r\n"
}

const smuggled = "GET {/}smuggled HTTP/1.1\r\nHost: {h}\r\n\r\n"

// inChunks is "hello", chunked.
const inChunks = "5\r\nhello\r\n0\r\n\r\n"

var hello = []string{"POST /first hello"}

// RFC 9112 §6.1 and §6.3: two answers to where a message ends are how requests are smuggled.
var framingConflicts = []hostile{
	{name: "CL.TE", send: post("Content-Length: 6\r\nTransfer-Encoding: chunked", "0\r\n\r\nG"+smuggled), want: "400 close"},
	{name: "CL.TE, the length covers all", send: post("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n"+smuggled), want: "400 close"},
	{name: "TE.CL", send: post("Transfer-Encoding: chunked\r\nContent-Length: 4", "5c\r\n"+smuggled+"\r\n0\r\n\r\n"), want: "400 close"},
	{name: "TE and CL that agree", send: post("Transfer-Encoding: chunked\r\nContent-Length: 15", inChunks), want: "400 close"},
	{name: "CL of 0 and TE", send: post("Content-Length: 0\r\nTransfer-Encoding: chunked", inChunks), want: "400 close"},
	{name: "TE between two CL", send: post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\nContent-Length: 5", "hello"), want: "400 close"},
	{name: "CL and TE in GET", send: ask("x", "Content-Length: 5", "Transfer-Encoding: chunked") + inChunks, want: "400 close"},
	{name: "CL and TE identity", send: post("Content-Length: 5\r\nTransfer-Encoding: identity", "hello"), want: "400 close"},
	{name: "CL and an unknown TE", send: post("Content-Length: 5\r\nTransfer-Encoding: x", "hello"), want: "400 close"},
	{name: "CL and an empty TE", send: post("Content-Length: 5\r\nTransfer-Encoding:", "hello"), want: "400 close"},
	{name: "CL and TE behind a tab", send: post("Content-Length: 5\r\nTransfer-Encoding:\tchunked", "hello"), want: "400 close"},
	{name: "CL and TE in 1.0", send: "POST {/}first HTTP/1.0\r\nHost: {h}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello", want: "400 close"},
	{name: "TE in 1.0", send: "POST {/}first HTTP/1.0\r\nHost: {h}\r\nTransfer-Encoding: chunked\r\n\r\n" + inChunks, want: "400 close"},
	{name: "TE in 1.0 that keeps alive", send: "POST {/}first HTTP/1.0\r\nHost: {h}\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n" + inChunks, want: "400 close"},

	{name: "TE", send: post("Transfer-Encoding: chunked", inChunks), want: "200", heard: hello},
	{name: "TE in capitals", send: post("TRANSFER-ENCODING: CHUNKED", inChunks), want: "200", heard: hello},
	{name: "TE behind a tab", send: post("Transfer-Encoding:\tchunked", inChunks), want: "200", heard: hello},
	{name: "TE before a tab", send: post("Transfer-Encoding: chunked\t", inChunks), want: "200", heard: hello},
	{name: "TE without a space", send: post("Transfer-Encoding:chunked", inChunks), want: "200", heard: hello},
	{name: "TE in GET", send: ask("first", "Transfer-Encoding: chunked") + inChunks, want: "200", heard: []string{"GET /first hello"}},
	{name: "the field TE is not a framing field", send: post("TE: chunked\r\nContent-Length: 5", "hello"), want: "200", heard: hello},
	{name: "Transfer_Encoding is another field", send: post("Transfer_Encoding: chunked\r\nContent-Length: 5", "hello"), want: "200", heard: hello},
	{name: "Content-Encoding is another field", send: post("Content-Encoding: chunked\r\nContent-Length: 5", "hello"), want: "200", heard: hello},
	{name: "Connection nominates TE", send: post("Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked", inChunks), want: "200", heard: hello},
	{name: "Connection nominates CL", send: post("Connection: Content-Length\r\nContent-Length: 5", "hello"), want: "200", heard: hello},

	{name: "TE twice", send: post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", inChunks), want: "400 close"},
	{name: "TE, then identity", send: post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", inChunks), want: "400 close"},
	{name: "identity, then TE", send: post("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", inChunks), want: "400/501 close"},
	{name: "TE, then another spelling", send: post("Transfer-Encoding: chunked\r\ntransfer-encoding: x", inChunks), want: "400 close"},
	{name: "chunked, identity", send: post("Transfer-Encoding: chunked, identity", inChunks), want: "400 close"},
	{name: "identity, chunked", send: post("Transfer-Encoding: identity, chunked", inChunks), want: "501 close"},
	{name: "chunked, chunked", send: post("Transfer-Encoding: chunked, chunked", inChunks), want: "400 close"},
	{name: "gzip, chunked", send: post("Transfer-Encoding: gzip, chunked", inChunks), want: "501 close"},
	{name: "chunked, gzip", send: post("Transfer-Encoding: chunked, gzip", inChunks), want: "400 close"},
	{name: "gzip", send: post("Transfer-Encoding: gzip", inChunks), want: "400 close"},
	{name: "identity", send: post("Transfer-Encoding: identity", inChunks), want: "400 close"},
	{name: "xchunked", send: post("Transfer-Encoding: xchunked", inChunks), want: "400 close"},
	{name: "chunkedx", send: post("Transfer-Encoding: chunkedx", inChunks), want: "400 close"},
	{name: "x chunked", send: post("Transfer-Encoding: x chunked", inChunks), want: "400 close"},
	{name: "chunked with a parameter", send: post("Transfer-Encoding: chunked;q=1", inChunks), want: "400 close"},
	{name: "chunked with an empty parameter", send: post("Transfer-Encoding: chunked;", inChunks), want: "400 close"},
	{name: "chunked before a comma", send: post("Transfer-Encoding: chunked,", inChunks), want: "400 close"},
	{name: "chunked behind a comma", send: post("Transfer-Encoding: ,chunked", inChunks), want: "400 close"},
	{name: "chunked in quotes", send: post(`Transfer-Encoding: "chunked"`, inChunks), want: "400 close"},
	{name: "chunked in single quotes", send: post("Transfer-Encoding: 'chunked'", inChunks), want: "400 close"},
	{name: "an empty TE", send: post("Transfer-Encoding:", inChunks), want: "400 close"},
	{name: "TE behind a vertical tab", send: post("Transfer-Encoding: \vchunked", inChunks), want: "400 close"},
	{name: "TE before a vertical tab", send: post("Transfer-Encoding: chunked\v", inChunks), want: "400 close"},
	{name: "TE behind a form feed", send: post("Transfer-Encoding: \fchunked", inChunks), want: "400 close"},
	{name: "TE behind a backspace", send: post("Transfer-Encoding: \bchunked", inChunks), want: "400 close"},
	{name: "TE behind a NUL", send: post("Transfer-Encoding: \x00chunked", inChunks), want: "400 close"},
	{name: "TE before a NUL", send: post("Transfer-Encoding: chunked\x00", inChunks), want: "400 close"},
	{name: "TE behind a no-break space", send: post("Transfer-Encoding: \xa0chunked", inChunks), want: "400 close"},
	{name: "TE in full-width letters", send: post("Transfer-Encoding: ｃhunked", inChunks), want: "400 close"},
	{name: "TE with the Kelvin sign", send: post("Transfer-Encoding: chun\u212aed", inChunks), want: "400 close"},
	{name: "a space before the colon", send: post("Transfer-Encoding : chunked", inChunks), want: "400 close"},
	{name: "a tab before the colon", send: post("Transfer-Encoding\t: chunked", inChunks), want: "400 close"},
	{name: "a NUL before the colon", send: post("Transfer-Encoding\x00: chunked", inChunks), want: "400 close"},
	{name: "a NUL before the name", send: post("\x00Transfer-Encoding: chunked", inChunks), want: "400 close"},
	{name: "a high byte in the name", send: post("Transfer-Encoding\xa0: chunked", inChunks), want: "400 close"},
	{name: "a space before the name", send: post("X: y\r\n Transfer-Encoding: chunked", inChunks), want: "400 close"},
	{name: "a folded value", send: post("Transfer-Encoding:\r\n chunked", inChunks), want: "400 close"},
	{name: "a value folded by a tab", send: post("Transfer-Encoding: x\r\n\t, chunked", inChunks), want: "400 close"},
	{name: "behind a bare LF", send: post("X: y\nTransfer-Encoding: chunked", inChunks), want: "400 close"},
	{name: "behind a bare CR", send: post("X: y\rTransfer-Encoding: chunked", inChunks), want: "400 close"},
	{name: "behind CR CR LF", send: post("X: y\r\r\nTransfer-Encoding: chunked", inChunks), want: "400 close"},
	{name: "behind LF CR", send: post("X: y\n\rTransfer-Encoding: chunked", inChunks), want: "400 close"},
	{name: "in the value of another field", send: post("X: \rTransfer-Encoding: chunked\r\nContent-Length: 5", "hello"), want: "400 close"},
	{name: "in the request line", send: "POST {/}first HTTP/1.1 Transfer-Encoding: chunked\r\nHost: {h}\r\nContent-Length: 5\r\n\r\nhello", want: "400 close"},
	{name: "without a colon", send: post("Transfer-Encoding chunked", inChunks), want: "400 close"},
}

// RFC 9110 §8.6, RFC 9112 §6.2: 1*DIGIT.
var contentLengths = slices.Concat([]hostile{
	{name: "5", send: post("Content-Length: 5", "hello"), want: "200", heard: hello},
	{name: "with spaces around", send: post("Content-Length:   5  ", "hello"), want: "200", heard: hello},
	{name: "with tabs around", send: post("Content-Length:\t5\t", "hello"), want: "200", heard: hello},
	{name: "with zeros in front", send: post("Content-Length: 0000000000000000000000005", "hello"), want: "200", heard: hello},
	{name: "0", send: post("Content-Length: 0", ""), want: "200", heard: []string{"POST /first "}},
	{name: "0 and something behind it", send: post("Content-Length: 0", ask("next")), want: "200 200", heard: []string{"POST /first ", "GET /next "}},
	{name: "none", send: "POST {/}first HTTP/1.1\r\nHost: {h}\r\n\r\n", want: "200", heard: []string{"POST /first "}},
	{name: "in GET", send: ask("first", "Content-Length: 5") + "hello", want: "200", heard: []string{"GET /first hello"}},
	{name: "in HEAD", send: "HEAD {/}first HTTP/1.1\r\nHost: {h}\r\nContent-Length: 5\r\n\r\nhello", want: "200h", heard: []string{"HEAD /first hello"}},
	{name: "in DELETE", send: "DELETE {/}first HTTP/1.1\r\nHost: {h}\r\nContent-Length: 5\r\n\r\nhello", want: "200", heard: []string{"DELETE /first hello"}},
	{name: "a request as a body", send: post("Content-Length: 42", "GET /smuggled HTTP/1.1\r\nHost: a.b.test\r\n\r\n"), want: "200", heard: []string{"POST /first GET /smuggled HTTP/1.1\r\nHost: a.b.test\r\n\r\n"}},
	{name: "Content_Length beside it", send: post("Content-Length: 5\r\nContent_Length: 0", "hello"), want: "200", heard: hello},
}, refusedLengths(
	"+5", "-5", "-0", "5.0", "5,5", "5, 5", "5,", ",5", "5 5", "5;", "5\x00", "\x005", "5\v", "\v5", "\f5", "0x5", "0X5", "5h", "5e0", "1_0", "a", "", `"5"`,
	"'5'", "5\r", "\xd9\xa5", "½", "9223372036854775808", "18446744073709551616", "18446744073709551621", "99999999999999999999999", "-9223372036854775808",
), []hostile{
	{name: "twice the same", send: post("Content-Length: 5\r\nContent-Length: 5", "hello"), want: "400 close"},
	{name: "twice, differing", send: post("Content-Length: 5\r\nContent-Length: 0", "hello"), want: "400 close"},
	{name: "twice, in other letters", send: post("Content-Length: 0\r\ncontent-length: 43", smuggled), want: "400 close"},
	{name: "twice, the second one empty", send: post("Content-Length: 5\r\nContent-Length:", "hello"), want: "400 close"},
	{name: "a space before the colon", send: post("Content-Length : 5", "hello"), want: "400 close"},
	{name: "a tab before the colon", send: post("Content-Length\t: 5", "hello"), want: "400 close"},
	{name: "folded", send: post("Content-Length:\r\n 5", "hello"), want: "400 close"},
	{name: "behind a bare CR", send: post("X: y\rContent-Length: 5", "hello"), want: "400 close"},
	{name: "behind a bare LF", send: post("X: y\nContent-Length: 5", "hello"), want: "400 close"},
})

func refusedLengths(values ...string) (out []hostile) {
	for _, v := range values {
		out = append(out, hostile{name: fmt.Sprintf("%q", v), send: post("Content-Length: "+v, "hello"), want: "400 close"})
	}
	return out
}

// RFC 9112 §7.1.
func chunkCases() []hostile {
	cases := []hostile{}
	add := func(name, body, want string, heard ...string) {
		cases = append(cases, hostile{name: name, send: post("Transfer-Encoding: chunked", body), want: want, heard: heard, cut: strings.HasPrefix(want, "4")})
	}
	add("one chunk", inChunks, "200", hello...)
	add("three chunks", "1\r\nh\r\n3\r\nell\r\n1\r\no\r\n0\r\n\r\n", "200", hello...)
	add("hexadecimal", "A\r\n0123456789\r\nb\r\n01234567890\r\n0\r\n\r\n", "200", "POST /first 012345678901234567890")
	add("zeros in front", "0005\r\nhello\r\n0\r\n\r\n", "200", hello...)
	add("zeros as the last chunk", "5\r\nhello\r\n000\r\n\r\n", "200", hello...)
	add("empty", "0\r\n\r\n", "200", "POST /first ")
	add("a request in a chunk", "1a\r\nGET /smuggled HTTP/1.1\r\n\r\n\r\n0\r\n\r\n", "200", "POST /first GET /smuggled HTTP/1.1\r\n\r\n")
	add("CR LF as data", "4\r\n\r\n\r\n\r\n0\r\n\r\n", "200", "POST /first \r\n\r\n")
	add("an extension", "5;a=b\r\nhello\r\n0;c\r\n\r\n", "200", hello...)
	add("a quoted extension", "5;a=\"x;\\\"y\"\r\nhello\r\n0\r\n\r\n", "200", hello...)
	add("several extensions", "5;a=b;c;d=\"e\"\r\nhello\r\n0\r\n\r\n", "200", hello...)
	add("a trailer", "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", "200", hello...)

	for _, line := range []string{
		" 5", "5 ", "\t5", "5\t", "+5", "-5", "0x5", "0X5", "5h", "g", "", ";a", "5,5", "5 5", "5.", "'5'", "\"5\"", "5\x00", "\x005", "5\v", "５", "_5", "5_",
		"FFFFFFFFFFFFFFFF", "8000000000000000", "10000000000000005", "FFFFFFFFFFFFFFFFFFFFFFFFF0000005", "100000000000000000000000000000005",
		"5;", "5;;a", "5;=b", "5;a=", "5;a=\"b", "5;a=b\"", "5;a=\"\x00\"", "5;a b", "5;a=b c", "5;\x7f", "5;a\rb", "5;a=\rb", "5\r", "5 ;a=b", "5;a=b\x00",
	} {
		add(fmt.Sprintf("the size line %q", line), line+"\r\nhello\r\n0\r\n\r\n"+smuggled, "400 close")
	}
	add("a bare LF behind the size", "5\nhello\r\n0\r\n\r\n", "400 close")
	add("a bare LF in an extension", "5;a\nb\r\nhello\r\n0\r\n\r\n", "400 close")
	add("an LF that hides a chunk (TERM.EXT)", "2;\nxx\r\n4c\r\n0\r\n\r\n"+smuggled+"\r\n0\r\n\r\n", "400 close")
	add("a bare CR behind the size", "5\rhello\r\n0\r\n\r\n", "400 close")
	add("LF CR behind the size", "5\n\rhello\r\n0\r\n\r\n", "400 close")
	add("a bare LF behind the data", "5\r\nhello\n0\r\n\r\n", "400 close")
	add("a bare CR behind the data", "5\r\nhello\r0\r\n\r\n", "400 close")
	add("CR CR LF behind the data", "5\r\nhello\r\r\n0\r\n\r\n", "400 close")
	add("nothing behind the data", "5\r\nhello0\r\n\r\n", "400 close")
	add("more data than the size", "5\r\nhelloX\r\n0\r\n\r\n", "400 close")
	add("two bytes behind the data (TERM.SPILL)", "5\r\nhelloXX0\r\n\r\n"+smuggled, "400 close")
	add("less data than the size", "8\r\nhello\r\n0\r\n\r\n"+smuggled, "400 close")
	add("a bare LF behind the last size", "5\r\nhello\r\n0\n\r\n", "400 close")
	add("a bare LF as the end", "5\r\nhello\r\n0\r\n\n", "400 close")
	add("a minus before the last size", "5\r\nhello\r\n-0\r\n\r\n", "400 close")
	add("something that is no trailer", "5\r\nhello\r\n0\r\nhello\r\n\r\n"+smuggled, "400 close")
	add("a request instead of the end", "5\r\nhello\r\n0\r\n"+smuggled, "400 close")
	add("a long extension", "5;a="+strings.Repeat("b", 2000)+"\r\nhello\r\n0\r\n\r\n", "400 close")
	add("an endless extension", "5;a="+strings.Repeat("b", 100_000), "400 close")
	add("extensions without end", strings.Repeat("1;a="+strings.Repeat("b", 900)+"\r\nx\r\n", 100)+"0\r\n\r\n", "400 close")

	for _, trailer := range []string{
		"X: a\r\n b", "X: a\r\n\tb", " X: a", "X : a", "X\t: a", ": a", "X", "X\x00: a", "X: \x00", "X: a\rb", "X: a\nY: b", "X(: a", "X: a\r\r\nY: b",
	} {
		add(fmt.Sprintf("the trailer %q", trailer), "5\r\nhello\r\n0\r\n"+trailer+"\r\n\r\n", "400 close")
	}
	for _, name := range []string{"Content-Length: 50", "Transfer-Encoding: chunked", "Transfer-Encoding: identity", "Host: evil.test", "Authorization: Basic eA==", "Connection: close", "Content-Type: a/b", "Trailer: X", "TE: trailers", "Cookie: a=b"} {
		add("the trailer "+name, "5\r\nhello\r\n0\r\n"+name+"\r\n\r\n"+ask("next"), "200 200", "POST /first hello", "GET /next ")
	}
	add("too many trailers", "5\r\nhello\r\n0\r\n"+strings.Repeat("X: y\r\n", 200)+"\r\n", "400/431 close")
	add("a trailer that is too long", "5\r\nhello\r\n0\r\nX: "+strings.Repeat("y", 70_000)+"\r\n\r\n", "400/431 close")
	return cases
}

// RFC 9112 §2.2, §3, §5.
func lineCases() []hostile {
	refused := func(name, send string) hostile { return hostile{name: name, send: send, want: "400 close"} }
	field := func(line string) hostile { return refused(fmt.Sprintf("the field %q", line), ask("x", line)) }
	line := func(line string) hostile {
		return refused(fmt.Sprintf("the request line %q", line), line+"\r\nHost: {h}\r\n\r\n")
	}
	passed := func(name, send, heard string) hostile {
		return hostile{name: name, send: send, want: "200", heard: []string{heard}}
	}
	return []hostile{
		field("X: a\r\n b"), field("X: a\r\n\tb"), field("X: a\r\n \r\n b"), field("X : a"), field("X\t: a"), field("X\v: a"), field(": a"), field("X"), field("X;"), field(" : a"),
		field("X\x00: a"), field("X: a\x00b"), field("X: \x00"), field("X: a\rb"), field("X: a\r"), field("X: \ra"), field("X\r: a"), field("\rX: a"), field("X: a\nY: b"), field("X: a\n"),
		field("X: a\x01"), field("X: a\x7fb"), field("X: a\x1b[0m"), field("X: a\vb"), field("X(y): a"), field("X\"y: a"), field("X/y: a"), field("X@y: a"), field("X[y]: a"), field("X{y}: a"),
		field("X,y: a"), field("X=y: a"), field("X\\y: a"), field("Überschrift: a"), field("X\x80: a"), field("GET / HTTP/1.1"),
		line("GET  {/}x HTTP/1.1"), line("GET {/}x  HTTP/1.1"), line("GET {/}x HTTP/1.1 "), line(" GET {/}x HTTP/1.1"), line("\tGET {/}x HTTP/1.1"), line("GET\t{/}x\tHTTP/1.1"),
		line("GET {/}x\tHTTP/1.1"), line("GET {/}a b HTTP/1.1"), line("GET {/}a\tb HTTP/1.1"), line("GET {/}a\vb HTTP/1.1"), line("GET {/}a\x00b HTTP/1.1"), line("GET {/}a\rb HTTP/1.1"),
		line("GET {/}a\x7fb HTTP/1.1"), line("GET {/}a#b HTTP/1.1"), line("GET {/}x"), line("GET"), line("GET "), line("{/}x HTTP/1.1"), line("GET HTTP/1.1"), line("GE\x00T {/}x HTTP/1.1"),
		line("GE(T {/}x HTTP/1.1"), line("GE:T {/}x HTTP/1.1"), line("\"GET\" {/}x HTTP/1.1"), line("GÉT {/}x HTTP/1.1"), line("\x00GET {/}x HTTP/1.1"), line("\rGET {/}x HTTP/1.1"),
		line("\nGET {/}x HTTP/1.1"), line("\xef\xbb\xbfGET {/}x HTTP/1.1"),
		refused("all lines end with a bare LF", "GET {/}x HTTP/1.1\nHost: {h}\n\n"),
		refused("the request line ends with a bare LF", "GET {/}x HTTP/1.1\nHost: {h}\r\n\r\n"),
		refused("the request line ends with a bare CR", "GET {/}x HTTP/1.1\rHost: {h}\r\n\r\n"),
		refused("the blank line is a bare LF", "GET {/}x HTTP/1.1\r\nHost: {h}\r\n\n"),
		refused("the last field ends with a bare LF", "GET {/}x HTTP/1.1\r\nHost: {h}\n\r\n"),
		refused("the first field is folded", "GET {/}x HTTP/1.1\r\n Host: {h}\r\n\r\n"),
		refused("three empty lines in front", "\r\n\r\n\r\nGET {/}x HTTP/1.1\r\nHost: {h}\r\n\r\n"),
		refused("an answer", "HTTP/1.1 200 OK\r\nHost: {h}\r\n\r\n"),
		refused("a start line of SIP", "OPTIONS sip:x SIP/2.0\r\nHost: {h}\r\n\r\n"),
		refused("binary", "\x01\x02\x03\x04\r\n\r\n"),
		refused("a body that nobody announced", "GET {/}x HTTP/1.1\r\nHost: {h}\r\nX\r\n\r\nhello"),
		passed("an empty line in front", "\r\nGET {/}x HTTP/1.1\r\nHost: {h}\r\n\r\n", "GET /x "),
		passed("an unknown method", "BREW {/}x HTTP/1.1\r\nHost: {h}\r\n\r\n", "BREW /x "),
		passed("a method in small letters", "get {/}x HTTP/1.1\r\nHost: {h}\r\n\r\n", "get /x "),
		passed("a method of every tchar", "!#$%&'*+-.^_`|~09azAZ {/}x HTTP/1.1\r\nHost: {h}\r\n\r\n", "!#$%&'*+-.^_`|~09azAZ /x "),
		passed("an empty value", ask("x", "X:"), "GET /x "),
		passed("a value of spaces", ask("x", "X:   "), "GET /x "),
		passed("a value with high bytes", ask("x", "X: \xfcber"), "GET /x "),
		passed("a value with colons", ask("x", "X: a: b:c"), "GET /x "),
		passed("a name of every tchar", ask("x", "!#$%&'*+-.^_`|~09azAZ: a"), "GET /x "),
		passed("percent-encoded CR LF", ask("a%0d%0aX:%20y"), "GET /a%0d%0aX:%20y "),
		passed("dots in the path", ask("a/../../b/./c"), "GET /a/../../b/./c "),
		passed("encoded slashes", ask("a%2f..%2fb%5cc"), "GET /a%2f..%2fb%5cc "),
		passed("two slashes", ask("a//b"), "GET /a//b "),
		passed("characters that URIs do not have", ask(`a|b"c<d>e\f^g{h}`[:14]), `GET /a|b"c<d>e\f^g{`[:len(`GET /`)+14]+" "),
	}
}

// RFC 9112 §2.3, RFC 9110 §2.5.
var versionCases = []hostile{
	{name: "1.1", send: ask("x"), want: "200", heard: []string{"GET /x "}},
	{name: "1.0", send: "GET {/}x HTTP/1.0\r\nHost: {h}\r\n\r\n", want: "200 close", heard: []string{"GET /x "}},
	{name: "1.2 is read as 1.1", send: "GET {/}x HTTP/1.2\r\nHost: {h}\r\n\r\n", want: "200", heard: []string{"GET /x "}},
	{name: "1.9 with chunks", send: "POST {/}first HTTP/1.9\r\nHost: {h}\r\nTransfer-Encoding: chunked\r\n\r\n" + inChunks, want: "200", heard: hello},
	{name: "0.9", send: "GET {/}x HTTP/0.9\r\nHost: {h}\r\n\r\n", want: "400/505 close"},
	{name: "0.9 as it was", send: "GET {/}x\r\n", want: "(400) close", shut: true},
	{name: "2.0", send: "GET {/}x HTTP/2.0\r\nHost: {h}\r\n\r\n", want: "505 close"},
	{name: "3.0", send: "GET {/}x HTTP/3.0\r\nHost: {h}\r\n\r\n", want: "505 close"},
	{name: "2", send: "GET {/}x HTTP/2\r\nHost: {h}\r\n\r\n", want: "400/505 close"},
	{name: "small letters", send: "GET {/}x http/1.1\r\nHost: {h}\r\n\r\n", want: "400 close"},
	{name: "mixed letters", send: "GET {/}x Http/1.1\r\nHost: {h}\r\n\r\n", want: "400 close"},
	{name: "two digits", send: "GET {/}x HTTP/1.10\r\nHost: {h}\r\n\r\n", want: "400 close"},
	{name: "two digits in front", send: "GET {/}x HTTP/01.1\r\nHost: {h}\r\n\r\n", want: "400 close"},
	{name: "no dot", send: "GET {/}x HTTP/11\r\nHost: {h}\r\n\r\n", want: "400 close"},
	{name: "a comma", send: "GET {/}x HTTP/1,1\r\nHost: {h}\r\n\r\n", want: "400 close"},
	{name: "a plus", send: "GET {/}x HTTP/+1.1\r\nHost: {h}\r\n\r\n", want: "400 close"},
	{name: "a minus", send: "GET {/}x HTTP/-1.1\r\nHost: {h}\r\n\r\n", want: "400 close"},
	{name: "a space inside", send: "GET {/}x HTTP/1. 1\r\nHost: {h}\r\n\r\n", want: "400 close"},
	{name: "a space behind the slash", send: "GET {/}x HTTP/ 1.1\r\nHost: {h}\r\n\r\n", want: "400 close"},
	{name: "letters", send: "GET {/}x HTTP/a.b\r\nHost: {h}\r\n\r\n", want: "400 close"},
	{name: "another name", send: "GET {/}x HTTPS/1.1\r\nHost: {h}\r\n\r\n", want: "400 close"},
	{name: "nothing", send: "GET {/}x \r\nHost: {h}\r\n\r\n", want: "400 close"},
	{name: "NUL behind it", send: "GET {/}x HTTP/1.1\x00\r\nHost: {h}\r\n\r\n", want: "400 close"},
}

// RFC 9112 §3.2, RFC 9110 §4.2 and §7.2.
var authorityCases = slices.Concat([]hostile{
	{name: "no Host", send: "GET /x HTTP/1.1\r\n\r\n", want: "400 close"},
	{name: "no Host in 1.0", send: "GET /x HTTP/1.0\r\n\r\n", want: "200 close", heard: []string{"GET /x "}},
	{name: "an empty Host", send: "GET /x HTTP/1.1\r\nHost:\r\n\r\n", want: "200", heard: []string{"GET /x "}},
	{name: "two Hosts", send: "GET /x HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n", want: "400 close"},
	{name: "the same Host twice", send: "GET /x HTTP/1.1\r\nHost: a.test\r\nHost: a.test\r\n\r\n", want: "400 close"},
	{name: "two Hosts in other letters", send: "GET /x HTTP/1.1\r\nHost: a.test\r\nhOST: a.test\r\n\r\n", want: "400 close"},
	{name: "two Hosts in 1.0", send: "GET /x HTTP/1.0\r\nHost: a.test\r\nHost: b.test\r\n\r\n", want: "400 close"},
	{name: "a Host and an empty one", send: "GET /x HTTP/1.1\r\nHost: a.test\r\nHost:\r\n\r\n", want: "400 close"},
	{name: "a folded Host", send: "GET /x HTTP/1.1\r\nHost: a.test\r\n b.test\r\n\r\n", want: "400 close"},
	{name: "a space before Host's colon", send: "GET /x HTTP/1.1\r\nHost : a.test\r\n\r\n", want: "400 close"},
	{name: "an underscore", send: "GET /x HTTP/1.1\r\nHost: a_b.test\r\n\r\n", want: "200", heard: []string{"GET /x "}},
	{name: "a port", send: "GET /x HTTP/1.1\r\nHost: a.test:8080\r\n\r\n", want: "200", heard: []string{"GET /x "}},
	{name: "an empty port", send: "GET /x HTTP/1.1\r\nHost: a.test:\r\n\r\n", want: "200", heard: []string{"GET /x "}},
	{name: "an IPv6 address", send: "GET /x HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", want: "200", heard: []string{"GET /x "}},
	{name: "a dot behind it", send: "GET /x HTTP/1.1\r\nHost: a.test.\r\n\r\n", want: "200", heard: []string{"GET /x "}},
	{name: "capitals", send: "GET /x HTTP/1.1\r\nHost: A.TEST\r\n\r\n", want: "200", heard: []string{"GET /x "}},
	{name: "an asterisk", send: "OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n", want: "200", heard: []string{"OPTIONS * "}},
	{name: "an asterisk for GET", send: "GET * HTTP/1.1\r\nHost: a.test\r\n\r\n", want: "400 close"},
	{name: "a relative path", send: "GET x HTTP/1.1\r\nHost: a.test\r\n\r\n", want: "400 close"},
	{name: "a query alone", send: "GET ?x HTTP/1.1\r\nHost: a.test\r\n\r\n", want: "400 close"},
	{name: "the authority form for GET", send: "GET a.test:80 HTTP/1.1\r\nHost: a.test\r\n\r\n", want: "400 close"},
	{name: "a path that looks like an authority", send: "GET //evil.test/x HTTP/1.1\r\nHost: a.test\r\n\r\n", want: "200", heard: []string{"GET //evil.test/x "}},
	{name: "a path that looks like a URI", send: "GET /http://evil.test/x HTTP/1.1\r\nHost: a.test\r\n\r\n", want: "200", heard: []string{"GET /http://evil.test/x "}},
	{name: "a fragment", send: "GET /x#y HTTP/1.1\r\nHost: a.test\r\n\r\n", want: "400 close"},
	{name: "a backslash", send: "GET \\x HTTP/1.1\r\nHost: a.test\r\n\r\n", want: "400 close"},
}, refusedHosts(
	"a b", "a, b", "a/b", "a@b", "user:pw@a", "a?b", "a#b", "a\\b", "http://a", "a:b", "a:-1", "a:+80", "a:80:80", "a: 80", "a :80", "[::1", "[::1]x", "[::1]:x", "::1", "[a]", "[::1%25eth0]",
	"[v1]", "%zz", "a%", "\xff.test", "a\x00b", "a\rb", "a\vb", "<a>", "\"a\"", "a|b", "a^b", "a{b}", "ä.test",
))

func refusedHosts(values ...string) (out []hostile) {
	for _, v := range values {
		out = append(out, hostile{name: fmt.Sprintf("Host %q", v), send: "GET /x HTTP/1.1\r\nHost: " + v + "\r\n\r\n", want: "400 close"})
	}
	return out
}

// RFC 9112 §3.2.2 and §3.2.3; RFC 9110 §4.2.4 and §9.3.6. {h} is the origin.
var absoluteCases = slices.Concat([]hostile{
	{name: "another Host", send: "GET http://{h}/x HTTP/1.1\r\nHost: evil.test\r\n\r\n", want: "200", heard: []string{"GET /x "}, check: hostIsTheOrigins},
	{name: "an empty Host", send: "GET http://{h}/x HTTP/1.1\r\nHost:\r\n\r\n", want: "200", heard: []string{"GET /x "}, check: hostIsTheOrigins},
	{name: "no Host", send: "GET http://{h}/x HTTP/1.1\r\n\r\n", want: "400 close"},
	{name: "no Host in 1.0", send: "GET http://{h}/x HTTP/1.0\r\n\r\n", want: "200 close", heard: []string{"GET /x "}, check: hostIsTheOrigins},
	{name: "two Hosts", send: "GET http://{h}/x HTTP/1.1\r\nHost: {h}\r\nHost: evil.test\r\n\r\n", want: "400 close"},
	{name: "Connection nominates Host", send: "GET http://{h}/x HTTP/1.1\r\nHost: {h}\r\nConnection: Host\r\n\r\n", want: "200", heard: []string{"GET /x "}, check: hostIsTheOrigins},
	{name: "no path", send: "GET http://{h} HTTP/1.1\r\nHost: {h}\r\n\r\n", want: "200", heard: []string{"GET / "}},
	{name: "no path but a query", send: "GET http://{h}?a=b/c HTTP/1.1\r\nHost: {h}\r\n\r\n", want: "200", heard: []string{"GET /?a=b/c "}},
	{name: "no path for OPTIONS", send: "OPTIONS http://{h} HTTP/1.1\r\nHost: {h}\r\n\r\n", want: "200", heard: []string{"OPTIONS * "}},
	{name: "a scheme in capitals", send: "GET HTTP://{h}/x HTTP/1.1\r\nHost: {h}\r\n\r\n", want: "200", heard: []string{"GET /x "}},
	{name: "a URI in the query", send: "GET http://{h}/x?u=http://evil.test/ HTTP/1.1\r\nHost: {h}\r\n\r\n", want: "200", heard: []string{"GET /x?u=http://evil.test/ "}},
	{name: "an at sign in the path", send: "GET http://{h}/@evil.test HTTP/1.1\r\nHost: {h}\r\n\r\n", want: "200", heard: []string{"GET /@evil.test "}},
	{name: "h2c is not tunnelled", send: ask("x", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"), want: "200", heard: []string{"GET /x "}, check: noUpgrade},
}, refusedTargets(
	"http://user@{h}/", "http://user:pw@{h}/", "http://@{h}/", "http://{h}@evil.test/", "http://{h}#x", "http://{h}/#x", "http://{h}\\@evil.test/", "http:///x", "http://", "http://?x", "http:/x", "http:x",
	"http//{h}/", "://{h}/", "1http://{h}/", "ht tp://{h}/", "http://{h} /x", "http://{h}:x/", "http://{h}x:1:2/", "http://[::1/", "http://[{h}]/", "http://%zz/", "http://a_b c/", "ftp://{h}/x",
	"file:///etc/passwd", "javascript:alert(1)", "ws://{h}/x", "http://a\x00b/",
), []hostile{
	{name: "CONNECT", send: "CONNECT {h} HTTP/1.1\r\nHost: {h}\r\n\r\nGET /in HTTP/1.1\r\nHost: {h}\r\nConnection: close\r\n\r\n", want: "200h 200 close", heard: []string{"GET /in "}},
	{name: "CONNECT inside a CONNECT", send: "CONNECT {h} HTTP/1.1\r\nHost: {h}\r\n\r\nGET /in HTTP/1.1\r\nHost: {h}\r\n\r\nCONNECT {h} HTTP/1.1\r\nHost: {h}\r\n\r\n" + smuggled, want: "200h 200 403 close", heard: []string{"GET /in "}},
	{name: "another name inside a CONNECT to an address", send: "CONNECT {h} HTTP/1.1\r\nHost: {h}\r\n\r\nGET http://evil.test/in HTTP/1.1\r\nHost: evil.test\r\nConnection: close\r\n\r\n", want: "200h 200 close", heard: []string{"GET /in "}, check: hostIsTheClients},
	{name: "CONNECT with an empty body", send: "CONNECT {h} HTTP/1.1\r\nHost: {h}\r\nContent-Length: 0\r\n\r\nGET /in HTTP/1.1\r\nHost: {h}\r\nConnection: close\r\n\r\n", want: "200h 200 close", heard: []string{"GET /in "}},
	{name: "CONNECT with a body", send: "CONNECT {h} HTTP/1.1\r\nHost: {h}\r\nContent-Length: 5\r\n\r\nhello", want: "400 close"},
	{name: "CONNECT with chunks", send: "CONNECT {h} HTTP/1.1\r\nHost: {h}\r\nTransfer-Encoding: chunked\r\n\r\n" + inChunks, want: "400 close"},
	{name: "CONNECT without Host", send: "CONNECT {h} HTTP/1.1\r\n\r\n", want: "400 close"},
	{name: "connect in small letters is another method", send: "connect {h} HTTP/1.1\r\nHost: {h}\r\n\r\n", want: "400 close"},
}, refusedConnects("/", "*", "a.test", "a.test:", "a.test:0", "a.test:65536", "a.test:99999999999999999999", "a.test:x", "a.test:+80", "a.test:-80", "a.test: 80", ":80", "http://a.test:80", "http://a.test:80/", "user@a.test:80", "a.test:80/x", "a.test:80#x", "a.test:80:80",
	"[::1:80", "[::1]80", "::1:80", "[a]:80", "a b:80", "a\x00.test:80", "a%:80", "a,b c:80"))

func refusedTargets(targets ...string) (out []hostile) {
	for _, v := range targets {
		out = append(out, hostile{name: fmt.Sprintf("the target %q", v), send: "GET " + v + " HTTP/1.1\r\nHost: {h}\r\n\r\n", want: "400 close"})
	}
	return out
}

func refusedConnects(targets ...string) (out []hostile) {
	for _, v := range targets {
		out = append(out, hostile{name: fmt.Sprintf("CONNECT %q", v), send: "CONNECT " + v + " HTTP/1.1\r\nHost: {h}\r\n\r\n", want: "400 close"})
	}
	return out
}

func hostIsTheOrigins(t *testing.T, heard, _ []*spoken) {
	if host := heard[0].value("Host"); !strings.HasPrefix(host, "127.0.0.1:") {
		t.Errorf("the origin was told the Host %q", host)
	}
}

// hostIsTheClients: who looks names up by itself says them only here, and is connected to where it asked for.
func hostIsTheClients(t *testing.T, heard, _ []*spoken) {
	if host := heard[0].value("Host"); host != "evil.test" {
		t.Errorf("the origin was told the Host %q", host)
	}
}

func noUpgrade(t *testing.T, heard, _ []*spoken) {
	for _, name := range []string{"Upgrade", "HTTP2-Settings"} {
		if v := heard[0].values(name); len(v) > 0 {
			t.Errorf("the origin was told %s: %q", name, v)
		}
	}
	if strings.Contains(strings.ToLower(heard[0].value("Connection")), "upgrade") {
		t.Errorf("the origin was told Connection: %q", heard[0].value("Connection"))
	}
}

// RFC 9112 §8: a request that is not complete is never sent on as if it were.
func cutCases() (out []hostile) {
	for _, whole := range []struct{ name, text string }{
		{"a length", post("Content-Length: 5", "hello")},
		{"chunks", post("Transfer-Encoding: chunked", "5\r\nhello\r\n3\r\nxyz\r\n0\r\nX: y\r\n\r\n")},
	} {
		body := strings.Index(whole.text, "\r\n\r\n") + 4
		for at := body; at < len(whole.text); at++ {
			out = append(out, hostile{name: fmt.Sprintf("%s, %d bytes into the body", whole.name, at-body), send: whole.text[:at], want: "(400/408) close", cut: true, shut: true})
		}
		for at := 1; at < body; at += 7 {
			out = append(out, hostile{name: fmt.Sprintf("%s, %d bytes into the head", whole.name, at), send: whole.text[:at], want: "(400/408) close", shut: true})
		}
	}
	return append(out,
		hostile{name: "a large body", send: post("Content-Length: 200000", strings.Repeat("x", 199_999)), want: "(400/408) close", cut: true, shut: true},
		hostile{name: "a large chunk", send: post("Transfer-Encoding: chunked", "30000\r\n"+strings.Repeat("x", 0x2ffff)), want: "(400/408) close", cut: true, shut: true},
		hostile{name: "the largest length", send: post("Content-Length: 9223372036854775807", "hello"), want: "(400/408/413) close", cut: true, shut: true},
		hostile{name: "the second of two", send: post("Content-Length: 5", "hello") + post("Content-Length: 5", "hell"), want: "200 (400/408) close", heard: hello, cut: true, shut: true},
		hostile{name: "a complete one is answered", send: post("Content-Length: 5", "hello"), want: "200 close", heard: hello, shut: true},
		hostile{name: "nothing at all", send: "", want: "close", shut: true},
		hostile{name: "an empty line alone", send: "\r\n", want: "close", shut: true},
	)
}

// RFC 9112 §9.3.2.
func pipelineCases() []hostile {
	var many strings.Builder
	var heard []string
	for i := range 100 {
		body := strings.Repeat("x", i)
		switch i % 4 {
		case 0:
			fmt.Fprintf(&many, "GET {/}%d HTTP/1.1\r\nHost: {h}\r\n\r\n", i)
			heard = append(heard, fmt.Sprintf("GET /%d ", i))
		case 1:
			fmt.Fprintf(&many, "POST {/}%d HTTP/1.1\r\nHost: {h}\r\nContent-Length: %d\r\n\r\n%s", i, i, body)
			heard = append(heard, fmt.Sprintf("POST /%d %s", i, short([]byte(body))))
		case 2:
			fmt.Fprintf(&many, "PUT {/}%d HTTP/1.1\r\nHost: {h}\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n1;a=b\r\n!\r\n0\r\n\r\n", i, i, body)
			heard = append(heard, fmt.Sprintf("PUT /%d %s", i, short([]byte(body+"!"))))
		case 3:
			fmt.Fprintf(&many, "GET {/}%d HTTP/1.1\r\nHost: {h}\r\nContent-Length: 3\r\n\r\nGET", i)
			heard = append(heard, fmt.Sprintf("GET /%d GET", i))
		}
	}
	ok := post("Content-Length: 5", "hello")
	return []hostile{
		{name: "a hundred in one write", send: many.String(), want: strings.TrimSpace(strings.Repeat("200 ", 100)), heard: heard},
		{name: "behind a refused one", send: ok + "GET {/}a b HTTP/1.1\r\nHost: {h}\r\n\r\n" + smuggled, want: "200 400 close", heard: hello},
		{name: "behind a refused chunk", send: ok + post("Transfer-Encoding: chunked", "zz\r\n"+smuggled) + smuggled, want: "200 400 close", heard: hello, cut: true},
		{name: "behind both framing fields", send: ok + post("Content-Length: 5\r\nTransfer-Encoding: chunked", inChunks) + smuggled, want: "200 400 close", heard: hello},
		{name: "behind Connection: close", send: ask("x", "Connection: close") + smuggled, want: "200 close", heard: []string{"GET /x "}},
		{name: "behind Connection: x, CLOSE", send: ask("x", "Connection: x, CLOSE") + smuggled, want: "200 close", heard: []string{"GET /x "}},
		{name: "behind HTTP/1.0", send: "GET {/}x HTTP/1.0\r\nHost: {h}\r\n\r\n" + smuggled, want: "200 close", heard: []string{"GET /x "}},
		{name: "an empty line between", send: ok + "\r\n" + ask("y"), want: "200 200", heard: []string{"POST /first hello", "GET /y "}},
		{name: "HEAD between", send: ask("x") + "HEAD {/}y HTTP/1.1\r\nHost: {h}\r\n\r\n" + ask("z"), want: "200 200h 200", heard: []string{"GET /x ", "HEAD /y ", "GET /z "}},
		{name: "two bodies that look like requests", send: post("Content-Length: 20", "GET / HTTP/1.1\r\n\r\n12") + ask("y"), want: "200 200", heard: []string{"POST /first GET / HTTP/1.1\r\n\r\n12", "GET /y "}},
	}
}

// RFC 9110 §10.1.1.
var expectCases = []hostile{
	{name: "the client does not wait", send: post("Expect: 100-continue\r\nContent-Length: 5", "hello"), want: "(100) 200", heard: hello, check: oneExpectAtMost},
	{name: "in other letters", send: post("expect: 100-Continue\r\nContent-Length: 5", "hello"), want: "(100) 200", heard: hello, check: oneExpectAtMost},
	{name: "chunked", send: post("Expect: 100-continue\r\nTransfer-Encoding: chunked", inChunks), want: "(100) 200", heard: hello, check: oneExpectAtMost},
	{name: "no body", send: ask("x", "Expect: 100-continue"), want: "200", heard: []string{"GET /x "}, check: noExpect},
	{name: "a body of 0", send: post("Expect: 100-continue\r\nContent-Length: 0", ""), want: "200", heard: []string{"POST /first "}, check: noExpect},
	{name: "1.0", send: "POST {/}first HTTP/1.0\r\nHost: {h}\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", want: "200 close", heard: hello, check: noExpect},
	{name: "something else", send: post("Expect: the-unexpected\r\nContent-Length: 5", "hello"), want: "200", heard: hello, check: noExpect},
	{name: "twice", send: post("Expect: 100-continue\r\nExpect: 100-continue\r\nContent-Length: 5", "hello"), want: "(100) 200", heard: hello, check: oneExpectAtMost},
	{name: "with both framing fields", send: post("Expect: 100-continue\r\nContent-Length: 5\r\nTransfer-Encoding: chunked", inChunks), want: "400 close"},
	{name: "a malformed body", send: post("Expect: 100-continue\r\nTransfer-Encoding: chunked", "x\r\n"), want: "(100) 400 close", cut: true},
	{name: "two in a pipeline", send: post("Expect: 100-continue\r\nContent-Length: 5", "hello") + ask("next"), want: "(100) 200 200", heard: []string{"POST /first hello", "GET /next "}, check: oneExpectAtMost},
}

func noExpect(t *testing.T, heard, _ []*spoken) {
	if v := heard[0].values("Expect"); len(v) > 0 {
		t.Errorf("the origin was told Expect: %q although the proxy has answered it", v)
	}
}

// A client whose body had not begun to come with the head has its expectation passed on.
func oneExpectAtMost(t *testing.T, heard, _ []*spoken) {
	if v := heard[0].values("Expect"); len(v) > 1 || len(v) == 1 && v[0] != "100-continue" {
		t.Errorf("the origin was told Expect: %q", v)
	}
}

// RFC 9110 §7.6.1 and §7.8.
var connectionCases = []hostile{
	{name: "a field of the connection", send: ask("x", "Connection: X-Mine", "X-Mine: a", "X-Other: b"), want: "200", heard: []string{"GET /x "}, check: told("X-Mine", "", "X-Other", "b", "Connection", "")},
	{name: "in other letters", send: ask("x", "connection: x-MINE", "X-Mine: a"), want: "200", heard: []string{"GET /x "}, check: told("X-Mine", "")},
	{name: "two lines", send: ask("x", "Connection: X-A", "Connection: X-B,keep-alive", "X-A: a", "X-B: b"), want: "200", heard: []string{"GET /x "}, check: told("X-A", "", "X-B", "", "Connection", "")},
	{name: "close among others", send: ask("x", "Connection: X-A, close", "X-A: a"), want: "200 close", heard: []string{"GET /x "}, check: told("X-A", "")},
	{name: "nominated Authorization stays", send: ask("x", "Connection: Authorization", "Authorization: Basic eA=="), want: "200", heard: []string{"GET /x "}, check: told("Authorization", "Basic eA==")},
	{name: "nominated Cookie stays", send: ask("x", "Connection: Cookie", "Cookie: a=b"), want: "200", heard: []string{"GET /x "}, check: told("Cookie", "a=b")},
	{name: "nominated Content-Type stays", send: post("Connection: Content-Type\r\nContent-Type: a/b\r\nContent-Length: 5", "hello"), want: "200", heard: hello, check: told("Content-Type", "a/b")},
	{name: "nominated Cache-Control stays", send: ask("x", "Connection: Cache-Control", "Cache-Control: no-store"), want: "200", heard: []string{"GET /x "}, check: told("Cache-Control", "no-store")},
	{name: "nominated Origin stays", send: ask("x", "Connection: Origin", "Origin: http://a.test"), want: "200", heard: []string{"GET /x "}, check: told("Origin", "http://a.test")},
	{name: "nominated Via stays", send: ask("x", "Connection: Via", "Via: 1.1 a"), want: "200", heard: []string{"GET /x "}, check: viaStarts("1.1 a")},
	{name: "Keep-Alive and its kin end here", send: ask("x", "Keep-Alive: timeout=5", "Proxy-Connection: keep-alive", "Proxy-Authorization: Basic eA=="), want: "200", heard: []string{"GET /x "}, check: told("Keep-Alive", "", "Proxy-Connection", "", "Proxy-Authorization", "")},
	{name: "Proxy-Connection: close is no close", send: ask("x", "Proxy-Connection: close"), want: "200", heard: []string{"GET /x "}},
	{name: "TE: trailers goes on", send: ask("x", "Connection: TE", "TE: trailers"), want: "200", heard: []string{"GET /x "}, check: told("TE", "trailers", "Connection", "TE")},
	{name: "TE: gzip ends here", send: ask("x", "Connection: TE", "TE: gzip"), want: "200", heard: []string{"GET /x "}, check: told("TE", "", "Connection", "")},
	{name: "an empty Connection", send: ask("x", "Connection:"), want: "200", heard: []string{"GET /x "}},
	{name: "a Connection of commas", send: ask("x", "Connection: , ,,"), want: "200", heard: []string{"GET /x "}},
	{name: "Upgrade that Connection does not name", send: ask("x", "Upgrade: websocket"), want: "200", heard: []string{"GET /x "}, check: noUpgrade},
	{name: "Connection that names no Upgrade", send: ask("x", "Connection: Upgrade"), want: "200", heard: []string{"GET /x "}, check: noUpgrade},
	{name: "h2c", send: ask("x", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"), want: "200", heard: []string{"GET /x "}, check: noUpgrade},
	{name: "h2c in capitals", send: ask("x", "Connection: UPGRADE, HTTP2-Settings", "Upgrade: H2C", "HTTP2-Settings: AAMAAABk"), want: "200", heard: []string{"GET /x "}, check: noUpgrade},
	{name: "h2c without its settings", send: ask("x", "Connection: Upgrade", "Upgrade: h2c"), want: "200", heard: []string{"GET /x "}, check: noUpgrade},
	{name: "h2c in a list", send: ask("x", "Connection: Upgrade", "Upgrade: websocket, h2c"), want: "200", heard: []string{"GET /x "}, check: noH2C},
	{name: "h2c first in a list", send: ask("x", "Connection: Upgrade", "Upgrade: h2c , websocket"), want: "200", heard: []string{"GET /x "}, check: noH2C},
	{name: "h2c with a version", send: ask("x", "Connection: Upgrade", "Upgrade: h2c/1"), want: "200", heard: []string{"GET /x "}, check: noH2C},
	{name: "h2c on a second line", send: ask("x", "Connection: Upgrade", "Upgrade: websocket", "Upgrade: h2c"), want: "200", heard: []string{"GET /x "}, check: noH2C},
	{name: "h2 over TLS", send: ask("x", "Connection: Upgrade", "Upgrade: h2"), want: "200", heard: []string{"GET /x "}, check: noH2C},
	{name: "HTTP/2.0", send: ask("x", "Connection: Upgrade", "Upgrade: HTTP/2.0"), want: "200", heard: []string{"GET /x "}, check: noH2C},
	{name: "Upgrade in 1.0", send: "GET {/}x HTTP/1.0\r\nHost: {h}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", want: "200 close", heard: []string{"GET /x "}, check: noUpgrade},
	{name: "h2c that the origin takes", send: ask("x", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk") + smuggled, want: "502 200", heard: []string{"GET /x ", "GET /smuggled "},
		script: switchesTo("h2c")},
	{name: "h2c in a list that the origin takes", send: ask("x", "Connection: Upgrade", "Upgrade: websocket, h2c") + smuggled, want: "502 200", heard: []string{"GET /x ", "GET /smuggled "},
		script: switchesTo("h2c")},
	{name: "a protocol that nobody asked for", send: ask("x", "Connection: Upgrade", "Upgrade: websocket") + smuggled, want: "502 200", heard: []string{"GET /x ", "GET /smuggled "},
		script: switchesTo("other")},
}

// switchesTo answers the first request with 101.
func switchesTo(protocol string) script {
	return func(n int, m *spoken) reply {
		if n == 0 {
			return reply{bytes: "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: " + protocol + "\r\n\r\n"}
		}
		return echoes(n, m)
	}
}

// told checks pairs of a field's name and its value at the origin, "" for none.
func told(pairs ...string) func(*testing.T, []*spoken, []*spoken) {
	return func(t *testing.T, heard, _ []*spoken) {
		for i := 0; i < len(pairs); i += 2 {
			if v := heard[0].value(pairs[i]); v != pairs[i+1] {
				t.Errorf("the origin was told %s: %q, want %q", pairs[i], v, pairs[i+1])
			}
		}
	}
}

func viaStarts(with string) func(*testing.T, []*spoken, []*spoken) {
	return func(t *testing.T, heard, _ []*spoken) {
		if v := heard[0].value("Via"); !strings.HasPrefix(v, with+", ") {
			t.Errorf("the origin was told Via: %q", v)
		}
	}
}

func noH2C(t *testing.T, heard, _ []*spoken) {
	for _, v := range heard[0].values("Upgrade") {
		if strings.Contains(strings.ToLower(v), "h2") || strings.Contains(v, "HTTP/2") {
			t.Errorf("the origin was asked to speak HTTP/2: Upgrade: %q", v)
		}
	}
}

// RFC 9110 §4.1 and §15.5.15, RFC 6585 §5.
func longCases() []hostile {
	x := func(n int) string { return strings.Repeat("x", n) }
	return []hostile{
		{name: "a target of 8000 bytes", send: ask(x(8000)), want: "200", heard: []string{"GET " + "/" + x(8000) + " "}},
		{name: "a target of 9000 bytes", send: ask(x(9000)), want: "414 close"},
		{name: "a target of 1 MiB", send: ask(x(1 << 20)), want: "414 close"},
		{name: "a target without end", send: "GET {/}" + x(200_000), want: "414 close"},
		{name: "a query of 9000 bytes", send: ask("?" + x(9000)), want: "414 close"},
		{name: "a method of 9000 bytes", send: x(9000) + " {/} HTTP/1.1\r\nHost: {h}\r\n\r\n", want: "200", heard: []string{x(9000) + " / "}},
		{name: "a method without end", send: x(200_000), want: "400/414/431/501 close"},
		{name: "a value of 60 KB", send: ask("x", "X: "+x(60_000)), want: "200", heard: []string{"GET /x "}},
		{name: "a value of 70 KB", send: ask("x", "X: "+x(70_000)), want: "431 close"},
		{name: "a value without end", send: "GET {/}x HTTP/1.1\r\nHost: {h}\r\nX: " + x(300_000), want: "431 close"},
		{name: "a name of 70 KB", send: ask("x", x(70_000)+": y"), want: "431 close"},
		{name: "a hundred fields", send: ask("x", slices.Repeat([]string{"X: y"}, 99)...), want: "200", heard: []string{"GET /x "}},
		{name: "a hundred and one fields", send: ask("x", slices.Repeat([]string{"X: y"}, 100)...), want: "431 close"},
		{name: "ten thousand fields", send: ask("x", slices.Repeat([]string{"X: y"}, 10_000)...), want: "431 close"},
		{name: "fields without end", send: "GET {/}x HTTP/1.1\r\nHost: {h}\r\n" + strings.Repeat("X: y\r\n", 20_000), want: "431 close"},
		{name: "behind a good one", send: ask("x") + ask(x(9000)) + smuggled, want: "200 414 close", heard: []string{"GET /x "}},
		{name: "a body of 1 MiB", send: post("Content-Length: 1048576", x(1<<20)), want: "200", heard: []string{"POST /first " + short([]byte(x(1<<20)))}},
		{name: "a million bytes in chunks of one", send: post("Transfer-Encoding: chunked", strings.Repeat("1\r\nx\r\n", 100_000)+"0\r\n\r\n"), want: "200", heard: []string{"POST /first " + short([]byte(x(100_000)))}},
	}
}

// TestHostileRequestsInsideTLS plays the smuggling families where the proxy reads inside TLS.
func TestHostileRequestsInsideTLS(t *testing.T) {
	t.Parallel()
	h, o := secureHouse(t)
	inside := door{"intercept", "/", o.address, func(t *testing.T) *rawClient { return secureThrough(t, h, o.address) }}
	for _, k := range slices.Concat(framingConflicts[:14], pipelineCases(), connectionCases[:4]) {
		k.plays(t, o, inside, whole)
	}
}

// secureHouse is a house that trusts the authority of a raw origin behind TLS.
func secureHouse(t *testing.T) (*house, *rawOrigin) {
	t.Helper()
	certificate, ca := certificateOf(t)
	o := openRawOrigin(t, &tls.Config{Certificates: []tls.Certificate{certificate}})
	return openHouse(t, fmt.Sprintf("[forward]\nca = %q\n", ca)), o
}

// certificateOf borrows the certificate of a server with an authority of its own.
func certificateOf(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	origin, ca := tlsOrigin(t, nil)
	return origin.TLS.Certificates[0], ca
}
