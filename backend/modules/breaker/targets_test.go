package breaker

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/policy"
	"proxycache/backend/problem"
)

// pool picks the first target that is not barred.
func pool(down map[string]bool, targets ...string) policy.Next {
	return func(x *flow.Exchange) (*flow.Response, error) {
		good := func() (*flow.Response, error) { return flow.NewResponse(200, "", nil), nil }
		if x.SendTo != "" {
			return sent(x, x.SendTo, good)
		}
		var first time.Time
	pick:
		for _, target := range targets {
			for _, bar := range x.Bars {
				if bar.Target == target {
					first = bar.Until
					continue pick
				}
			}
			if down[target] {
				return (&origin{kind: problem.Refused, target: target}).next(x)
			}
			return sent(x, target, good)
		}
		return sent(x, "", func() (*flow.Response, error) {
			return nil, problem.New(problem.DestinationUnavailable, "All are barred.").After(time.Until(first))
		})
	}
}

func TestATargetIsBarredAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := policyOf(t, map[string]any{"scope": "target", "minimum": int64(3), "recovery": "probes", "probes": int64(1)})
		down := map[string]bool{"a:1": true}
		next := pool(down, "a:1", "b:1")
		ask(t, b, 3, next)
		x, r, err := ask(t, b, 1, next)
		if err != nil || r.Status != 200 || x.Target != "b:1" || len(x.Bars) != 1 || !strings.Contains(x.Bars[0].Why, "error ratio 1.00") || fact(x, "a:1") != "open" {
			t.Fatalf("%v %v, sent to %s, %v", r, err, x.Target, x.Bars)
		}
		stands(t, b, "1 of 2 open, 30 s left")
		time.Sleep(30 * time.Second)
		delete(down, "a:1")
		if x, _, _ = ask(t, b, 1, next); x.Target != "a:1" || fact(x, "a:1") != "recovering" {
			t.Errorf("the probe went to %s: %v", x.Target, x.Trail[0].Facts)
		}
		stands(t, b, "closed")
	})
}

func TestAProbeThatWentElsewhereIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := policyOf(t, map[string]any{"scope": "target", "minimum": int64(1), "recovery": "probes", "probes": int64(1), "open_for": "1s"})
		ask(t, b, 1, pool(map[string]bool{"a:1": true}, "a:1"))
		time.Sleep(time.Second)
		ask(t, b, 3, pool(nil, "b:1", "a:1"))
		if x, _, err := ask(t, b, 1, pool(nil, "a:1")); err != nil || x.Target != "a:1" {
			t.Errorf("%s %v", x.Target, err)
		}
		stands(t, b, "closed")
	})
}

func TestAllTargetsBarred(t *testing.T) {
	for fallback, want := range map[string]string{"refuse": "", "upstream": "reserve"} {
		synctest.Test(t, func(t *testing.T) {
			values := map[string]any{"scope": "target", "minimum": int64(1), "fallback": fallback}
			if want != "" {
				values["fallback_upstream"] = want
			}
			b := policyOf(t, values)
			next := pool(map[string]bool{"a:1": true, "b:1": true}, "a:1", "b:1")
			ask(t, b, 2, next)
			x, r, err := ask(t, b, 1, next)
			switch {
			case want != "" && (err != nil || r.Status != 200 || x.Target != want || len(x.Bars) != 0):
				t.Errorf("%v %v to %s", r, err, x.Target)
			case want == "" && (problem.KindOf(err) != problem.DestinationUnavailable || problem.Of(err).RetryAfter != 30*time.Second):
				t.Errorf("%v %v", r, err)
			}
		})
	}
}
