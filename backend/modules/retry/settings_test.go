package retry

import (
	"testing"

	"proxycache/backend/schema"
)

func TestWhatContradictsItselfIsRefused(t *testing.T) {
	for _, c := range []struct {
		values map[string]any
		where  string
	}{
		{map[string]any{"on": []any{"sometimes"}}, "on.1"},
		{map[string]any{"on": []any{"retriable-status-codes"}}, "statuses"},
		{map[string]any{"statuses": []any{"425"}}, "on"},
		{map[string]any{"on": []any{"retriable-status-codes"}, "statuses": []any{"6xx"}}, "statuses.1"},
		{map[string]any{"methods": []any{"get"}}, "methods.1"},
		{map[string]any{"back_off_base": "1s"}, "back_off_max"},
		{map[string]any{"hedge_after": "p100"}, "hedge_after"},
		{map[string]any{"hedge_after": "-1s"}, "hedge_after"},
		{map[string]any{"attempts": int64(0)}, "attempts"},
	} {
		problems := schema.Decode("", c.values, new(Settings))
		if len(problems) != 1 || problems[0].Where != c.where {
			t.Errorf("%v: %v", c.values, problems)
		}
	}
}

func TestItSaysItself(t *testing.T) {
	for _, c := range []struct {
		want   string
		values map[string]any
	}{
		{"sends a request up to 3 times on connect-failure, refused-stream, gateway-error, where it surely was not sent or is GET, HEAD, OPTIONS, TRACE, PUT, DELETE, after up to 25ms and then up to 250ms, within a budget of 20 % and at least 3", nil},
		{"sends a request up to 2 times on 5xx, where it surely was not sent, after up to 25ms and then up to 250ms, with 1s an attempt, sends up to 1 more beside it after p95, within a budget of 10 % and at least 0",
			map[string]any{"attempts": int64(2), "on": []any{"5xx"}, "methods": []any{}, "per_try_timeout": "1s", "hedge_after": "p95", "budget_percent": 10.0, "budget_minimum": int64(0)}},
		{"repeats nothing, within a budget of 20 % and at least 3", map[string]any{"attempts": int64(1)}},
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
