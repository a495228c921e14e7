package compress

import (
	"strings"
	"testing"

	"proxycache/backend/policytest"
	"proxycache/backend/schema"
)

func TestLaws(t *testing.T) {
	policytest.Laws(t, Module,
		map[string]any{"min_size": int64(0), "accept_encoding": "all", "codings": []any{"br"}, "level": "best"},
		map[string]any{"decompress": false, "accept_encoding": "none", "types": []any{"*/*"}, "except": []any{"text/html"}},
	)
}

func TestWhatCannotBeSetIsSaidAtItsPlace(t *testing.T) {
	for _, c := range []struct {
		values map[string]any
		where  string
		says   string
	}{
		{map[string]any{"codings": []any{"gzip", "br", "gzip"}}, "codings.3", "already"},
		{map[string]any{"codings": []any{"deflate"}}, "codings.1", "zstd"},
		{map[string]any{"codings": []any{}}, "codings", "empty"},
		{map[string]any{"window": "1MB"}, "window", "power of two"},
		{map[string]any{"window": "16MiB"}, "window", "8MiB"},
		{map[string]any{"types": []any{"text/*", "json"}}, "types.2", "no media type"},
		{map[string]any{"types": []any{"text/x*"}}, "types.1", "no media type"},
		{map[string]any{"except": []any{"text/*json"}}, "except.1", "no media type"},
		{map[string]any{"accept_encoding": "all", "decompress": false}, "accept_encoding", "decompress = true"},
		{map[string]any{"max_ratio": int64(0)}, "max_ratio", "between"},
		{map[string]any{"gzip_level": int64(10)}, "gzip_level", "between 0 and 9"},
	} {
		problems := schema.Decode("cells.1", c.values, new(Settings))
		if len(problems) != 1 || problems[0].Where != "cells.1."+c.where || !strings.Contains(problems[0].Message, c.says) {
			t.Errorf("%v: %v", c.values, problems)
		}
	}
}

func TestItSaysItself(t *testing.T) {
	for _, c := range []struct {
		want   string
		values map[string]any
	}{
		{"compresses answers of 1KiB or more with zstd, br or gzip at level default, where their type is one of 26; decompresses for clients that cannot, up to 1000 times their size and 1GiB; 128 at once", nil},
		{"compresses answers with gzip at level best (gzip 3), where their type is text/* but not text/css; asks the server for plain answers; 10 at once", map[string]any{
			"codings": []any{"gzip"}, "level": "best", "gzip_level": int64(3), "br_level": int64(2), "min_size": int64(0), "types": []any{"text/*"},
			"except": []any{"text/css"}, "accept_encoding": "none", "decompress": false, "max_streams": int64(10),
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

func TestTypesAreMatched(t *testing.T) {
	for _, c := range []struct {
		pattern, media string
		want           bool
	}{
		{"text/*", "text/html", true}, {"text/*", "TEXT/Plain", true}, {"text/*", "textual/html", false}, {"text/*", "text", false},
		{"application/json", "application/json", true}, {"application/json", "application/jsonl", false},
		{"*/*+json", "application/problem+json", true}, {"*/*+json", "application/json", false}, {"*/*+json", "model/gltf+JSON", true},
		{"application/*+xml", "image/svg+xml", false}, {"*/*", "image/png", true}, {"*/*", "", false}, {"*/html", "text/html", true},
	} {
		p, err := parsePattern(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := matchesOne([]pattern{p}, c.media); got != c.want {
			t.Errorf("%q matches %q: %v", c.pattern, c.media, got)
		}
	}
}
