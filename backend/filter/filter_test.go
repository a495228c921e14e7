package filter

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

func record() *flow.Record {
	r := &flow.Record{
		Method: "POST", Scheme: "https", Authority: "Shop.localhost:8443", Target: "/v1/Cart?id=7", Status: 503, Door: flow.Reverse,
		Route: "shop-api", Client: "127.0.0.1:5000", State: flow.Done, Mocked: true,
		RequestHead:  []byte("POST /v1/Cart?id=7 HTTP/1.1\r\nX-Api-Key: abc\r\nVia: a\r\nVia: b\r\n\r\n"),
		ResponseHead: []byte("HTTP/1.1 503 Unavailable\r\nServer: nginx\r\n\r\n"),
	}
	r.RequestBody.Size, r.ResponseBody.Size, r.ResponseBody.Type = 100, 2048, "application/json"
	r.Timing.Done = 1500 * time.Millisecond
	return r
}

func TestMatch(t *testing.T) {
	for text, want := range map[string]bool{
		"":                                     true,
		"cart":                                 true,
		`"v1/Cart?id"`:                         true,
		"nowhere":                              false,
		"host = shop.localhost":                true,
		`host = "SHOP.localhost"`:              true,
		"method = post":                        true,
		"method in (GET, HEAD)":                false,
		"not method in (GET, HEAD)":            true,
		"path = /v1/Cart":                      true,
		"path = /v1/cart":                      false,
		"path ^= /v1/":                         true,
		"path $= art":                          true,
		"path *= CART":                         true,
		"path ~ ^/v[0-9]+/":                    true,
		`path ~ ^/v\d+/`:                       true,
		`path ~ "^/v\d+/"`:                     true,
		`path ~ "^/v\\d+/"`:                    true,
		`path ~ "^/\.1/"`:                      false,
		`path = "/v1\/Cart"`:                   false,
		`"v1/\"Cart"`:                          false,
		`query = "id=7"`:                       true,
		"status = 503":                         true,
		"status = 5xx":                         true,
		"status != 5xx":                        false,
		"status in (404, 5xx)":                 true,
		"status >= 500 and status < 600":       true,
		"type = json":                          true,
		"door = reverse":                       true,
		"route = shop-api":                     true,
		"client ^= 127.":                       true,
		"state = done":                         true,
		"duration > 1s":                        true,
		"duration < 1.5s":                      false,
		"duration <= 1500":                     true,
		"size = 2KiB":                          true,
		"size > 2kB":                           true,
		"request.size < 1kB":                   true,
		"mocked = true":                        true,
		"mocked = false":                       false,
		"request.header.x-api-key = abc":       true,
		"request.header.X-API-KEY = ABC":       false,
		"request.header.via = b":               true,
		"request.header.via != c":              true,
		"request.header.nope = x":              false,
		"response.header.server ~ NGINX":       true,
		"(status = 200 or cart) and not GET":   true,
		"status = 200 or cart and GET":         false,
		"cart status >= 500":                   true,
		"cart AND NOT status = 503":            false,
		`host = "shop.localhost" status = 5xx`: true,
	} {
		e, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := Match(e, record()); got != want {
			t.Errorf("%s: %t, want %t", text, got, want)
		}
		again, err := Parse(Format(e))
		if err != nil || !reflect.DeepEqual(again, e) {
			t.Errorf("%s is written %s and read back as %v, %v", text, Format(e), again, err)
		}
	}
}

func TestWhatIsWrongIsToldAtItsColumn(t *testing.T) {
	for text, want := range map[string]struct {
		column int
		words  string
	}{
		"staus = 200":        {1, "did you mean status?"},
		"blorgh = 1":         {1, "write one of"},
		"status = many":      {10, "a status is a number"},
		"status > 5xx":       {10, "status >= 500"},
		"method in GET":      {11, "takes a list"},
		"method in (GET":     {15, "not closed"},
		"(host = a":          {10, "add a )"},
		"host = a )":         {10, "not expected"},
		"host =":             {7, "a value is missing"},
		"= 200":              {1, "a field is missing"},
		"host = a and":       {13, "a condition is missing"},
		`é = 1 and host = "`: {18, "not closed"},
		"path ~ (":           {8, "a value is missing"},
		`path ~ "("`:         {8, "regular expression"},
		"duration > soon":    {12, "250ms"},
		"size > big":         {8, "10kB"},
		"mocked = maybe":     {10, "true or false"},
	} {
		_, err := Parse(text)
		var p *problem.Problem
		if !errors.As(err, &p) {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if text[0] == 0xc3 {
			if p.Column != 1 { // the field itself is unknown, which is found first
				t.Errorf("%s: column %d", text, p.Column)
			}
			continue
		}
		if p.Kind != problem.Invalid || p.Column != want.column || !strings.Contains(p.Message, want.words) {
			t.Errorf("%s: column %d %q, want %d %q", text, p.Column, p.Message, want.column, want.words)
		}
	}
}

func TestLengthAndDepthAreBounded(t *testing.T) {
	if _, err := Parse(strings.Repeat("a", maxLength+1)); err == nil {
		t.Error("a filter of any length is read")
	}
	if _, err := Parse(strings.Repeat("(", 5000)); err == nil || !strings.Contains(err.Error(), "nested") {
		t.Errorf("any depth is read: %v", err)
	}
	if _, err := Parse(strings.Repeat("not ", 3000) + "a"); err == nil || !strings.Contains(err.Error(), "nested") {
		t.Errorf("any depth is read: %v", err)
	}
}

func request() *flow.Exchange {
	return &flow.Exchange{Door: flow.Reverse, Request: &flow.Request{
		Method: "GET", Scheme: "http", Authority: "b.localhost", Target: "/v2?x=1", Header: flow.Header{{Name: "Accept", Value: "text/html"}},
	}}
}

func TestWhyNot(t *testing.T) {
	for text, want := range map[string]string{
		"method = GET":                          "",
		"host = shop.localhost":                 `host is "b.localhost": it would have to be shop.localhost`,
		`host = b.localhost and path ^= "/v1/"`: `path is "/v2": it would have to start with /v1/`,
		"not method = GET":                      "the method is GET, which the route excludes",
		"request.header.x-key = 1":              "the request header x-key is not there",
		"request.header.accept *= json":         `request header accept is "text/html": it would have to contain json`,
		"method in (PUT, POST) or host = a":     `method is "GET": it would have to be one of PUT, POST, and host is "b.localhost": it would have to be a`,
	} {
		e, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := WhyNot(e, request()); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestNeedsResponse(t *testing.T) {
	for text, want := range map[string]bool{
		"": false, "host = a and path = b": false, "host = a or not status = 5xx": true, "response.header.x = 1": true, "duration > 1": true,
	} {
		e, _ := Parse(text)
		if NeedsResponse(e) != want {
			t.Errorf("%s: %t", text, !want)
		}
	}
}

func TestExplain(t *testing.T) {
	e, _ := Parse(`host = a and not (status >= 500 or request.header.x = 1)`)
	want := "the host is a and not (either the status is at least 500 or the request header x is 1)"
	if got := Explain(e); got != want {
		t.Errorf("%q", got)
	}
	if Explain(nil) != "everything" {
		t.Error("no filter is not everything")
	}
}

func TestMatchingARequestAllocatesNothing(t *testing.T) {
	e, err := Parse(`method = GET and path ^= "/v2" and door = reverse`)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Compile(e)
	if err != nil {
		t.Fatal(err)
	}
	x := request()
	if n := testing.AllocsPerRun(100, func() { m.MatchRequest(x) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "a", `host = "a" and (b or not status in (200, 5xx))`, "path ~ x", `"\"`, "a=", "size>1kB", "((("} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(Format(e))
		if err != nil || !reflect.DeepEqual(again, e) {
			t.Fatalf("%q is written %q and read back as %v, %v", text, Format(e), again, err)
		}
		Match(e, record())
	})
}
