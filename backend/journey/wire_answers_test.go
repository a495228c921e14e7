package journey

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
)

// answered is an answer of an origin, and what its client must get.
type answered struct {
	name   string
	ask    string // the request; empty is GET /x
	head   bool   // it is HEAD
	origin string // byte by byte
	then   ending // of the origin's connection
	stray  string // bytes that the origin sends when nobody asked, once the client has its answer

	want string // the statuses that the client gets
	body string // of the last one
	end  end
	// reuse says that the origin's connection serves the next request.
	reuse bool
	check func(t *testing.T, answers []*spoken)
}

// end is what becomes of the client's connection.
type end int

const (
	goesOn  end = iota // the next request gets its own answer
	isOver             // it is closed in order
	isShort            // the last answer breaks off, visibly
)

func TestHostileAnswers(t *testing.T) {
	for _, f := range []struct {
		name  string
		cases []answered
	}{
		{"well-formed", goodAnswers},
		{"heads", badHeads()},
		{"bodies", badBodies()},
		{"interim", interimAnswers},
	} {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			o := openRawOrigin(t, nil)
			reverse, forward, _ := doorways(openHouse(t, reverseTo(o.address)), o)
			for _, d := range []door{reverse, forward} {
				for _, k := range f.cases {
					t.Run(d.name+"/"+k.name, func(t *testing.T) { k.plays(t, o, d) })
				}
			}
		})
	}
}

func (k answered) plays(t *testing.T, o *rawOrigin, d door) {
	o.begin(func(n int, m *spoken) reply {
		if n == 0 {
			return reply{k.origin, k.then}
		}
		return echoes(n, m)
	}, nil)
	c := d.dial(t)
	defer c.Close()
	question := k.ask
	if question == "" {
		question = ask("x")
	}
	if k.head {
		question = "HEAD {/}x HTTP/1.1\r\nHost: {h}\r\n\r\n"
	}
	if _, err := io.WriteString(c, d.fill(question)); err != nil {
		t.Fatal(err)
	}
	answers, err := k.read(c)
	var got []string
	for _, m := range answers {
		got = append(got, fmt.Sprint(m.status))
	}
	if err != nil && !(k.end == isShort && errors.Is(err, errCut)) {
		t.Fatalf("the client got %q, then %v; unread is %.300q", got, err, c.in)
	}
	want := strings.Fields(k.want)
	if k.end == isShort {
		want = want[:len(want)-1]
		if status := "HTTP/1.1 " + strings.Fields(k.want)[len(want)]; !strings.HasPrefix(string(c.in), status) || err == nil {
			t.Errorf("the client has %.300q instead of the beginning of an answer", c.in)
		}
	} else if body := answers[len(answers)-1].body; k.body != "any" && !strings.HasPrefix(k.want, "502") && string(body) != k.body {
		t.Errorf("the client got the body %.300q, want %q", body, k.body)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the client got %q, want %q", got, want)
	}
	if k.end == goesOn && d.name == "forward" && strings.Contains(k.ask, "HTTP/1.0") { // a proxy keeps no such connection (RFC 9112 §9.3)
		k.end = isOver
	}
	if k.stray != "" {
		o.stray(k.stray)
	}
	k.goOn(t, o, c, d)
	if k.check != nil && !t.Failed() {
		k.check(t, answers)
	}
}

// read takes the answers that are wanted.
func (k answered) read(c *rawClient) (answers []*spoken, err error) {
	method := "GET"
	if k.head {
		method = "HEAD"
	}
	for range strings.Fields(k.want) {
		m, err := c.next(method)
		if err != nil {
			return answers, err
		}
		answers = append(answers, m)
	}
	return answers, nil
}

// goOn asks once more on the same connection, where it goes on.
func (k answered) goOn(t *testing.T, o *rawOrigin, c *rawClient, d door) {
	t.Helper()
	if k.end == goesOn {
		if _, got := (hostile{}).after(c, d); !slices.Equal(got, []string{"after"}) {
			t.Errorf("then the client got %q", got)
		}
	} else if m, err := c.next("GET"); k.end == isOver && err != io.EOF {
		t.Errorf("then the client got %v, %v instead of the end", m, err)
	}
	s := o.state()
	if s.wrong != nil || s.partial != "" {
		t.Errorf("the origin got %v, %q", s.wrong, s.partial)
	}
	if reused := s.conns == 1; k.end == goesOn && reused != k.reuse {
		t.Errorf("the origin's connection was reused: %v, want %v", reused, k.reuse)
	}
}

// stray sends bytes on the connections that are open, and waits until they are on the way.
func (o *rawOrigin) stray(text string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range o.conns {
		_, _ = io.WriteString(c, text) // a closed connection is as good an outcome
	}
}

const (
	ok      = "HTTP/1.1 200 OK\r\n"
	another = ok + "Content-Length: 8\r\n\r\nsmuggled" // an answer that nobody asked for
)

var goodAnswers = []answered{
	{name: "a length", origin: ok + "Content-Length: 5\r\n\r\nhello", want: "200", body: "hello", reuse: true},
	{name: "a length of 0", origin: ok + "Content-Length: 0\r\n\r\n", want: "200", reuse: true},
	{name: "chunks", origin: ok + "Transfer-Encoding: chunked\r\n\r\n" + inChunks, want: "200", body: "hello", reuse: true},
	{name: "chunks with extensions", origin: ok + "Transfer-Encoding: chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n0;c\r\n\r\n", want: "200", body: "hello", reuse: true},
	{name: "a trailer", origin: ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", want: "200", body: "hello", reuse: true, check: func(t *testing.T, answers []*spoken) {
		if fmt.Sprint(answers[0].trailer) != "[[X-Sum 1]]" {
			t.Errorf("the trailer is %q", answers[0].trailer)
		}
	}},
	{name: "a trailer that frames", origin: ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nContent-Length: 50\r\nTransfer-Encoding: x\r\n\r\n", want: "200", body: "hello", reuse: true},
	{name: "until the end", origin: ok + "\r\nhello", then: closes, want: "200", body: "hello"},
	{name: "until the end, nothing", origin: ok + "\r\n", then: closes, want: "200"},
	{name: "1.0 until the end", origin: "HTTP/1.0 200 OK\r\n\r\nhello", then: closes, want: "200", body: "hello"},
	{name: "1.0 with a length", origin: "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", then: closes, want: "200", body: "hello"},
	{name: "1.0 with a length, that stays", origin: "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", want: "200", body: "hello"},
	{name: "1.0 that keeps alive", origin: "HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhello", want: "200", body: "hello", reuse: true},
	{name: "1.2", origin: "HTTP/1.2 200 OK\r\nContent-Length: 5\r\n\r\nhello", want: "200", body: "hello", reuse: true},
	{name: "Connection: close", origin: ok + "Content-Length: 5\r\nConnection: close\r\n\r\nhello", want: "200", body: "hello"},
	{name: "fields of the connection", origin: ok + "Content-Length: 5\r\nConnection: X-Mine\r\nX-Mine: a\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nUpgrade: h2,h2c\r\nX-Other: b\r\n\r\nhello", want: "200", body: "hello", reuse: true, check: func(t *testing.T, answers []*spoken) {
		for _, name := range []string{"X-Mine", "Keep-Alive", "Proxy-Connection", "Upgrade", "Connection"} {
			if v := answers[0].values(name); len(v) > 0 {
				t.Errorf("the client was told %s: %q", name, v)
			}
		}
		if answers[0].value("X-Other") != "b" {
			t.Error("X-Other is lost")
		}
	}},
	{name: "Connection nominates framing and cookies", origin: ok + "Content-Length: 5\r\nConnection: Content-Length, Set-Cookie\r\nSet-Cookie: a=b\r\n\r\nhello", want: "200", body: "hello", reuse: true, check: func(t *testing.T, answers []*spoken) {
		if answers[0].value("Set-Cookie") != "a=b" {
			t.Error("Set-Cookie is lost")
		}
	}},
	{name: "no reason", origin: "HTTP/1.1 200 \r\nContent-Length: 5\r\n\r\nhello", want: "200", body: "hello", reuse: true},
	{name: "a reason with high bytes", origin: "HTTP/1.1 200 \xc3\xbcber\r\nContent-Length: 5\r\n\r\nhello", want: "200", body: "hello", reuse: true},
	{name: "a status of one's own", origin: "HTTP/1.1 799 Mine\r\nContent-Length: 5\r\n\r\nhello", want: "799", body: "hello", reuse: true},
	{name: "HEAD with a length", head: true, origin: ok + "Content-Length: 5\r\n\r\n", want: "200", reuse: true},
	{name: "HEAD with chunks", head: true, origin: ok + "Transfer-Encoding: chunked\r\n\r\n", want: "200", reuse: true},
	{name: "HEAD with neither", head: true, origin: ok + "\r\n", want: "200", reuse: true},
	{name: "HEAD with a body", head: true, origin: ok + "Content-Length: 5\r\n\r\nhello", want: "200"},
	{name: "HEAD with an answer behind it", head: true, origin: ok + "Content-Length: 5\r\n\r\n" + another, want: "200"},
	{name: "204", origin: "HTTP/1.1 204 No Content\r\n\r\n", want: "204", reuse: true},
	{name: "204 with a length of 0", origin: "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", want: "204", reuse: true},
	{name: "204 with a body", origin: "HTTP/1.1 204 No Content\r\n\r\nhello", want: "204"},
	{name: "204 with a length and a body", origin: "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello", want: "204"},
	{name: "204 with chunks", origin: "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n" + inChunks, want: "204"},
	{name: "204 with an answer behind it", origin: "HTTP/1.1 204 No Content\r\n\r\n" + another, want: "204"},
	{name: "304 with a length", origin: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", want: "304", reuse: true},
	{name: "304 with a body", origin: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello", want: "304"},
	{name: "304 with chunks", origin: "HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n" + inChunks, want: "304"},
	{name: "bytes behind a length", origin: ok + "Content-Length: 5\r\n\r\nhello!", want: "200", body: "hello"},
	{name: "CR LF behind a length", origin: ok + "Content-Length: 5\r\n\r\nhello\r\n", want: "200", body: "hello"},
	{name: "an answer behind a length", origin: ok + "Content-Length: 5\r\n\r\nhello" + another, want: "200", body: "hello"},
	{name: "an answer behind chunks", origin: ok + "Transfer-Encoding: chunked\r\n\r\n" + inChunks + another, want: "200", body: "hello"},
	{name: "a hundred answers behind it", origin: ok + "Content-Length: 5\r\n\r\nhello" + strings.Repeat(another, 100), want: "200", body: "hello"},
	{name: "an answer that nobody asked for", origin: ok + "Content-Length: 5\r\n\r\nhello", stray: another, want: "200", body: "hello"},
	{name: "a 408 that nobody asked for", origin: ok + "Content-Length: 5\r\n\r\nhello", stray: "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", want: "200", body: "hello"},
	{name: "chunks for a client of 1.0", ask: "GET {/}x HTTP/1.0\r\nHost: {h}\r\n\r\n", origin: ok + "Transfer-Encoding: chunked\r\n\r\n" + inChunks, want: "200", body: "hello", end: isOver},
	{name: "chunks for a client of 1.0 that keeps alive", ask: "GET {/}x HTTP/1.0\r\nHost: {h}\r\nConnection: keep-alive\r\n\r\n", origin: ok + "Transfer-Encoding: chunked\r\n\r\n" + inChunks, want: "200", body: "hello", end: isOver},
	{name: "a length for a client of 1.0 that keeps alive", ask: "GET {/}x HTTP/1.0\r\nHost: {h}\r\nConnection: keep-alive\r\n\r\n", origin: ok + "Content-Length: 5\r\n\r\nhello", want: "200", body: "hello", reuse: true},
}

// badHeads are refused with 502; the origin's connection is closed and the client's goes on.
func badHeads() (out []answered) {
	add := func(name, origin string) {
		out = append(out, answered{name: name, origin: origin, want: "502", end: goesOn})
	}
	for _, field := range []string{
		"Content-Length: 5\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 15", "Content-Length: 5\r\nContent-Length: 6", "Content-Length: 5\r\ncontent-length: 0",
		"Content-Length: +5", "Content-Length: -5", "Content-Length: 5,6", "Content-Length: 5 5", "Content-Length: 0x5", "Content-Length: 5\x00", "Content-Length: 5\v", "Content-Length: \"5\"", "Content-Length:", "Content-Length: five",
		"Content-Length: 9223372036854775808", "Content-Length: 18446744073709551621", "Content-Length : 5", "Content-Length\t: 5", "Content-Length:\r\n 5", "X: y\nContent-Length: 5", "X: y\rContent-Length: 5",
		"Transfer-Encoding: x", "Transfer-Encoding: identity", "Transfer-Encoding: chunked, identity", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: xchunked", "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: \"chunked\"",
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "Transfer-Encoding: \vchunked", "Transfer-Encoding:", "Transfer-Encoding : chunked", "Transfer-Encoding: chunked\r\n\t", "Transfer-Encoding: chunked,",
	} {
		add(fmt.Sprintf("%q", field), ok+field+"\r\n\r\n"+inChunks)
	}
	for _, field := range []string{
		"X: a\r\n b", "X: a\r\n\tb", " X: a", "X : a", ": a", "X", "X\x00: a", "X: a\x00b", "X: a\rb", "X: \ra", "X: a\nY: b", "X: a\x01", "X: a\x7f", "X(: a", "Ü: a", "HTTP/1.1 200 OK",
	} {
		add(fmt.Sprintf("the field %q", field), ok+field+"\r\nContent-Length: 5\r\n\r\nhello")
	}
	for _, line := range []string{
		"HTTP/1.1 20 OK", "HTTP/1.1 2000 OK", "HTTP/1.1 099 OK", "HTTP/1.1 000 OK", "HTTP/1.1 abc OK", "HTTP/1.1 2x0 OK", "HTTP/1.1 -20 OK", "HTTP/1.1 +20 OK", "HTTP/1.1  200 OK", "HTTP/1.1\t200 OK", "HTTP/1.1 200\tOK", "HTTP/1.1 200OK",
		"HTTP/1.1", "HTTP/1.1 ", "http/1.1 200 OK", "HTTP/11 200 OK", "HTTP/1.10 200 OK", "HTTP/2 200 OK", "HTTP/2.0 200 OK", "HTTP/0.9 200 OK", "HTTP/1. 200 OK", "ICY 200 OK", " HTTP/1.1 200 OK", "\tHTTP/1.1 200 OK",
		"HTTP/1.1 200 O\x00K", "HTTP/1.1 200 O\x01K", "HTTP/1.1 200 O\rK", "HTTP/1.1 200 OK\r", "SSH-2.0-OpenSSH_9.6", "\x00", "GET / HTTP/1.1", "\xef\xbb\xbfHTTP/1.1 200 OK", "\r\nHTTP/1.1 200 OK", "<html>hello</html>", "{}",
	} {
		add(fmt.Sprintf("the status line %q", line), line+"\r\nContent-Length: 5\r\n\r\nhello")
	}
	add("all lines end with a bare LF", "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello")
	add("the status line ends with a bare LF", "HTTP/1.1 200 OK\nContent-Length: 5\r\n\r\nhello")
	add("the blank line is a bare LF", ok+"Content-Length: 5\r\n\nhello")
	add("chunks in 1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"+inChunks)
	add("both framing fields in HEAD's answer", ok+"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n")
	out[len(out)-1].head = true
	add("a value of 100 KB", ok+"X: "+strings.Repeat("x", 100_000)+"\r\nContent-Length: 5\r\n\r\nhello")
	add("a thousand fields", ok+strings.Repeat("X: y\r\n", 1000)+"Content-Length: 5\r\n\r\nhello")
	add("a value without end", ok+"X: "+strings.Repeat("x", 500_000))
	add("a reason without end", "HTTP/1.1 200 "+strings.Repeat("x", 500_000))
	for _, at := range []int{0, 3, len("HTTP/1.1 2"), len(ok), len(ok) + 5, len(ok) + len("Content-Length: 5\r\n\r")} {
		for _, then := range []ending{closes, resets} {
			add(fmt.Sprintf("%d bytes, then %v", at, map[ending]string{closes: "the end", resets: "a reset"}[then]), (ok + "Content-Length: 5\r\n\r\nhello")[:at])
			out[len(out)-1].then = then
		}
	}
	return out
}

// badBodies come after a good head, which the client has by then: it must see that they break off.
func badBodies() (out []answered) {
	add := func(name, origin string, then ending) {
		out = append(out, answered{name: name, origin: origin, then: then, want: "200", end: isShort})
	}
	const chunked = ok + "Transfer-Encoding: chunked\r\n\r\n"
	for _, body := range []string{
		"5\nhello\r\n0\r\n\r\n", "5 \r\nhello\r\n0\r\n\r\n", " 5\r\nhello\r\n0\r\n\r\n", "0x5\r\nhello\r\n0\r\n\r\n", "-5\r\nhello\r\n0\r\n\r\n", "g\r\nhello\r\n0\r\n\r\n", "\r\n0\r\n\r\n", "5;\r\nhello\r\n0\r\n\r\n", "5;a\nb\r\nhello\r\n0\r\n\r\n",
		"FFFFFFFFFFFFFFFF\r\nhello", "10000000000000005\r\nhello\r\n0\r\n\r\n", "5\r\nhello0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhelloXX0\r\n\r\n", "8\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\n\r\n", "5\r\nhello\r\n0\r\n\n",
		"5\r\nhello\r\n0\r\nX : y\r\n\r\n", "5\r\nhello\r\n0\r\n X: y\r\n\r\n", "5\r\nhello\r\n0\r\nX: \x00\r\n\r\n", "5\r\nhello\r\n0\r\nhello\r\n\r\n", "5\r\nhello\r\n0\r\n" + another,
		"5;a=" + strings.Repeat("b", 2000) + "\r\nhello\r\n0\r\n\r\n",
	} {
		add(fmt.Sprintf("the chunks %.40q", body), chunked+body, stays)
	}
	whole := "5\r\nhello\r\n0\r\nX: y\r\n\r\n"
	for at := range len(whole) {
		add(fmt.Sprintf("%d bytes of chunks, then the end", at), chunked+whole[:at], closes)
		if at%4 == 1 {
			add(fmt.Sprintf("%d bytes of chunks, then a reset", at), chunked+whole[:at], resets)
		}
	}
	for at := range 5 {
		add(fmt.Sprintf("%d bytes of 5, then the end", at), ok+"Content-Length: 5\r\n\r\n"+"hello"[:at], closes)
		add(fmt.Sprintf("%d bytes of 5, then a reset", at), ok+"Content-Length: 5\r\n\r\n"+"hello"[:at], resets)
	}
	add("1 MiB less a byte", ok+"Content-Length: 1048576\r\n\r\n"+strings.Repeat("x", 1<<20-1), closes)
	for _, then := range []ending{closes, resets} { // a client of 1.0 sees it by a reset alone
		out = append(out, answered{
			name: fmt.Sprintf("chunks that break off for a client of 1.0 (%d)", then), ask: "GET {/}x HTTP/1.0\r\nHost: {h}\r\n\r\n",
			origin: chunked + "5\r\nhello\r\n", then: then, want: "200", end: isShort,
		})
	}
	return append(out, answered{name: "until a reset", origin: ok + "\r\n" + strings.Repeat("x", 70_000), then: resets, want: "200", end: isShort})
}

// RFC 9110 §15.2.
var interimAnswers = []answered{
	{name: "100 that nobody waits for", origin: "HTTP/1.1 100 Continue\r\n\r\n" + ok + "Content-Length: 5\r\n\r\nhello", want: "200", body: "hello", reuse: true},
	{name: "103", origin: "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ok + "Content-Length: 5\r\n\r\nhello", want: "103 200", body: "hello", reuse: true, check: func(t *testing.T, answers []*spoken) {
		if answers[0].value("Link") != "</a>" || answers[1].value("Link") != "" {
			t.Errorf("Link is %q and %q", answers[0].value("Link"), answers[1].value("Link"))
		}
	}},
	{name: "102, 103, 199", origin: "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 199 Mine\r\n\r\n" + ok + "Content-Length: 5\r\n\r\nhello", want: "102 103 199 200", body: "hello", reuse: true},
	{name: "103 for a client of 1.0", ask: "GET {/}x HTTP/1.0\r\nHost: {h}\r\n\r\n", origin: "HTTP/1.1 103 Early Hints\r\n\r\n" + ok + "Content-Length: 5\r\n\r\nhello", want: "200", body: "hello", end: isOver},
	{name: "103 with a length", origin: "HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n" + ok + "Content-Length: 5\r\n\r\nhello", want: "103 200", body: "hello", reuse: true},
	{name: "103 with fields of the connection", origin: "HTTP/1.1 103 Early Hints\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + ok + "Content-Length: 5\r\n\r\nhello", want: "103 200", body: "hello", reuse: true},
	{name: "103 with a body", origin: "HTTP/1.1 103 Early Hints\r\n\r\nhello" + ok + "Content-Length: 5\r\n\r\nhello", want: "103 502", body: "any"},
	{name: "103 and the end", origin: "HTTP/1.1 103 Early Hints\r\n\r\n", then: closes, want: "103 502", body: "any"},
	{name: "a folded field in 103", origin: "HTTP/1.1 103 Early Hints\r\nX: a\r\n b\r\n\r\n" + ok + "Content-Length: 5\r\n\r\nhello", want: "502", body: "any"},
	{name: "100 without end", origin: strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 10_000), want: "502", body: "any"},
	{name: "101 that nobody asked for", origin: "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n" + another, want: "502", body: "any"},
	{name: "101 without Upgrade", origin: "HTTP/1.1 101 Switching Protocols\r\n\r\n" + another, want: "502", body: "any"},
	{name: "101 in HEAD's answer", head: true, origin: "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", want: "502", body: "any"},
}

// RFC 9112 §9.3 and RFC 9110 §15.5.14: an origin may answer before it has the whole request.
func TestAnswersBeforeTheRequestIsComplete(t *testing.T) {
	t.Parallel()
	o := openRawOrigin(t, nil)
	reverse, forward, _ := doorways(openHouse(t, reverseTo(o.address)), o)
	refusal := "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno"
	for _, k := range []struct {
		name, sent, rest string
		early            reply
	}{
		{"a length", post("Content-Length: 300000", strings.Repeat("x", 100_000)), strings.Repeat("x", 200_000), reply{refusal, stays}},
		{"a length, and the origin hangs up", post("Content-Length: 300000", strings.Repeat("x", 100_000)), strings.Repeat("x", 200_000), reply{refusal, closes}},
		{"chunks", post("Transfer-Encoding: chunked", "5\r\nhello\r\n"), inChunks, reply{refusal, stays}},
		{"chunks, and the origin hangs up", post("Transfer-Encoding: chunked", "5\r\nhello\r\n"), inChunks, reply{refusal, closes}},
		{"chunks that go wrong later", post("Transfer-Encoding: chunked", "5\r\nhello\r\n"), "x\r\n" + smuggled, reply{refusal, stays}},
	} {
		for _, d := range []door{reverse, forward} {
			t.Run(d.name+"/"+k.name, func(t *testing.T) {
				o.begin(nil, func(string) reply { return k.early })
				c := d.dial(t)
				defer c.Close()
				if _, err := io.WriteString(c, d.fill(k.sent)); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				m, err := c.next("POST")
				if err != nil || m.status != 413 || string(m.body) != "no" {
					t.Fatalf("the client got %+v, %v", m, err)
				}
				if took := time.Since(began); took > time.Second {
					t.Errorf("the answer took %s", took)
				}
				// What is left of the request must not be read as the next one.
				_, err = io.WriteString(c, d.fill(k.rest))
				heard := []string{}
				if m.value("Connection") == "close" || k.rest != inChunks {
					if m, err := c.next("GET"); err != io.EOF {
						t.Errorf("then the client got %v, %v", m, err)
					}
				} else if heard = append(heard, "GET /after "); err != nil {
					t.Error(err)
				} else if _, got := (hostile{}).after(c, d); !slices.Equal(got, []string{"after"}) {
					t.Errorf("then the client got %q", got)
				}
				s := o.state()
				if k.rest == inChunks && len(s.heard) > 0 && s.heard[0] == "POST /first hellohello" {
					s.heard = s.heard[1:] // what is left of a good request may still reach the origin
				}
				if !slices.Equal(s.heard, heard) || s.wrong != nil {
					t.Errorf("the origin heard %q, %v", s.heard, s.wrong)
				}
			})
		}
	}
}
