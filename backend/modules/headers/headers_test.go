package headers

import (
	"fmt"
	"strings"
	"testing"

	"proxycache/backend/flow"
	"proxycache/backend/policy"
	"proxycache/backend/policytest"
	"proxycache/backend/schema"
)

func TestLaws(t *testing.T) {
	policytest.Laws(t, Module, map[string]any{
		"request_set": map[string]any{"X-Env": "dev ${method}"}, "request_add": map[string]any{"Via": "1.1 us"}, "request_remove": []any{"Cookie"},
		"response_set": map[string]any{"X-Was": "${status}"}, "response_add": map[string]any{"Vary": "Accept"}, "response_remove": []any{"Server"},
	})
}

// pairs writes "Name: value" lines as the list of a document.
func pairs(lines ...string) []any {
	var out []any
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		out = append(out, map[string]any{"name": name, "value": value})
	}
	return out
}

func lines(h flow.Header) string {
	var out []string
	for _, f := range h {
		out = append(out, f.Name+": "+f.Value)
	}
	return strings.Join(out, "\n")
}

func TestFieldsAreRemovedThenSetThenAdded(t *testing.T) {
	s := new(Settings)
	if problems := schema.Decode("", map[string]any{
		"request_remove":  []any{"cookie", "X-Swap-A"},
		"request_set":     pairs("Host: inner.test", "X-Swap-A: ${request.header.x-swap-b}", "X-Swap-B: ${request.header.x-swap-a}"),
		"request_add":     pairs("X-Via: ${method} ${path}", "X-Via: two"),
		"response_remove": []any{"Server"},
		"response_set":    pairs("X-Was: ${status} ${response.header.server} for ${request.header.host}"),
		"response_add":    pairs("Set-Cookie: b=2"),
	}, s); len(problems) > 0 {
		t.Fatal(problems)
	}
	p, err := s.Policy(policy.NewEnv("a/headers", nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	given := flow.Header{{Name: "Host", Value: "outer.test"}, {Name: "Cookie", Value: "a=1"}, {Name: "X-Swap-A", Value: "1"}, {Name: "X-Swap-B", Value: "2"}, {Name: "COOKIE", Value: "b=1"}}
	before := lines(given)
	x := flow.NewExchange(t.Context(), flow.Reverse, &flow.Request{Method: "GET", Scheme: "http", Target: "/a?b", Header: given, Body: flow.NoBody})
	var sent string
	r, err := p.Apply(x, func(x *flow.Exchange) (*flow.Response, error) {
		sent = lines(x.Request.Header)
		r := flow.NewResponse(200, "", nil)
		r.Header = flow.Header{{Name: "Server", Value: "nginx"}, {Name: "Set-Cookie", Value: "a=1"}}
		return r, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := "Host: inner.test\nX-Swap-B: 1\nX-Swap-A: 2\nX-Via: GET /a\nX-Via: two"; sent != want {
		t.Errorf("sent\n%s\nwant\n%s", sent, want)
	}
	if got, want := lines(r.Header), "Set-Cookie: a=1\nX-Was: 200 nginx for inner.test\nSet-Cookie: b=2"; got != want {
		t.Errorf("answered\n%s\nwant\n%s", got, want)
	}
	if lines(given) != before {
		t.Errorf("the header that came was changed in place:\n%s", lines(given))
	}
}

func TestAddingNeverWritesBehindAListThatIsShared(t *testing.T) {
	s := new(Settings)
	if problems := schema.Decode("", map[string]any{"request_add": pairs("X-Id: ${query}")}, s); len(problems) > 0 {
		t.Fatal(problems)
	}
	p, err := s.Policy(policy.NewEnv("a/headers", nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	shared := append(make(flow.Header, 0, 8), flow.Field{Name: "Host", Value: "x"})
	var got []flow.Header
	for i := range 2 {
		x := flow.NewExchange(t.Context(), flow.Reverse, &flow.Request{Target: fmt.Sprintf("/?%d", i), Header: shared, Body: flow.NoBody})
		if _, err := p.Apply(x, func(x *flow.Exchange) (*flow.Response, error) {
			got = append(got, x.Request.Header)
			return flow.NewResponse(204, "", nil), nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if got[0].Get("X-Id") != "0" || got[1].Get("X-Id") != "1" {
		t.Errorf("%v %v", got[0], got[1])
	}
}

func TestWhatCannotBeSetIsSaidAtItsPlace(t *testing.T) {
	for _, c := range []struct {
		setting string
		value   any
		where   string
		says    string
	}{
		{"request_set", pairs("Transfer-Encoding: chunked"), "request_set.Transfer-Encoding", "belongs to the connection"},
		{"request_set", map[string]any{"X-A": "${stauts}"}, "request_set.X-A", "there is no value"},
		{"request_set", map[string]any{"X-A": "${status}"}, "request_set.X-A", "only when the response has come back"},
		{"response_add", pairs("X-A: a\nb"), "response_add.X-A", "line break"},
		{"response_set", pairs("X-A: ${metod}"), "response_set.X-A", "did you mean ${method}?"},
		{"request_remove", []any{"Cookie", "Content-Length"}, "request_remove.2", "belongs to the connection"},
		{"response_remove", []any{"a:b"}, "response_remove.1", "no name of a field"},
		{"request_add", pairs("host: x"), "request_add", "exactly one Host"},
		{"request_remove", []any{"Host"}, "request_remove", "exactly one Host"},
	} {
		problems := schema.Decode("cells.1", map[string]any{c.setting: c.value}, new(Settings))
		if len(problems) != 1 || problems[0].Where != "cells.1."+c.where || !strings.Contains(problems[0].Message, c.says) {
			t.Errorf("%s = %v: %v", c.setting, c.value, problems)
		}
	}
}

func TestItSaysItself(t *testing.T) {
	for _, c := range []struct {
		want   string
		values map[string]any
	}{
		{"changes nothing until a field is named", nil},
		{"sets X-Env, removes Cookie on the request; sets X-Served-By, removes Server and Via on the response", map[string]any{
			"request_set": pairs("X-Env: dev"), "request_remove": []any{"Cookie"},
			"response_set": pairs("X-Served-By: us"), "response_remove": []any{"Server", "Via"},
		}},
		{"adds 3 fields on the response", map[string]any{"response_add": pairs("A: 1", "B: 2", "C: 3")}},
	} {
		s := new(Settings)
		if problems := schema.Decode("", c.values, s); len(problems) > 0 {
			t.Fatal(problems)
		}
		if got := s.Explain(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
