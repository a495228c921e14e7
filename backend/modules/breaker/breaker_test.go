package breaker

import (
	"context"
	"fmt"
	"io"
	"strconv"
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
	return sent(x, o.target, func() (*flow.Response, error) {
		o.calls++
		time.Sleep(o.slow) // virtual
		return o.answer()
	})
}

// answer is the origin's, or that of a cell in its place.
func (o *origin) answer() (*flow.Response, error) {
	if o.status == 0 {
		return nil, problem.New(o.kind, "Sending: it failed on purpose. Do nothing.")
	}
	r := flow.NewResponse(o.status, "", nil)
	if o.body != nil {
		r.Body = o.body
	}
	return r, nil
}

// sent writes the step of a pool that has a server answer, as the engine does.
func sent(x *flow.Exchange, target string, answer func() (*flow.Response, error)) (*flow.Response, error) {
	step := x.Enter("upstream/shop", "upstream")
	defer x.Resume(0)
	x.Verdict(flow.Picked)
	x.Target = target
	r, err := answer()
	switch {
	case err != nil:
		x.Trail[step].Verdict = flow.Failed
	case r.Status >= 500:
		x.Note("status", strconv.Itoa(r.Status))
	}
	return r, err
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

// What cells behind the breaker answer in the place of a server.
var inPlace = map[string]policy.Next{
	"a hit": func(*flow.Exchange) (*flow.Response, error) { return (&origin{status: 200}).answer() },
	"an answer of a mock, with a bad status": func(*flow.Exchange) (*flow.Response, error) {
		return (&origin{status: 500}).answer()
	},
	"the failure of a fetch that another one waited for": func(*flow.Exchange) (*flow.Response, error) {
		return (&origin{kind: problem.Terminated}).answer()
	},
	"what a cache still has, where the server did not answer": func(x *flow.Exchange) (*flow.Response, error) {
		_, _ = (&origin{kind: problem.Terminated, target: "a:1"}).next(x)
		return (&origin{status: 200}).answer()
	},
	"what a cache still has, where the server answered with a failure": func(x *flow.Exchange) (*flow.Response, error) {
		_, _ = (&origin{status: 503, target: "a:1"}).next(x)
		return (&origin{status: 200}).answer()
	},
}

func TestWhatNoServerAnsweredHidesNothingAndOpensNothing(t *testing.T) {
	for name, next := range inPlace {
		for _, scope := range []string{"pool", "target"} {
			t.Run(name+", by "+scope, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := policyOf(t, map[string]any{"minimum": int64(4), "scope": scope})
					bad := &origin{status: 503, target: "a:1"}
					ask(t, b, 50, next)
					ask(t, b, 3, bad.next)
					ask(t, b, 50, next)
					if got := b.State().Summary; got != "closed" {
						t.Fatalf("after three bad answers it is %s", got)
					}
					x, _, _ := ask(t, b, 1, bad.next)
					if got, want := fact(x, "opened"), "status ratio 1.00 of 0.50 over 4"; got != want {
						t.Errorf("it opened by %q, want %q", got, want)
					}
				})
			})
		}
	}
}

func TestWhatNoServerAnsweredClosesNothing(t *testing.T) {
	for name, next := range inPlace {
		for _, recovery := range []string{"probes", "ramp"} {
			t.Run(name+", with "+recovery, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					b := policyOf(t, map[string]any{"minimum": int64(1), "recovery": recovery, "open_for": "1s", "recover_for": "1s"})
					ask(t, b, 1, (&origin{status: 503}).next)
					time.Sleep(time.Second)
					ask(t, b, 10, next)
					time.Sleep(time.Second)
					ask(t, b, 10, next)
					stands(t, b, "recovering")
					ask(t, b, 3, (&origin{status: 200}).next)
					stands(t, b, "closed")
				})
			})
		}
	}
}

func TestWhatAServerHasPartInCounts(t *testing.T) {
	for name, next := range map[string]policy.Next{
		"a stored answer that it has said is good": func(x *flow.Exchange) (*flow.Response, error) {
			_, _ = (&origin{status: 304}).next(x)
			return (&origin{status: 200}).answer()
		},
		"the second attempt of a retry behind": func(x *flow.Exchange) (*flow.Response, error) {
			_, _ = (&origin{status: 503}).next(x)
			return (&origin{status: 200}).next(x)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := policyOf(t, map[string]any{"minimum": int64(4)})
			ask(t, b, 3, next)
			if x, _, _ := ask(t, b, 3, (&origin{status: 503}).next); fact(x, "opened") != "status ratio 0.50 of 0.50 over 6" {
				t.Errorf("it is %s: %+v", b.State().Summary, x.Trail[0])
			}
		})
	}
}

// A retry before the breaker has each attempt come by: what the one before asked is its own.
func TestAnAttemptIsJudgedByWhatItAskedItself(t *testing.T) {
	for _, scope := range []string{"pool", "target"} {
		b := policyOf(t, map[string]any{"minimum": int64(2), "statuses": []any{"404"}, "scope": scope})
		bad := &origin{status: 404, target: "a:1"}
		x := exchange(t.Context())
		for _, attempt := range []policy.Next{bad.next, inPlace["a hit"], inPlace["a hit"], inPlace["a hit"]} {
			if _, err := b.Apply(x, attempt); err != nil {
				t.Fatal(err)
			}
		}
		if x, _, _ := ask(t, b, 1, bad.next); fact(x, "opened") != "status ratio 1.00 of 0.50 over 2" {
			t.Errorf("by %s it is %s: %+v", scope, b.State().Summary, x.Trail[0])
		}
	}
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
		slow := func(x *flow.Exchange) (*flow.Response, error) {
			return sent(x, "a:1", func() (*flow.Response, error) { <-release; return flow.NewResponse(200, "", nil), nil })
		}
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
			_, _ = b.Apply(exchange(t.Context()), func(x *flow.Exchange) (*flow.Response, error) {
				<-release
				return (&origin{kind: problem.Terminated}).next(x)
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
		func(x *flow.Exchange) { x.Door, x.Request.Dial = flow.Intercept, "192.0.2.1:443" }, // whatever name it is given
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
	forgotten := cs.of("late", now.Add(time.Hour))
	for i := range most {
		cs.of(fmt.Sprint("later ", i), now.Add(2*time.Hour))
	}
	troubled := cs.troubled.Load()
	if forgotten.force(r, now); cs.troubled.Load() != troubled || cs.by["late"] != nil {
		t.Errorf("%d are counted as not closed, want %d: one that was forgotten opened", cs.troubled.Load(), troubled)
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
			next := func(x *flow.Exchange) (*flow.Response, error) {
				return sent(x, "127.0.0.1:3000", func() (*flow.Response, error) { return response, nil })
			}
			x := exchange(context.Background())
			b.ReportAllocs()
			for b.Loop() {
				x.Trail = x.Trail[:1]
				x.Trail[0].Facts = x.Trail[0].Facts[:0]
				if _, err := p.Apply(x, next); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
