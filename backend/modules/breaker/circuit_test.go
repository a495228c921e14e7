package breaker

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// inState takes what the test looks at without racing.
func inState(c *circuit, now time.Time) (snapshot, int) {
	s := c.snapshot(now)
	c.mu.Lock()
	defer c.mu.Unlock()
	return s, c.probes
}

// legal says what of the transitions is none, and what does not add up.
func legal(s snapshot) string {
	allowed := map[[2]state]bool{}
	for _, w := range ways {
		allowed[w] = true
	}
	var in, out [states]int64
	for from := range s.transitions {
		for to, n := range s.transitions[from] {
			if n > 0 && !allowed[[2]state{state(from), state(to)}] {
				return state(from).String() + " became " + state(to).String()
			}
			out[from] += n
			in[to] += n
		}
	}
	in[closed]++ // it begins so
	for st := closed; st < states; st++ {
		is := int64(0)
		if s.state == st {
			is = 1
		}
		if in[st]-out[st] != is {
			return "it entered and left " + st.String() + " differently often"
		}
	}
	return ""
}

// rulesDrawn are rules of all sorts, quick to trigger.
func rulesDrawn(t *rapid.T) *rules {
	return &rules{
		errorRatio: rapid.SampledFrom([]float64{0, 0.1, 0.5, 1}).Draw(t, "error ratio"), statusRatio: rapid.SampledFrom([]float64{0, 0.3, 1}).Draw(t, "status ratio"),
		slow: rapid.SampledFrom([]time.Duration{0, time.Second}).Draw(t, "slow"), slowRatio: 0.05,
		window: time.Second, minimum: rapid.IntRange(1, 5).Draw(t, "minimum"), openFor: 2 * time.Second,
		probing: rapid.Bool().Draw(t, "probing"), recoverFor: 3 * time.Second, probes: rapid.IntRange(1, 4).Draw(t, "probes"),
	}
}

func drawResult(t *rapid.T, r *rules) result {
	one := result{failed: rapid.Bool().Draw(t, "failed"), slow: r.slow > 0 && rapid.Bool().Draw(t, "slow")}
	one.badStatus = !one.failed && rapid.Bool().Draw(t, "bad status")
	return one
}

// TestNoSequenceOfEventsLeavesTheMachine runs random events and holds the circuit to its promises
// after each.
func TestNoSequenceOfEventsLeavesTheMachine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rulesDrawn(t)
		var troubled atomic.Int32
		now := time.Unix(1_700_000_000, 0)
		began := now
		c := &circuit{name: "a", troubled: &troubled, since: now}
		var under, bodies []pass
		// late holds that what was let through in a state before changes nothing.
		late := func(t *rapid.T, p pass, act func()) {
			s, probes := inState(c, now)
			trial, sum, since, credit := c.trial, c.window.sum, c.since, c.credit
			act()
			after, probesAfter := inState(c, now)
			if p.at.Before(since) && (after.state != s.state || probesAfter != probes || c.trial != trial || c.window.sum != sum || c.credit != credit) {
				t.Fatalf("what began before the state %s was counted in it", s.state)
			}
		}
		take := func() pass {
			i := rapid.IntRange(0, len(under)-1).Draw(t, "which")
			p := under[i]
			under = append(under[:i], under[i+1:]...)
			return p
		}
		t.Repeat(map[string]func(*rapid.T){
			"time passes": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(1, 2500).Draw(t, "ms")) * time.Millisecond)
			},
			"its time is over": func(*rapid.T) { now = now.Add(c.snapshot(now).left) },
			"exchanges come": func(t *rapid.T) {
				for range rapid.IntRange(1, 6).Draw(t, "exchanges") {
					before, _ := inState(c, now)
					p := c.admit(r, now)
					switch {
					case before.state == closed && !p.ok:
						t.Fatal("a closed circuit keeps an exchange out")
					case before.state == open && before.left > 0 && p.ok:
						t.Fatal("an open circuit lets an exchange through")
					case !p.ok && p.left <= 0:
						t.Fatal("an exchange is kept out and not told for how long")
					}
					if p.ok {
						under = append(under, p)
					}
				}
			},
			"an exchange ends": func(t *rapid.T) {
				if len(under) > 0 {
					p := take()
					late(t, p, func() { c.settle(r, p, now, drawResult(t, r)) })
				}
			},
			"an exchange ends well": func(t *rapid.T) {
				if len(under) > 0 {
					p := take()
					late(t, p, func() { c.settle(r, p, now, result{}) })
					bodies = append(bodies, p)
				}
			},
			"a client leaves": func(t *rapid.T) {
				if len(under) > 0 {
					p := take()
					late(t, p, func() { c.abandon(p) })
				}
			},
			"a body breaks off": func(t *rapid.T) {
				if len(bodies) > 0 {
					p := bodies[0]
					bodies = bodies[1:]
					late(t, p, func() { c.spoil(r, p.at, now) })
				}
			},
			"a person opens it":  func(*rapid.T) { c.force(r, now) },
			"a person closes it": func(*rapid.T) { c.mend(now) },
			"": func(t *rapid.T) {
				s, probes := inState(c, now)
				if wrong := legal(s); wrong != "" {
					t.Fatal(wrong)
				}
				if probes < 0 || probes > r.probes {
					t.Fatalf("%d probes are under way, %d may be", probes, r.probes)
				}
				var all time.Duration
				for _, d := range s.spent {
					all += d
				}
				if all != now.Sub(began) {
					t.Fatalf("the states lasted %s of %s", all, now.Sub(began))
				}
				if (troubled.Load() == 1) != (s.state != closed) || troubled.Load() > 1 {
					t.Fatalf("%d are counted as not closed, and it is %s", troubled.Load(), s.state)
				}
				c.mu.Lock()
				defer c.mu.Unlock()
				for _, w := range []tally{c.window.sum, c.trial} {
					if min(w.all, w.failed, w.badStatus, w.slow) < 0 || max(w.failed, w.badStatus, w.slow) > w.all {
						t.Fatalf("the tally is %+v", w)
					}
				}
			},
		})
	})
}

// TestNoSequenceOfEventsAtOnceLeavesTheMachine has several goroutines do random things to one circuit.
func TestNoSequenceOfEventsAtOnceLeavesTheMachine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rulesDrawn(t)
		var troubled atomic.Int32
		var clock atomic.Int64
		clock.Store(time.Unix(1_700_000_000, 0).UnixNano())
		now := func() time.Time { return time.Unix(0, clock.Load()) }
		c := &circuit{name: "a", troubled: &troubled, since: now()}
		plans := rapid.SliceOfN(rapid.SliceOfN(rapid.IntRange(0, 15), 1, 60), 2, 6).Draw(t, "plans")
		var running sync.WaitGroup
		for _, plan := range plans {
			running.Go(func() {
				for _, step := range plan {
					clock.Add(int64(step) * int64(40*time.Millisecond))
					p := c.admit(r, now())
					switch {
					case step == 15:
						c.mend(now())
					case step == 14:
						c.force(r, now())
					case !p.ok:
					case step == 13:
						c.abandon(p)
					default:
						c.settle(r, p, now(), result{failed: step%2 == 0, slow: r.slow > 0 && step%3 == 0})
						if step%5 == 0 {
							c.spoil(r, p.at, now())
						}
					}
					c.snapshot(now())
				}
			})
		}
		running.Wait()
		s, probes := inState(c, now())
		if wrong := legal(s); wrong != "" {
			t.Fatal(wrong)
		}
		if probes < 0 || probes > r.probes {
			t.Fatalf("%d probes are under way", probes)
		}
		if (troubled.Load() == 1) != (s.state != closed) {
			t.Fatalf("%d are counted as not closed, and it is %s", troubled.Load(), s.state)
		}
	})
}

func TestTheRampIsLinear(t *testing.T) {
	r := &rules{openFor: time.Second, recoverFor: 10 * time.Second, probes: 3, errorRatio: 0.5, minimum: 1, window: time.Second}
	var troubled atomic.Int32
	start := time.Unix(1_700_000_000, 0)
	c := &circuit{troubled: &troubled, since: start}
	c.force(r, start)
	start = start.Add(time.Second)
	if !c.admit(r, start).ok {
		t.Fatal("the first one is not let through")
	}
	const each = 1000 // a second
	for second := range 10 {
		let := 0
		for i := range each {
			if c.admit(r, start.Add(time.Duration(second)*time.Second+time.Duration(i)*time.Millisecond)).ok {
				let++
			}
		}
		want := each * (2*second + 1) / 20
		if let < want-2 || let > want+2 {
			t.Errorf("in second %d %d of %d are let through, want %d", second+1, let, each, want)
		}
	}
	if got := c.snapshot(start.Add(10 * time.Second)).state; got != recovering {
		t.Errorf("it is %s though nothing came of those let through", got)
	}
	late := start.Add(11 * time.Second)
	p := c.admit(r, late)
	c.settle(r, p, late, result{})
	if got := c.snapshot(late).state; got != closed {
		t.Errorf("the ramp is over, one fared well, and it is %s", got)
	}
}

func TestTheWindowForgets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w window
		now := time.Unix(1_700_000_000, 0)
		type event struct {
			at time.Time
			r  result
		}
		var all []event
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			now = now.Add(time.Duration(rapid.IntRange(0, 700).Draw(t, "ms")) * time.Millisecond)
			one := event{now, result{failed: rapid.Bool().Draw(t, "failed"), slow: rapid.Bool().Draw(t, "slow")}}
			w.to(now, time.Second)
			w.add(one.r)
			all = append(all, one)
		}
		var least, most tally // what is surely in the window, and what may be
		for _, e := range all {
			if now.Sub(e.at) < 900*time.Millisecond {
				least.add(e.r)
			}
			if now.Sub(e.at) < time.Second {
				most.add(e.r)
			}
		}
		if w.sum.all < least.all || w.sum.all > most.all || w.sum.failed < least.failed || w.sum.failed > most.failed || w.sum.slow > most.slow {
			t.Fatalf("the window has %+v, at least %+v and at most %+v are in it", w.sum, least, most)
		}
	})
}
