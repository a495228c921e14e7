package cachestore

import (
	"errors"
	"hash/maphash"
	"slices"
	"sync"
	"time"
)

// errNoRoom ends a body that turned out larger than what can be given to it.
var errNoRoom = errors.New("storing a response: its body is larger than the cache has room for")

// NoRoom tells whether err says that a response was not stored for want of room and of nothing else, which
// is no failure of the store.
func NoRoom(err error) bool {
	switch e := err.(type) {
	case interface{ Unwrap() []error }: // of several tiers
		return !slices.ContainsFunc(e.Unwrap(), func(one error) bool { return !NoRoom(one) })
	case interface{ Unwrap() error }:
		return NoRoom(e.Unwrap())
	}
	return err == errNoRoom
}

// memory keeps responses in this process. What it holds, what is on its way in and what is read after it
// was let go never come to more than capacity together.
type memory struct {
	seed maphash.Seed

	mu       sync.Mutex
	capacity int64
	used     int64 // by entries that can be found
	placed   int64 // by bodies on their way in that others have left for already
	sized    int64 // by others on their way in whose size is known
	growing  int64 // by those of which only the end will tell
	pinned   int64 // by entries that were let go and are still read
	evicted  int64
	measured [128]measured // by hash
	entries  map[string]*entry
	all      []*entry // the same in no order, for walks in pieces
	urls     index
	tags     index
	ranks    tinyLFU
	closed   bool
}

// NewMemory is a store of at most capacity bytes in this process's memory, bookkeeping included. What
// stays when it is full is decided by W-TinyLFU. One response can have half of it. Where its size is not
// known it takes what is free, and a sixteenth in any case, for it may still grow beyond that half; where that
// is not enough its size is learned, and counts when it comes the next time.
func NewMemory(capacity int64) Store {
	m := &memory{seed: maphash.MakeSeed(), capacity: capacity, entries: map[string]*entry{}, urls: index{}, tags: index{}}
	m.ranks.bound(m.room())
	return m
}

func (m *memory) Get(key string) (*Object, error) {
	now, out := time.Now(), &lent{store: m} // made before the lock, which every request wants
	m.mu.Lock()
	e := m.entries[key]
	if e == nil {
		m.mu.Unlock()
		return nil, nil
	}
	if dropped(e.response, now) {
		m.remove(e)
		m.mu.Unlock()
		return nil, nil
	}
	m.ranks.touch(e)
	e.readers.Add(1)
	out.entry, out.Object = e, Object{Response: e.response, Body: out}
	m.mu.Unlock()
	return &out.Object, nil
}

// add puts e in the place of what is under its key, and gives back what w has; false where there is no
// room for it.
func (m *memory) add(e *entry, w *memoryWriter) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.giveBack(w)
	m.ranks.bound(m.room())
	wanted := !m.closed && !dropped(e.response, time.Now())
	if wanted && m.large(e.cost) && !m.admit(e.response.Key, e.hash, e.cost) {
		m.ranks.popularity.add(e.hash)
		return false
	}
	m.forget(e.hash)
	if old := m.entries[e.response.Key]; old != nil {
		m.remove(old)
	}
	if !wanted {
		return true
	}
	m.entries[e.response.Key] = e
	e.at = len(m.all)
	m.all = append(m.all, e)
	m.mention(e)
	m.used += e.cost
	m.ranks.grow(len(m.all))
	candidate := m.ranks.add(e)
	if candidate == e { // it was admitted
		candidate = nil
	}
	m.shrink(candidate)
	return true
}

func (m *memory) Update(r, was *Response) error {
	r = compact(r)
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.entries[r.Key]
	if e == nil || !e.response.same(was) {
		return nil
	}
	if dropped(r, time.Now()) {
		m.remove(e)
		return nil
	}
	m.exchange(e, r)
	m.shrink(nil)
	return nil
}

// exchange gives e another response, and keeps its body and rank.
func (m *memory) exchange(e *entry, r *Response) {
	m.unmention(e)
	cost := e.cost - overhead(e.response) + overhead(r)
	m.used += cost - e.cost
	m.ranks.resize(e, cost)
	e.response, e.cost = r, cost
	m.mention(e)
}

func (m *memory) Delete(key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e := m.entries[key]; e != nil {
		m.remove(e)
	}
	return nil
}

// remove lets e go: it cannot be found from here on. Who reads it goes on.
func (m *memory) remove(e *entry) {
	delete(m.entries, e.response.Key)
	last := m.all[len(m.all)-1]
	m.all[e.at], last.at = last, e.at
	m.all[len(m.all)-1] = nil
	m.all = m.all[:len(m.all)-1]
	m.unmention(e)
	m.ranks.remove(e)
	m.used -= e.cost
	e.gone.Store(true)
	if e.readers.Load() > 0 {
		m.pinned += e.cost
		return
	}
	e.settled = true
}

// settle gives back what e's readers held after it was let go.
func (m *memory) settle(e *entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !e.settled {
		e.settled = true
		m.pinned -= e.cost
	}
}

func (m *memory) Stats() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	return Stats{Entries: int64(len(m.all)), Bytes: m.used + m.passing(), Capacity: m.capacity, Evicted: m.evicted}
}

// Close lets everything go. Nothing can be stored afterwards.
func (m *memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	for len(m.all) > 0 {
		m.remove(m.all[len(m.all)-1])
	}
	return nil
}

// dropped tells whether r's time in the store is over. A response without a time stays until it is
// pushed out.
func dropped(r *Response, now time.Time) bool { return !r.Drop.IsZero() && !now.Before(r.Drop) }
