package ratelimit

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"proxycache/backend/flow"
	"proxycache/backend/schema"
)

// passed is when a request came and when it went on, both since 1970.
type passed struct{ came, went int64 }

// promises say, for each algorithm, what would break its promise. times are in ascending order.
var promises = map[string]func(l Limit, times []int64) string{
	tokenBucket:   func(l Limit, times []int64) string { return atMostInAny(times, l.quota(), l.interval()) },
	leakyBucket:   func(l Limit, times []int64) string { return leaves(l, times) },
	fixedWindow:   func(l Limit, times []int64) string { return atMostAligned(times, l.Requests, int64(l.Window)) },
	slidingWindow: slides,
	slidingLog:    func(l Limit, times []int64) string { return atMostWithin(times, l.Requests, int64(l.Window)) },
}

// atMostInAny: in any time t at most quota + t/interval. It is broken by k requests in less time than
// the last k-quota of them take.
func atMostInAny(times []int64, quota, interval int64) string {
	for i := range times {
		for j := i; j < len(times); j++ {
			if n, t := int64(j-i+1), times[j]-times[i]; (n-quota)*interval > t {
				return fmt.Sprintf("%d passed in %s", n, time.Duration(t))
			}
		}
	}
	return ""
}

func leaves(l Limit, times []int64) string {
	if l.NoDelay {
		return atMostInAny(times, l.quota(), l.interval())
	}
	return atMostInAny(times, 1, l.interval()) // at least an interval apart
}

func atMostAligned(times []int64, limit, window int64) string {
	in := map[int64]int64{}
	for _, t := range times {
		if in[t/window]++; in[t/window] > limit {
			return fmt.Sprintf("%d passed in window %d", in[t/window], t/window)
		}
	}
	return ""
}

func atMostWithin(times []int64, limit, window int64) string {
	for i := int(limit); i < len(times); i++ {
		if times[i]-times[i-int(limit)] < window {
			return fmt.Sprintf("%d passed within %s", limit+1, time.Duration(times[i]-times[i-int(limit)]))
		}
	}
	return ""
}

func slides(l Limit, times []int64) string {
	w := int64(l.Window)
	if broken := atMostAligned(times, l.Requests, w); broken != "" {
		return broken
	}
	for i := range times {
		for j := i; j < len(times) && times[j]-times[i] <= w; j++ {
			if n, t := int64(j-i+1), times[j]-times[i]; (n-l.Requests-1)*w > l.Requests*t {
				return fmt.Sprintf("%d passed within %s", n, time.Duration(t))
			}
		}
	}
	return ""
}

func drawLimit(rt *rapid.T, algorithm string) map[string]any {
	values := map[string]any{"algorithm": algorithm, "key": "all"}
	span := []string{"7ms", "100ms", "1s", "1m"}
	if algorithm == tokenBucket || algorithm == leakyBucket {
		values["average"] = int64(rapid.IntRange(1, 9).Draw(rt, "average"))
		values["period"] = rapid.SampledFrom(span).Draw(rt, "period")
		values["burst"] = int64(rapid.IntRange(0, 8).Draw(rt, "burst"))
		if algorithm == leakyBucket {
			values["nodelay"] = rapid.Bool().Draw(rt, "nodelay")
		}
		return values
	}
	values["limit"] = int64(rapid.IntRange(1, 9).Draw(rt, "limit"))
	values["window"] = rapid.SampledFrom(span).Draw(rt, "window")
	return values
}

// drawGaps are the times between arrivals, in bursts and pauses about as long as the limit's own time.
func drawGaps(rt *rapid.T, span time.Duration) []time.Duration {
	gap := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, int64(span)/10), rapid.Int64Range(0, 3*int64(span)/2))
	var out []time.Duration
	for _, g := range rapid.SliceOfN(gap, 1, 80).Draw(rt, "gaps") {
		out = append(out, time.Duration(g))
	}
	return out
}

func decoded(t testing.TB, values map[string]any) Settings {
	t.Helper()
	var s Settings
	if problems := schema.Decode("", values, &s); len(problems) > 0 {
		t.Fatal(problems)
	}
	return s
}

func (l *Limit) span() time.Duration {
	if l.bucket() {
		return time.Duration(l.interval() * l.quota())
	}
	return time.Duration(l.Window)
}

// arrive sends a request after each of gaps, each in a goroutine of its own, since some wait.
func arrive(t *testing.T, values map[string]any, gaps []time.Duration) (went []passed, refused int) {
	synctest.Test(t, func(t *testing.T) {
		l := limiterOf(t, nil, values)
		results := make(chan passed, len(gaps))
		for _, gap := range gaps {
			time.Sleep(gap)
			came := time.Now().UnixNano()
			go func() {
				p := passed{came: came}
				r, err := l.Apply(from(t.Context(), "192.0.2.1"), func(x *flow.Exchange) (*flow.Response, error) {
					p.went = time.Now().UnixNano()
					return fine(x)
				})
				if err == nil && r.Status != 200 {
					p.went = 0
				}
				results <- p
			}()
			synctest.Wait()
		}
		for range gaps {
			if p := <-results; p.went == 0 {
				refused++
			} else {
				went = append(went, p)
			}
		}
	})
	slices.SortFunc(went, func(a, b passed) int { return int(a.went - b.went) })
	return went, refused
}

func TestNeverMoreThanPromised(t *testing.T) {
	for algorithm, broken := range promises {
		t.Run(algorithm, func(t *testing.T) {
			someRefused := false
			rapid.Check(t, func(rt *rapid.T) {
				values := drawLimit(rt, algorithm)
				limit := decoded(t, values).Limit
				went, refused := arrive(t, values, drawGaps(rt, limit.span()))
				someRefused = someRefused || refused > 0
				times := make([]int64, len(went))
				for i, p := range went {
					times[i] = p.went
				}
				if fault := broken(limit, times); fault != "" {
					rt.Fatalf("%v: %s; they went at %v", values, fault, times)
				}
				if len(went) == 0 {
					rt.Fatalf("%v: none passed", values)
				}
			})
			if !someRefused {
				t.Error("no request was ever refused: the test shows nothing")
			}
		})
	}
}

// A limit that refuses everything would keep its promise, too: who keeps to what is told passes.
func TestWhoWaitsAsToldPasses(t *testing.T) {
	for algorithm := range promises {
		t.Run(algorithm, func(t *testing.T) {
			rapid.Check(t, func(rt *rapid.T) {
				values := drawLimit(rt, algorithm)
				limit := decoded(t, values).Limit
				gaps := drawGaps(rt, limit.span())
				fault := ""
				synctest.Test(t, func(t *testing.T) {
					l := limiterOf(t, nil, values)
					for _, gap := range gaps {
						time.Sleep(gap)
						fault = waits(l)
						if fault != "" {
							return
						}
					}
				})
				if fault != "" {
					rt.Fatalf("%v: %s", values, fault)
				}
			})
		})
	}
}

// waits asks once; where that is refused it must be so until the moment told, and not longer. What was
// told as left, or that all is there again, must be true as well.
func waits(l *limiter) string {
	one := func() claim {
		claims := []claim{{rule: l.rules[0], value: "all"}}
		claims[0].hash = l.counts.table.hash(l.rules[0], "all")
		l.counts.table.decide(claims, time.Now().UnixNano(), l.MaxKeys)
		return claims[0]
	}
	c := one()
	if !c.ok {
		if c.frees <= 0 {
			return fmt.Sprintf("it is free in %s, and was refused", c.frees)
		}
		time.Sleep(c.frees - 1)
		if one().ok {
			return fmt.Sprintf("it passes before the %s that were told", c.frees)
		}
		time.Sleep(time.Nanosecond)
		if !one().ok {
			return fmt.Sprintf("it does not pass after the %s that were told", c.frees)
		}
		return ""
	}
	for n := range c.left {
		if !one().ok {
			return fmt.Sprintf("%d were left, and the %dth is refused", c.left, n+1)
		}
	}
	if one().ok {
		return fmt.Sprintf("%d were left, and one more passes", c.left)
	}
	return ""
}

func TestConcurrencyIsNeverAbove(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		limit := int64(rapid.IntRange(1, 5).Draw(rt, "limit"))
		gaps := drawGaps(rt, time.Second)
		lasts := rapid.SliceOfN(rapid.Int64Range(0, int64(2*time.Second)), len(gaps), len(gaps)).Draw(rt, "lasts")
		var most, running, full, left int64
		synctest.Test(t, func(t *testing.T) {
			l := limiterOf(t, nil, map[string]any{"algorithm": concurrency, "limit": limit})
			var mu sync.Mutex
			count := func(n *int64, by int64) {
				mu.Lock()
				defer mu.Unlock()
				*n += by
				most = max(most, running)
			}
			for i, gap := range gaps {
				time.Sleep(gap)
				go func() {
					r, err := l.Apply(from(t.Context(), "192.0.2.1"), func(*flow.Exchange) (*flow.Response, error) {
						return flow.NewResponse(200, "", []byte("body")), nil
					})
					if err != nil || r.Status != 200 {
						count(&full, 1)
						return
					}
					count(&running, 1)
					time.Sleep(time.Duration(lasts[i]))
					count(&running, -1)
					_ = r.Body.Close()
				}()
				synctest.Wait()
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			for i := range l.counts.table.shards {
				left += int64(len(l.counts.table.shards[i].flights))
			}
		})
		if most > limit || full > 0 && most < limit || left > 0 {
			rt.Fatalf("limit %d: %d at once, %d refused, %d are held in the end", limit, most, full, left)
		}
	})
}
