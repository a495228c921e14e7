package upstream

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"proxycache/backend/schema"
)

func TestTheShareOfATargetGrowsInItsSlowStart(t *testing.T) {
	cases := []struct {
		aggression float64
		after      time.Duration
		want       float64 // of a weight of 10
	}{
		{1, 0, 1}, {1, 500 * time.Millisecond, 1}, {1, 3 * time.Second, 3}, {1, 9 * time.Second, 9}, {1, 10 * time.Second, 10}, {1, time.Hour, 10},
		{2, 2500 * time.Millisecond, 5}, {0.5, 5 * time.Second, 2.5},
	}
	for _, c := range cases {
		synctest.Test(t, func(t *testing.T) {
			p := pooled(t, weightedRoundRobin, func(s *Settings) {
				s.SlowStart = []SlowStart{{Window: schema.Duration(10 * time.Second), Aggression: c.aggression}}
			}, 10, 10)
			m := p.balance.all()[0]
			p.balance.failed(m, "it is refused")
			p.balance.reached(m)
			time.Sleep(c.after)
			if got := p.balance.weightOf(m); math.Abs(got-c.want) > 1e-9 {
				t.Errorf("with aggression %v after %s the weight is %v, want %v", c.aggression, c.after, got, c.want)
			}
			if over := m.rising.Load() == 0; over != (c.after >= 10*time.Second) {
				t.Errorf("after %s the slow start is over: %v", c.after, over)
			}
		})
	}
}

func TestATargetInItsSlowStartGetsFewRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, way := range []string{weightedRoundRobin, random, leastConn} {
			p := pooled(t, way, func(s *Settings) {
				s.SlowStart = []SlowStart{{Window: schema.Duration(10 * time.Second), Aggression: 1}}
			}, 1, 1)
			if got := counted(p, bare(t), 2000); got["a"] < 850 || got["a"] > 1150 {
				t.Errorf("%s: at the start, when all are new, come %v", way, got)
			}
			m := p.balance.all()[0]
			p.balance.failed(m, "it is refused")
			p.balance.reached(m)
			if got := counted(p, bare(t), 2200); got["a"] < 120 || got["a"] > 290 { // 1 of 11
				t.Errorf("%s: when it begins come %v", way, got)
			}
		}
	})
}

func TestWhoJoinsOthersBeginsSlowly(t *testing.T) {
	s := settings("http://192.0.2.1", "http://192.0.2.2")
	s.SlowStart = []SlowStart{{Window: schema.Duration(time.Minute), Aggression: 1}}
	s.Targets[1].State = "off"
	one := open(t, s, Options{})
	s.Targets[1].State = "active"
	s.Targets = append(s.Targets, Target{URL: "http://192.0.2.3", Weight: 1})
	two := open(t, s, Options{Before: one})
	for i, m := range two.Stats().Targets {
		if want := []float64{1, 0.1, 0.1}[i]; m.SetWeight != 1 || m.Weight > want+0.05 || m.Weight < want {
			t.Errorf("of target %d is told %+v", i+1, m)
		}
	}
	for i, want := range []bool{false, true, true} {
		if got := two.balance.all()[i].rising.Load() != 0; got != want {
			t.Errorf("target %d begins slowly: %v", i+1, got)
		}
	}
}
