package cache

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"proxycache/backend/cachestore"
	"proxycache/backend/policy"
	"proxycache/backend/problem"
)

// contents are the stores of a cell, which outlive its settings: a plan that comes takes the store of
// the plan before over when it is the same.
type contents struct {
	mu     sync.Mutex
	open   map[string]*shelf
	closed bool
}

// shelf is a store with what belongs to it: the fetches that fill it, and its figures. It is shared by
// the plans that use it, and closed with the last one.
type shelf struct {
	name     string
	store    atomic.Pointer[cachestore.Store]
	capacity int64
	users    int

	flights       flights
	passes        passes
	parts         atomic.Int64 // how many parts have been stored
	invalidations invalidations
	count         counters
}

func newContents() *contents { return &contents{open: map[string]*shelf{}} }

// acquire is the shelf for s, which is opened where it is not open yet.
func (c *contents) acquire(s *Settings, env policy.Env) (*shelf, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, problem.New(problem.Unavailable, "Opening the store of %s: the cell is gone. Apply the configuration again.", env.Cell)
	}
	name := s.Store + " " + s.Memory.String()
	h := c.open[name]
	switch {
	case h == nil:
		store, err := openStore(s, env)
		if err != nil {
			return nil, err
		}
		h = &shelf{name: name, capacity: int64(s.Disk)}
		h.store.Store(&store)
		c.open[name] = h
	case s.Store == storeDisk && h.capacity != int64(s.Disk):
		if err := h.reopen(s, env); err != nil {
			return nil, err
		}
	}
	h.users++
	h.flights.bound(int64(max(s.Memory, s.MaxObject)), int64(s.MaxObject))
	return h, nil
}

// reopen gives a folder on the disk another size. One store at a time works in it.
func (h *shelf) reopen(s *Settings, env policy.Env) error {
	_ = h.get().Close() // what it holds is on the disk
	store, err := openStore(s, env)
	if err != nil {
		return err
	}
	h.capacity = int64(s.Disk)
	h.store.Store(&store)
	return nil
}

func (h *shelf) get() cachestore.Store { return *h.store.Load() }

// release gives h back.
func (c *contents) release(h *shelf) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	h.users--
	if h.users > 0 || c.closed {
		return nil
	}
	delete(c.open, h.name)
	return h.get().Close()
}

// Close is for a cell that is gone. Who still reads from a store finishes.
func (c *contents) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	var list problem.List
	for _, h := range c.open {
		if err := h.get().Close(); err != nil {
			list = append(list, problem.Of(err))
		}
	}
	return list.Err()
}

// openStore opens what s names, with memory before it.
func openStore(s *Settings, env policy.Env) (cachestore.Store, error) {
	var below cachestore.Store
	var err error
	switch {
	case s.Store == storeMemory:
		return cachestore.NewMemory(int64(s.Memory)), nil
	case s.Store == storeDisk:
		dir, dirErr := env.Dir()
		if dirErr != nil {
			return nil, dirErr
		}
		below, err = cachestore.OpenDisk(dir, int64(s.Disk))
	case strings.HasPrefix(s.Store, "redis"):
		below, err = cachestore.OpenRedis(s.Store)
	default:
		below, err = cachestore.OpenMemcached(s.Store)
	}
	if err != nil {
		return nil, err
	}
	if s.Memory == 0 {
		return below, nil
	}
	return cachestore.NewTiered(cachestore.NewMemory(int64(s.Memory)), below), nil
}

// counters are the figures of a shelf since it was opened.
type counters struct {
	hits, misses, stale, validated, collapsed, passed atomic.Int64
	stored, notStored, tooLarge, failures             atomic.Int64
	invalidated, purged                               atomic.Int64

	failure atomic.Pointer[failure] // the last one
}

type failure struct {
	at   time.Time
	text string
}

// bound says how much the flights may hold, together and each.
func (t *flights) bound(room, most int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.room, t.most = room, most
}
