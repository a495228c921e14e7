package retry

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// lane is what happens to one of the requests that are sent beside each other.
type lane struct {
	took   time.Duration
	status int // 0 for a failure
	deaf   time.Duration
}

// lanes answers the n-th request by the n-th lane. It tells how it went in the trail and counts.
type lanes struct {
	all    []lane
	begun  atomic.Int64
	ended  atomic.Int64 // by being given up
	closed atomic.Int64
	bodies chan string
}

func (l *lanes) next(x *flow.Exchange) (*flow.Response, error) {
	n := l.begun.Add(1)
	x.Enter("upstream/shop", "upstream")
	x.Target = fmt.Sprintf("t:%d", n)
	body, err := io.ReadAll(x.Request.Body)
	if err != nil {
		return nil, err
	}
	l.bodies <- string(body)
	one := l.all[min(int(n), len(l.all))-1]
	select {
	case <-time.After(one.took):
	case <-x.Context().Done():
		time.Sleep(one.deaf)
		l.ended.Add(1)
		return nil, context.Cause(x.Context())
	}
	if one.status == 0 {
		return nil, problem.New(problem.Terminated, "reset")
	}
	r := flow.NewResponse(one.status, "", []byte(x.Target))
	r.Body = &laneBody{r.Body, l}
	return r, nil
}

type laneBody struct {
	io.ReadCloser
	of *lanes
}

func (b *laneBody) Close() error { b.of.closed.Add(1); return b.ReadCloser.Close() }

func TestTheFirstAnswerOfUseIsTaken(t *testing.T) {
	for _, c := range []struct {
		name   string
		lanes  []lane
		most   int64
		took   time.Duration
		begun  int64
		status int
		target string
		steps  int
	}{
		{"quick enough", []lane{{took: 50 * time.Millisecond, status: 200}}, 1, 50 * time.Millisecond, 1, 200, "t:1", 2},
		{"the second is quicker", []lane{{took: time.Minute, status: 200}, {took: 10 * time.Millisecond, status: 200}}, 1, 110 * time.Millisecond, 2, 200, "t:2", 3},
		{"the first comes after all", []lane{{took: 150 * time.Millisecond, status: 200}, {took: time.Minute, status: 200}}, 1, 150 * time.Millisecond, 2, 200, "t:1", 3},
		{"the quicker is of no use", []lane{{took: 300 * time.Millisecond, status: 200}, {took: time.Millisecond, status: 503}}, 1, 300 * time.Millisecond, 2, 200, "t:1", 3},
		{"a third", []lane{{took: time.Minute}, {took: time.Minute}, {took: 5 * time.Millisecond, status: 200}}, 2, 205 * time.Millisecond, 3, 200, "t:3", 4},
		{"one that fails before", []lane{{took: 10 * time.Millisecond}, {took: 10 * time.Millisecond, status: 200}}, 1, 20 * time.Millisecond, 2, 200, "t:2", 3},
		{"one that does not hear", []lane{{took: time.Minute, deaf: time.Hour}, {took: time.Millisecond, status: 200}}, 1, 101*time.Millisecond + slowest, 2, 200, "t:2", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := policyOf(t, map[string]any{"hedge_after": "100ms", "hedge_at_most": c.most, "back_off_base": "0s"})
				l := &lanes{all: c.lanes, bodies: make(chan string, 9)}
				x := exchange(t.Context(), "PUT", "body")
				begun := time.Now()
				r, err := p.Apply(x, l.next)
				if err != nil || r.Status != c.status || x.Target != c.target || l.begun.Load() != c.begun || time.Since(begun) != c.took {
					t.Fatalf("%v %v from %s after %s, %d were sent: %+v", r, err, x.Target, time.Since(begun), l.begun.Load(), x.Trail)
				}
				if body, err := io.ReadAll(r.Body); string(body) != c.target || err != nil {
					t.Errorf("the answer is %q, %v", body, err)
				}
				_ = r.Body.Close()
				if len(x.Trail) != c.steps {
					t.Errorf("the trail has %d steps: %+v", len(x.Trail), x.Trail)
				}
				for range c.begun {
					if body := <-l.bodies; body != "body" {
						t.Errorf("a server got %q", body)
					}
				}
				_ = p.Close() // ends with those that were given up
				if left := p.budget.repeating; left != 0 {
					t.Errorf("%d are left in the budget", left)
				}
			})
		})
	}
}

func TestWhereAllFailItIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policyOf(t, map[string]any{"hedge_after": "100ms", "back_off_base": "0s", "attempts": int64(2)})
		l := &lanes{all: []lane{{took: 150 * time.Millisecond, status: 503}, {took: 100 * time.Millisecond}, {took: time.Millisecond, status: 200}}, bodies: make(chan string, 9)}
		x := exchange(t.Context(), "GET", "")
		r, err := p.Apply(x, l.next)
		if err != nil || r.Status != 200 || l.begun.Load() != 3 || l.closed.Load() != 1 || !strings.HasPrefix(fact(x, "attempt 1"), "t:2: gateway-error") {
			t.Fatalf("%v %v, %d sent, %d closed, %+v", r, err, l.begun.Load(), l.closed.Load(), x.Trail[0].Facts)
		}
		beside := 0
		for _, s := range x.Trail {
			for _, f := range s.Facts {
				if f.Name == "beside" {
					beside++
				}
			}
		}
		if beside != 1 || x.Trail[0].Verdict != flow.Changed {
			t.Errorf("%d steps are beside: %+v", beside, x.Trail)
		}
		_ = r.Body.Close()
	})
}

func TestWhatIsNotSentTwice(t *testing.T) {
	for name, edit := range map[string]func(*flow.Exchange){
		"a method that may not be": func(x *flow.Exchange) { x.Request.Method = "POST" },
		"an upgrade": func(x *flow.Exchange) {
			x.Request.Header = flow.Header{{Name: "Connection", Value: "upgrade"}, {Name: "Upgrade", Value: "websocket"}}
		},
		"a long body": func(x *flow.Exchange) {
			x.Request.Body, x.Request.ContentLength = io.NopCloser(strings.NewReader("x")), 1<<20
		},
		"a body of any length": func(x *flow.Exchange) {
			x.Request.Body, x.Request.ContentLength = io.NopCloser(strings.NewReader("x")), -1
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := policyOf(t, map[string]any{"hedge_after": "100ms"})
			l := &lanes{all: []lane{{took: time.Minute, status: 200}}, bodies: make(chan string, 9)}
			x := exchange(t.Context(), "GET", "")
			edit(x)
			if _, err := p.Apply(x, l.next); err != nil || l.begun.Load() != 1 {
				t.Errorf("%s: sent %d times, %v", name, l.begun.Load(), err)
			}
		})
	}
}

func TestHedgesKeepToTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policyOf(t, map[string]any{"hedge_after": "10ms", "budget_minimum": int64(0)})
		l := &lanes{all: []lane{{took: time.Minute, status: 200}}, bodies: make(chan string, 9)}
		x := exchange(t.Context(), "GET", "")
		r, err := p.Apply(x, l.next)
		if err != nil || r.Status != 200 || l.begun.Load() != 1 || !strings.Contains(fact(x, "not hedged"), "0 are allowed") {
			t.Errorf("%v %v, %d sent, %v", r, err, l.begun.Load(), x.Trail[0].Facts)
		}
		_ = r.Body.Close()
	})
}

func TestAClientThatLeavesEndsAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policyOf(t, map[string]any{"hedge_after": "10ms"})
		l := &lanes{all: []lane{{took: time.Hour, status: 200}}, bodies: make(chan string, 9)}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		_, err := p.Apply(exchange(ctx, "GET", ""), l.next)
		if err == nil || time.Since(begun) != time.Second || l.ended.Load() != 2 {
			t.Errorf("%v after %s, %d ended", err, time.Since(begun), l.ended.Load())
		}
	})
}

func TestAPanicBesideIsAFailure(t *testing.T) {
	p := policyOf(t, map[string]any{"hedge_after": "1h"})
	_, err := p.Apply(exchange(t.Context(), "GET", ""), func(*flow.Exchange) (*flow.Response, error) { panic("on purpose") })
	if problem.KindOf(err) != problem.Internal || !strings.Contains(err.Error(), "on purpose") {
		t.Errorf("%v", err)
	}
}

func TestTheTimeOfAShareOfTheAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policyOf(t, map[string]any{"hedge_after": "p95"})
		l := &lanes{all: []lane{{took: 100 * time.Millisecond, status: 200}}, bodies: make(chan string, 99)}
		for range enough {
			r, err := p.Apply(exchange(t.Context(), "GET", ""), l.next)
			if err != nil {
				t.Fatal(err)
			}
			_ = r.Body.Close()
		}
		if got := p.latency.share(0.95); got != 100*time.Millisecond {
			t.Fatalf("95 %% take %s", got)
		}
		l = &lanes{all: []lane{{took: time.Minute, status: 200}, {took: time.Millisecond, status: 200}}, bodies: make(chan string, 9)}
		begun := time.Now()
		x := exchange(t.Context(), "GET", "")
		r, err := p.Apply(x, l.next)
		if err != nil || time.Since(begun) != 101*time.Millisecond || !strings.Contains(fact(x, "hedged"), "number 2 was taken") {
			t.Errorf("%v %v after %s: %v", r, err, time.Since(begun), x.Trail[0].Facts)
		}
		_ = r.Body.Close()
		if p.budget.hedgesWon.Load() != 1 {
			t.Error("it is not counted")
		}
	})
}

func TestWhoLostReadsNothingMoreOfTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policyOf(t, map[string]any{"hedge_after": "10ms"})
		lost := make(chan error, 1)
		calls := atomic.Int64{}
		r, err := p.Apply(exchange(t.Context(), "PUT", "body"), func(f *flow.Exchange) (*flow.Response, error) {
			if calls.Add(1) == 2 {
				return flow.NewResponse(200, "", nil), nil
			}
			<-f.Context().Done()
			time.Sleep(time.Second) // it does not hear, and the exchange is over
			_, err := f.Request.Body.Read(make([]byte, 1))
			lost <- err
			return nil, err
		})
		if err != nil || r.Status != 200 {
			t.Fatal(r, err)
		}
		if err := <-lost; err != errAttemptOver {
			t.Errorf("it reads on: %v", err)
		}
	})
}

// TestABodyThatIsStillBroughtBelongsToItsBringer has a request sent beside the first while the body is
// on its way, whose end sets the trailer of the client's request. Under -race it fails where that is
// copied meanwhile.
func TestABodyThatIsStillBroughtBelongsToItsBringer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policyOf(t, map[string]any{"hedge_after": "8ms", "attempts": int64(1)})
		x := exchange(t.Context(), "PUT", "")
		own := x.Request
		own.ContentLength = 4
		own.Body = &trailing{Reader: &unhurried{strings.NewReader("body")}, of: own}
		r, err := p.Apply(x, func(f *flow.Exchange) (*flow.Response, error) {
			body, err := io.ReadAll(f.Request.Body)
			if err != nil {
				return nil, err
			}
			time.Sleep(10 * time.Millisecond) // in which the other is sent
			return flow.NewResponse(200, "", append(body, f.Request.Trailer.Get("Digest")...)), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := io.ReadAll(r.Body); string(got) != "bodyx" {
			t.Errorf("the server got %q", got)
		}
		_ = r.Body.Close()
	})
}

// unhurried gives a byte now and then.
type unhurried struct{ from io.Reader }

func (u *unhurried) Read(p []byte) (int, error) {
	time.Sleep(500 * time.Microsecond) // virtual
	return u.from.Read(p[:min(1, len(p))])
}
