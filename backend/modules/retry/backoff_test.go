package retry

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

func TestTheWaitsGrowAndAreRandom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policyOf(t, map[string]any{"attempts": int64(6), "back_off_base": "100ms", "back_off_max": "500ms", "budget_minimum": int64(1000)})
		limits := []time.Duration{100, 200, 400, 500, 500}
		var longest [5]time.Duration
		shortest := [5]time.Duration{time.Hour, time.Hour, time.Hour, time.Hour, time.Hour}
		for range 100 {
			var at []time.Time
			_, err := p.Apply(exchange(t.Context(), "GET", ""), func(*flow.Exchange) (*flow.Response, error) {
				at = append(at, time.Now())
				return nil, problem.New(problem.Refused, "no")
			})
			if err == nil || len(at) != 6 {
				t.Fatalf("%d attempts, %v", len(at), err)
			}
			for i := range limits {
				wait := at[i+1].Sub(at[i])
				longest[i], shortest[i] = max(longest[i], wait), min(shortest[i], wait)
				if wait > limits[i]*time.Millisecond {
					t.Errorf("the wait behind attempt %d is %s", i+1, wait)
				}
			}
		}
		for i, most := range longest {
			if limit := limits[i] * time.Millisecond; most < limit*4/5 || shortest[i] > limit/5 {
				t.Errorf("of 100 waits behind attempt %d the longest is %s, the shortest %s", i+1, most, shortest[i])
			}
		}
	})
}

func TestTheServersWaitIsKept(t *testing.T) {
	for _, c := range []struct {
		field string
		fails error
		wait  time.Duration // 0 for not repeated
	}{
		{field: "2", wait: 2 * time.Second},
		{field: "3"},
		{field: "soon", wait: time.Nanosecond},
		{field: "date", wait: time.Second},
		{fails: problem.New(problem.DestinationUnavailable, "open").After(time.Second), wait: time.Second},
		{fails: problem.New(problem.DestinationUnavailable, "open").After(time.Minute)},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := policyOf(t, map[string]any{"back_off_base": "1ns", "back_off_max": "1ns"})
			first := answer{status: 503, sent: true, fails: c.fails}
			switch c.field {
			case "":
			case "date":
				time.Sleep(time.Second - time.Duration(time.Now().Nanosecond()))
				first.header.Add("Retry-After", time.Now().Add(time.Second).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"))
			default:
				first.header.Add("Retry-After", c.field)
			}
			s := &server{answers: []answer{first, ok()}}
			x := exchange(t.Context(), "GET", "")
			begun := time.Now()
			_, _ = p.Apply(x, s.next)
			took := time.Since(begun)
			if c.wait == 0 && (s.calls != 1 || took != 0 || !strings.Contains(fact(x, "not repeated"), "not to be asked again")) {
				t.Errorf("%+v: %d calls in %s, %v", c, s.calls, took, x.Trail[0].Facts)
			}
			if c.wait > 0 && (s.calls != 2 || took < c.wait-time.Nanosecond || took > c.wait+time.Nanosecond) {
				t.Errorf("%+v: %d calls in %s", c, s.calls, took)
			}
		})
	}
}

func TestWaitingEndsWithTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := policyOf(t, map[string]any{"retry_after_max": "1m"})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		first := answer{status: 503}
		first.header.Add("Retry-After", "30")
		s := &server{answers: []answer{first, ok()}}
		begun := time.Now()
		r, err := p.Apply(exchange(ctx, "GET", ""), s.next)
		if r != nil || problem.KindOf(err) != problem.ClientLeft || time.Since(begun) != time.Second || s.calls != 1 || s.closed != 1 {
			t.Errorf("%v %v after %s", r, err, time.Since(begun))
		}
		if repeating, _ := p.budget.short(time.Now()); repeating != 0 || p.budget.active.Load() != 0 {
			t.Errorf("%d repetitions are left", repeating)
		}
	})
}
