package http1

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"proxycache/backend/flow"
)

const everything = flow.LineFeed | flow.ObsFold | flow.StatusLine | flow.FieldBytes | flow.SpaceBeforeColon | flow.EqualLengths

// sideOf is the side whose heads text is one of.
func sideOf(text string) exchange {
	if strings.HasPrefix(text, "HTTP/") {
		return exchange{answered: true, method: "GET"}
	}
	return exchange{}
}

func tolerant(text string, t flow.Tolerance) *Reader {
	r := NewReader(strings.NewReader(text), Limits{})
	r.Tolerate(t)
	return r
}

// tolerated are heads with what they need, and the text that they are read as.
var tolerated = []struct {
	name, text string
	needs      flow.Tolerance
	as         string
}{
	{"§2.2 line feeds", "GET / HTTP/1.1\nHost: a\n\n", flow.LineFeed, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
	{"§2.2 a line feed at the end", "GET / HTTP/1.1\r\nHost: a\r\n\n", flow.LineFeed, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
	{"§2.2 a line feed in the middle", "GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n", flow.LineFeed, "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n"},
	{"§2.2 line feeds before", "\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", flow.LineFeed, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"},
	{"§2.2 a length behind a line feed", "POST / HTTP/1.1\nHost: a\nContent-Length: 3\n\nabc", flow.LineFeed, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"},
	{"§5.2 a folded value", "GET / HTTP/1.1\r\nHost: a\r\nX: a \r\n\t b \r\nY: c\r\n\r\n", flow.ObsFold, "GET / HTTP/1.1\r\nHost: a\r\nX: a b\r\nY: c\r\n\r\n"},
	{"§5.2 a value that begins in the next line", "GET / HTTP/1.1\r\nHost: a\r\nX:\r\n b\r\n\r\n", flow.ObsFold, "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\r\n"},
	{"§5.2 a value over three lines", "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b: c\r\n d\r\n\r\n", flow.ObsFold, "GET / HTTP/1.1\r\nHost: a\r\nX: a b: c d\r\n\r\n"},
	{"a fold and a line feed", "GET / HTTP/1.1\r\nHost: a\r\nX: a\n b\r\n\r\n", flow.ObsFold | flow.LineFeed, "GET / HTTP/1.1\r\nHost: a\r\nX: a b\r\n\r\n"},
	{"§2.2 line feeds of a server", "HTTP/1.1 200 OK\nContent-Length: 0\n\n", flow.LineFeed, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
	{"§4 no space after the code", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", flow.StatusLine, "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"},
	{"§5.1 whitespace before the colon", "HTTP/1.1 200 OK\r\nX \t: 1\r\nContent-Length : 0\r\n\r\n", flow.SpaceBeforeColon, "HTTP/1.1 200 OK\r\nX: 1\r\nContent-Length: 0\r\n\r\n"},
	{"§5.2 a folded value of a server", "HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\nContent-Length: 0\r\n\r\n", flow.ObsFold, "HTTP/1.1 200 OK\r\nX: 1 2\r\nContent-Length: 0\r\n\r\n"},
	{"9110 §5.5 control characters", "HTTP/1.1 200 OK\r\nX: a\x01b\x7f\tc\x0b\r\nContent-Length: 0\r\n\r\n", flow.FieldBytes, "HTTP/1.1 200 OK\r\nX: a b \tc\r\nContent-Length: 0\r\n\r\n"},
	{"a control character before a fold", "HTTP/1.1 200 OK\r\nX: 1\x16\r\n 2\r\n\r\n", flow.FieldBytes | flow.ObsFold, "HTTP/1.1 200 OK\r\nX: 1 2\r\n\r\n"},
	{"9110 §8.6 a list of one length", "HTTP/1.1 200 OK\r\nContent-Length: 5,\t5 , 5\r\n\r\n", flow.EqualLengths, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"},
	{"9110 §8.6 the same length twice", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: 1\r\ncontent-length: 5\r\n\r\n", flow.EqualLengths, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: 1\r\n\r\n"},
	{"everything at once", "HTTP/1.1 200\nX : \x011\r\n 2\r\nContent-Length : 5\r\nContent-Length: 5, 5\r\n\r\n", everything, "HTTP/1.1 200 \r\nX: 1 2\r\nContent-Length: 5\r\n\r\n"},
}

func TestAToleratedHeadIsReadAsItShouldHaveBeenSent(t *testing.T) {
	for _, c := range tolerated {
		t.Run(c.name, func(t *testing.T) {
			e := sideOf(c.text)
			agreeLeniently(t, []byte(c.text), e)
			r := tolerant(c.text, everything)
			h, err := r.readHead(e)
			if err != nil {
				t.Fatal(err)
			}
			if h.Tolerated != c.needs {
				t.Errorf("it needed %v, want %v", h.Tolerated, c.needs)
			}
			if as := passedOn(h, e); as != c.as {
				t.Errorf("it was read as %q, want %q", as, c.as)
			}
			if text := strings.TrimLeft(c.text, "\r\n"); string(h.Raw) != text[:len(h.Raw)] || string(h.Raw)+string(r.Buffered()) != text {
				t.Errorf("its text is %q, and %q follows", h.Raw, r.Buffered())
			}
		})
	}
}

// passedOn is a head as it is passed on.
func passedOn(h *Head, e exchange) string {
	if !e.answered {
		return string(AppendRequest(nil, h.Method, h.Target, h.Proto, h.Header))
	}
	if h.Reason == "" { // printed as the registry's
		return h.Proto + fmt.Sprintf(" %d \r\n", h.Status) + string(append(appendFields(nil, h.Header), "\r\n"...))
	}
	return string(AppendResponse(nil, h.Proto, h.Status, h.Reason, h.Header))
}

func TestAHeadIsRefusedWithoutAnyOfWhatItNeeds(t *testing.T) {
	for _, c := range tolerated {
		for granted := range everything {
			e := sideOf(c.text)
			_, err := tolerant(c.text, granted).readHead(e)
			missing := c.needs &^ granted
			if missing == 0 {
				if err != nil {
					t.Errorf("%s with %v: %v", c.name, granted, err)
				}
				continue
			}
			refused, ok := errors.AsType[*Error](err)
			if !ok || refused.Lenient != missing || (refused.Status == 502) != e.answered {
				t.Errorf("%s with %v lacks %v: %+v", c.name, granted, missing, err)
			}
		}
	}
}

// intolerable are heads that nothing lets pass. The strict tables are all tried as well.
var intolerable = []refusedCase{
	{"§2.2 a carriage return in a value", "GET / HTTP/1.1\nHost: a\nX: a\rb\n\n", 400, "control character"},
	{"§2.2 a carriage return before a fold", "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\r\n b\r\n\r\n", 400, "control character"},
	{"§2.2 a carriage return in the blank line", "GET / HTTP/1.1\nHost: a\n\r\r\n\n", 400, "field name"},
	{"§2.2 three empty lines before", "\n\n\nGET / HTTP/1.1\nHost: a\n\n", 400, "empty lines"},
	{"§2.2 a NUL", "HTTP/1.1 200 OK\nX: a\x00b\n\n", 502, "control character"},
	{"§2.2 whitespace before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400, "folded"},
	{"§2.2 whitespace before a server's first field", "HTTP/1.1 200 OK\r\n X: a\r\n\r\n", 502, "folded"},
	{"§3.2 two Hosts", "GET / HTTP/1.1\nHost: a\nHost: a\n\n", 400, "more than one Host"},
	{"§3.2 no Host", "GET / HTTP/1.1\n\n", 400, "no Host"},
	{"§5.1 whitespace before the colon of a request", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400, "its colon"},
	{"§5.2 a fold of blanks alone", "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n \t\r\n\r\n", 400, "folded"},
	{"§5.2 a folded coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n", 400, "folded"},
	{"§5.2 a folded length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n 0\r\n\r\n", 400, "folded"},
	{"§5.2 a folded Host", "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n", 400, "folded"},
	{"§5.2 a folded Connection", "GET / HTTP/1.1\r\nHost: a\r\nConnection: close,\r\n x\r\n\r\n", 400, "folded"},
	{"9110 §5.5 a control character in a request", "GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n", 400, "control character"},
	{"9110 §5.5 a control character in a length", "HTTP/1.1 200 OK\r\nContent-Length: 5\x01\r\n\r\n", 502, "control character"},
	{"9110 §5.5 a vertical tab in a coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: \x0bchunked\r\n\r\n", 502, "control character"},
	{"9110 §8.6 lengths that are equal as numbers", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 05\r\n\r\n", 502, "more than one"},
	{"9110 §8.6 a list of two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 5, 6\r\n\r\n", 502, "Content-Length is"},
	{"9110 §8.6 an empty member", "HTTP/1.1 200 OK\r\nContent-Length: 5,, 5\r\n\r\n", 502, "Content-Length is"},
	{"9110 §8.6 a length that follows a list", "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\nContent-Length: 6\r\n\r\n", 502, "more than one"},
	{"§6.1 both framings", "HTTP/1.1 200 OK\nTransfer-Encoding : chunked\nContent-Length: 3, 3\n\n", 502, "both"},
	{"§6.3 the same length twice in a request", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", 400, "more than one"},
	{"§6.1 an unknown coding", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: gzip, chunked\n\n", 501, "gzip"},
	{"9110 §15.5.15 a long target", "GET /" + strings.Repeat("a", 8<<10) + " HTTP/1.1\nHost: a\n\n", 414, "8192"},
	{"6585 §5 a long header", "GET / HTTP/1.1\nHost: a\nX: " + strings.Repeat("a", 64<<10) + "\n\n", 431, "65536 bytes"},
	{"6585 §5 many fields", "GET / HTTP/1.1\nHost: a\n" + strings.Repeat("X: 1\n", 100) + "\n", 431, "100 fields"},
	{"6585 §5 many folds", "GET / HTTP/1.1\nHost: a\nX: 1\n" + strings.Repeat(" 1\n", 99) + "\n", 431, "100 fields"},
}

func TestNothingLetsPassWhatFramesOrRoutes(t *testing.T) {
	for _, c := range intolerable {
		t.Run(c.name, func(t *testing.T) {
			e := sideOf(c.text)
			_, err := tolerant(c.text, everything).readHead(e)
			refusedWith(t, err, c.status, c.reason)
			if refused, ok := errors.AsType[*Error](err); ok && refused.Lenient != 0 {
				t.Errorf("it is said that %v helps", refused.Lenient)
			}
			if len(c.text) < quick {
				agreeLeniently(t, []byte(c.text), e)
			}
		})
	}
	for _, c := range append(refusedRequests, refusedResponses...) {
		e := exchange{}
		if c.status == 502 {
			e = exchange{answered: true, method: "GET"}
		}
		if len(c.text) < quick {
			agreeLeniently(t, []byte(c.text), e)
		}
	}
}

func TestTheNextHeadIsReadStrictlyAgain(t *testing.T) {
	r := tolerant("HTTP/1.1 200\nContent-Length: 2\n\nokHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 204\r\n\r\n", everything)
	for i, want := range []flow.Tolerance{flow.LineFeed | flow.StatusLine, 0, flow.StatusLine} {
		if i == 2 {
			r.Tolerate(0)
		}
		h, err := r.ReadResponse("GET")
		if i == 2 {
			refusedWith(t, err, 502, "single spaces")
			return
		}
		if err != nil || h.Tolerated != want {
			t.Fatalf("head %d: %v, %v", i, h, err)
		}
		if _, err := io.Copy(io.Discard, r.Body(h)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestChunksAndTrailersAreNeverReadLeniently(t *testing.T) {
	for _, body := range []string{"3\nabc\r\n0\r\n\r\n", "3\r\nabc\n0\r\n\r\n", "3\r\nabc\r\n0\r\nX: 1\n\r\n", "3\r\nabc\r\n0\r\nX: 1\r\n 2\r\n\r\n", "3\r\nabc\r\n0\r\nX : 1\r\n\r\n"} {
		r := tolerant("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n"+body, everything)
		h, err := r.ReadResponse("GET")
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, r.Body(h))
		refused, ok := errors.AsType[*Error](err)
		if !ok || refused.Lenient != 0 {
			t.Errorf("%q: %v", body, err)
		}
	}
}

// agreeLeniently holds the lenient parser against the reference, against itself when the bytes come
// one by one, and against the strict parser of what is passed on.
func agreeLeniently(t *testing.T, text []byte, e exchange) {
	t.Helper()
	want, needs, ok := refLenient(text, e)
	r := tolerant(string(text), everything)
	h, err := r.readHead(e)
	if ok != (err == nil) {
		t.Fatalf("%q: the reference says %v, the reader %v", text, ok, err)
	}
	if !ok {
		if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			onlyErrors(t, text, err, 400, 414, 431, 501, 502, 505)
		}
		return
	}
	got := refOf(h, len(text)-len(r.Buffered()))
	if !reflect.DeepEqual(got, want) || h.Tolerated != needs {
		t.Fatalf("%q:\n got %+v with %v\nwant %+v with %v", text, got, h.Tolerated, want, needs)
	}
	slow := NewReader(iotest.OneByteReader(bytes.NewReader(text)), Limits{})
	slow.Tolerate(everything)
	if again, err := slow.readHead(e); err != nil || !reflect.DeepEqual(again, h) {
		t.Fatalf("%q byte by byte: %+v, %v", text, again, err)
	}
	passed := passedOn(h, e)
	var s scan
	var strict Head
	n, refused := e.strict(&strict, []byte(passed), Limits{Head: 2 * DefaultLimits.Head}.orDefault(), &s)
	if refused != nil || n != len(passed) {
		t.Fatalf("%q was passed on as %q: %v", text, passed, refused)
	}
	got.n = n
	if !reflect.DeepEqual(refOf(&strict, n), got) {
		t.Fatalf("%q was passed on as %q, read as %+v", text, passed, strict)
	}
}
