package template

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

func exchange(t *testing.T) (*flow.Exchange, *flow.Response) {
	x := flow.NewExchange(t.Context(), flow.Reverse, &flow.Request{
		Method: "GET", Scheme: "http", Authority: "Shop.localhost:8080", Target: "/v1/items?page=2&q=a+b%0D%0Ac&page=3",
		Proto: "HTTP/1.1", Body: flow.NoBody,
		Header: flow.Header{{Name: "Accept", Value: "text/html"}, {Name: "accept", Value: "*/*"}},
	})
	x.ID = uuid.MustParse("019ab4c2-7d1e-7c0a-9f42-6b0e1d55a8c1")
	x.Client = netip.MustParseAddrPort("[::ffff:10.1.2.3]:51234")
	x.Started = time.Date(2025, 11, 22, 15, 2, 11, 0, time.FixedZone("CET", 3600))
	x.Route = "shop-api"
	r := flow.NewResponse(418, "text/plain", nil)
	r.Header.Add("Server", "teapot")
	return x, r
}

func TestPlacesAreFilledFromTheExchange(t *testing.T) {
	x, r := exchange(t)
	for text, want := range map[string]string{
		"":                          "",
		"plain":                     "plain",
		"a ${method} b":             "a GET b",
		"${method}${scheme}":        "GEThttp",
		"${host}|${port}":           "shop.localhost|8080",
		"${authority}":              "Shop.localhost:8080",
		"${path}?${query}":          "/v1/items?page=2&q=a+b%0D%0Ac&page=3",
		"${url}":                    "http://Shop.localhost:8080/v1/items?page=2&q=a+b%0D%0Ac&page=3",
		"${query.page}":             "2",
		"${query.q}":                "a b\r\nc",
		"[${query.none}]":           "[]",
		"${client.ip}":              "10.1.2.3",
		"${client.port}":            "51234",
		"${id}":                     "019ab4c2-7d1e-7c0a-9f42-6b0e1d55a8c1",
		"${route} ${door} ${proto}": "shop-api reverse HTTP/1.1",
		"${time}":                   "2025-11-22T14:02:11Z",
		"${request.header.ACCEPT}":  "text/html, */*",
		"[${request.header.none}]":  "[]",
		"${status}":                 "418",
		"${response.header.server}": "teapot",
		"${$}{method}":              "${method}",
		"$ {method} $":              "$ {method} $",
		"${HOME} ${X:-a b}":         "${HOME} ${X:-a b}",
	} {
		parsed, err := Parse(text, Response)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := parsed.Fill(x, r); got != want {
			t.Errorf("%q is filled to %q, want %q", text, got, want)
		}
	}
}

func TestAPlaceThatCannotBeFilledIsRefused(t *testing.T) {
	for _, c := range []struct {
		text string
		side Side
		says string
	}{
		{"${methd}", Request, "did you mean ${method}?"},
		{"${clientip}", Request, "did you mean ${client.ip}?"},
		{"${nothing.like.it.at.all}", Request, "known here are authority"},
		{"${}", Request, "there is no value ${}"},
		{"${request.header.}", Request, "there is no value"},
		{"${request.header.a b}", Request, "there is no value"},
		{"${query.}", Request, "there is no value"},
		{"a ${method", Request, "not closed"},
		{"${status}", Request, "only when the response has come back"},
		{"${response.header.server}", Request, "only when the response has come back"},
		{"${statu}", Response, "did you mean ${status}?"},
	} {
		_, err := Parse(c.text, c.side)
		if problem.KindOf(err) != problem.Invalid || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v, want %q", c.text, err, c.says)
		}
	}
}

func TestAConstantNeedsNoExchange(t *testing.T) {
	for text, constant := range map[string]bool{"": true, "plain": true, "${$}{x}": true, "${HOME}": true, "a ${path}": false} {
		parsed, err := Parse(text, Request)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := parsed.Constant(); ok != constant {
			t.Errorf("%q is constant: %v", text, ok)
		}
	}
}

func TestFieldsAreCheckedEachAtItsPlace(t *testing.T) {
	fields, problems := Fields([]schema.Pair{
		{Name: "X-Env", Value: "dev ${method}"},
		{Name: "Content-Length", Value: "5"},
		{Name: "a b", Value: "x"},
		{Name: "", Value: "x"},
		{Name: "X-Lines", Value: "one\r\nSet-Cookie: a=1"},
		{Name: "X-Odd", Value: "${nmae}"},
		{Name: "X.Y", Value: "\x00"},
		{Name: "X-Umlaut", Value: "grün\tweiß"},
	}, Request)
	if len(fields) != 2 || fields[0].Name != "X-Env" || fields[1].Name != "X-Umlaut" {
		t.Errorf("fields %v", fields)
	}
	want := []struct{ where, says string }{
		{"Content-Length", "belongs to the connection"}, {"3", "no name of a field"}, {"4", "has no name"},
		{"X-Lines", "line break"}, {"X-Odd", "no value ${nmae}"}, {"7", "control character"},
	}
	if len(problems) != len(want) {
		t.Fatalf("%d problems: %v", len(problems), problems)
	}
	for i, w := range want {
		if problems[i].Where != w.where || !strings.Contains(problems[i].Message, w.says) {
			t.Errorf("problem %d: %v, want %s at %s", i, problems[i], w.says, w.where)
		}
	}
}

func TestAValueOfTheExchangeMakesNoSecondField(t *testing.T) {
	x, _ := exchange(t)
	fields, problems := Fields([]schema.Pair{{Name: "X-Search", Value: "<${query.q}>"}}, Request)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if got := fields[0].Fill(x, nil); got != "<a b  c>" {
		t.Errorf("filled to %q", got)
	}
}

func FuzzFilledFieldsAreOneLine(f *testing.F) {
	f.Add("a ${query.q} ${$}{ ${HOME}", "q=%0d%0aX: y")
	f.Add("${", "")
	f.Fuzz(func(t *testing.T, text, query string) {
		fields, _ := Fields([]schema.Pair{{Name: "X-A", Value: text}}, Request)
		x, _ := exchange(t)
		x.Request.Target = "/?" + query
		for _, field := range fields {
			if got := field.Fill(x, nil); strings.ContainsAny(got, "\r\n\x00") {
				t.Errorf("%q with %q gives %q", text, query, got)
			}
		}
	})
}
