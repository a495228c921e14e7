package ratelimit

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/policy"
	"proxycache/backend/problem"
)

func limits(list ...map[string]any) map[string]any {
	all := make([]any, len(list))
	for i := range list {
		all[i] = list[i]
	}
	return map[string]any{"limits": all}
}

func TestTheAnswersSayHowTheLimitStands(t *testing.T) {
	minute := map[string]any{"algorithm": "fixed_window", "limit": int64(2)}
	for _, c := range []struct {
		name   string
		values map[string]any
		want   []string // of each of the requests, which come 0.5 s apart
	}{
		{"the draft", minute, []string{
			`200 RateLimit-Policy: "default";q=2;w=60 RateLimit: "default";r=1;t=60`,
			`200 RateLimit-Policy: "default";q=2;w=60 RateLimit: "default";r=0;t=60`,
			`429 Retry-After: 59 RateLimit-Policy: "default";q=2;w=60 RateLimit: "default";r=0;t=59`,
		}},
		{"X-RateLimit", map[string]any{"algorithm": "fixed_window", "limit": int64(1), "headers": "x"}, []string{
			"200 X-RateLimit-Limit: 1 X-RateLimit-Remaining: 0 X-RateLimit-Reset: 60",
			"429 Retry-After: 60 X-RateLimit-Limit: 1 X-RateLimit-Remaining: 0 X-RateLimit-Reset: 60",
		}},
		{"none", map[string]any{"limit": int64(1), "headers": "none", "status": int64(503)}, []string{"200", "503 Retry-After: 60"}},
		{"a bucket", map[string]any{"algorithm": "token_bucket", "average": int64(1), "period": "10s", "burst": int64(2)}, []string{
			`200 RateLimit-Policy: "default";q=2;w=20 RateLimit: "default";r=1;t=10`,
			`200 RateLimit-Policy: "default";q=2;w=20 RateLimit: "default";r=0;t=10`,
			`429 Retry-After: 9 RateLimit-Policy: "default";q=2;w=20 RateLimit: "default";r=0;t=9`,
		}},
		{"the tightest of several", limits(map[string]any{"name": "wide", "algorithm": "fixed_window", "limit": int64(9)}, map[string]any{"name": "many", "algorithm": "concurrency", "limit": int64(2)}), []string{
			`200 RateLimit-Policy: "wide";q=9;w=60, "many";q=2;qu="concurrent-requests" RateLimit: "many";r=1`,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // which begins at a full minute
				l := limiterOf(t, nil, c.values)
				for i, want := range c.want {
					x := from(t.Context(), "192.0.2.1")
					r, err := l.Apply(x, fine)
					if err != nil {
						t.Fatal(err)
					}
					if got := told(x, r); got != want {
						t.Errorf("answer %d is\n%s\nwant\n%s", i+1, got, want)
					}
					if err := r.Body.Close(); err != nil {
						t.Error(err)
					}
					time.Sleep(500 * time.Millisecond)
				}
			})
		})
	}
}

// told is what an answer says of a limit.
func told(x *flow.Exchange, r *flow.Response) string {
	out := map[int]string{200: "200", 429: "429", 503: "503"}[r.Status]
	for _, f := range append(slices.Clip(r.Header), x.Private...) {
		if strings.Contains(f.Name, "RateLimit") || f.Name == "Retry-After" {
			out += " " + f.Name + ": " + f.Value
		}
	}
	return out
}

func TestAnAnswerOfOneThatIsRefusedSaysWhy(t *testing.T) {
	for _, c := range []struct {
		values map[string]any
		accept string
		holds  []string
	}{
		{map[string]any{"limit": int64(1)}, "*/*", []string{"429 Too many requests", `Limiting GET http://shop.test/v1/items?page=2: "default" lets no more pass than 1 request a minute per client IP. Try again in 60 s.`}},
		{map[string]any{"limit": int64(1), "status": int64(503)}, "application/json", []string{`"status":503`, `"kind":"`}},
		{map[string]any{"limit": int64(1), "status": int64(599)}, "*/*", []string{"599 Too many requests"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := limiterOf(t, nil, c.values)
			ask(t, l, from(t.Context(), "192.0.2.1"))
			for _, method := range []string{"GET", "HEAD"} {
				x := from(t.Context(), "192.0.2.1", "Accept: "+c.accept)
				x.Request.Method = method
				r, err := l.Apply(x, fine)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(r.Body)
				if err != nil || r.Header.Get("Cache-Control") != "no-store" || !strings.HasPrefix(r.Header.Get("Proxy-Status"), "proxycache; error=") {
					t.Errorf("%v %v", r.Header, err)
				}
				if method == "HEAD" {
					if len(body) > 0 || r.ContentLength == 0 {
						t.Errorf("HEAD has %d bytes of %d", len(body), r.ContentLength)
					}
					continue
				}
				for _, part := range c.holds {
					if !strings.Contains(string(body), part) || r.ContentLength != int64(len(body)) {
						t.Errorf("%q is not in the %d bytes\n%s", part, r.ContentLength, body)
					}
				}
			}
		})
	}
}

func TestFieldsOfOthersStay(t *testing.T) {
	for _, c := range []struct {
		headers, name, theirs, want string
	}{
		{"draft", "RateLimit", `"origin";r=3`, `"origin";r=3, "default";r=8;t=60`},
		{"x", "X-RateLimit-Remaining", "3", "3"},
		{"x", "X-RateLimit-Remaining", "30", "8"},
		{"x", "X-RateLimit-Remaining", "many", "8"},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := limiterOf(t, nil, map[string]any{"algorithm": "fixed_window", "limit": int64(9), "headers": c.headers})
			shared := append(make(flow.Header, 0, 9), flow.Field{Name: c.name, Value: c.theirs})
			x := from(t.Context(), "192.0.2.1")
			r, err := l.Apply(x, func(*flow.Exchange) (*flow.Response, error) {
				r := flow.NewResponse(200, "", nil)
				r.Header = shared
				return r, nil
			})
			if got := append(slices.Clip(r.Header), x.Private...); err != nil || got.Joined(c.name) != c.want {
				t.Errorf("%+v: %v %v", c, got, err)
			}
			if behind := shared[:2][1]; behind != (flow.Field{}) || shared[0].Value != c.theirs {
				t.Errorf("the list that came was written to: %v", shared[:2])
			}
		})
	}
}

func TestTheTrailSaysWhatDecided(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limiterOf(t, nil, limits(
			map[string]any{"name": "burst", "algorithm": "token_bucket", "average": int64(2), "burst": int64(5)},
			map[string]any{"name": "hour", "algorithm": "fixed_window", "limit": int64(1), "window": "1h", "key": "path"},
		))
		x := from(t.Context(), "192.0.2.1")
		ask(t, l, x)
		got := facts(x)
		for name, want := range map[string]string{
			"limit": "hour: fixed_window, 1 request in each window of 1h per path", "key": "/v1/items", "left": "0 of 1", "reset": "3600s", "beside": "burst: 4 of 5",
		} {
			if got[name] != want {
				t.Errorf("%s is %q, want %q", name, got[name], want)
			}
		}
		if v := x.Trail[0].Verdict; v != flow.Passed {
			t.Errorf("verdict %q of one that passed", v)
		}
		x = from(t.Context(), "192.0.2.1")
		if ask(t, l, x); facts(x)["left"] != "none of 1" {
			t.Errorf("%v", facts(x))
		}
	})
}

func TestOneThatIsRefusedUsesUpNothing(t *testing.T) {
	for _, algorithm := range []string{"token_bucket", "leaky_bucket", "fixed_window", "sliding_window", "sliding_log", "concurrency"} {
		synctest.Test(t, func(t *testing.T) {
			first := map[string]any{"name": "first", "algorithm": algorithm, "key": "client_ip"}
			if strings.HasSuffix(algorithm, "bucket") {
				first["average"], first["burst"], first["period"] = int64(1), int64(4), "1h"
				first["nodelay"] = algorithm == "leaky_bucket"
			} else {
				first["limit"] = int64(5)
			}
			l := limiterOf(t, nil, limits(first, map[string]any{"name": "second", "algorithm": "fixed_window", "limit": int64(1), "key": "header:X-Second"}))
			look := func() int64 {
				claims := []claim{{rule: l.rules[0], value: "192.0.2.1"}, {rule: l.rules[1], value: "a"}}
				for i := range claims {
					claims[i].hash = l.counts.table.hash(claims[i].rule, claims[i].value)
				}
				if l.counts.table.decide(claims, time.Now().UnixNano(), l.MaxKeys) {
					t.Fatalf("%s: the second limit lets it pass", algorithm)
				}
				return claims[0].left
			}
			if got := ask(t, l, from(t.Context(), "192.0.2.1", "X-Second: a")); got != 200 {
				t.Fatalf("%s: %d", algorithm, got)
			}
			before := look()
			for range 10 {
				if got := ask(t, l, from(t.Context(), "192.0.2.1", "X-Second: a")); got != 429 {
					t.Errorf("%s: %d", algorithm, got)
				}
			}
			if after := look(); after != before {
				t.Errorf("%s: %d were left, and now %d", algorithm, before, after)
			}
		})
	}
}

func TestADryRunRefusesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, values := range []map[string]any{
			{"limit": int64(1), "dry_run": true},
			{"algorithm": "leaky_bucket", "average": int64(1), "burst": int64(1), "dry_run": true},
			{"algorithm": "concurrency", "limit": int64(1), "dry_run": true},
		} {
			l := limiterOf(t, nil, values)
			start := time.Now()
			would := 0
			var bodies []io.Closer
			for range 4 {
				x := from(t.Context(), "192.0.2.1")
				r, err := l.Apply(x, func(*flow.Exchange) (*flow.Response, error) { return flow.NewResponse(200, "", []byte("x")), nil })
				if err != nil || r.Status != 200 || told(x, r) != "200" || x.Trail[0].Verdict != flow.Passed {
					t.Errorf("%v: %+v %v", values, r, err)
				}
				bodies = append(bodies, r.Body)
				if facts(x)["dry_run"] != "" {
					would++
				}
			}
			for _, b := range bodies {
				if err := b.Close(); err != nil {
					t.Error(err)
				}
			}
			if would != 3 || figure(t, l, "dry_run_total") != 3 || figure(t, l, "limited_total") != 0 || figure(t, l, "in_flight") != 0 || time.Since(start) != 0 {
				t.Errorf("%v: %d noted, %v counted, %s", values, would, figure(t, l, "dry_run_total"), time.Since(start))
			}
		}
	})
}

func TestALeakyBucketDelays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limiterOf(t, nil, map[string]any{"algorithm": "leaky_bucket", "average": int64(2), "burst": int64(2)})
		start := time.Now()
		type end struct {
			status  int
			after   time.Duration
			verdict flow.Verdict
			delay   string
		}
		ends := make(chan end, 4)
		for range 4 {
			go func() {
				x := from(t.Context(), "192.0.2.1")
				status := ask(t, l, x)
				ends <- end{status, time.Since(start), x.Trail[0].Verdict, facts(x)["delay"]}
			}()
			synctest.Wait()
		}
		want := []end{{200, 0, flow.Passed, ""}, {429, 0, "", ""}, {200, 500 * time.Millisecond, flow.Changed, "500ms"}, {200, time.Second, flow.Changed, "1s"}}
		for i := range want {
			if got := <-ends; got != want[i] {
				t.Errorf("answer %d is %+v, want %+v", i+1, got, want[i])
			}
		}
		if figure(t, l, "delayed_total") != 2 || figure(t, l, "limited_total") != 1 {
			t.Errorf("%+v", l.State())
		}
	})
}

func TestAWaitEndsWhenTheClientLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limiterOf(t, nil, limits(
			map[string]any{"algorithm": "leaky_bucket", "average": int64(1), "period": "1m", "burst": int64(2)},
			map[string]any{"algorithm": "concurrency", "limit": int64(5)},
		))
		ask(t, l, from(t.Context(), "192.0.2.1"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		r, err := l.Apply(from(ctx, "192.0.2.1"), func(*flow.Exchange) (*flow.Response, error) {
			t.Error("it goes on")
			return fine(nil)
		})
		if r != nil || problem.KindOf(err) != problem.ClientLeft || time.Since(start) != time.Second {
			t.Errorf("%v %v after %s", r, err, time.Since(start))
		}
		if n := l.counts.table.inFlight(); n != 0 {
			t.Errorf("%d are in flight", n)
		}
	})
}

func TestAPlaceIsGivenBackHoweverARequestEnds(t *testing.T) {
	l := limiterOf(t, nil, map[string]any{"algorithm": "concurrency", "limit": int64(1)})
	failure := problem.New(problem.Refused, "Sending: refused. Do nothing.")
	for name, next := range map[string]policy.Next{
		"no body":  fine,
		"an error": func(*flow.Exchange) (*flow.Response, error) { return nil, failure },
		"a 101": func(*flow.Exchange) (*flow.Response, error) {
			return &flow.Response{Status: 101, Body: flow.NoBody}, nil
		},
		"a panic": func(*flow.Exchange) (*flow.Response, error) { panic(onPurpose) },
	} {
		func() {
			defer func() {
				if p := recover(); p != nil && p != onPurpose {
					panic(p)
				}
			}()
			_, _ = l.Apply(from(t.Context(), "192.0.2.1"), next)
		}()
		if n := l.counts.table.inFlight(); n != 0 {
			t.Errorf("after %s %d are in flight", name, n)
		}
	}
	r, err := l.Apply(from(t.Context(), "192.0.2.1"), func(*flow.Exchange) (*flow.Response, error) {
		return flow.NewResponse(200, "", []byte("body")), nil
	})
	if err != nil || l.counts.table.inFlight() != 1 {
		t.Fatalf("%v, %d in flight", err, l.counts.table.inFlight())
	}
	if got := ask(t, l, from(t.Context(), "192.0.2.1")); got != 429 {
		t.Errorf("the second is answered %d", got)
	}
	if got := ask(t, l, from(t.Context(), "192.0.2.2")); got != 200 {
		t.Errorf("another client is answered %d", got)
	}
	for range 2 { // closing twice gives one place back
		if err := r.Body.Close(); err != nil {
			t.Error(err)
		}
	}
	if n := l.counts.table.inFlight(); n != 0 {
		t.Errorf("%d are in flight", n)
	}
}

// ready is a body whose first bytes are there.
type ready struct{ io.ReadCloser }

func (ready) Ready() bool { return true }

func TestAHeldBodySaysWhetherItIsReady(t *testing.T) {
	l := limiterOf(t, nil, map[string]any{"algorithm": "concurrency"})
	for _, c := range []struct {
		body io.ReadCloser
		want bool
	}{{ready{io.NopCloser(strings.NewReader("x"))}, true}, {io.NopCloser(strings.NewReader("x")), false}} {
		r, err := l.Apply(from(t.Context(), "192.0.2.1"), func(*flow.Exchange) (*flow.Response, error) {
			return &flow.Response{Status: 200, Body: c.body}, nil
		})
		if err != nil || flow.Ready(r.Body) != c.want {
			t.Errorf("%v, ready: %v", err, flow.Ready(r.Body))
		}
	}
}

const onPurpose = "on purpose"

func TestCountsOutliveAnEdit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var keep policy.Keep
		first := limiterOf(t, &keep, map[string]any{"limit": int64(3)})
		for range 3 {
			ask(t, first, from(t.Context(), "192.0.2.1"))
		}
		for _, c := range []struct {
			values map[string]any
			want   int
		}{
			{map[string]any{"limit": int64(3), "headers": "none"}, 429},
			{map[string]any{"limit": int64(2)}, 429},
			{map[string]any{"limit": int64(4)}, 200},
			{map[string]any{"limit": int64(4), "window": "2m"}, 200},
			{map[string]any{"limit": int64(1), "algorithm": "sliding_log"}, 200},
		} {
			if got := ask(t, limiterOf(t, &keep, c.values), from(t.Context(), "192.0.2.1")); got != c.want {
				t.Errorf("after an edit to %v it is answered %d", c.values, got)
			}
		}
	})
}

func TestAClockThatIsSetBackNeitherFreesNorLocks(t *testing.T) {
	for _, algorithm := range []string{"token_bucket", "fixed_window", "sliding_window", "sliding_log"} {
		values := map[string]any{"algorithm": algorithm, "limit": int64(3), "key": "all"}
		if algorithm == "token_bucket" {
			values = map[string]any{"algorithm": algorithm, "average": int64(3), "period": "1m", "key": "all"}
		}
		l := limiterOf(t, nil, values)
		at := func(now time.Duration) decision {
			claims := []claim{{rule: l.rules[0], hash: 7}}
			l.counts.table.decide(claims, int64(1000*time.Hour+now), l.MaxKeys)
			return claims[0].decision
		}
		for range 3 {
			if !at(0).ok {
				t.Fatalf("%s refuses one of the first", algorithm)
			}
		}
		back := at(-10 * time.Hour)
		if back.ok || back.frees > 2*time.Minute {
			t.Errorf("%s: when the clock goes back: %+v", algorithm, back)
		}
		if !at(-10*time.Hour + 3*time.Minute).ok {
			t.Errorf("%s: locked for long", algorithm)
		}
	}
}

func TestAPersonResets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := limiterOf(t, nil, limits(map[string]any{"limit": int64(1)}, map[string]any{"algorithm": "sliding_log", "limit": int64(1), "key": "header:X-Tenant"}))
		act := func(key string) string {
			done, err := l.Act(t.Context(), "reset", map[string]string{"key": key})
			if err != nil {
				t.Fatal(err)
			}
			return done
		}
		one := func(ip, tenant string) int { return ask(t, l, from(t.Context(), ip, "X-Tenant: "+tenant)) }
		one("192.0.2.1", "a")
		one("192.0.2.2", "b")
		if figure(t, l, "keys") != 4 || figure(t, l, "bytes") == 0 {
			t.Errorf("%+v", l.State())
		}
		if got := act("192.0.2.9"); got != "Nothing was counted for 192.0.2.9." {
			t.Error(got)
		}
		if got := act("192.0.2.1"); got != "Forgot what was counted for 192.0.2.1." || one("192.0.2.1", "c") != 200 {
			t.Error(got)
		}
		if act("a"); one("192.0.2.3", "a") != 200 || one("192.0.2.4", "b") != 429 {
			t.Error("the tenant was not reset, or another one was")
		}
		if got := act(""); got != "Forgot what was counted for 6 keys." || figure(t, l, "keys") != 0 || figure(t, l, "bytes") != 0 {
			t.Errorf("%s %+v", got, l.State())
		}
		if one("192.0.2.2", "b") != 200 {
			t.Error("not all was reset")
		}
		ask(t, l, from(t.Context(), "192.0.2.5"))
		if act("(none)"); ask(t, l, from(t.Context(), "192.0.2.6")) != 200 {
			t.Error("those without a tenant were not reset")
		}
		if actions := l.Actions(); len(actions) != 1 || actions[0].Name != "reset" || actions[0].Arguments[0].Name != "key" {
			t.Errorf("%+v", actions)
		}
		if _, err := l.Act(t.Context(), "purge", nil); problem.KindOf(err) != problem.NotFound {
			t.Error(err)
		}
	})
}
