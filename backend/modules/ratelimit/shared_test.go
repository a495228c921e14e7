package ratelimit

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"proxycache/backend/flow"
	"proxycache/backend/policy"
	"proxycache/backend/redis"
	"proxycache/backend/redis/redistest"
)

func with(values map[string]any, store string) map[string]any {
	out := map[string]any{"store": store}
	for name, v := range values {
		out[name] = v
	}
	return out
}

// asked is what the script says of one request.
func asked(t testing.TB, l *limiter, values ...string) []claim {
	t.Helper()
	claims := make([]claim, len(l.rules))
	for i, r := range l.rules {
		claims[i] = claim{rule: r, value: values[i%len(values)]}
	}
	if _, _, err := l.shared.decide(t.Context(), claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// The script keeps the promises of the algorithms, by the clock of the server, which the test sets.
func TestRedisNeverPassesMoreThanPromised(t *testing.T) {
	server := redistest.Unit(t)
	for algorithm, broken := range promises {
		t.Run(algorithm, func(t *testing.T) {
			run := 0
			rapid.Check(t, func(rt *rapid.T) {
				values := drawLimit(rt, algorithm)
				run++
				values["name"] = fmt.Sprint("run ", run)
				l := limiterOf(t, nil, with(values, "redis://"+server.Addr()))
				now := time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
				var times []int64
				for _, gap := range drawGaps(rt, l.span()) {
					now = now.Add(gap.Round(time.Microsecond))
					server.SetTime(now)
					if c := asked(t, l, "all")[0]; c.ok {
						times = append(times, now.UnixNano()+int64(c.wait))
					} else if c.frees <= 0 || c.left != 0 {
						rt.Fatalf("%v: refused with %+v", values, c.decision)
					}
				}
				if fault := broken(l.Limit, times); fault != "" || len(times) == 0 {
					rt.Fatalf("%v: %s; they went at %v", values, fault, times)
				}
			})
		})
	}
}

// What is counted in Redis is what would be counted here.
func TestRedisDecidesAsTheTableDoes(t *testing.T) {
	server := redistest.Unit(t)
	for algorithm := range promises {
		t.Run(algorithm, func(t *testing.T) {
			run := 0
			rapid.Check(t, func(rt *rapid.T) {
				values := drawLimit(rt, algorithm)
				if n, ok := values["average"].(int64); ok { // whole microseconds, which is what the script counts in
					values["average"] = map[int64]int64{1: 1, 2: 2, 3: 4, 4: 4, 5: 5, 6: 8, 7: 8, 8: 8, 9: 10}[n]
				}
				run++
				values["name"] = fmt.Sprint("run ", run)
				l := limiterOf(t, nil, with(values, "redis://"+server.Addr()))
				now := time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
				for _, gap := range drawGaps(rt, l.span()) {
					now = now.Add(gap.Round(time.Microsecond))
					server.SetTime(now)
					there := asked(t, l, "all")[0]
					here := []claim{{rule: l.rules[0], hash: l.counts.table.hash(l.rules[0], "all")}}
					l.counts.table.decide(here, now.UnixNano(), l.MaxKeys)
					off := (there.reset() - here[0].reset()).Abs() // rounded to microseconds
					if there.ok != here[0].ok || there.left != here[0].left || there.wait != here[0].wait || off > time.Microsecond {
						rt.Fatalf("%v at %s: there %+v, here %+v", values, now, there.decision, here[0].decision)
					}
				}
			})
		})
	}
}

func TestSeveralShareACountInRedis(t *testing.T) {
	url, _ := redistest.Start(t)
	for _, algorithm := range []string{"token_bucket", "leaky_bucket", "fixed_window", "sliding_window", "sliding_log"} {
		one := map[string]any{"name": algorithm, "algorithm": algorithm}
		if strings.HasSuffix(algorithm, "bucket") {
			one["average"], one["period"], one["burst"], one["nodelay"] = int64(1), "1d", int64(50), algorithm == "leaky_bucket"
		} else {
			one["limit"], one["window"] = int64(50), "31d"
		}
		two := map[string]any{"name": "two " + algorithm, "algorithm": "fixed_window", "limit": int64(120), "window": "31d", "key": "all"}
		houses := []*limiter{limiterOf(t, nil, with(limits(one, two), url)), limiterOf(t, nil, with(limits(one, two), url))}
		var passed [3]atomic.Int64
		var all sync.WaitGroup
		for g := range 4 {
			all.Go(func() {
				for i := range 100 {
					client := (g + i) % len(passed)
					if ask(t, houses[g%2], from(t.Context(), fmt.Sprintf("192.0.2.%d", client))) == 200 {
						passed[client].Add(1)
					}
				}
			})
		}
		all.Wait()
		most, sum := houses[0].rules[0].quota, int64(0)
		for i := range passed {
			if n := passed[i].Load(); n > most {
				t.Errorf("%s: %d of client %d passed", algorithm, n, i)
			}
			sum += passed[i].Load()
		}
		if sum != 120 {
			t.Errorf("%s: %d passed together, want 120: who is refused uses up nothing", algorithm, sum)
		}
		if n := houses[0].counts.local.Load() + houses[1].counts.local.Load(); n != 0 {
			t.Errorf("%s: %d were counted here", algorithm, n)
		}
	}
	keysOfRedis(t, url)
}

// keysOfRedis holds every key to an end, and to one slot of a cluster for the cell.
func keysOfRedis(t *testing.T, url string) {
	t.Helper()
	pool, err := redis.Open(url)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	answer, err := pool.Do("KEYS", "*")
	if err != nil {
		t.Fatal(err)
	}
	keys := answer.([]any)
	if len(keys) == 0 {
		t.Error("there is no key")
	}
	for _, key := range keys {
		if ttl, err := pool.Do("PTTL", key); err != nil || ttl.(int64) <= 0 {
			t.Errorf("%s ends in %v, %v", key, ttl, err)
		}
		if !strings.HasPrefix(string(key.([]byte)), "proxycache:ratelimit:{a/ratelimit}:") {
			t.Errorf("the key %s", key)
		}
	}
}

func TestPlacesAreHeldInRedis(t *testing.T) {
	url, _ := redistest.Start(t)
	values := with(map[string]any{"algorithm": "concurrency", "limit": int64(2)}, url)
	here, there := limiterOf(t, nil, values), limiterOf(t, nil, values)
	body := func(*flow.Exchange) (*flow.Response, error) { return flow.NewResponse(200, "", []byte("x")), nil }
	var open []io.Closer
	for _, l := range []*limiter{here, there} {
		r, err := l.Apply(from(t.Context(), "192.0.2.1"), body)
		if err != nil || r.Status != 200 {
			t.Fatalf("%v %v", r, err)
		}
		open = append(open, r.Body)
	}
	for _, l := range []*limiter{here, there} {
		if got := ask(t, l, from(t.Context(), "192.0.2.1")); got != 429 {
			t.Errorf("the third is answered %d", got)
		}
	}
	keysOfRedis(t, url)
	if done, err := here.Act(t.Context(), "reset", nil); err != nil || done != "Forgot what was counted for 0 keys." || ask(t, there, from(t.Context(), "192.0.2.1")) != 429 {
		t.Errorf("%s %v: what is in flight stays counted", done, err)
	}
	for _, b := range open {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	if got := ask(t, here, from(t.Context(), "192.0.2.1")); got != 200 {
		t.Errorf("when both are over it is answered %d", got)
	}
}

// More ask at once than the pool has connections: none is let pass for want of one.
func TestACrowdIsCountedInRedis(t *testing.T) {
	url, _ := redistest.Start(t)
	l := limiterOf(t, nil, with(map[string]any{"limit": int64(40), "window": "31d"}, url))
	var passed atomic.Int64
	var all sync.WaitGroup
	for range 300 {
		all.Go(func() {
			if ask(t, l, from(t.Context(), "192.0.2.1")) == 200 {
				passed.Add(1)
			}
		})
	}
	all.Wait()
	if passed.Load() != 40 || l.counts.local.Load() != 0 {
		t.Errorf("%d passed, %d were counted here", passed.Load(), l.counts.local.Load())
	}
}

func TestALeaseIsRenewedAndEndsByItself(t *testing.T) {
	server := redistest.Unit(t)
	l := limiterOf(t, nil, with(map[string]any{"algorithm": "concurrency", "limit": int64(1), "key": "all"}, "redis://"+server.Addr()))
	now := time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC)
	server.SetTime(now)
	claims := []claim{{rule: l.rules[0], value: "all"}}
	all, member, err := l.shared.decide(t.Context(), claims)
	if !all || err != nil {
		t.Fatal(err)
	}
	f := l.shared.fly(claims, member)
	later := func(d time.Duration) bool {
		now = now.Add(d)
		server.SetTime(now)
		server.FastForward(d)
		return asked(t, l, "all")[0].ok
	}
	for range 4 {
		if later(lease - time.Second) {
			t.Fatal("another one passes in spite of the one in flight")
		}
		f.renew()
	}
	if !later(lease + time.Second) {
		t.Error("a lease that nobody renews does not end")
	}
	f.land()
	f.renew()
	f.land()
	if n := l.counts.failures.Load(); n != 0 {
		t.Errorf("%d failures", n)
	}
}

func TestWithoutRedisItCountsHere(t *testing.T) {
	url, server := redistest.Start(t)
	l := limiterOf(t, nil, with(map[string]any{"limit": int64(2), "window": "31d"}, url))
	for _, want := range []int{200, 200, 429} {
		x := from(t.Context(), "192.0.2.1")
		if got := ask(t, l, x); got != want || facts(x)["store"] != "" {
			t.Errorf("with Redis it is answered %d: %v", got, facts(x))
		}
	}
	if s := l.State(); s.Level != policy.Calm || figure(t, l, "store_up") != 1 {
		t.Errorf("%+v", s)
	}
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = server.Wait() // it was killed
	for _, want := range []int{200, 200, 429} {
		x := from(t.Context(), "192.0.2.1")
		start := time.Now()
		if got := ask(t, l, x); got != want || facts(x)["store"] != "redis away: counted here" || time.Since(start) > 3*time.Second {
			t.Errorf("without Redis it is answered %d after %s: %v", got, time.Since(start), facts(x))
		}
	}
	s := l.State()
	if s.Level != policy.Warn || !strings.Contains(s.Summary, "away") || figure(t, l, "store_up") != 0 || figure(t, l, "local_total") != 3 || figure(t, l, "store_failures_total") != 3 {
		t.Errorf("%+v", s)
	}
	if _, err := l.Act(t.Context(), "reset", map[string]string{"key": "192.0.2.1"}); err == nil || !strings.Contains(err.Error(), "Start the server") {
		t.Error(err)
	}
}

func TestAPersonResetsInRedis(t *testing.T) {
	url, _ := redistest.Start(t)
	l := limiterOf(t, nil, with(map[string]any{"limit": int64(1), "window": "31d"}, url))
	for i := range 3 {
		ask(t, l, from(t.Context(), fmt.Sprintf("192.0.2.%d", i)))
	}
	for _, c := range []struct{ key, want string }{
		{"192.0.2.0", "Forgot what was counted for 192.0.2.0."}, {"192.0.2.0", "Nothing was counted for 192.0.2.0."}, {"", "Forgot what was counted for 2 keys."},
	} {
		if got, err := l.Act(t.Context(), "reset", map[string]string{"key": c.key}); err != nil || got != c.want {
			t.Errorf("%q: %s %v", c.key, got, err)
		}
	}
	if got := ask(t, l, from(t.Context(), "192.0.2.2")); got != 200 {
		t.Errorf("after a reset it is answered %d", got)
	}
}

func TestNonsenseInRedisIsNoCrash(t *testing.T) {
	server := redistest.Unit(t)
	l := limiterOf(t, nil, with(map[string]any{"limit": int64(1)}, "redis://"+server.Addr()))
	key := l.shared.key(l.rules[0], "192.0.2.1")
	if err := server.Set(key, "nonsense"); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, l, from(t.Context(), "192.0.2.1")); got != 200 {
		t.Errorf("it is answered %d", got)
	}
	server.Del(key)
	if _, err := server.Lpush(key, "x"); err != nil {
		t.Fatal(err)
	}
	x := from(t.Context(), "192.0.2.1")
	if got := ask(t, l, x); got != 200 || facts(x)["store"] == "" {
		t.Errorf("with a list in its place it is answered %d: %v", got, facts(x))
	}
}

func BenchmarkRedis(b *testing.B) {
	url, _ := redistest.Start(b)
	l := limiterOf(b, nil, with(map[string]any{"limit": int64(1_000_000_000)}, url))
	for b.Loop() {
		if ask(b, l, from(b.Context(), "192.0.2.1")) != 200 {
			b.Fatal("refused")
		}
	}
}
