package cachestore

import (
	"errors"
	"hash/maphash"
	"sync"
	"time"
)

// errNoRoom ends a body that turned out larger than what can be given to it.
var errNoRoom = errors.New("storing a response: its body is larger than the cache has room for")

// memory keeps responses in this process. What it holds, what is being written and what is read after it
// was let go never come to more than capacity together.
type memory struct {
	seed maphash.Seed

	mu       sync.Mutex
	capacity int64
	used     int64 // by entries that can be found
	writing  int64 // by bodies that are being written
	pinned   int64 // by entries that were let go and are still read
	evicted  int64
	entries  map[string]*entry
	all      []*entry // the same in no order, for walks in pieces
	urls     index
	tags     index
	ranks    tinyLFU
	closed   bool
}

// NewMemory is a store of at most capacity bytes in this process's memory, bookkeeping included. What
// stays when it is full is decided by W-TinyLFU. One response can have half of it.
func NewMemory(capacity int64) Store {
	m := &memory{seed: maphash.MakeSeed(), capacity: capacity, entries: map[string]*entry{}, urls: index{}, tags: index{}}
	m.ranks.bound(m.room())
	return m
}

// room is what entries may have together. A sixteenth is kept free for bodies on their way in, so that
// one that comes does not push out another before the two were compared.
func (m *memory) room() int64 {
	return m.capacity - max(m.capacity/16, m.writing+m.pinned)
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

func (m *memory) Put(r *Response, size int64) (Writer, error) {
	w := &memoryWriter{store: m, response: r}
	if size < 0 {
		return w, nil
	}
	if !m.reserve(size + overhead(r)) {
		return nil, nil
	}
	w.reserved = size + overhead(r)
	w.body = make([]byte, 0, size)
	return w, nil
}

// reserve makes room for n more bytes that are on their way in. All that is on its way, and what is read
// after it was let go, can have half the store.
func (m *memory) reserve(n int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || m.writing+m.pinned+n > m.capacity/2 {
		return false
	}
	m.writing += n
	m.shrink(nil)
	return true
}

// Resize changes the capacity. Bodies that are on their way in, or still read, keep their room.
func (m *memory) Resize(capacity int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.capacity = capacity
	m.ranks.bound(m.room())
	m.shrink(nil)
}

// largest is how much one response can have.
func (m *memory) largest() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.capacity / 2
}

func (m *memory) release(n int64) {
	m.mu.Lock()
	m.writing -= n
	m.mu.Unlock()
}

// shrink lets entries go until the others fit. The newcomer, if there is one, stays only where it was
// asked for more often than those that would have to leave for it.
func (m *memory) shrink(newcomer *entry) {
	if m.used <= m.room() {
		return
	}
	now := time.Now()
	for m.used > m.room() {
		e := m.ranks.victim(newcomer, now)
		if e == nil {
			return
		}
		m.remove(e)
		m.evicted++
	}
}

// add puts e in the place of what is under its key.
func (m *memory) add(e *entry, reserved int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writing -= reserved
	if old := m.entries[e.response.Key]; old != nil {
		m.remove(old)
	}
	if m.closed || dropped(e.response, time.Now()) {
		return
	}
	e.hash = maphash.String(m.seed, e.response.Key)
	m.entries[e.response.Key] = e
	e.at = len(m.all)
	m.all = append(m.all, e)
	m.mention(e)
	m.used += e.cost
	m.ranks.bound(m.room())
	m.ranks.grow(len(m.all))
	candidate := m.ranks.add(e)
	m.shrink(candidate)
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
	cost := overhead(r) + int64(cap(e.body))
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
	return Stats{Entries: int64(len(m.all)), Bytes: m.used + m.writing + m.pinned, Capacity: m.capacity, Evicted: m.evicted}
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
