package cache

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"proxycache/backend/cachestore"
	"proxycache/backend/policy"
)

// sized is a fresh response with a body of n bytes, whose length is told or not.
func sized(n int, told bool) string {
	fields := "200\n" + fresh
	if !told {
		fields += "Transfer-Encoding: chunked\n"
	}
	return fields + "\n" + strings.Repeat("x", n)
}

// fact is what the cell has noted of the last exchange under name.
func (h *house) fact(name string) string {
	for _, f := range h.last.Trail[0].Facts {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// calm says that nothing is told as a failure.
func (h *house) calm() {
	h.t.Helper()
	if s := h.p.State(); s.Level != policy.Calm || h.p.count.failures.Load() != 0 {
		h.t.Errorf("it is %s: %s; %d failures of the store", s.Level, s.Summary, h.p.count.failures.Load())
	}
}

func TestHalfTheMemoryIsForOneBodyWhetherItsLengthIsKnownOrNot(t *testing.T) {
	for _, told := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t, map[string]any{"memory": "4MiB"})
			body := strings.Repeat("x", 1_200_000)
			h.step(1, step{gives: sized(len(body), told), sent: "yes", body: body})
			h.step(2, step{gives: "500", body: body})
			h.calm()
		})
	}
}

// Who fetches a response anew holds the one before no longer than it is of use: its room is for the new one.
func TestALargeResponseTakesThePlaceOfTheOneBefore(t *testing.T) {
	for _, told := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t, map[string]any{"memory": "1MiB"})
			h.step(1, step{gives: strings.Replace(sized(450_000, true), "\n", "\nETag: \"1\"\n", 1), sent: "yes", body: "-"})
			h.step(2, step{ask: "GET /popular", gives: sized(400_000, true), sent: "yes", body: "-"})
			for range 8 {
				h.step(3, step{ask: "GET /popular", body: "-"})
			}
			body := strings.Repeat("x", 440_000)
			h.step(4, step{after: 2 * time.Hour, gives: sized(len(body), told), sent: `If-None-Match: "1"`, body: body})
			h.step(5, step{gives: "500", body: body})
			if n := h.p.store().Stats().Evicted; n != 0 {
				t.Errorf("%d were pushed out", n)
			}
		})
	}
}

// Where there is no room for a response the cache is in order, whenever it turns out.
func TestLackOfRoomIsNoFailure(t *testing.T) {
	for name, settings := range map[string]map[string]any{
		"memory":           {"memory": "1MiB"},
		"disk":             {"store": "disk", "disk": "1MiB", "memory": int64(0)},
		"memory over disk": {"store": "disk", "disk": "1MiB", "memory": "1MiB"},
	} {
		for _, told := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, its length known %t", name, told), func(t *testing.T) {
				h := newHouse(t, settings)
				h.plainly(sized(600_000, told), strings.Repeat("x", 600_000), 1)
				h.calm()
				if n := h.p.count.stored.Load(); n != 0 {
					t.Errorf("%d were stored", n)
				}
				h.plainly(sized(600_000, told), strings.Repeat("x", 600_000), 1)
				h.calm()
			})
		}
	}
}

// The trail says the same of both kinds. Where the length is not known, that is what was learned when it came before.
func TestLackOfRoomIsToldInTheTrail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, map[string]any{"memory": "1MiB"})
		for _, c := range []struct {
			told              bool
			stored, notStored string
			has               string
		}{
			{true, "", "there is no room for it", "Cache-Status: proxycache; fwd=uri-miss; ttl=3600"},
			{false, "fresh for 3600 s: max-age=3600; unless it turns out too large", "", "Cache-Status: proxycache; fwd=uri-miss; ttl=3600; stored"},
			{false, "", "there is no room for it", "Cache-Status: proxycache; fwd=uri-miss; ttl=3600"},
		} {
			h.step(1, step{gives: sized(600_000, c.told), sent: "yes", body: "-", has: c.has})
			if h.fact("stored") != c.stored || h.fact("not stored") != c.notStored {
				t.Errorf("its length known %t: %s", c.told, facts(h.last))
			}
		}
	})
}

// cramped is a store that says only at the end of a body, or of a mark, that there is no room, or that it fails.
type cramped struct {
	cachestore.Store
	err error
}

func (c cramped) Put(*cachestore.Response, int64) (cachestore.Writer, error) { return c, nil }
func (c cramped) Write(p []byte) (int, error)                                { return len(p), nil }
func (c cramped) Commit(*cachestore.Response) error                          { return c.err }
func (c cramped) Abort()                                                     {}

func TestWhatIsSaidAtTheEndOfABody(t *testing.T) {
	for name, c := range map[string]struct {
		err      error
		failures int64
	}{
		"no room":                  {saysNoRoom(t), 0},
		"no room in both tiers":    {errors.Join(saysNoRoom(t), saysNoRoom(t)), 0},
		"no room, and one failing": {errors.Join(saysNoRoom(t), errStore), 1},
		"failing":                  {errStore, 1},
	} {
		for _, vary := range []string{"", "Vary: Foo\n"} {
			t.Run(name+strings.TrimSpace(vary), func(t *testing.T) {
				h := newHouse(t, nil)
				var store cachestore.Store = cramped{h.p.store(), c.err}
				h.p.shelf.store.Store(&store)
				h.plainly("200\n"+fresh+vary+"\nbody", "body", 1)
				if n := h.p.count.failures.Load(); n != c.failures {
					t.Errorf("%d failures, want %d", n, c.failures)
				}
				if vary != "" && c.failures == 0 && h.fact("not stored") != "there is no room for it" {
					t.Error(facts(h.last))
				}
			})
		}
	}
}

// saysNoRoom is what a store says of a body that turns out too large.
func saysNoRoom(t *testing.T) error {
	t.Helper()
	w, err := cachestore.NewMemory(64<<10).Put(&cachestore.Response{Key: "k"}, -1)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Write(make([]byte, 64<<10))
	w.Abort()
	return err
}

// Who has seen a newer response is not given the older one again because the newer one has no room.
func TestWhatCouldNotBeStoredTakesTheOlderOneAway(t *testing.T) {
	of := func(letter string, n int, told bool) string {
		return strings.Replace(sized(n, told), strings.Repeat("x", n), strings.Repeat(letter, n), 1)
	}
	for _, c := range []struct {
		name     string
		settings map[string]any
		size     int
		told     bool
	}{
		{"others are more popular", map[string]any{"memory": "1MiB"}, 300_000, true},
		{"too large for the memory", map[string]any{"memory": "1MiB"}, 600_000, true},
		{"too large, which the end tells", map[string]any{"memory": "1MiB"}, 600_000, false},
		{"larger than max_object, which the end tells", map[string]any{"max_object": "200KB"}, 300_000, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, c.settings)
				h.step(1, step{ask: "GET /k", gives: of("1", 100_000, true), sent: "yes", body: "-"})
				for i := range 7 {
					other := fmt.Sprintf("GET /%d", i)
					h.step(2, step{ask: other, gives: of("o", 110_000, true), sent: "yes", body: "-"})
					for range 8 {
						h.step(3, step{ask: other, body: "-"})
					}
				}
				h.step(4, step{ask: "GET /k", body: strings.Repeat("1", 100_000)})
				newer := strings.Repeat("2", c.size)
				h.step(5, step{ask: "GET /k\nCache-Control: no-cache", after: time.Second, gives: of("2", c.size, c.told), sent: "yes", body: newer})
				h.step(6, step{ask: "GET /k", after: time.Second, gives: of("2", c.size, c.told), sent: "yes", body: newer})
				h.calm()
			})
		})
	}
}
