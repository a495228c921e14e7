package replay

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

func TestAMessageBecomesTheExchangeThatSendsIt(t *testing.T) {
	original := &flow.Record{Seq: 7, Door: flow.Reverse}
	m := Message{
		Method: "PUT", URL: "HTTP://Shop.Example:8080?a=1#frag", Body: Bytes([]byte("body")), Length: 4,
		Fields: flow.Header{{Name: "X-B", Value: "2"}, {Name: "content-length", Value: "99"}, {Name: "Host", Value: "other"}, {Name: "Expect", Value: "100-continue"}},
	}
	x, err := Exchange(t.Context(), m, original)
	if err != nil {
		t.Fatal(err)
	}
	r := x.Request
	if r.Method != "PUT" || r.Scheme != "http" || r.Authority != "Shop.Example:8080" || r.Target != "/?a=1" || r.ContentLength != 4 {
		t.Errorf("the request is %+v", r)
	}
	if got := fmt.Sprint(r.Header); got != "[{X-B 2} {Host Shop.Example:8080}]" {
		t.Errorf("its fields are %s", got)
	}
	if x.Door != flow.Reverse || x.ReplayOf != 7 || !x.Trusted {
		t.Errorf("the exchange is %+v", x)
	}
	if x, err := Exchange(t.Context(), Message{Method: "GET", URL: "https://a/"}, nil); err != nil || x.Door != flow.Forward || x.Request.Body != flow.NoBody {
		t.Errorf("one made from nothing is %+v, %v", x, err)
	}
}

func TestWhatCannotBeSentIsToldAtItsField(t *testing.T) {
	for _, c := range []struct {
		name  string
		m     Message
		where string
	}{
		{"no scheme", Message{Method: "GET", URL: "shop.example/"}, "url"},
		{"another scheme", Message{Method: "GET", URL: "ftp://shop.example/"}, "url"},
		{"no host", Message{Method: "GET", URL: "http:///x"}, "url"},
		{"a space in the path", Message{Method: "GET", URL: "http://a/b c"}, "url"},
		{"a line break in the path", Message{Method: "GET", URL: "http://a/\r\nX: y"}, "url"},
		{"a method with a space", Message{Method: "GE T", URL: "http://a/"}, "method"},
		{"no method", Message{URL: "http://a/"}, "method"},
		{"a field name with a colon", Message{Method: "GET", URL: "http://a/", Fields: flow.Header{{Name: "a:b"}}}, "fields"},
		{"a value with a line break", Message{Method: "GET", URL: "http://a/", Fields: flow.Header{{Name: "a", Value: "b\r\nc: d"}}}, "fields"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Exchange(t.Context(), c.m, nil)
			if p := problem.Of(err); p == nil || p.Kind != problem.Invalid || p.Where != c.where {
				t.Errorf("the problem is %+v", p)
			}
		})
	}
}

func TestABodyKeptInPartIsNotSentAsTheWhole(t *testing.T) {
	r := &flow.Record{Seq: 3, RequestBody: flow.Stored{Size: 10, Kept: 4}}
	if err := Whole(r); err == nil || !strings.Contains(err.Error(), "body_cap") {
		t.Errorf("%v", err)
	}
}

func TestSendingReadsTheWholeAnswerAndClosesIt(t *testing.T) {
	body := &closing{Reader: strings.NewReader("the answer")}
	x, err := Exchange(t.Context(), Message{Method: "GET", URL: "http://a/"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	Send(flow.HandlerFunc(func(*flow.Exchange) *flow.Response { return &flow.Response{Status: 200, Body: body} }), x)
	if rest, _ := io.ReadAll(body.Reader); len(rest) > 0 || !body.closed || x.Timing.Done == 0 {
		t.Errorf("left %q, closed %v, done at %v", rest, body.closed, x.Timing.Done)
	}
}

type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error { c.closed = true; return nil }
