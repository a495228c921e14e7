package cachestore

import (
	"hash/maphash"
	"time"
)

// measured is how large a body was that came without a size and was not kept.
type measured struct {
	hash uint64
	size int64 // or as much of it as made it too large
	at   time.Time
}

// tooLargeFor is how long a body that was larger than one can have is not begun again: it would take what is
// free for nothing.
const tooLargeFor = 2 * time.Minute

// room is what entries may have together. A sixteenth is kept free for bodies on their way in, so that
// one that comes does not push out another before the two were compared.
func (m *memory) room() int64 {
	return m.capacity - m.placed - max(m.capacity/16, m.sized+m.growing+m.pinned)
}

// passing is what is taken by all that are not entries: what is on its way in, and what is read after it
// was let go. Nothing more is taken in when that is half of the store.
func (m *memory) passing() int64 { return m.placed + m.sized + m.growing + m.pinned }

// large tells whether an entry of n bytes is too large for the window of newcomers.
func (m *memory) large(n int64) bool { return n > m.ranks.limits[window] }

func (m *memory) Put(r *Response, size int64) (Writer, error) {
	w := &memoryWriter{store: m, response: r, hash: maphash.String(m.seed, r.Key), held: overhead(r)}
	if size < 0 {
		if !m.beginUnsized(w) {
			return nil, nil
		}
		return w, nil
	}
	w.held += size
	if !m.beginSized(w) {
		return nil, nil
	}
	w.body = make([]byte, 0, size)
	return w, nil
}

func (m *memory) beginSized(w *memoryWriter) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.reserve(w, w.held) {
		return true
	}
	m.ranks.popularity.add(w.hash) // it may be let in when it was asked for more often
	return false
}

// beginUnsized reserves what the body had before, where that is known.
func (m *memory) beginUnsized(w *memoryWriter) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	size, tooLarge := m.expected(w)
	switch {
	case tooLarge:
		return false
	case size > 0 && m.reserve(w, w.held+size):
		return true
	}
	return m.grow(w, w.held, w.held) > 0
}

// expected is how large the body of w was when it came before; 0 where that is not known.
func (m *memory) expected(w *memoryWriter) (size int64, tooLarge bool) {
	if last := m.lesson(w.hash); last.hash == w.hash && last.size > 0 {
		if last.size+w.held <= m.capacity/2 {
			return last.size, false
		}
		return 0, time.Since(last.at) < tooLargeFor
	}
	if e := m.entries[w.response.Key]; e != nil {
		return e.size, false
	}
	return 0, false
}

// learn notes how large a body was that came without a size and had no room.
func (m *memory) learn(w *memoryWriter) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ranks.popularity.add(w.hash)
	*m.lesson(w.hash) = measured{w.hash, w.size, time.Now()}
}

// forget drops what was learned of what is kept after all: the entry has its size.
func (m *memory) forget(hash uint64) {
	if last := m.lesson(hash); last.hash == hash {
		*last = measured{}
	}
}

// lesson is the place for what was learned of hash, which the last one to learn has, whatever its hash.
func (m *memory) lesson(hash uint64) *measured { return &m.measured[hash%uint64(len(m.measured))] }

// reserve makes room for the n bytes that w will come to. Small bodies may take what is kept free, and are
// compared with others when they have come; for large ones that is done here, before anybody leaves.
func (m *memory) reserve(w *memoryWriter, n int64) bool {
	switch {
	case m.closed || m.passing()+n > m.capacity/2:
		return false
	case !m.large(n):
		w.reserved, w.of = n, &m.sized
	case m.admit(w.response.Key, w.hash, n):
		w.reserved, w.of = n, &m.placed
	default:
		return false
	}
	*w.of += n
	m.shrink(nil)
	return true
}

// grow gives w up to most bytes more, of what is free; 0 where that is less than least. A sixteenth of the
// store is for those that grow in any case: what is read slowly may have taken all that was kept free.
func (m *memory) grow(w *memoryWriter, least, most int64) int64 {
	free := max(m.capacity-m.used-m.passing(), m.capacity/16-m.growing)
	n := max(0, min(most, free, m.capacity/2-m.passing()))
	if m.closed || n < least {
		return 0
	}
	w.grown += n
	m.growing += n
	m.shrink(nil)
	return n
}

// giveBack ends what w has reserved.
func (m *memory) giveBack(w *memoryWriter) {
	if w.of != nil {
		*w.of -= w.reserved
	}
	m.growing -= w.grown
	w.reserved, w.grown, w.of = 0, 0, nil
}

// admit makes room for a large entry of n bytes under key, where it was asked for at least as often as each
// of those that have to leave for it, whom nobody reads; otherwise nobody leaves. The one before it under its key is the first
// to leave: if the body then breaks off, neither is there.
func (m *memory) admit(key string, hash uint64, n int64) bool {
	used, pinned := m.used, m.pinned
	var leaving []*entry
	leaves := func(e *entry) {
		leaving = append(leaving, e)
		used -= e.cost
		if e.readers.Load() > 0 {
			pinned += e.cost
		}
	}
	fits := func() bool {
		return used+n <= m.capacity-m.placed-max(m.capacity/16, m.sized+m.growing+pinned)
	}
	before := m.entries[key]
	if before != nil && !fits() {
		leaves(before)
	}
	asked, now := m.ranks.popularity.count(hash)+1, time.Now()
	for e := range m.ranks.inOrder {
		if fits() {
			break
		}
		if e == before || e.readers.Load() > 0 { // who is read keeps his room
			continue
		}
		if !dropped(e.response, now) && m.ranks.popularity.count(e.hash) > asked {
			return false
		}
		leaves(e)
	}
	if !fits() {
		return false
	}
	for _, e := range leaving {
		m.remove(e)
		if e != before { // which nobody pushed out
			m.evicted++
		}
	}
	return true
}

// inOrder gives all entries in the order in which they leave for what is no newcomer.
func (t *tinyLFU) inOrder(yield func(*entry) bool) {
	for _, r := range [...]rank{probation, protected, window} {
		list := &t.lists[r]
		for e := list.oldest(); e != nil && e != &list.head; e = e.prev {
			if !yield(e) {
				return
			}
		}
	}
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
