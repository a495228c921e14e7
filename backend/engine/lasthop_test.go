package engine

import (
	"context"
	"io"
	"testing"

	"proxycache/backend/flow"
)

func TestTheLastHopShowsWhatItGotAndNoSecret(t *testing.T) {
	ask := func(method string, fields ...flow.Field) *flow.Response {
		return lastHop(flow.NewExchange(context.Background(), flow.Reverse, &flow.Request{
			Method: method, Scheme: "http", Authority: "shop.test", Target: "/a?b", Proto: "HTTP/1.1", Header: fields, Body: flow.NoBody,
		}))
	}
	r := ask("TRACE", flow.Field{Name: "Host", Value: "shop.test"}, flow.Field{Name: "COOKIE", Value: "a=1"}, flow.Field{Name: "authorization", Value: "Basic x"},
		flow.Field{Name: "Max-Forwards", Value: "0"}, flow.Field{Name: "Proxy-Authorization", Value: "Basic y"}, flow.Field{Name: "X-Seen", Value: "yes"})
	if r == nil {
		t.Fatal("it would be sent on")
	}
	const want = "TRACE /a?b HTTP/1.1\r\nHost: shop.test\r\nMax-Forwards: 0\r\nX-Seen: yes\r\n\r\n"
	if body, err := io.ReadAll(r.Body); err != nil || string(body) != want || r.Header.Get("Content-Type") != "message/http" {
		t.Errorf("%q, %v, %v", body, err, r.Header)
	}
	for _, c := range []struct{ method, hops string }{{"GET", "0"}, {"OPTIONS", "1"}, {"OPTIONS", "-0"}, {"TRACE", ""}, {"TRACE", "x"}} {
		if r := ask(c.method, flow.Field{Name: "Max-Forwards", Value: c.hops}); r != nil {
			t.Errorf("%s with Max-Forwards %q is answered here", c.method, c.hops)
		}
	}
}
