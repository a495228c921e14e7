package upstream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

// doctor answers checks as the test says.
type doctor struct {
	mu    sync.Mutex
	sick  map[string]string // by target and path: why
	asked []time.Duration   // since begun, of target a
	begun time.Time
}

func (d *doctor) ask(_ context.Context, t *target, c *check) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if t.shown == "a" {
		d.asked = append(d.asked, time.Since(d.begun))
	}
	if why := d.sick[t.shown+c.Path]; why != "" {
		return errors.New(why)
	}
	return nil
}

func (d *doctor) says(target, why string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sick[target] = why
}

// checked is a pool of n targets whose checks d answers. It is made in a bubble.
func checked(t *testing.T, d *doctor, change func(*Settings), n int) *Pool {
	t.Helper()
	d.sick, d.begun = map[string]string{}, time.Now()
	weights := make([]int, n)
	p := lettered(t, roundRobin, func(s *Settings) {
		var h HealthCheck
		schema.Defaults(&h)
		h.Path, h.Jitter = "/up", 0
		s.Health, s.PanicThreshold = []HealthCheck{h}, 0
		if change != nil {
			change(s)
		}
	}, weights...)
	p.probe = d.ask
	p.start()
	return p
}

func (p *Pool) states() string {
	p.balance.mu.Lock()
	defer p.balance.mu.Unlock()
	var out []string
	for _, m := range p.balance.all() {
		out = append(out, m.shown+" "+string(m.condition.state))
	}
	return strings.Join(out, ", ")
}

func TestChecksMakeATargetUnhealthyAndHealthyAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d doctor
		p := checked(t, &d, nil, 2)
		if got := p.states(); got != "a new, b new" || picks(p, bare(t), 2) != "ab" {
			t.Errorf("at the start: %s", got)
		}
		time.Sleep(time.Second)
		if got := p.states(); got != "a healthy, b healthy" {
			t.Errorf("after the first check: %s", got)
		}
		d.says("a/up", "the status is 500")
		time.Sleep(10 * time.Second) // the first bad answer
		if got := p.states(); got != "a healthy, b healthy" {
			t.Errorf("after one bad answer: %s", got)
		}
		time.Sleep(2 * time.Second) // two more, fast
		if got := p.states(); got != "a unhealthy, b healthy" || picks(p, bare(t), 2) != "bb" {
			t.Errorf("after three: %s", got)
		}
		d.says("a/up", "")
		time.Sleep(12 * time.Second)
		if got := p.states(); got != "a healthy, b healthy" {
			t.Errorf("after two good ones: %s", got)
		}
		want := "new: its first check has not been answered yet; healthy: GET /up is answered; unhealthy: GET /up: the status is 500; healthy: GET /up is answered"
		p.balance.mu.Lock()
		history := p.balance.all()[0].condition.history
		p.balance.mu.Unlock()
		var told []string
		for _, c := range history {
			told = append(told, fmt.Sprintf("%s: %s", c.State, c.Reason))
		}
		if got := strings.Join(told, "; "); got != want {
			t.Errorf("its history is\n%s, want\n%s", got, want)
		}
		_ = p.Close()
		synctest.Wait()
	})
}

func TestHowOftenIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d doctor
		p := checked(t, &d, func(s *Settings) {
			s.Health[0].Interval, s.Health[0].FastInterval = schema.Duration(8*time.Second), schema.Duration(time.Second)
		}, 1)
		time.Sleep(9 * time.Second) // two answers
		d.says("a/up", "no")
		time.Sleep(30 * time.Second)
		_ = p.Close()
		time.Sleep(time.Minute)
		var gaps []string
		for i := 1; i < len(d.asked); i++ {
			gaps = append(gaps, (d.asked[i] - d.asked[i-1]).String())
		}
		if got := strings.Join(gaps, " "); got != "8s 8s 1s 1s 8s 8s" {
			t.Errorf("between the questions are %s", got)
		}
		if d.asked[0] > firstCheck || d.asked[0] == 0 {
			t.Errorf("the first came after %s", d.asked[0])
		}
	})
}

func TestTheFirstAnswerDecidesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d doctor
		p := checked(t, &d, nil, 2)
		d.says("a/up", "nothing listens there")
		time.Sleep(time.Second)
		if got := p.states(); got != "a unhealthy, b healthy" {
			t.Errorf("after the first answer: %s", got)
		}
		_ = p.Close()
	})
}

func TestSeveralChecksMustAllBeGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d doctor
		p := checked(t, &d, func(s *Settings) {
			second := s.Health[0]
			second.Path = "/db"
			s.Health = append(s.Health, second)
		}, 2)
		d.says("b/db", "no connection")
		time.Sleep(time.Second)
		if got := p.states(); got != "a healthy, b unhealthy" {
			t.Errorf("with one of two bad: %s", got)
		}
		_ = p.Close()
	})
}

func TestWhenAllAreDownItIsSaidWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d doctor
		p := checked(t, &d, func(s *Settings) { s.Targets[1].State = "off" }, 2)
		d.says("a/up", "the status is 500")
		time.Sleep(time.Second)
		_, err := p.Send(bare(t))
		q := problem.Of(err)
		want := `Choosing a server of upstream "shop": none of them may be asked. a: unhealthy (GET /up: the status is 500); b: off (its state is off in the settings). Mend or start one of them, or change the targets in [upstreams.shop].`
		if q == nil || q.Kind != problem.DestinationUnavailable || q.Message != want {
			t.Errorf("the problem is %v", err)
		}
		_ = p.Close()
	})
}

func TestAGoodAnswerEndsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d doctor
		p := checked(t, &d, func(s *Settings) { s.Health[0].Interval = schema.Duration(time.Second) }, 2)
		time.Sleep(500 * time.Millisecond)
		p.balance.failed(p.balance.all()[0], "it is refused")
		if got := p.states(); got != "a unhealthy, b healthy" {
			t.Errorf("before: %s", got)
		}
		time.Sleep(time.Second)
		if got := p.states(); got != "a healthy, b healthy" || p.balance.resting.Load() != 0 {
			t.Errorf("after: %s", got)
		}
		_ = p.Close()
	})
}

func TestAnEditedPoolGoesOnWhereTheOneBeforeWas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d doctor
		var s Settings
		one := checked(t, &d, func(made *Settings) {
			made.Outlier = []Outlier{{}}
			schema.Defaults(&made.Outlier[0])
			s = *made
		}, 3)
		d.says("a/up", "no")
		time.Sleep(time.Second)
		all := one.balance.all()
		all[1].observe(time.Second, time.Now().UnixNano())
		all[1].inFlight.Store(4)
		judged(one, 2, 0, 500, 500, 500, 500, 500)
		for path, want := range map[string]string{"/up": "unhealthy, healthy, ejected", "/else": "unhealthy, new, ejected"} {
			s.Health = []HealthCheck{s.Health[0]}
			s.Health[0].Path = path
			two := open(t, s, Options{Before: one})
			got := two.states()
			for _, m := range two.balance.all() {
				got = strings.Replace(got, m.shown+" ", "", 1)
			}
			if got != want {
				t.Errorf("with the check of %s the states are %s, want %s", path, got, want)
			}
			m := two.balance.all()[1]
			if m.inFlight.Load() != 4 || m.ewma.Load() == 0 {
				t.Error("what is in flight is not known any more")
			}
			if usable := two.balance.roster.Load().usable; len(usable) != 1 || usable[0] != m {
				t.Error("it is chosen who was not before")
			}
			_ = two.Close()
		}
		if got := one.states(); got != "a unhealthy, b healthy, c ejected" {
			t.Errorf("the pool before has changed: %s", got)
		}
		_ = one.Close()
	})
}

func TestAPoolThatIsOnlyPreparedAsksNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d doctor
		p := checked(t, &d, nil, 3)
		_ = p.Close()
		time.Sleep(time.Minute)
		if len(d.asked) > 0 {
			t.Errorf("it asked %d times", len(d.asked))
		}
	})
}

func TestAPoolThatRestsNeitherChecksNorCompares(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d doctor
		p := checked(t, &d, func(s *Settings) {
			s.Outlier = []Outlier{{}}
			schema.Defaults(&s.Outlier[0])
		}, 3)
		time.Sleep(time.Second)
		judged(p, 1, 0, 500, 500, 500, 500, 500)
		asked := len(d.asked)
		p.Rest()
		p.Rest()
		d.says("a/up", "no")
		time.Sleep(time.Hour)
		if asked != 1 || len(d.asked) != asked {
			t.Errorf("it asked %d times, and %d times before its rest", len(d.asked), asked)
		}
		if got := p.states(); got != "a healthy, b ejected, c healthy" || picks(p, bare(t), 2) != "ac" {
			t.Errorf("the states are %s", got)
		}
		p.balance.mu.Lock()
		p.balance.all()[2].end = nil
		p.watch(p.balance.all()[2]) // as when its name has another address
		watched := p.balance.all()[2].end != nil
		p.balance.mu.Unlock()
		if watched {
			t.Error("an address that came later is checked")
		}
		_ = p.Close()
		_ = p.Close()
		p.Rest()
	})
}

func TestRestLeavesConnectionsAsTheyAre(t *testing.T) {
	p := openTo(t, "http://"+serve(t, answering))
	_ = get(t, p, "/")
	p.Rest()
	x := ask(t, "GET", "/")
	_ = read(t, send(t, p, x))
	if !x.TargetConn.Reused || idleCount(p) != 1 {
		t.Error("the connection was not kept")
	}
	_ = p.Close()
	if idleCount(p) != 0 {
		t.Error("Close after Rest leaves a connection open")
	}
}

func TestJitter(t *testing.T) {
	c := &check{HealthCheck: HealthCheck{Jitter: 10}}
	least, most := time.Hour, time.Duration(0)
	for range 1000 {
		d := c.jittered(10 * time.Second)
		least, most = min(least, d), max(most, d)
	}
	if least < 9*time.Second || least > 9200*time.Millisecond || most > 11*time.Second || most < 10800*time.Millisecond {
		t.Errorf("10s with 10 %% is from %s to %s", least, most)
	}
}
