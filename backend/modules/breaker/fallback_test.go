package breaker

import (
	"io"
	"strings"
	"testing"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

func TestFallbacks(t *testing.T) {
	opened := func(t *testing.T, values map[string]any) *breaker {
		values["minimum"] = int64(1)
		b := policyOf(t, values)
		ask(t, b, 1, (&origin{status: 503}).next)
		return b
	}
	t.Run("another upstream", func(t *testing.T) {
		b := opened(t, map[string]any{"fallback": "upstream", "fallback_upstream": "reserve"})
		o := &origin{status: 200}
		x, r, err := ask(t, b, 1, o.next)
		if err != nil || r.Status != 200 || x.SendTo != "reserve" || o.calls != 1 || x.Trail[0].Verdict != flow.Changed {
			t.Errorf("%v %v, sent to %q", r, err, x.SendTo)
		}
	})
	t.Run("a text", func(t *testing.T) {
		b := opened(t, map[string]any{"fallback": "answer", "fallback_body": "Back soon."})
		x := exchange(t.Context())
		r, err := b.Apply(x, (&origin{status: 200}).next)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(r.Body)
		if r.Status != 503 || string(body) != "Back soon." || r.Header.Get("Retry-After") != "30" || r.Header.Get("Cache-Control") != "no-store" || !x.Mocked {
			t.Errorf("%d %v %q", r.Status, r.Header, body)
		}
	})
	t.Run("what a cache has", func(t *testing.T) {
		b := opened(t, map[string]any{"fallback": "stale"})
		x, _, err := ask(t, b, 1, (&origin{status: 200}).next)
		if problem.KindOf(err) != problem.DestinationUnavailable || !strings.Contains(fact(x, "fallback"), "cache") {
			t.Errorf("%v %v", err, x.Trail[0].Facts)
		}
	})
}
