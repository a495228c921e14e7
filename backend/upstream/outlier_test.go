package upstream

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

// watched is a pool that ejects, with the defaults of the settings.
func watched(t testing.TB, change func(*Outlier), n int) *Pool {
	return pooled(t, weightedRoundRobin, func(s *Settings) {
		var o Outlier
		schema.Defaults(&o)
		if change != nil {
			change(&o)
		}
		s.Outlier = []Outlier{o}
	}, slices.Repeat([]int{1}, n)...)
}

func ejected(p *Pool) (names string) {
	p.balance.mu.Lock()
	defer p.balance.mu.Unlock()
	for _, m := range p.balance.all() {
		if !m.condition.ejected.IsZero() {
			names += m.shown
		}
	}
	return names
}

// judged has a target give answers with these statuses; 0 is none.
func judged(p *Pool, i int, took time.Duration, statuses ...int) {
	m := p.balance.all()[i]
	for _, s := range statuses {
		o := outcomeOf(s)
		if s == 0 {
			o = gatewayFailed
		}
		p.balance.judge(m, o, took)
	}
}

func TestWhatEjectsATarget(t *testing.T) {
	repeat := func(status, n int) []int { return slices.Repeat([]int{status}, n) }
	cases := []struct {
		name     string
		change   func(*Outlier)
		statuses []int
		why      string // "" where it does not
	}{
		{"four of 5xx", nil, repeat(500, 4), ""},
		{"five of 5xx", nil, repeat(500, 5), "5 answers in a row were 5xx, or did not come; left out for 30s"},
		{"a good one between", nil, append(repeat(500, 4), 200, 500, 500), ""},
		{"404 is no failure", nil, repeat(404, 9), ""},
		{"5xx do not matter", func(o *Outlier) { o.Consecutive5xx = 0 }, repeat(500, 9), ""},
		{"gateway failures", func(o *Outlier) { o.Consecutive5xx, o.ConsecutiveGatewayFailure = 0, 3 }, []int{502, 0, 504}, "3 answers in a row were 502, 503 or 504, or did not come; left out for 30s"},
		{"500 is no gateway failure", func(o *Outlier) { o.Consecutive5xx, o.ConsecutiveGatewayFailure = 0, 3 }, []int{502, 503, 500, 504, 502}, ""},
		{"none may be", func(o *Outlier) { o.MaxEjectionPercent = 0 }, repeat(500, 9), ""},
	}
	for _, c := range cases {
		p := watched(t, c.change, 3)
		judged(p, 1, 0, c.statuses...)
		m := p.balance.all()[1]
		if got := m.condition.why; got != c.why {
			t.Errorf("%s: %q, want %q", c.name, got, c.why)
		}
		if want := map[bool]string{true: "abcabc", false: "acacac"}[c.why == ""]; picks(p, bare(t), 6) != want {
			t.Errorf("%s: it is chosen all the same", c.name)
		}
	}
}

func TestAnEjectionGrowsAndEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := watched(t, func(o *Outlier) { o.MaxEjectionTime = schema.Duration(70 * time.Second) }, 3)
		fail := func() { judged(p, 0, 0, 500, 500, 500, 500, 500) }
		spans := []time.Duration{30 * time.Second, 60 * time.Second, 70 * time.Second}
		for _, span := range spans {
			fail()
			began := time.Now()
			for ejected(p) == "a" {
				time.Sleep(time.Second)
			}
			if out := time.Since(began); out < span || out > span+10*time.Second { // the next interval lets it in again
				t.Errorf("it was left out for %s, want %s", out, span)
			}
		}
		time.Sleep(time.Minute) // six intervals without fault
		fail()
		if got := p.balance.all()[0].condition.why; !strings.HasSuffix(got, "left out for 30s") {
			t.Errorf("after a good time: %q", got)
		}
		var states []string
		for _, c := range p.balance.all()[0].condition.history {
			states = append(states, string(c.State))
		}
		if got := strings.Join(states, " "); got != "healthy ejected healthy ejected healthy ejected healthy ejected" {
			t.Errorf("its history is %s", got)
		}
		_ = p.Close()
	})
}

func TestTheUnsuccessfulIsEjected(t *testing.T) {
	cases := []struct {
		name  string
		hosts int
		each  int // requests
		bad   int // of the first target
		want  string
	}{
		{"one of six fails often", 6, 100, 30, "a"},
		{"one of six fails a little more", 6, 100, 0, ""},
		{"too few targets", 4, 100, 50, ""},
		{"too few requests", 6, 99, 50, ""},
	}
	for _, c := range cases {
		synctest.Test(t, func(t *testing.T) {
			p := watched(t, nil, c.hosts)
			for i := range c.hosts {
				for n := range c.each {
					status := 200
					if i == 0 && n%2 == 1 && n/2 < c.bad {
						status = 500
					}
					judged(p, i, 0, status)
				}
			}
			time.Sleep(10*time.Second + time.Millisecond)
			synctest.Wait()
			if got := ejected(p); got != c.want {
				t.Errorf("%s: ejected are %q, want %q", c.name, got, c.want)
			}
			_ = p.Close()
		})
	}
}

func TestTheSlowIsEjected(t *testing.T) {
	for _, c := range []struct {
		slow time.Duration
		want string
	}{{time.Second, "a"}, {90 * time.Millisecond, ""}, {140 * time.Millisecond, ""}} {
		synctest.Test(t, func(t *testing.T) {
			p := watched(t, func(o *Outlier) { o.LatencyFactor = 3 }, 5)
			for i := range 5 {
				took := 50 * time.Millisecond
				if i == 0 {
					took = c.slow
				}
				judged(p, i, took, slices.Repeat([]int{200}, 100)...)
			}
			time.Sleep(10*time.Second + time.Millisecond)
			synctest.Wait()
			if got := ejected(p); got != c.want {
				t.Errorf("%s against 50ms: ejected are %q", c.slow, got)
			}
			if why := p.balance.all()[0].condition.why; c.want != "" && why != "its answers began after 1s on average, and the median is 50ms; left out for 30s" {
				t.Errorf("because %q", why)
			}
			_ = p.Close()
		})
	}
}

// TestNeverMoreThanTheShareIsEjected: whatever targets answer, at most the share of them is left out,
// one of several may be, and the last one never is.
func TestNeverMoreThanTheShareIsEjected(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		n := rapid.IntRange(1, 20).Draw(r, "targets")
		percent := rapid.IntRange(0, 100).Draw(r, "percent")
		p := watched(t, func(o *Outlier) { o.MaxEjectionPercent, o.Consecutive5xx = percent, 2 }, n)
		defer p.Close()
		most := n * percent / 100
		if percent > 0 {
			most = max(most, 1)
		}
		most = min(most, n-1)
		for range rapid.IntRange(1, 80).Draw(r, "answers") {
			judged(p, rapid.IntRange(0, n-1).Draw(r, "target"), 0, rapid.SampledFrom([]int{200, 500, 503, 0}).Draw(r, "status"))
			if rapid.IntRange(0, 9).Draw(r, "interval") == 0 {
				p.balance.interval()
			}
			if out := len(ejected(p)); out > most || n == 1 && out > 0 {
				r.Fatalf("%d of %d are ejected at %d %%", out, n, percent)
			}
		}
		if got := picks(p, bare(t), 1); got == "-" {
			r.Fatal("nobody is left")
		}
	})
}

func TestAnswersOfRealExchangesAreJudged(t *testing.T) {
	bad := serve(t, func(p *peer) {
		for p.head() != "" {
			p.say("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")
		}
	})
	broken := serve(t, func(p *peer) { p.head() })
	for _, address := range []string{bad, broken} {
		s := settings("http://"+address, "http://"+serve(t, answering))
		var o Outlier
		schema.Defaults(&o)
		o.Consecutive5xx = 3
		s.Outlier = []Outlier{o}
		p := open(t, s, Options{})
		failed := 0
		for range 20 {
			r, err := p.Send(ask(t, "GET", "/"))
			if err != nil || r.Status == 503 {
				failed++
			}
			if err == nil {
				_, _ = io.Copy(io.Discard, r.Body)
				_ = r.Body.Close()
			}
		}
		if failed != 3 {
			t.Errorf("%d exchanges failed before it was ejected", failed)
		}
		for _, m := range p.Stats().Targets {
			if want := map[bool]State{true: Ejected, false: Healthy}[m.Address == address]; m.State != want || want == Ejected && m.Ejections != 1 {
				t.Errorf("%s is %s", m.Address, m.State)
			}
		}
	}
}

func TestWhoseFaultItIs(t *testing.T) {
	for kind, want := range map[problem.Kind]bool{
		problem.ClientLeft: false, problem.SlowClient: false, problem.BadRequest: false, problem.Forbidden: false, problem.Overloaded: false,
		problem.Refused: true, problem.Terminated: true, problem.ReadTimeout: true, problem.DNS: true, problem.BadResponse: true,
	} {
		if got := ofTarget(problem.New(kind, "it failed")); got != want {
			t.Errorf("%s is the fault of the target: %v", kind, got)
		}
	}
	if got := fmt.Sprint(outcomeOf(200), outcomeOf(499), outcomeOf(500), outcomeOf(501), outcomeOf(502), outcomeOf(504)); got != "0 0 1 1 2 2" {
		t.Errorf("outcomes are %s", got)
	}
}

func TestAPoolThatDrainsTakesNothingFromTheOneThatFollows(t *testing.T) {
	var s Settings
	one := lettered(t, weightedRoundRobin, func(made *Settings) {
		made.Outlier = []Outlier{{}}
		schema.Defaults(&made.Outlier[0])
		s = *made
	}, slices.Repeat([]int{1}, 6)...)
	two, err := build("shop", s, Options{Before: one})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = two.Close() })
	for n := range 100 {
		for i := range 6 {
			status := 200
			if i == 0 && n%2 == 1 {
				status = 500
			}
			judged(two, i, 0, status)
		}
	}
	one.balance.interval()
	two.balance.interval()
	if ejected(one) != "" || ejected(two) != two.balance.all()[0].shown {
		t.Errorf("ejected are %q in the pool before and %q in this one", ejected(one), ejected(two))
	}
}
