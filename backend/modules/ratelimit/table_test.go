package ratelimit

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// model drops what is idle at once, where slots do it in time: what is idle may be found or not.
func TestSlotsHoldWhatAMapWould(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var s slots
		model := map[uint64]entry{}
		now := int64(0)
		for range rapid.IntRange(1, 300).Draw(rt, "steps") {
			hash := rapid.Uint64Range(1, 60).Draw(rt, "hash") * 0x100000001 // many share a home
			switch rapid.IntRange(0, 6).Draw(rt, "what") {
			case 0:
				now += rapid.Int64Range(0, 20).Draw(rt, "later")
			case 1:
				if live := model[hash].until > now; s.delete(hash) != live && live {
					rt.Fatalf("%x was not there to delete", hash)
				}
				delete(model, hash)
			case 2:
				s.sweep(rapid.IntRange(0, 40).Draw(rt, "swept"), now)
			default:
				e := entry{hash: hash, until: now + rapid.Int64Range(1, 60).Draw(rt, "until")}
				s.put(e, now)
				model[hash] = e
			}
			n := 0
			for hash, want := range model {
				if got := s.find(hash); want.until > now && (got == nil || *got != want) {
					rt.Fatalf("%x is %v, want %v", hash, got, want)
				}
			}
			for _, e := range s.list {
				if e.hash != 0 {
					n++
				}
			}
			if n != s.n || len(s.list) > 0 && n == len(s.list) {
				rt.Fatalf("%d entries of %d slots, counted as %d", n, len(s.list), s.n)
			}
		}
		s.sweep(1000, now+1000)
		s.sweep(1000, now+1000)
		if s.n != 0 || len(s.list) > fewestSlots {
			rt.Fatalf("%d of %d slots are left when all is idle", s.n, len(s.list))
		}
	})
}

func fill(t testing.TB, l *limiter, from, to int, now int64) {
	t.Helper()
	for i := from; i < to; i++ {
		claims := [1]claim{{rule: l.rules[0]}}
		claims[0].hash = l.counts.table.hash(l.rules[0], fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255))
		if !l.counts.table.decide(claims[:], now, l.MaxKeys) {
			t.Fatalf("key %d is refused", i)
		}
	}
}

func TestAMillionKeysTakeLessThan200MB(t *testing.T) {
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	for _, algorithm := range []string{"sliding_window", "sliding_log"} {
		l := limiterOf(t, nil, map[string]any{"algorithm": algorithm})
		before, start := heap(), time.Now()
		fill(t, l, 0, 1_000_000, start.UnixNano())
		grown, estimate := heap()-before, l.counts.table.bytes()
		t.Logf("%s: %d keys in %d MB, estimated as %d MB, in %s", algorithm, l.counts.table.keys.Load(), grown>>20, estimate>>20, time.Since(start))
		if l.counts.table.keys.Load() != 1_000_000 || l.counts.table.evicted.Load() != 0 {
			t.Errorf("%s: %d keys are there, %d were evicted", algorithm, l.counts.table.keys.Load(), l.counts.table.evicted.Load())
		}
		if grown > 200e6 || grown > 2*estimate || grown < estimate/2 {
			t.Errorf("%s: the heap grew by %d bytes, estimated as %d", algorithm, grown, estimate)
		}
		runtime.KeepAlive(l)
	}
}

func TestIdleKeysLeaveAndTheirMemoryToo(t *testing.T) {
	for _, algorithm := range []string{"sliding_window", "sliding_log"} {
		l := limiterOf(t, nil, map[string]any{"algorithm": algorithm})
		table, now := l.counts.table, time.Now().UnixNano()
		fill(t, l, 0, 100_000, now)
		full := table.bytes()
		for range 2 * len(table.shards) { // as the state is asked for without any traffic
			table.sweep(now + int64(10*time.Minute))
		}
		if table.keys.Load() != 0 || table.bytes() > full/50 {
			t.Errorf("%s: %d keys in %d of %d bytes are left", algorithm, table.keys.Load(), table.bytes(), full)
		}
		fill(t, l, 0, 100_000, now)
		later := now + int64(10*time.Minute)
		fill(t, l, 100_000, 200_000, later) // new keys push the idle ones out, before there is any need
		if n := table.keys.Load(); n > 130_000 || table.evicted.Load() != 0 {
			t.Errorf("%s: %d keys are left of 100 000 in use, %d evicted", algorithm, n, table.evicted.Load())
		}
	}
}

func TestTooManyKeysPushTheOldestOut(t *testing.T) {
	for _, c := range []struct {
		algorithm string
		max       int64
	}{{"token_bucket", 1}, {"token_bucket", 50}, {"token_bucket", 20_000}, {"sliding_log", 1}, {"sliding_log", 20_000}} {
		values := map[string]any{"algorithm": c.algorithm, "max_keys": c.max}
		if c.algorithm == "token_bucket" {
			values["average"] = int64(100)
			values["period"] = "1h"
		}
		l := limiterOf(t, nil, values)
		now := time.Now().UnixNano()
		for i := range int(3 * c.max) {
			fill(t, l, i, i+1, now+int64(i)*1000)
			if n := l.counts.table.keys.Load(); n > c.max+int64(len(l.counts.table.shards)) {
				t.Fatalf("%+v: %d keys", c, n)
			}
		}
		fresh := 0
		for i := 2*int(c.max) + int(c.max)/2; i < 3*int(c.max); i++ { // the younger half of those that should be there
			hash := l.counts.table.hash(l.rules[0], fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255))
			s := &l.counts.table.shards[l.counts.table.shard(hash)]
			if s.entries.find(hash) != nil || s.logs[hash] != nil {
				fresh++
			}
		}
		if 10*fresh < 8*int(c.max)/2 || l.counts.table.evicted.Load() == 0 {
			t.Errorf("%+v: of the %d youngest only %d are there", c, c.max/2, fresh)
		}
	}
}

func TestEntriesAndLogsPushEachOtherOut(t *testing.T) {
	for _, order := range [][2]string{{"sliding_window", "sliding_log"}, {"sliding_log", "sliding_window"}} {
		one, two := map[string]any{"name": "one", "algorithm": order[0]}, map[string]any{"name": "two", "algorithm": order[1]}
		values := limits(one, two)
		values["max_keys"] = int64(3)
		l := limiterOf(t, nil, values)
		for i := range 50 {
			if got := ask(t, l, from(t.Context(), fmt.Sprintf("192.0.2.%d", i))); got != 200 {
				t.Errorf("it is answered %d", got)
			}
			if n := l.counts.table.keys.Load(); n > 3 {
				t.Fatalf("%v: %d keys", order, n)
			}
		}
		if n := l.counts.table.clear(); n != 3 || l.counts.table.keys.Load() != 0 || l.counts.table.bytes() != 0 {
			t.Errorf("%v: %d keys were there; now %d in %d bytes", order, n, l.counts.table.keys.Load(), l.counts.table.bytes())
		}
	}
}

func TestLogsAreBoundedTogether(t *testing.T) {
	l := limiterOf(t, nil, map[string]any{"algorithm": "sliding_log", "limit": int64(1000), "max_keys": int64(500)})
	now := time.Now().UnixNano()
	for i := range 20 {
		for j := range 1000 {
			fill(t, l, i, i+1, now+int64(1000*i+j))
		}
	}
	if n := l.counts.table.logged.Load(); n > logsPerKey*500+1024 {
		t.Errorf("%d times are kept in logs", n)
	}
}

func TestManyAtOnceNeverPassMore(t *testing.T) {
	for _, algorithm := range []string{"token_bucket", "fixed_window", "sliding_window", "sliding_log"} {
		one := map[string]any{"name": "one", "algorithm": algorithm, "limit": int64(100), "window": "31d"}
		if algorithm == "token_bucket" {
			one = map[string]any{"name": "one", "algorithm": algorithm, "average": int64(100), "period": "31d"}
		}
		l := limiterOf(t, nil, limits(one, map[string]any{"name": "two", "algorithm": "fixed_window", "limit": int64(1500), "window": "31d", "key": "all"}))
		var all sync.WaitGroup
		var passed [20]atomic.Int64
		for g := range 8 {
			all.Go(func() {
				order := rand.New(rand.NewPCG(uint64(g), 1))
				for range 1000 {
					i := order.IntN(len(passed))
					if ask(t, l, from(t.Context(), fmt.Sprintf("192.0.2.%d", i))) == 200 {
						passed[i].Add(1)
					}
				}
			})
		}
		all.Wait()
		sum := int64(0)
		for i := range passed {
			n := passed[i].Load()
			if sum += n; n > 100 {
				t.Errorf("%s: %d of client %d passed", algorithm, n, i)
			}
		}
		if sum != 1500 {
			t.Errorf("%s: %d passed together, want 1500", algorithm, sum)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	for name, values := range map[string]map[string]any{
		"one":   {"limit": int64(1_000_000_000)},
		"three": limits(map[string]any{"limit": int64(1_000_000_000)}, map[string]any{"algorithm": "token_bucket", "average": int64(1_000_000)}, map[string]any{"algorithm": "fixed_window", "limit": int64(1_000_000_000), "key": "path"}),
	} {
		b.Run(name, func(b *testing.B) {
			l := limiterOf(b, nil, values)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				x := from(b.Context(), fmt.Sprintf("192.0.2.%d", rand.IntN(256)))
				for pb.Next() {
					x.Start(b.Context(), x.Door, x.Request)
					x.Enter("a", "ratelimit")
					if _, err := l.Apply(x, fine); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}
