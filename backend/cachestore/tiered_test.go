package cachestore

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"proxycache/backend/redis/redistest"
)

func TestTiersKeepTheLaws(t *testing.T) {
	address, _ := redistest.Start(t)
	below := map[string]kind{
		"disk": {body: 3 << 20, tiers: true, open: func(t *testing.T, capacity int64) Store { return openDisk(t, t.TempDir(), capacity) }},
		"redis": {body: 3 << 20, tiers: true, shared: true, open: func(t *testing.T, _ int64) Store {
			s := openRedis(t, address)
			if _, err := s.do("FLUSHDB"); err != nil {
				t.Fatal(err)
			}
			return s
		}},
	}
	for name, k := range below {
		t.Run("memory_over_"+name, func(t *testing.T) {
			open := k.open
			k.open = func(t *testing.T, capacity int64) Store { return NewTiered(NewMemory(capacity/8), open(t, capacity)) }
			testStore(t, k)
		})
	}
}

func TestAHitBelowIsLifted(t *testing.T) {
	above, below := NewMemory(8<<20), openDisk(t, t.TempDir(), 8<<20)
	put(t, below, sample("a"), noise(100_000))
	put(t, below, sample("large"), noise(liftable+1))
	s := NewTiered(above, below)
	defer func() { _ = s.Close() }()
	for _, key := range []string{"a", "large"} {
		wantAbsent(t, above, key)
		if get(t, s, key) == nil {
			t.Fatalf("%s is not found", key)
		}
	}
	wantBody(t, above, "a", string(noise(100_000)))
	wantAbsent(t, above, "large")
	if err := below.Delete("a"); err != nil {
		t.Fatal(err)
	}
	wantBody(t, s, "a", string(noise(100_000)))
}

// broken is a store that fails, and does before what a test wants to happen meanwhile.
type broken struct {
	Store
	before func()
	err    error
}

func (b *broken) Get(key string) (*Object, error) {
	o, err := b.Store.Get(key)
	if b.before != nil {
		b.before()
	}
	return o, errors.Join(err, b.err)
}

func (b *broken) Put(r *Response, size int64) (Writer, error) {
	if b.err != nil {
		return nil, b.err
	}
	return b.Store.Put(r, size)
}

// While a reader brings the old one up, the new one comes: memory must end with the new one.
func TestALiftDoesNotBringBackWhatWasReplaced(t *testing.T) {
	changes := map[string]func(Store){
		"a put":    func(s Store) { put(t, s, sample("a"), []byte("new")) },
		"a delete": func(s Store) { _ = s.Delete("a") },
		"a purge":  func(s Store) { _, _ = s.Purge(Selection{Tag: "shop"}, false) },
	}
	for name, change := range changes {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			below := &broken{Store: NewMemory(1 << 20)}
			s := NewTiered(NewMemory(1<<20), below)
			put(t, below, sample("a"), []byte("old"))
			var once sync.Once
			below.before = func() { once.Do(func() { change(s) }) }
			if o := get(t, s, "a"); o == nil || string(content(t, o)) != "old" {
				t.Fatal("who asked before the change did not get the old one")
			}
			if o := get(t, s, "a"); o != nil && string(content(t, o)) == "old" {
				t.Error("after the change the old one is back")
			}
		})
	}
}

func TestMemoryGoesOnWithoutWhatIsBelow(t *testing.T) {
	below := &broken{Store: NewMemory(1 << 20)}
	s := NewTiered(NewMemory(1<<20), below)
	put(t, s, sample("a"), []byte("old"))
	below.err = errors.New("it is on fire")
	put(t, s, sample("a"), []byte("new"))
	wantBody(t, s, "a", "new")
	if _, err := s.Get("b"); !errors.Is(err, below.err) {
		t.Errorf("what memory does not have: %v", err)
	}
	below.err = nil
	if o := get(t, below, "a"); o != nil && string(content(t, o)) == "old" {
		t.Error("the one before is still below")
	}
}

// What memory has no room for must not leave the one before there.
func TestAResponseTooLargeForMemoryGoesBelowAlone(t *testing.T) {
	s := NewTiered(NewMemory(200_000), openDisk(t, t.TempDir(), 8<<20))
	defer func() { _ = s.Close() }()
	for _, size := range []int64{500_000, -1} {
		put(t, s, sample("a"), []byte("small"))
		w, err := s.Put(sample("a"), size)
		if err != nil || w == nil {
			t.Fatalf("size %d: %v, %v", size, w, err)
		}
		body := noise(500_000)
		for at := 0; at < len(body); at += 50_000 {
			if _, err := w.Write(body[at : at+50_000]); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Commit(sample("a")); err != nil {
			t.Fatal(err)
		}
		wantBody(t, s, "a", string(body))
	}
	if _, err := s.Purge(Selection{URL: fmt.Sprint("http://shop.test/", "a")}, false); err != nil {
		t.Fatal(err)
	}
	wantAbsent(t, s, "a")
}
