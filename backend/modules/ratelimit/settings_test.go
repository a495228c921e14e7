package ratelimit

import (
	"strings"
	"testing"

	"proxycache/backend/policytest"
	"proxycache/backend/schema"
)

func TestLaws(t *testing.T) {
	policytest.Laws(t, Module,
		map[string]any{"limit": int64(1), "window": "1h"},
		map[string]any{"algorithm": "token_bucket", "average": int64(10), "headers": "x"},
		map[string]any{"algorithm": "leaky_bucket", "average": int64(1000), "burst": int64(100), "status": int64(503)},
		map[string]any{"algorithm": "concurrency", "limit": int64(4), "headers": "none"},
		map[string]any{"algorithm": "sliding_log", "limit": int64(50), "dry_run": true},
		map[string]any{"limits": []any{
			map[string]any{"limit": int64(100), "key": "header:X-Tenant"},
			map[string]any{"algorithm": "fixed_window", "limit": int64(40), "window": "1d", "name": "a day"},
			map[string]any{"algorithm": "concurrency", "limit": int64(8), "key": "all"},
		}},
	)
}

func TestWhatIsNoLimitIsRefusedAtItsPlace(t *testing.T) {
	bucket := func(average, burst int64, more ...any) map[string]any {
		out := map[string]any{"algorithm": "token_bucket", "average": average, "burst": burst}
		for i := 0; i < len(more); i += 2 {
			out[more[i].(string)] = more[i+1]
		}
		return out
	}
	for _, c := range []struct {
		values      map[string]any
		where, says string
	}{
		{map[string]any{"average": int64(5)}, "algorithm", "belong to a bucket"},
		{bucket(0, 0), "average", "needs its average"},
		{bucket(2000, 0, "period", "1ms"), "average", "more than a million a second"},
		{bucket(1, 1000, "period", "1d"), "burst", "more than a year"},
		{bucket(1, 1000, "algorithm", "leaky_bucket"), "burst", "wait longer than 10m"},
		{bucket(1, 1000, "nodelay", true), "nodelay", "only a leaky bucket"},
		{map[string]any{"algorithm": "sliding_log", "limit": int64(20000)}, "limit", "sliding_window"},
		{map[string]any{"algorithm": "sliding"}, "algorithm", "choose one of"},
		{map[string]any{"limit": int64(0)}, "limit", "between 1"},
		{map[string]any{"key": "client-ip"}, "key", `did you mean "client_ip"?`},
		{map[string]any{"key": ""}, "key", "there is no key"},
		{map[string]any{"key": "header:"}, "key", "header:NAME"},
		{map[string]any{"key": "cookie:a=b"}, "key", "cookie:NAME"},
		{map[string]any{"key": "${clientip}"}, "key", "did you mean ${client.ip}?"},
		{map[string]any{"key": "${status}"}, "key", "only when the response has come back"},
		{map[string]any{"name": `a"b`}, "name", "printable ASCII"},
		{map[string]any{"store": "redis"}, "store", "write memory"},
		{map[string]any{"limit": int64(5), "limits": []any{map[string]any{"limit": int64(6)}}}, "limits", "move the single one"},
		{map[string]any{"limits": []any{map[string]any{"name": "limit-2"}, map[string]any{}}}, "limits.2.name", "two limits are called"},
		{map[string]any{"limits": []any{map[string]any{"key": "nobody"}}}, "limits.1.key", "there is no key"},
		{map[string]any{"limits": []any{map[string]any{"algorithm": "token_bucket"}}}, "limits.1.average", "needs its average"},
	} {
		problems := schema.Decode("cells.1", c.values, new(Settings))
		if len(problems) != 1 || problems[0].Where != "cells.1."+c.where || !strings.Contains(problems[0].Message, c.says) {
			t.Errorf("%v: %v, want %q at %s", c.values, problems, c.says, c.where)
		}
	}
}

func TestItSaysItself(t *testing.T) {
	for _, c := range []struct {
		want   string
		values map[string]any
	}{
		{"100 requests a minute per client IP, then 429", nil},
		{"1 request in 10s per header X-Api-Key, then 503", map[string]any{"limit": int64(1), "window": "10s", "key": "header:X-Api-Key", "status": int64(503)}},
		{"5 requests a second on average and 20 at once per cookie sid, then 429", map[string]any{"algorithm": "token_bucket", "average": int64(5), "burst": int64(20), "key": "cookie:sid"}},
		{"5 requests an hour on average and 5 at once per path, then 429", map[string]any{"algorithm": "token_bucket", "average": int64(5), "period": "1h", "key": "path"}},
		{"5 requests a second one after another per client IP while up to 9 wait, then 429", map[string]any{"algorithm": "leaky_bucket", "average": int64(5), "burst": int64(9)}},
		{"5 requests a second one after another per client IP and 9 more at once, then 429", map[string]any{"algorithm": "leaky_bucket", "average": int64(5), "burst": int64(9), "nodelay": true}},
		{"5 requests a second one after another per client IP, then 429", map[string]any{"algorithm": "leaky_bucket", "average": int64(5)}},
		{"100 requests in each window of 1d per host, then 429", map[string]any{"algorithm": "fixed_window", "window": "1d", "key": "host"}},
		{"100 requests in any 1m for all together, only noted", map[string]any{"algorithm": "sliding_log", "key": "all", "dry_run": true}},
		{"8 requests at once per ${client_ip} ${path}; and 50 requests a day per client IP, then 429, counted in Redis at redis.test:6379", map[string]any{
			"limits": []any{map[string]any{"algorithm": "concurrency", "limit": int64(8), "key": "${client_ip} ${path}"}, map[string]any{"limit": int64(50), "window": "1d"}},
			"store":  "redis://:secret@redis.test:6379/2",
		}},
	} {
		s := new(Settings)
		if problems := schema.Decode("", c.values, s); len(problems) > 0 {
			t.Fatal(problems)
		}
		if got := s.Explain(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}
