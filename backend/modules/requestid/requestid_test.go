package requestid

import (
	"strings"
	"testing"

	"proxycache/backend/flow"
	"proxycache/backend/policy"
	"proxycache/backend/policytest"
	"proxycache/backend/schema"
)

func TestLaws(t *testing.T) {
	policytest.Laws(t, Module,
		map[string]any{"header": "X-Correlation-Id", "keep": false},
		map[string]any{"response": false},
	)
}

func settings(t *testing.T, values map[string]any) *Settings {
	t.Helper()
	s := new(Settings)
	if problems := schema.Decode("", values, s); len(problems) > 0 {
		t.Fatal(problems)
	}
	return s
}

// run sends one exchange through and returns what the server and the client saw.
func run(t *testing.T, s *Settings, trusted bool, sent ...string) (x *flow.Exchange, server []string, client []string) {
	t.Helper()
	p, err := s.Policy(policy.NewEnv("a/requestid", nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	x = flow.NewExchange(t.Context(), flow.Reverse, &flow.Request{Method: "GET", Target: "/", Body: flow.NoBody})
	x.Trusted = trusted
	x.Enter("a/requestid", "")
	for _, id := range sent {
		x.Request.Header.Add("x-request-id", id)
	}
	r, err := p.Apply(x, func(x *flow.Exchange) (*flow.Response, error) {
		server = x.Request.Header.Values(s.Header)
		r := flow.NewResponse(200, "", nil)
		r.Header.Add("X-Request-Id", "the server's own")
		return r, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return x, server, r.Header.Values(s.Header)
}

func TestAnIdIsKeptOnlyFromATrustedClientAndWhenItIsPlain(t *testing.T) {
	for _, c := range []struct {
		name    string
		values  map[string]any
		trusted bool
		sent    []string
		kept    bool
		fact    flow.Fact
	}{
		{"trusted", nil, true, []string{"mine-1"}, true, flow.Fact{Name: "kept", Value: "a trusted client sent it"}},
		{"none", nil, true, nil, false, flow.Fact{Name: "made", Value: "the client sent none"}},
		{"not trusted", nil, false, []string{"mine-1"}, false, flow.Fact{Name: "made", Value: "the client is not trusted"}},
		{"spaces", nil, true, []string{"not a token"}, false, flow.Fact{Name: "made", Value: "the client's is too long or has odd characters"}},
		{"empty", nil, true, []string{""}, false, flow.Fact{Name: "made", Value: "the client's is too long or has odd characters"}},
		{"longest", nil, true, []string{strings.Repeat("a", 128)}, true, flow.Fact{Name: "kept", Value: "a trusted client sent it"}},
		{"too long", nil, true, []string{strings.Repeat("a", 129)}, false, flow.Fact{Name: "made", Value: "the client's is too long or has odd characters"}},
		{"several", nil, true, []string{"a", "b"}, false, flow.Fact{Name: "made", Value: "the client sent several"}},
		{"never", map[string]any{"keep": false}, true, []string{"mine-1"}, false, flow.Fact{Name: "made", Value: "the client's is never kept"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			x, server, client := run(t, settings(t, c.values), c.trusted, c.sent...)
			want := x.ID.String()
			if c.kept {
				want = c.sent[0]
			}
			if len(server) != 1 || server[0] != want || len(client) != 1 || client[0] != want {
				t.Errorf("the server saw %q, the client %q, want %q once", server, client, want)
			}
			facts := x.Trail[0].Facts
			if len(facts) != 2 || facts[0] != (flow.Fact{Name: "id", Value: want}) || facts[1] != c.fact {
				t.Errorf("facts %v", facts)
			}
			if x.ID.Version() != 7 {
				t.Errorf("the id is of version %d", x.ID.Version())
			}
		})
	}
}

func TestTheResponseIsLeftAloneWhenAskedTo(t *testing.T) {
	_, _, client := run(t, settings(t, map[string]any{"response": false}), false)
	if len(client) != 1 || client[0] != "the server's own" {
		t.Errorf("the client saw %q", client)
	}
}

func TestTheHeaderIsAFieldOfItsOwn(t *testing.T) {
	for _, name := range []string{"Content-Length", "a b", ""} {
		problems := schema.Decode("cells.1", map[string]any{"header": name}, new(Settings))
		if len(problems) != 1 || problems[0].Where != "cells.1.header" {
			t.Errorf("%q: %v", name, problems)
		}
	}
}

func TestItSaysItself(t *testing.T) {
	for want, values := range map[string]map[string]any{
		"gives every request an id in X-Request-Id, keeps that of a trusted client, and tells it to the client": nil,
		"gives every request an id in X-Id": {"header": "X-Id", "keep": false, "response": false},
	} {
		if got := settings(t, values).Explain(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
