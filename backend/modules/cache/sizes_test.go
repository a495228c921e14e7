package cache

import (
	"strings"
	"testing"

	"proxycache/backend/policy"
	"proxycache/backend/redis/redistest"
)

// An edit of a size goes on with the same store, whatever it is: one alone works in a folder, and what was
// purged stays so.
func TestAnEditOfASizeKeepsTheStore(t *testing.T) {
	for name, values := range map[string][2]map[string]any{
		"memory":               {{"memory": "8MiB"}, {"memory": "16MiB"}},
		"memory over disk":     {{"store": "disk", "memory": "8MiB"}, {"store": "disk", "memory": "16MiB"}},
		"disk":                 {{"store": "disk", "disk": "8MiB"}, {"store": "disk", "disk": "16MiB"}},
		"memory comes":         {{"store": "disk", "memory": int64(0)}, {"store": "disk", "memory": "16MiB"}},
		"memory goes":          {{"store": "disk", "memory": "16MiB"}, {"store": "disk", "memory": int64(0)}},
		"redis without memory": {{"store": "redis://" + redistest.Unit(t).Addr()}, {"store": "redis://" + redistest.Unit(t).Addr(), "memory": int64(0)}},
	} {
		t.Run(name, func(t *testing.T) {
			if store, ok := values[0]["store"].(string); ok && strings.HasPrefix(store, "redis") {
				values[1]["store"] = store
			}
			p := &plans{t, policy.NewEnv("test/cache", nil, &policy.Keep{}).In(t.TempDir(), nil)}
			first := p.make(values[0])
			first.plainly("200\nCache-Control: max-age=3600\n\nold", "old", 1)
			second := p.make(values[1])
			if n := len(second.p.kept.open); n != 1 || first.p.store() != second.p.store() {
				t.Fatalf("%d stores are open", n)
			}
			second.plainly("500", "old", 0)
			if _, err := second.p.Act(t.Context(), "purge", map[string]string{"url": "http://shop.localhost/"}); err != nil {
				t.Error(err)
			}
			for _, h := range []*house{first, second} {
				h.plainly("200\nCache-Control: no-store\n\nnew", "new", 1)
			}
			if err := first.p.Close(); err != nil {
				t.Error(err)
			}
			second.plainly("200\nCache-Control: max-age=3600\n\nnewer", "newer", 1)
			second.plainly("500", "newer", 0)
			if err := second.p.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A plan that was made and never ran has changed nothing; a plan of before that is asked late does not
// either.
func TestSizesComeWithTheFirstExchange(t *testing.T) {
	for store, setting := range map[string]string{"memory": "memory", "disk": "disk"} {
		t.Run(store, func(t *testing.T) {
			p := &plans{t, policy.NewEnv("test/cache", nil, &policy.Keep{}).In(t.TempDir(), nil)}
			plan := func(size string) *house {
				return p.make(map[string]any{"store": store, setting: size, "max_object": size})
			}
			first := plan("8MiB")
			has := func(h *house, want int64) {
				t.Helper()
				flights := &h.p.shelf.flights
				if got := h.p.store().Stats().Capacity; got != want || flights.most != want {
					t.Errorf("there are %d bytes and %d for a flight, want %d", got, flights.most, want)
				}
			}
			refused := plan("1MiB")
			has(first, 8<<20)
			first.plainly("200\nCache-Control: max-age=3600\n\nold", "old", 1)
			has(first, 8<<20)
			if err := refused.p.Close(); err != nil {
				t.Error(err)
			}
			has(first, 8<<20)
			unused, last := plan("2MiB"), plan("4MiB")
			last.plainly("500", "old", 0)
			has(first, 4<<20)
			first.plainly("500", "old", 0)
			unused.plainly("500", "old", 0)
			has(last, 4<<20)
			for _, h := range []*house{first, unused, last} {
				if err := h.p.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
