package cache

import (
	"strings"
	"testing"

	"proxycache/backend/policytest"
	"proxycache/backend/schema"
)

func TestLaws(t *testing.T) {
	policytest.Laws(t, Module, map[string]any{
		"memory": "2MiB", "max_object": "1MiB", "key_headers": []any{"X-Tenant"}, "key_cookies": []any{"session"}, "ignore_query": []any{"utm_*"},
		"default_ttl": "1m", "override_ttl": "2m", "stale_while_revalidate": "1m", "stale_if_error": "1m", "ignore_request_directives": true, "collapse": false,
	})
}

func TestItSaysItself(t *testing.T) {
	for _, c := range []struct {
		want   string
		values map[string]any
	}{
		{"keeps responses in 64MiB of memory, each up to 8MiB, one fetch at a time for a response (others wait up to 5s)", nil},
		{"keeps responses in 16MiB of memory, then 1GiB of the disk, each up to 1MiB, fresh for 1m where they say nothing, stale for 1h if there is an error", map[string]any{"store": "disk", "memory": "16MiB", "max_object": "1MiB", "default_ttl": "1m", "stale_if_error": "1h", "collapse": false}},
		{"keeps responses in redis at 127.0.0.1:6379, each up to 8MiB, by URL, X-Tenant and the cookies session, without the query parameters utm_*, ignores what requests say", map[string]any{
			"store": "redis://u:secret@127.0.0.1:6379/0", "memory": int64(0), "key_headers": []any{"X-Tenant"}, "key_cookies": []any{"session"}, "ignore_query": []any{"utm_*"}, "ignore_request_directives": true, "collapse": false,
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

func TestWhatCannotBeSetIsSaidAtItsPlace(t *testing.T) {
	for _, c := range []struct {
		values      map[string]any
		where, says string
	}{
		{map[string]any{"store": "floppy"}, "store", "write memory, disk"},
		{map[string]any{"store": "redis://"}, "store", ""},
		{map[string]any{"store": "memcached://"}, "store", "names no server"},
		{map[string]any{"memory": "4KiB"}, "memory", "1MiB or more"},
		{map[string]any{"store": "disk", "memory": "4KiB"}, "memory", "leave it out"},
		{map[string]any{"key_headers": []any{"a b"}}, "key_headers.1", "no name"},
		{map[string]any{"key_cookies": []any{"a", "b;"}}, "key_cookies.2", "no name"},
		{map[string]any{"ignore_query": []any{"a*b"}}, "ignore_query.1", "no name"},
		{map[string]any{"default_statuses": []any{"200", "304"}}, "default_statuses.2", "no status"},
		{map[string]any{"status_name": "a\"b"}, "status_name", "without quotes"},
	} {
		problems := schema.Decode("cells.1", c.values, new(Settings))
		if len(problems) != 1 || problems[0].Where != "cells.1."+c.where || !strings.Contains(problems[0].Message, c.says) {
			t.Errorf("%v: %v", c.values, problems)
		}
	}
}
