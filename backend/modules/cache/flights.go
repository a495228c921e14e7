package cache

import (
	"strings"
	"sync"
	"sync/atomic"
)

// flights are the fetches that go on, by the key they were looked up by.
type flights struct {
	mu     sync.Mutex
	going  map[string]*flight
	landed atomic.Int64 // how many have ended; a look into the store that is older may have missed one
	held   int64        // bytes that all of them hold
	room   int64        // that they may hold together
	most   int64        // that one may hold
}

// join is the fetch that goes on for key, or a new one that the caller leads.
func (t *flights) join(key string, seq int64) (f *flight, leads bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f := t.going[key]; f != nil {
		return f, false
	}
	f = &flight{key: key, table: t, headed: make(chan struct{}), seq: seq, readers: map[*reader]struct{}{}}
	f.moved.L = &f.mu
	if t.going == nil {
		t.going = map[string]*flight{}
	}
	t.going[key] = f
	return f, true
}

// leave takes f out: who comes now looks into the store, or fetches anew.
func (t *flights) leave(f *flight) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, key := range [...]string{f.key, f.variant} {
		if t.going[key] == f {
			delete(t.going, key)
			t.landed.Add(1)
		}
	}
}

// alias has those wait for f, too, who look for the key of its response.
func (t *flights) alias(f *flight) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.going[f.key] == f && t.going[f.variant] == nil {
		t.going[f.variant] = f
	}
}

// hold counts n more bytes; false says that they are more than there is room for.
func (t *flights) hold(n int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.held += n
	return t.held <= t.room
}

// drop takes the fetches for url out of the table: who comes from now on does not wait for them.
func (t *flights) drop(url string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key := range t.going {
		if rest, ok := strings.CutPrefix(key, url); ok && (rest == "" || rest[0] == '\n') {
			delete(t.going, key)
		}
	}
}
