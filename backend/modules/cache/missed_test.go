package cache

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"proxycache/backend/cachestore"
	"proxycache/backend/flow"
	"proxycache/backend/redis/redistest"
)

// leaving is a store that is away for a time, and comes back with what it had.
type leaving struct {
	cachestore.Store
	gone   bool // it answers nothing
	purges bool // else it answers, and does not purge
}

func (s *leaving) Get(key string) (*cachestore.Object, error) {
	if s.gone {
		return nil, errStore
	}
	return s.Store.Get(key)
}

func (s *leaving) Put(r *cachestore.Response, size int64) (cachestore.Writer, error) {
	if s.gone {
		return nil, errStore
	}
	return s.Store.Put(r, size)
}

func (s *leaving) Purge(what cachestore.Selection, soft bool) (int, error) {
	if s.gone || !s.purges {
		return 0, errStore
	}
	return s.Store.Purge(what, soft)
}

func TestAnInvalidationIsNotLostWhileTheStoreIsAway(t *testing.T) {
	for name, vary := range map[string]string{"one response": "", "variants": "Vary: Foo\n"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, nil)
				store := &leaving{Store: h.p.store(), purges: true}
				var s cachestore.Store = store
				h.p.shelf.store.Store(&s)
				gives := func(body string) string { return "200\n" + fresh + vary + "\n\n" + body }
				h.step(1, step{ask: "GET /k\nFoo: 1", gives: gives("old"), sent: "yes", body: "old"})
				h.step(2, step{ask: "GET /other", gives: gives("other"), sent: "yes", body: "other"})
				store.gone = true
				h.step(3, step{ask: "POST /k", after: time.Second, gives: "200", sent: "yes"})
				if said := facts(h.last); !strings.Contains(said, "{not invalidated http://shop.localhost/k: the store is away; ") || strings.Contains(said, "{invalidated ") {
					t.Error(said)
				}
				store.gone, store.purges = false, false
				h.step(4, step{ask: "GET /other", after: time.Second, body: "other"})
				h.step(5, step{ask: "GET /k\nFoo: 1", gives: gives("new"), sent: "-If-None-Match", body: "new"})
				h.step(6, step{ask: "GET /k\nFoo: 1", body: "new"})
				store.purges = true
				h.step(7, step{ask: "GET /other", after: 2 * replayEvery, body: "other"})
				if h.p.shelf.missed.some.Load() {
					t.Error("what was missed is not made up for when the store is back")
				}
				h.step(8, step{ask: "GET /k\nFoo: 1", gives: gives("newer"), sent: "yes", body: "newer"})
				h.step(9, step{ask: "GET /k\nFoo: 1", after: 2 * replayEvery, body: "newer"})
			})
		})
	}
}

// reading is a store in which something happens between a read and what is made of it.
type reading struct {
	cachestore.Store
	then func()
}

func (s *reading) Get(key string) (*cachestore.Object, error) {
	o, err := s.Store.Get(key)
	if then := s.then; then != nil {
		s.then = nil
		then()
	}
	return o, err
}

func TestAnInvalidationIsMadeUpForWhileItsResponseIsRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		store := &reading{Store: h.p.store()}
		var s cachestore.Store = store
		h.p.shelf.store.Store(&s)
		h.step(1, step{ask: "GET /k", gives: "200\n" + fresh + "\n\nold", sent: "yes", body: "old"})
		m := &h.p.shelf.missed
		time.Sleep(time.Second)
		at, what := time.Now(), cachestore.Selection{URL: "http://shop.localhost/k"}
		m.add(what.URL, at)
		m.tried = at // nothing else replays it
		store.then = func() {
			if n, err := store.Purge(what, false); n != 1 || err != nil {
				t.Errorf("%d are purged, %v", n, err)
			}
			m.done(what, at)
		}
		h.step(2, step{ask: "GET /k", gives: "200\n" + fresh + "\n\nnew", sent: "yes", body: "new"})
	})
}

func TestMissedInvalidationsAreBounded(t *testing.T) {
	var m missed
	begin := time.Now()
	before := &cachestore.Response{URL: "http://a/", Received: begin}
	after := &cachestore.Response{URL: "http://a/", Received: begin.Add(time.Hour)}
	for i := range maxMissed {
		m.add(fmt.Sprint("http://b/", i), begin.Add(time.Second))
	}
	if m.about(before) {
		t.Error("other URLs count")
	}
	m.add("http://c/", begin.Add(time.Second))
	if !m.about(before) || m.about(after) {
		t.Error("of too many, not every URL counts, or for ever")
	}
	if n := len(m.urls); n > maxMissed {
		t.Errorf("%d are remembered", n)
	}
	for s, at := range m.begin(begin) {
		m.add("http://d/", begin.Add(time.Minute)) // meanwhile
		m.done(s, at)
	}
	if m.about(before) || !m.about(&cachestore.Response{URL: "http://d/", Received: begin}) {
		t.Error("what is made up for counts still, or what came meanwhile does not")
	}
	if m.begin(begin.Add(time.Hour)) != nil {
		t.Error("two replay at a time")
	}
}

// The same over a Redis, where what is not dropped comes back for sure, and with memory before it.
func TestAnInvalidationIsNotLostWhileRedisIsAway(t *testing.T) {
	for name, memory := range map[string]any{"redis": int64(0), "memory over redis": "8MiB"} {
		t.Run(name, func(t *testing.T) {
			server := redistest.Unit(t)
			h := newHouse(t, map[string]any{"store": "redis://" + server.Addr(), "memory": memory})
			h.plainly("200\nCache-Control: max-age=600\n\nold", "old", 1)
			server.SetError("it is away")
			h.give = func(*flow.Exchange) (*flow.Response, error) { return response("200"), nil }
			if _, _, err := h.ask("POST /"); err != nil {
				t.Fatal(err)
			}
			server.SetError("")
			h.plainly("200\nCache-Control: no-store\n\nnew", "new", 1)
		})
	}
}
