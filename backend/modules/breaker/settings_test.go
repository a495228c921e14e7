package breaker

import (
	"strings"
	"testing"

	"proxycache/backend/policy"
	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

func TestWhatContradictsItselfIsRefused(t *testing.T) {
	for _, c := range []struct {
		values map[string]any
		where  string
	}{
		{map[string]any{"error_ratio": 0.0, "status_ratio": 0.0}, "error_ratio"},
		{map[string]any{"statuses": []any{"500", "6xx"}}, "statuses.2"},
		{map[string]any{"statuses": []any{}}, "statuses"},
		{map[string]any{"fallback": "upstream"}, "fallback_upstream"},
		{map[string]any{"fallback_upstream": "reserve"}, "fallback"},
		{map[string]any{"fallback_body": "text"}, "fallback"},
		{map[string]any{"fallback": "answer", "fallback_body": "text", "fallback_status": int64(204)}, "fallback_body"},
		{map[string]any{"error_ratio": 1.1}, "error_ratio"},
	} {
		problems := schema.Decode("", c.values, new(Settings))
		if len(problems) != 1 || problems[0].Where != c.where {
			t.Errorf("%v: %v", c.values, problems)
		}
	}
	s := new(Settings)
	if problems := schema.Decode("", map[string]any{"fallback": "upstream", "fallback_upstream": "nobody"}, s); len(problems) > 0 {
		t.Fatal(problems)
	}
	if _, err := s.Policy(policy.NewEnv("a/breaker", nil, nil)); problem.KindOf(err) != problem.Invalid || !strings.Contains(err.Error(), `fallback_upstream is "nobody"`) {
		t.Errorf("%v", err)
	}
}

func TestASharesEdgeIsWhereItIsWritten(t *testing.T) {
	for _, c := range []struct {
		name  string
		set   Settings
		holds tally // not yet with one less
	}{
		{"7 of 25 are 28 %", Settings{StatusRatio: 0.28}, tally{all: 25, badStatus: 7}},
		{"7 of 25 fail", Settings{ErrorRatio: 0.28}, tally{all: 25, failed: 7}},
		{"1 of 10 may be slow", Settings{LatencyAbove: 1, LatencyQuantile: 0.9}, tally{all: 10, slow: 2}},
		{"50 of 1000 may be slow", Settings{LatencyAbove: 1, LatencyQuantile: 0.95}, tally{all: 1000, slow: 51}},
		{"3 of 10 may be slow", Settings{LatencyAbove: 1, LatencyQuantile: 0.7}, tally{all: 10, slow: 4}},
		{"one failure, however small the share", Settings{ErrorRatio: 1e-12}, tally{all: 1000000, failed: 1}},
	} {
		r := rulesOf(&c.set)
		if r.trigger(c.holds, 1) == "" {
			t.Errorf("%s: %+v does not open it", c.name, c.holds)
		}
		less := c.holds
		less.subtract(tally{failed: min(1, less.failed), badStatus: min(1, less.badStatus), slow: min(1, less.slow)})
		if why := r.trigger(less, 1); why != "" {
			t.Errorf("%s: %+v opens it: %s", c.name, less, why)
		}
	}
}

func TestTheOtherPoolIsNamed(t *testing.T) {
	for fallback, want := range map[string]string{"upstream": "reserve", "refuse": ""} {
		if _, pool := (&Settings{Fallback: fallback, FallbackUpstream: "reserve"}).SendsTo(); pool != want {
			t.Errorf("with %s it sends to %q", fallback, pool)
		}
	}
}

func TestItSaysItself(t *testing.T) {
	for _, c := range []struct {
		want   string
		values map[string]any
	}{
		{"keeps requests from the upstream for 30s when of at least 20 in 10s 50 % get no answer or 50 % are answered 5xx, answers 503 meanwhile, then lets them back over 10s", nil},
		{"keeps requests from a server for 30s when of at least 20 in 10s more than 1 % take over 2s, sends them to reserve meanwhile, then lets them back after 3 good ones",
			map[string]any{"scope": "target", "error_ratio": 0.0, "status_ratio": 0.0, "latency_above": "2s", "latency_quantile": 0.99, "recovery": "probes", "fallback": "upstream", "fallback_upstream": "reserve"}},
	} {
		s := new(Settings)
		if problems := schema.Decode("", c.values, s); len(problems) > 0 {
			t.Fatal(problems)
		}
		if got := s.Explain(); got != c.want {
			t.Errorf("%q\nwant %q", got, c.want)
		}
	}
}
