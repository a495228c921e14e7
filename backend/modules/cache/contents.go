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
// the plans that use it, whatever sizes they give it, and closed with the last one.
type shelf struct {
	name   string // the setting store
	store  atomic.Pointer[cachestore.Store]
	memory cachestore.Resizer // what of it is in memory
	disk   cachestore.Resizer // nil where it has none
	users  int
	made   int64 // how many plans have used it
	sized  int64 // the last of them whose sizes it has

	flights       flights
	passes        passes
	parts         atomic.Int64 // how many parts have been stored
	invalidations invalidations
	missed        missed
	count         counters
}

// sizes are how much of everything a plan lets a shelf have, in bytes. The number tells plans apart: a
// later one has a higher.
type sizes struct {
	number                  int64
	memory, disk, maxObject int64
}

func newContents() *contents { return &contents{open: map[string]*shelf{}} }

// acquire is the shelf for s, which is opened where it is not open yet. One that is open keeps its sizes:
// the plan may still be refused, and gives it its own with the first exchange.
func (c *contents) acquire(s *Settings, env policy.Env) (*shelf, sizes, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	own := sizes{memory: int64(s.Memory), disk: int64(s.Disk), maxObject: int64(s.MaxObject)}
	if c.closed {
		return nil, own, problem.New(problem.Unavailable, "Opening the store of %s: the cell is gone. Apply the configuration again.", env.Cell)
	}
	h := c.open[s.Store]
	if h == nil {
		h = &shelf{name: s.Store}
		if err := h.openStore(s, env); err != nil {
			return nil, own, err
		}
		h.bound(own)
		c.open[h.name] = h
	}
	h.users++
	h.made++
	own.number = h.made
	return h, own, nil
}

// resize gives h the sizes of a plan that runs, unless a later one has given it its own.
func (c *contents) resize(h *shelf, s sizes) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.number < h.sized {
		return
	}
	h.sized = s.number
	h.bound(s)
	h.memory.Resize(s.memory)
	if h.disk != nil {
		h.disk.Resize(s.disk)
	}
}

// bound says how much the flights may hold, together and each.
func (h *shelf) bound(s sizes) {
	h.flights.mu.Lock()
	defer h.flights.mu.Unlock()
	h.flights.room, h.flights.most = max(s.memory, s.maxObject), s.maxObject
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

// openStore opens what s names, with memory before it: none where it has no size, until it gets one.
func (h *shelf) openStore(s *Settings, env policy.Env) error {
	store := cachestore.NewMemory(int64(s.Memory))
	h.memory, _ = store.(cachestore.Resizer)
	if s.Store != storeMemory {
		below, err := openBelow(s, env)
		if err != nil {
			return err
		}
		h.disk, _ = below.(cachestore.Resizer)
		store = cachestore.NewTiered(store, below)
	}
	h.store.Store(&store)
	return nil
}

// openBelow opens what is not in memory.
func openBelow(s *Settings, env policy.Env) (cachestore.Store, error) {
	switch {
	case s.Store == storeDisk:
		dir, err := env.Dir()
		if err != nil {
			return nil, err
		}
		return cachestore.OpenDisk(dir, int64(s.Disk))
	case strings.HasPrefix(s.Store, "redis"):
		return cachestore.OpenRedis(s.Store)
	}
	return cachestore.OpenMemcached(s.Store)
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
