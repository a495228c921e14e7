package breaker

import (
	"context"
	"fmt"
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
		map[string]any{"scope": "target"},
		map[string]any{"recovery": "probes", "latency_above": "1s"},
		map[string]any{"fallback": "answer", "fallback_body": "later", "minimum": int64(1)},
		map[string]any{"fallback": "stale", "minimum": int64(1), "scope": "target"},
	)
}

func policyOf(t *testing.T, values map[string]any) *breaker {
	t.Helper()
	s := new(Settings)
	if problems := schema.Decode("", values, s); len(problems) > 0 {
		t.Fatal(problems)
	}
	p, err := s.Policy(policy.NewEnv("a/breaker", nil, nil).In("", []string{"reserve"}))
	if err != nil {
		t.Fatal(err)
	}
	return p.(*breaker)
}

func exchange(ctx context.Context) *flow.Exchange {
	x := flow.NewExchange(ctx, flow.Reverse, &flow.Request{Method: "GET", Scheme: "http", Authority: "shop.localhost", Target: "/", Body: flow.NoBody})
	x.Route = "shop"
	x.Enter("a/breaker", "breaker")
	return x
}

func fact(x *flow.Exchange, name string) string {
	for _, f := range x.Trail[0].Facts {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// origin answers with a status, or fails where it is 0.
type origin struct {
	status int
	kind   problem.Kind
	slow   time.Duration
	calls  int
	target string
	body   io.ReadCloser
}

func (o *origin) next(x *flow.Exchange) (*flow.Response, error) {
	o.calls++
	x.Target = o.target
	time.Sleep(o.slow) // virtual
	if o.status == 0 {
		return nil, problem.New(o.kind, "Sending: it failed on purpose. Do nothing.")
	}
	r := flow.NewResponse(o.status, "", nil)
	if o.body != nil {
		r.Body = o.body
	}
	return r, nil
}

// ask sends n requests and returns the last exchange with what came of it.
func ask(t *testing.T, p policy.Policy, n int, next policy.Next) (*flow.Exchange, *flow.Response, error) {
	t.Helper()
	var x *flow.Exchange
	var r *flow.Response
	var err error
	for range n {
		x = exchange(t.Context())
		r, err = p.Apply(x, next)
		if r != nil {
			_, _ = io.Copy(io.Discard, r.Body) // bodies that break off are part of it
			_ = r.Body.Close()
		}
	}
	return x, r, err
}

func stands(t *testing.T, b *breaker, want string) {
	t.Helper()
	if got := b.State().Summary; got != want {
		t.Errorf("it is %q, want %q", got, want)
	}
}

func TestEachTriggerOpensIt(t *testing.T) {
	for _, c := range []struct {
		name     string
		settings map[string]any
		good     int
		bad      *origin
		after    int // bad ones
		says     string
	}{
		{"failures", nil, 10, &origin{kind: problem.Refused}, 10, "error ratio 0.50 of 0.50 over 20"},
		{"statuses", nil, 10, &origin{status: 503}, 10, "status ratio 0.50 of 0.50 over 20"},
		{"at the minimum only", nil, 0, &origin{status: 500}, 20, "status ratio 1.00 of 0.50 over 20"},
		{"one status", map[string]any{"statuses": []any{"404"}, "minimum": int64(4)}, 2, &origin{status: 404}, 2, "status ratio 0.50 of 0.50 over 4"},
		{"slow ones", map[string]any{"latency_above": "100ms", "window": "1m"}, 19, &origin{status: 200, slow: 200 * time.Millisecond}, 2, "2 of 21 answers took more than 100ms, 5 % may"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := policyOf(t, c.settings)
				ask(t, b, c.good, (&origin{status: 200}).next)
				x, _, _ := ask(t, b, c.after-1, c.bad.next)
				if x != nil && fact(x, "opened") != "" {
					t.Fatalf("it opened too early: %s", fact(x, "opened"))
				}
				x, _, _ = ask(t, b, 1, c.bad.next)
				if got := fact(x, "opened"); got != c.says {
					t.Errorf("it opened by %q, want %q", got, c.says)
				}
				before := c.bad.calls
				x, r, err := ask(t, b, 1, c.bad.next)
				p := problem.Of(err)
				if r != nil || p == nil || p.Kind != problem.DestinationUnavailable || p.RetryAfter != 30*time.Second || c.bad.calls != before {
					t.Errorf("an open breaker gives %v, %v", r, err)
				}
				if fact(x, "state") != "open" || fact(x, "because") != c.says || fact(x, "left") != "30s" || x.Trail[0].Verdict != flow.Answered {
					t.Errorf("the trail says %+v", x.Trail[0])
				}
				if !strings.Contains(p.Message, "30 s") || b.State().Level != policy.Alarm {
					t.Errorf("%s; %+v", p.Message, b.State())
				}
			})
		})
	}
}

func TestWhatSaysNothingAboutTheServerDoesNotCount(t *testing.T) {
	b := policyOf(t, map[string]any{"minimum": int64(1)})
	for _, kind := range []problem.Kind{problem.ClientLeft, problem.SlowClient, problem.BadRequest, problem.NoRoute, problem.Loop, problem.Limited, problem.Overloaded, problem.Forbidden, problem.DestinationUnavailable, problem.Internal} {
		ask(t, b, 3, (&origin{kind: kind}).next)
	}
	stands(t, b, "closed")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Apply(exchange(ctx), (&origin{kind: problem.Terminated}).next); err == nil {
		t.Error("no error")
	}
	stands(t, b, "closed")
}

func TestProbesCloseItAndTheFirstBadOneOpensIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := policyOf(t, map[string]any{"recovery": "probes", "minimum": int64(2), "open_for": "5s"})
		bad, good := &origin{kind: problem.Terminated}, &origin{status: 200}
		ask(t, b, 2, bad.next)
		stands(t, b, "open, 5 s left")
		time.Sleep(5 * time.Second)
		stands(t, b, "open, recovers with the next request")
		x, _, _ := ask(t, b, 1, bad.next)
		if fact(x, "state") != "recovering" || fact(x, "opened") != "a probe did not fare well" {
			t.Errorf("%+v", x.Trail[0].Facts)
		}
		time.Sleep(5 * time.Second)
		ask(t, b, 2, good.next)
		stands(t, b, "recovering")
		if b.State().Level != policy.Warn {
			t.Error("recovering is no warning")
		}
		ask(t, b, 1, good.next)
		stands(t, b, "closed")
	})
}

func TestNoMoreProbesThanWantedAreUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := policyOf(t, map[string]any{"recovery": "probes", "minimum": int64(1), "probes": int64(2), "open_for": "1s"})
		ask(t, b, 1, (&origin{status: 500}).next)
		time.Sleep(time.Second)
		release := make(chan struct{})
		slow := func(*flow.Exchange) (*flow.Response, error) { <-release; return flow.NewResponse(200, "", nil), nil }
		for range 2 {
			go func() { _, _ = b.Apply(exchange(t.Context()), slow) }()
		}
		synctest.Wait()
		if _, _, err := ask(t, b, 1, (&origin{status: 200}).next); problem.Of(err).RetryAfter != time.Second {
			t.Errorf("a third probe: %v", err)
		}
		close(release)
		synctest.Wait()
		stands(t, b, "closed")
	})
}

func TestAPanicGivesItsProbeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := policyOf(t, map[string]any{"recovery": "probes", "minimum": int64(1), "probes": int64(1), "open_for": "1s"})
		ask(t, b, 1, (&origin{status: 500}).next)
		time.Sleep(time.Second)
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			_, _ = b.Apply(exchange(t.Context()), func(*flow.Exchange) (*flow.Response, error) { panic("on purpose") })
		}()
		ask(t, b, 1, (&origin{status: 200}).next)
		stands(t, b, "closed")
	})
}

func TestResultsOfAStateBeforeDoNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := policyOf(t, map[string]any{"recovery": "probes", "minimum": int64(1), "open_for": "1s"})
		release := make(chan struct{})
		go func() {
			_, _ = b.Apply(exchange(t.Context()), func(*flow.Exchange) (*flow.Response, error) {
				<-release
				return nil, problem.New(problem.Terminated, "late")
			})
		}()
		synctest.Wait()
		time.Sleep(time.Millisecond)
		ask(t, b, 1, (&origin{status: 500}).next)
		time.Sleep(time.Second)
		ask(t, b, 1, (&origin{status: 200}).next)
		stands(t, b, "recovering")
		close(release)
		synctest.Wait()
		stands(t, b, "recovering")
	})
}

func TestPoolsAndServersOfClientsAreKeptApart(t *testing.T) {
	b := policyOf(t, map[string]any{"minimum": int64(1)})
	for i, edit := range []func(*flow.Exchange){
		func(*flow.Exchange) {},
		func(x *flow.Exchange) { x.Route = "other" },
		func(x *flow.Exchange) { x.SendTo = "reserve" },
		func(x *flow.Exchange) { x.Door = flow.Forward },
		func(x *flow.Exchange) { x.Door, x.Request.Authority = flow.Intercept, "b.example" },
	} {
		x := exchange(t.Context())
		edit(x)
		if _, err := b.Apply(x, (&origin{kind: problem.Refused}).next); problem.KindOf(err) != problem.Refused {
			t.Errorf("%d shares a breaker with another: %v", i, err)
		}
	}
}

func TestNotMoreAreKeptThanThereIsRoomFor(t *testing.T) {
	cs := newCircuits()
	r := &rules{openFor: time.Hour}
	now := time.Now()
	for i := range 3 * most {
		c := cs.of(fmt.Sprint(i), now.Add(time.Duration(i)))
		if i == 0 {
			c.force(r, now)
		}
	}
	if len(cs.by) != most || cs.by["0"] == nil || cs.by[fmt.Sprint(3*most-1)] == nil || cs.by["1"] != nil {
		t.Errorf("%d are kept", len(cs.by))
	}
	for _, c := range cs.all() {
		c.force(r, now)
	}
	if cs.of("one more", now) != nil {
		t.Error("an open one was forgotten")
	}
	b := &breaker{circuits: cs}
	x := exchange(t.Context())
	if _, err := b.Apply(x, (&origin{status: 200}).next); err != nil || !strings.Contains(fact(x, "state"), "not kept") {
		t.Errorf("%v %v", err, x.Trail[0].Facts)
	}
}

func BenchmarkClosed(b *testing.B) {
	for _, scope := range []string{"pool", "target"} {
		b.Run(scope, func(b *testing.B) {
			s := new(Settings)
			schema.Defaults(s)
			s.Scope = scope
			p, err := s.Policy(policy.NewEnv("a/breaker", nil, nil))
			if err != nil {
				b.Fatal(err)
			}
			response := flow.NewResponse(200, "", nil)
			next := func(x *flow.Exchange) (*flow.Response, error) { x.Target = "127.0.0.1:3000"; return response, nil }
			x := exchange(context.Background())
			b.ReportAllocs()
			for b.Loop() {
				x.Trail[0].Facts = x.Trail[0].Facts[:0]
				if _, err := p.Apply(x, next); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
