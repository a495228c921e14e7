package upstream

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

// pooled is a pool of targets that are never reached, called a, b, c …: as many as there are weights.
func pooled(t testing.TB, way string, change func(*Settings), weights ...int) *Pool {
	t.Helper()
	p := lettered(t, way, change, weights...)
	p.start()
	return p
}

// lettered is such a pool before it starts.
func lettered(t testing.TB, way string, change func(*Settings), weights ...int) *Pool {
	t.Helper()
	s := settings()
	s.Balance = way
	for i, w := range weights {
		s.Targets = append(s.Targets, Target{URL: "http://192.0.2.1:" + fmt.Sprint(1001+i), Weight: w, State: "active"})
	}
	if change != nil {
		change(&s)
	}
	p, err := build("shop", s, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range p.balance.all() {
		m.shown = string(rune('a' + i))
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func bare(t testing.TB) *flow.Exchange {
	return askIn(t.Context(), flow.Reverse, "GET", "http://shop.localhost/")
}

// picks are the names of so many choices in a row.
func picks(p *Pool, x *flow.Exchange, n int) string {
	var b strings.Builder
	for range n {
		if m := p.balance.pick(x, nil); m == nil {
			b.WriteByte('-')
		} else {
			b.WriteString(m.shown)
		}
	}
	return b.String()
}

// counted is how often each comes among so many choices.
func counted(p *Pool, x *flow.Exchange, n int) map[string]int {
	out := map[string]int{}
	for range n {
		out[p.balance.pick(x, nil).shown]++
	}
	return out
}

func TestTargetsInTurn(t *testing.T) {
	cases := []struct {
		way     string
		weights []int
		want    string
	}{
		{roundRobin, []int{3, 1, 1}, "abcabcab"},
		{weightedRoundRobin, []int{3, 1}, "aabaaaba"},
		{weightedRoundRobin, []int{5, 1, 1}, "aabacaaa"},
		{weightedRoundRobin, []int{1, 1}, "abababab"},
		{first, []int{1, 9}, "aaaaaaaa"},
	}
	for _, c := range cases {
		if got := picks(pooled(t, c.way, nil, c.weights...), bare(t), 8); got != c.want {
			t.Errorf("%s of %v gives %s, want %s", c.way, c.weights, got, c.want)
		}
	}
}

func TestSmoothWeightedRoundRobinGivesEachItsShare(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		weights := rapid.SliceOfN(rapid.IntRange(1, 20), 2, 8).Draw(r, "weights")
		p := pooled(t, weightedRoundRobin, nil, weights...)
		total := 0
		for _, w := range weights {
			total += w
		}
		x, got := bare(t), make([]int, len(weights))
		for n := 1; n <= 2*total; n++ {
			m := p.balance.pick(x, nil)
			got[m.seat]++
			for i, w := range weights { // at no moment is one far from its share: that is what smooth means
				if due := float64(n*w) / float64(total); math.Abs(due-float64(got[i])) >= float64(len(weights)) {
					r.Fatalf("weights %v: after %d one has %d, due are %.1f", weights, n, got[i], due)
				}
			}
		}
		for i, w := range weights {
			if got[i] != 2*w {
				r.Fatalf("weights %v give %v", weights, got)
			}
		}
		_ = p.Close()
	})
}

func TestTheLeastBusyTarget(t *testing.T) {
	p := pooled(t, leastConn, nil, 1, 1, 4)
	load := func(a, b, c int64) {
		for i, n := range []int64{a, b, c} {
			p.balance.all()[i].inFlight.Store(n)
		}
	}
	x := bare(t)
	for _, c := range []struct {
		a, b, c int64
		want    string
	}{{2, 1, 5, "b"}, {2, 2, 5, "c"}, {0, 1, 1, "a"}, {9, 9, 35, "c"}} {
		load(c.a, c.b, c.c)
		if got := picks(p, x, 3); got != strings.Repeat(c.want, 3) {
			t.Errorf("with %d, %d and %d (of weight 4) in flight comes %s", c.a, c.b, c.c, got)
		}
	}
	load(0, 0, 0)
	if got := counted(p, x, 6000); got["c"] < 3700 || got["c"] > 4300 {
		t.Errorf("idle ones come as %v, want a share by weight", got)
	}
	load(2, 1, 5)
	p.balance.pick(x, nil)
	if got := fact(x, "picked"); got != "least_conn: b has 1 in flight, a 2, c 5" {
		t.Errorf("the trail says %q", got)
	}
}

func TestTheSoonestTarget(t *testing.T) {
	p := pooled(t, leastTime, nil, 1, 1, 1)
	x := bare(t)
	now := x.Started.UnixNano()
	if got := counted(p, x, 3000); len(got) != 3 {
		t.Errorf("where nothing is known come %v", got)
	}
	all := p.balance.all()
	all[0].observe(40*time.Millisecond, now)
	all[1].observe(10*time.Millisecond, now)
	all[2].observe(30*time.Millisecond, now)
	if got := picks(p, x, 3); got != "bbb" {
		t.Errorf("the fastest is b: %s", got)
	}
	all[1].inFlight.Store(5)
	p.balance.pick(x, nil)
	if got := fact(x, "picked"); got != "least_time: c takes 30ms with 0 in flight, a 40ms with 0 in flight, b 10ms with 5 in flight" {
		t.Errorf("the trail says %q", got)
	}
	all[0].observe(40*time.Millisecond, now-int64(5*memory))
	all[0].heard.Store(now - int64(8*memory))
	if got := picks(p, x, 1); got != "a" {
		t.Errorf("what was slow long ago is tried again: %s", got)
	}
}

func TestATargetOfLowerWeightIsLearntOf(t *testing.T) {
	p := pooled(t, leastTime, nil, 3, 1, 7)
	x := bare(t)
	all := p.balance.all()
	if got := counted(p, x, 1100); len(got) != 3 || got["c"] < 500 {
		t.Errorf("where nothing is known come %v, want a share by weight", got)
	}
	all[0].observe(185*time.Millisecond, x.Started.UnixNano())
	all[2].observe(time.Second, x.Started.UnixNano())
	if got := counted(p, x, 1000); got["b"] < 150 || got["b"] > 350 || got["c"] != 0 {
		t.Errorf("b is not known yet, and comes by its weight beside a: %v", got)
	}
	all[0].inFlight.Store(1)
	if got := picks(p, x, 3); got != "bbb" {
		t.Errorf("while a has one, comes %s", got)
	}
	all[1].inFlight.Store(2)
	if got := picks(p, x, 3); got != "aaa" {
		t.Errorf("of b nothing is known and it has two: comes %s", got)
	}
}

func TestTheMeanFollowsWhatIsObserved(t *testing.T) {
	var l load
	now := time.Now().UnixNano()
	l.observe(100*time.Millisecond, now)
	if got := l.mean(now); got != 0.1 {
		t.Errorf("the first is %v", got)
	}
	l.observe(200*time.Millisecond, now)
	if got := l.mean(now); got <= 0.1 || got > 0.12 {
		t.Errorf("another at the same moment gives %v", got)
	}
	l.observe(200*time.Millisecond, now+int64(3*memory))
	if got := l.mean(now + int64(3*memory)); got < 0.19 {
		t.Errorf("one much later gives %v", got)
	}
}

func TestTheBetterOfTwo(t *testing.T) {
	p := pooled(t, p2c, nil, 1, 1, 1)
	p.balance.all()[2].inFlight.Store(9)
	x := bare(t)
	got := counted(p, x, 3000)
	if got["c"] != 0 || got["a"] < 1200 || got["b"] < 1200 {
		t.Errorf("come %v", got)
	}
	if told := fact(x, "picked"); !strings.Contains(told, "p2c: ") || !strings.Contains(told, " has 0 in flight, ") {
		t.Errorf("the trail says %q", told)
	}
}

func TestByChance(t *testing.T) {
	got := counted(pooled(t, random, nil, 1, 3), bare(t), 8000)
	if got["a"] < 1700 || got["a"] > 2300 {
		t.Errorf("weights 1 and 3 give %v", got)
	}
}

func TestChanceKeepsToVeryDifferentWeights(t *testing.T) {
	p := pooled(t, random, nil, 1000, 1, 1)
	b := &p.balance
	all := b.all()
	light := map[*target]int{}
	for range 4000 { // what is drawn blindly is mostly refused here: the weights are added up then
		light[b.byChance(all[1:], nil)]++
	}
	if light[all[1]] < 1800 || light[all[2]] < 1800 {
		t.Errorf("of two light ones come %d and %d", light[all[1]], light[all[2]])
	}
	if got := b.byChance(all[:2], all[0]); got != all[1] {
		t.Errorf("without the heavy one comes %v", got)
	}
	if got := counted(p, bare(t), 4000); got["a"] < 3950 {
		t.Errorf("of all come %v", got)
	}
}

// TestChoicesAndChangesAtOnce is for the race detector, and for what must hold at every moment: one is
// chosen, and it is one of the pool.
func TestChoicesAndChangesAtOnce(t *testing.T) {
	for _, way := range []string{roundRobin, weightedRoundRobin, leastConn, leastTime, random, p2c, first, byHash} {
		p := pooled(t, way, func(s *Settings) {
			if way == byHash {
				s.Hash = "client_ip"
			}
			s.SlowStart, s.Outlier, s.Sticky = []SlowStart{{Window: 1e9, Aggression: 1}}, []Outlier{{}}, []Sticky{{Cookie: "at"}}
			schema.Defaults(&s.Outlier[0])
			s.Health = []HealthCheck{{}}
			schema.Defaults(&s.Health[0])
			s.Health[0].Interval = schema.Duration(time.Hour)
		}, 1, 2, 3, 4)
		b := &p.balance
		var all sync.WaitGroup
		for n := range 4 {
			all.Go(func() {
				x := bare(t)
				x.Request.Header.Add("Cookie", "at="+b.all()[n].token)
				for i := range 200 {
					m := b.pick(x, nil)
					if m == nil || !slices.Contains(b.all(), m) {
						t.Errorf("%s chose %v", way, m)
						return
					}
					m.inFlight.Add(1)
					m.learn(x, time.Millisecond, fine)
					b.judge(m, outcomeOf(200+300*(i%2)), time.Millisecond)
					switch i % 5 {
					case 0:
						b.failed(m, "no")
					case 1:
						b.reached(m)
					case 2:
						b.heard(m, 0, p.checks[0], errors.New("no"))
					case 3:
						b.heard(m, 0, p.checks[0], nil)
						b.interval()
					default:
						_ = p.Stats()
					}
					m.leave()
				}
			})
		}
		all.Wait()
		if n := busy(p); n != 0 {
			t.Errorf("%s: %d are left in flight", way, n)
		}
		_ = p.Close()
	}
}

func TestWhatCellsSayOfTargets(t *testing.T) {
	cases := []struct {
		name  string
		avoid []string
		bars  []flow.Bar
		tried int
		want  string
	}{
		{"nothing", nil, nil, 0, "abcabc"},
		{"one is avoided", []string{"a"}, nil, 0, "bcbcbc"},
		{"all are avoided", []string{"a", "b", "c"}, nil, 0, "abcabc"},
		{"one is barred", nil, []flow.Bar{{Target: "b"}}, 0, "acacac"},
		{"the rest is barred", []string{"a"}, []flow.Bar{{Target: "b"}, {Target: "c"}}, 0, "aaaaaa"},
		{"all are barred", nil, []flow.Bar{{Target: "b"}, {Target: "c"}, {Target: "a"}}, 0, "------"},
	}
	for _, c := range cases {
		x := bare(t)
		x.Avoid, x.Bars = c.avoid, c.bars
		if got := picks(pooled(t, weightedRoundRobin, nil, 1, 1, 1), x, 6); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestBarredTargetsAreNotAskedAndWhyIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, n := range []int{1, 2} {
			p := pooled(t, weightedRoundRobin, nil, slices.Repeat([]int{1}, n)...)
			x := bare(t)
			x.Bars = []flow.Bar{{Target: "a", Why: "its breaker is open", Until: time.Now().Add(20 * time.Second)}, {Target: "b", Why: "so is its", Until: time.Now().Add(9 * time.Second)}}[:n]
			_, err := p.Send(x)
			want := []time.Duration{20 * time.Second, 9 * time.Second}[n-1]
			if q := problem.Of(err); q == nil || q.Kind != problem.DestinationUnavailable || q.RetryAfter != want || !strings.Contains(q.Message, "a: its breaker is open") {
				t.Errorf("%d barred: %#v", n, err)
			}
			if x.Target != "" || x.Sent {
				t.Errorf("it was sent to %s", x.Target)
			}
			_ = p.Close()
		}
	})
}

func TestWhatTheSettingsSayOfTargets(t *testing.T) {
	cases := []struct {
		name    string
		states  string // of the targets: a active, d drain, o off, A and D backups
		unfit   string
		panicAt int
		want    string
	}{
		{"all active", "aaa", "", 50, "abc"},
		{"one drains, one is off", "ado", "", 50, "aaa"},
		{"none is active", "do", "", 50, "---"},
		{"backups wait", "aAA", "", 50, "aaa"},
		{"backups come in", "aAA", "a", 50, "bcb"},
		{"backups alone", "AA", "", 50, "aba"},
		{"an unhealthy one", "aaa", "b", 50, "aca"},
		{"too few are healthy", "aaaa", "abc", 50, "abc"},
		{"as many as must be", "aaaa", "ab", 50, "cdc"},
		{"too few, and a backup", "aaaA", "ab", 50, "ccc"},
		{"no threshold", "aaaa", "abc", 0, "ddd"},
		{"no threshold, none is healthy", "aa", "ab", 0, "---"},
		{"none is healthy", "aa", "ab", 50, "aba"},
		{"none is healthy, with backups", "aA", "ab", 50, "aaa"},
		{"one, unhealthy", "a", "a", 50, "aaa"},
		{"one, unhealthy, no threshold", "a", "a", 0, "---"},
	}
	states := map[rune]string{'a': "active", 'd': "drain", 'o': "off"}
	for _, c := range cases {
		p := pooled(t, weightedRoundRobin, func(s *Settings) {
			s.PanicThreshold = c.panicAt
			for i, r := range c.states {
				s.Targets[i].State, s.Targets[i].Backup = states[r|0x20], r < 'a'
			}
		}, slices.Repeat([]int{1}, len(c.states))...)
		p.balance.mu.Lock()
		for _, m := range p.balance.all() {
			m.unfit.Store(strings.Contains(c.unfit, m.shown))
		}
		p.balance.renew(p.balance.all())
		p.balance.mu.Unlock()
		x := bare(t)
		if got := picks(p, x, 3); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		for _, m := range p.balance.all() {
			m.current = 0
		}
		x.Avoid = []string{"nobody"} // what is looked at more closely comes to the same
		if got := picks(p, x, 3); got != c.want {
			t.Errorf("%s, closely: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestATargetThatCannotBeReachedIsTriedLastForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := pooled(t, weightedRoundRobin, nil, 1, 1)
		b, x := &p.balance, bare(t)
		a := b.all()[0]
		b.failed(a, "nothing listens there")
		if got := picks(p, x, 3); got != "bbb" {
			t.Errorf("while it rests comes %s", got)
		}
		if got := b.pick(x, []*target{b.all()[1]}); got != a {
			t.Error("it is not tried at last")
		}
		if b.pick(x, b.all()) != nil {
			t.Error("one is tried twice")
		}
		s := p.Stats()
		if a.condition.state != Unhealthy || s.Targets == nil || a.condition.reason != "nothing listens there" {
			t.Errorf("its state is %s, %s", a.condition.state, a.condition.reason)
		}
		time.Sleep(rest)
		if got := counted(p, x, 2); got["a"] != 1 {
			t.Errorf("after its rest come %v", got)
		}
		b.failed(a, "nothing listens there")
		b.reached(a)
		if got := counted(p, x, 2); got["a"] != 1 || a.condition.state != Healthy || b.resting.Load() != 0 {
			t.Errorf("once it was reached come %v, and it is %s", got, a.condition.state)
		}
		b.failed(a, "a")
		time.Sleep(time.Second)
		b.failed(b.all()[1], "b")
		if got := picks(p, x, 2); got != "aa" {
			t.Errorf("where all rest, the one whose rest ends first is tried: %s", got)
		}
		_ = p.Close()
	})
}
