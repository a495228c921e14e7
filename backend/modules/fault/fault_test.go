package fault

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/policy"
	"proxycache/backend/policytest"
	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

func TestLaws(t *testing.T) {
	policytest.Laws(t, Module,
		map[string]any{"status": int64(503)},
		map[string]any{"cut": true, "percent": 50.0},
		map[string]any{"delay": "1ms", "jitter": "1ms"},
	)
}

func policyOf(t *testing.T, values map[string]any) policy.Policy {
	t.Helper()
	s := new(Settings)
	if problems := schema.Decode("", values, s); len(problems) > 0 {
		t.Fatal(problems)
	}
	p, err := s.Policy(policy.NewEnv("a/fault", nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func exchange(ctx context.Context, method string) *flow.Exchange {
	x := flow.NewExchange(ctx, flow.Reverse, &flow.Request{Method: method, Scheme: "http", Authority: "x", Target: "/", Body: flow.NoBody})
	x.Enter("a/fault", "")
	return x
}

func fine(*flow.Exchange) (*flow.Response, error) { return flow.NewResponse(200, "", nil), nil }

func TestADelayIsAsLongAsItSays(t *testing.T) {
	for _, c := range []struct {
		values      map[string]any
		least, most time.Duration
		verdict     flow.Verdict
	}{
		{map[string]any{}, 0, 0, ""},
		{map[string]any{"delay": "2s"}, 2 * time.Second, 2 * time.Second, flow.Changed},
		{map[string]any{"delay": "2s", "jitter": "500ms"}, 1500 * time.Millisecond, 2500 * time.Millisecond, flow.Changed},
		{map[string]any{"delay": "2s", "percent": int64(0)}, 0, 0, ""},
	} {
		p := policyOf(t, c.values)
		for range 50 {
			synctest.Test(t, func(t *testing.T) {
				x := exchange(t.Context(), "GET")
				start := time.Now()
				r, err := p.Apply(x, fine)
				if err != nil || r.Status != 200 {
					t.Fatalf("%v: %v %v", c.values, r, err)
				}
				if took := time.Since(start); took < c.least || took > c.most {
					t.Errorf("%v: it took %s", c.values, took)
				}
				if x.Trail[0].Verdict != c.verdict {
					t.Errorf("%v: verdict %q", c.values, x.Trail[0].Verdict)
				}
			})
		}
	}
}

func TestJitterSpreads(t *testing.T) {
	b := breaker{Settings{Delay: schema.Duration(time.Second), Jitter: schema.Duration(2 * time.Second)}}
	shorter, longer := 0, 0
	for range 1000 {
		switch d := b.wait(); {
		case d < 0 || d > 3*time.Second:
			t.Fatalf("a wait of %s", d)
		case d < time.Second:
			shorter++
		default:
			longer++
		}
	}
	if shorter < 300 || longer < 300 {
		t.Errorf("%d are shorter, %d longer", shorter, longer)
	}
}

func TestADelayEndsWhenTheClientLeaves(t *testing.T) {
	p := policyOf(t, map[string]any{"delay": "10m"})
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		r, err := p.Apply(exchange(ctx, "GET"), func(*flow.Exchange) (*flow.Response, error) {
			t.Error("it goes on")
			return nil, nil
		})
		if r != nil || problem.KindOf(err) != problem.ClientLeft || time.Since(start) != 3*time.Second {
			t.Errorf("%v %v after %s", r, err, time.Since(start))
		}
	})
}

func TestAStatusAnswersInThePlaceOfTheServer(t *testing.T) {
	never := func(*flow.Exchange) (*flow.Response, error) {
		t.Error("the server was asked")
		return nil, problem.New(problem.Internal, "asked")
	}
	for _, c := range []struct {
		method string
		status int64
		body   bool
		length bool
	}{{"GET", 503, true, true}, {"HEAD", 503, false, true}, {"GET", 204, false, false}} {
		x := exchange(t.Context(), c.method)
		r, err := policyOf(t, map[string]any{"status": c.status}).Apply(x, never)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Status != int(c.status) || len(body) > 0 != c.body || r.ContentLength > 0 != c.length {
			t.Errorf("%s: %d, %d of %d bytes, %v", c.method, r.Status, len(body), r.ContentLength, err)
		}
		if c.body && !strings.Contains(string(body), x.ID.String()) {
			t.Errorf("the body does not name the exchange: %s", body)
		}
	}
}

func TestACutIsSilent(t *testing.T) {
	r, err := policyOf(t, map[string]any{"cut": true}).Apply(exchange(t.Context(), "GET"), fine)
	if err != nil || !r.Cut || r.Body != flow.NoBody {
		t.Errorf("%+v %v", r, err)
	}
}

func TestTheShareIsHit(t *testing.T) {
	p := policyOf(t, map[string]any{"percent": 25.0, "status": int64(500)})
	hit := 0
	const all = 4000
	for range all {
		r, err := p.Apply(exchange(t.Context(), "GET"), fine)
		if err != nil {
			t.Fatal(err)
		}
		if r.Status == 500 {
			hit++
		}
	}
	if hit < all/5 || hit > all*3/10 { // seven standard deviations
		t.Errorf("%d of %d were hit", hit, all)
	}
}

func TestWhatContradictsItselfIsRefused(t *testing.T) {
	for _, c := range []struct {
		values map[string]any
		where  string
	}{
		{map[string]any{"status": int64(101)}, "cells.1.status"},
		{map[string]any{"status": int64(500), "cut": true}, "cells.1.cut"},
		{map[string]any{"percent": 101.0}, "cells.1.percent"},
		{map[string]any{"delay": "-1s"}, "cells.1.delay"},
	} {
		problems := schema.Decode("cells.1", c.values, new(Settings))
		if len(problems) != 1 || problems[0].Where != c.where {
			t.Errorf("%v: %v", c.values, problems)
		}
	}
}

func TestItSaysItself(t *testing.T) {
	for _, c := range []struct {
		want   string
		values map[string]any
	}{
		{"does nothing until it has a delay, a status or a cut", nil},
		{"waits 2s for 5 % of the requests", map[string]any{"percent": int64(5), "delay": "2s"}},
		{"waits 1s ± 500ms, then answers 503 for 100 % of the requests", map[string]any{"delay": "1s", "jitter": "500ms", "status": int64(503)}},
		{"cuts the connection for 0.5 % of the requests", map[string]any{"cut": true, "percent": 0.5}},
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
