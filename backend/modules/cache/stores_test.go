package cache

import (
	"testing"

	"proxycache/backend/flow"
	"proxycache/backend/policy"
	"proxycache/backend/redis/redistest"
	"proxycache/backend/schema"
)

// TestEachStore has the same conversation over every place that responses are kept in, with and without
// memory before it. What a store does by itself is tested where it is made.
func TestEachStore(t *testing.T) {
	for name, values := range map[string]map[string]any{
		"memory":            {},
		"disk":              {"store": "disk", "memory": int64(0)},
		"memory over disk":  {"store": "disk"},
		"redis":             {"store": "redis://" + redistest.Unit(t).Addr(), "memory": int64(0)},
		"memory over redis": {"store": "redis://" + redistest.Unit(t).Addr()},
	} {
		t.Run(name, func(t *testing.T) {
			s := new(Settings)
			if problems := schema.Decode("", values, s); len(problems) > 0 {
				t.Fatal(problems)
			}
			p, err := s.Policy(policy.NewEnv("test/cache", nil, nil).In(t.TempDir(), nil))
			if err != nil {
				t.Fatal(err)
			}
			h := &house{t: t, p: p.(*cache)}
			for i, s := range []struct {
				ask, gives string
				status     int
				body       string
				sent       int
			}{
				{"GET /a\nFoo: 1", "200\nCache-Control: max-age=600\nVary: Foo\nETag: \"a\"\nSurrogate-Key: t\n\none", 200, "one", 1},
				{"GET /a\nFoo: 1", "500", 200, "one", 0},
				{"HEAD /a\nFoo: 1", "500", 200, "", 0},
				{"GET /a\nFoo: 1\nRange: bytes=1-", "500", 206, "ne", 0},
				{"GET /a\nFoo: 1\nIf-None-Match: \"a\"", "500", 304, "", 0},
				{"GET /a\nFoo: 2", "200\nCache-Control: max-age=600\nVary: Foo\n\ntwo", 200, "two", 1},
				{"GET /a\nFoo: 2", "500", 200, "two", 0},
				{"GET /a\nFoo: 1\nCache-Control: no-cache", "304\nX-New: 1", 200, "one", 1},
				{"GET /a\nFoo: 1", "500", 200, "one", 0},
				{"PUT /a\n\nx", "204", 204, "", 1},
				{"GET /a\nFoo: 1", "200\nCache-Control: max-age=600\nVary: Foo\nETag: \"b\"\nSurrogate-Key: t\n\nnew", 200, "new", 1},
				{"GET /a\nFoo: 2", "200\n\nnew two", 200, "new two", 1},
				{"GET /part\nRange: bytes=0-2", "206\nCache-Control: max-age=600\nETag: \"p\"\nContent-Range: bytes 0-2/6\n\nabc", 206, "abc", 1},
				{"GET /part\nRange: bytes=1-1", "500", 206, "b", 0},
				{"GET /part\nRange: bytes=3-5", "206\nCache-Control: max-age=600\nETag: \"p\"\nContent-Range: bytes 3-5/6\n\ndef", 206, "def", 1},
				{"GET /part", "500", 200, "abcdef", 0},
			} {
				h.give = func(*flow.Exchange) (*flow.Response, error) { return response(s.gives), nil }
				h.sent = nil
				r, body, err := h.ask(s.ask)
				if err != nil || r.Status != s.status || body != s.body || len(h.sent) != s.sent {
					t.Errorf("step %d, %.40q: %v, %q, %v, %d requests reached the server", i+1, s.ask, r, body, err, len(h.sent))
				}
			}
			if _, err := p.(*cache).Act(t.Context(), "purge", map[string]string{"tag": "t", "soft": "true"}); err != nil {
				t.Error(err)
			}
			h.give = func(*flow.Exchange) (*flow.Response, error) { return response("304"), nil }
			h.sent = nil
			if _, body, err := h.ask("GET /a\nFoo: 1"); err != nil || body != "new" || len(h.sent) != 1 || h.sent[0].Header.Get("If-None-Match") != `"b"` {
				t.Errorf("after a soft purge: %q, %v, %v", body, err, h.sent)
			}
			if h.p.count.failures.Load() != 0 {
				t.Errorf("the store failed: %v", h.p.count.failure.Load())
			}
			if err := h.p.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
