package retry

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// load counts what a server gets. While it is broken every attempt fails after took.
type load struct {
	firsts, all atomic.Int64
	broken      atomic.Bool
	took        func() time.Duration
}

func (l *load) next(*flow.Exchange) (*flow.Response, error) {
	if l.broken.Load() {
		l.all.Add(1)
		time.Sleep(l.took()) // virtual
		return nil, problem.New(problem.Terminated, "Sending: it failed on purpose.")
	}
	time.Sleep(l.took())
	return flow.NewResponse(200, "", nil), nil
}

// TestAFailingServerIsNotAskedMuchMoreOften holds the promise of the budget: at a server that fails
// always, the load is at most 1.2 times what its clients ask, and the few that are always allowed: those
// are taken where repetitions end and no first attempt does.
func TestAFailingServerIsNotAskedMuchMoreOften(t *testing.T) {
	for _, c := range []struct {
		name    string
		took    func() time.Duration
		clients int
		each    int
		pause   time.Duration // between two requests of a client
		healthy time.Duration // before the server breaks
	}{
		{"at once", func() time.Duration { return 0 }, 1000, 1, 0, 0},
		{"a burst", func() time.Duration { return time.Second }, 1000, 1, 0, 0},
		{"a burst that fails late", func() time.Duration { return 30 * time.Second }, 1000, 1, 0, 0},
		{"one after the other", func() time.Duration { return 50 * time.Millisecond }, 200, 50, 0, 0},
		{"quick failures", func() time.Duration { return time.Millisecond }, 50, 200, 10 * time.Millisecond, 0},
		{"failures of all lengths", func() time.Duration { return rand.N(2 * time.Second) }, 200, 50, 0, 0},
		{"after a healthy time", func() time.Duration { return 20 * time.Millisecond }, 100, 1000, 0, 30 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := policyOf(t, nil)
				l := load{took: c.took}
				begun := time.Now()
				var running sync.WaitGroup
				for range c.clients {
					running.Go(func() {
						for time.Since(begun) < c.healthy {
							_, _ = p.Apply(exchange(t.Context(), "GET", ""), l.next)
						}
						l.broken.Store(true)
						for range c.each {
							l.firsts.Add(1)
							_, _ = p.Apply(exchange(t.Context(), "GET", ""), l.next)
							time.Sleep(c.pause)
						}
					})
				}
				running.Wait()
				firsts, all := float64(l.firsts.Load()), float64(l.all.Load())
				t.Logf("%.0f requests, %.0f attempts: %.3f", firsts, all, all/firsts)
				least := float64(p.limits.least)
				limit := 1.2*firsts + least
				if c.healthy > 0 {
					limit += 0.2 * budgetSeconds / (time.Since(begun) - c.healthy).Seconds() * firsts // what was saved before
				}
				if all > limit || all < firsts+least {
					t.Errorf("%.0f requests make %.0f attempts, %.0f are allowed", firsts, all, limit)
				}
				if repeating, _ := p.budget.short(time.Now()); repeating != 0 || p.budget.active.Load() != 0 {
					t.Errorf("%d repetitions and %d requests are left", repeating, p.budget.active.Load())
				}
			})
		})
	}
}

func TestALittleIsAlwaysAllowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policyOf(t, nil)
		s := &server{answers: []answer{fails(problem.Refused, false)}}
		for range 2 {
			_, _ = p.Apply(exchange(t.Context(), "GET", ""), s.next)
		}
		if s.calls != 5 { // 3 and 2: three repetitions
			t.Errorf("%d attempts", s.calls)
		}
		x := exchange(t.Context(), "GET", "")
		_, _ = p.Apply(x, s.next)
		if got := fact(x, "not repeated"); got != "3 repetitions in 10 s, 3 are allowed beside 3 requests" {
			t.Errorf("%q", got)
		}
		if st := p.State(); st.Level != "warn" || st.Summary != "3 repeated, the budget is used up" {
			t.Errorf("%+v", st)
		}
		time.Sleep(budgetSeconds * time.Second)
		s.calls = 0
		_, _ = p.Apply(exchange(t.Context(), "GET", ""), s.next)
		if st := p.State(); s.calls != 3 || st.Level != "calm" {
			t.Errorf("%d attempts later, %+v", s.calls, st)
		}
	})
}

func TestTheBudgetOfThoseUnderWay(t *testing.T) {
	var b budget
	now := time.Unix(1_700_000_000, 0)
	l := limits{share: 0.2, least: 3}
	for range 40 {
		b.enter()
		b.tried(now)
	}
	for i := range 8 {
		if refused := b.take(l, now); refused != "" {
			t.Fatalf("%d: %s", i, refused)
		}
	}
	if got := b.take(l, now); got != "8 repetitions are under way, 8 are allowed beside 40 requests" {
		t.Errorf("%q", got)
	}
	b.give()
	if got := b.take(l, now); got != "8 repetitions in 10 s, 8 are allowed beside 40 requests" {
		t.Errorf("%q", got)
	}
	if got := b.take(l, now.Add(time.Minute)); got != "" {
		t.Errorf("%q", got)
	}
	if got := b.take(limits{}, now); got == "" {
		t.Error("a budget of nothing allows one")
	}
}
