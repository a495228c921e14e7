package ratelimit

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"proxycache/backend/flow"
	"proxycache/backend/policy"
	"proxycache/backend/schema"
)

// limiterOf makes the running policy of settings as a document holds them.
func limiterOf(t testing.TB, keep *policy.Keep, values map[string]any) *limiter {
	t.Helper()
	s := new(Settings)
	if problems := schema.Decode("", values, s); len(problems) > 0 {
		t.Fatal(problems)
	}
	p, err := s.Policy(policy.NewEnv("a/ratelimit", nil, keep))
	if err != nil {
		t.Fatal(err)
	}
	l := p.(*limiter)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// from is a request of the client at ip, with fields as "Name: value".
func from(ctx context.Context, ip string, fields ...string) *flow.Exchange {
	x := flow.NewExchange(ctx, flow.Reverse, &flow.Request{Method: "GET", Scheme: "http", Authority: "shop.test", Target: "/v1/items?page=2", Proto: "HTTP/1.1", Body: flow.NoBody})
	x.Client = netip.AddrPortFrom(netip.MustParseAddr(ip), 1234)
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		x.Request.Header.Add(name, value)
	}
	x.Enter("a/ratelimit", "ratelimit")
	return x
}

func fine(*flow.Exchange) (*flow.Response, error) { return flow.NewResponse(200, "", nil), nil }

// ask sends x through l and returns the status.
func ask(t testing.TB, l *limiter, x *flow.Exchange) int {
	t.Helper()
	r, err := l.Apply(x, fine)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return r.Status
}

func facts(x *flow.Exchange) map[string]string {
	out := map[string]string{}
	for _, f := range x.Trail[0].Facts {
		out[f.Name] = f.Value
	}
	return out
}

func figure(t testing.TB, l *limiter, name string) float64 {
	t.Helper()
	for _, f := range l.State().Figures {
		if f.Name == name {
			return f.Value
		}
	}
	t.Fatalf("there is no figure %s", name)
	return 0
}
