package breaker

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// circuits are those of a cell, by pool or by target.
type circuits struct {
	troubled atomic.Int32 // how many are not closed

	mu sync.RWMutex
	by map[string]*circuit
}

// most are kept of each cell; the one that was closed and unused for longest makes room.
const most = 256

func newCircuits() *circuits { return &circuits{by: map[string]*circuit{}} }

// of is the circuit of that name, made closed; nil where there is no room for it.
func (cs *circuits) of(name string, now time.Time) *circuit {
	cs.mu.RLock()
	c := cs.by[name]
	cs.mu.RUnlock()
	if c == nil {
		c = cs.add(strings.Clone(name), now)
	}
	if c != nil {
		c.used.Store(now.UnixNano())
	}
	return c
}

func (cs *circuits) add(name string, now time.Time) *circuit {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if c := cs.by[name]; c != nil {
		return c
	}
	if len(cs.by) >= most && !cs.makeRoom() {
		return nil
	}
	c := &circuit{name: name, troubled: &cs.troubled, since: now}
	cs.by[name] = c
	return c
}

// makeRoom forgets the closed circuit that was not used for longest.
func (cs *circuits) makeRoom() bool {
	var oldest *circuit
	for _, c := range cs.by {
		if state(c.stands.Load()) == closed && (oldest == nil || c.used.Load() < oldest.used.Load()) {
			oldest = c
		}
	}
	if oldest == nil {
		return false
	}
	if !oldest.forget() {
		return false
	}
	delete(cs.by, oldest.name)
	return true
}

// notClosed are those that may keep an exchange out.
func (cs *circuits) notClosed() []*circuit {
	if cs.troubled.Load() == 0 {
		return nil
	}
	var out []*circuit
	cs.mu.RLock()
	defer cs.mu.RUnlock()
	for _, c := range cs.by {
		if state(c.stands.Load()) != closed {
			out = append(out, c)
		}
	}
	return out
}

// all are all circuits by name.
func (cs *circuits) all() []*circuit {
	cs.mu.RLock()
	defer cs.mu.RUnlock()
	out := make([]*circuit, 0, len(cs.by))
	for _, c := range cs.by {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b *circuit) int { return strings.Compare(a.name, b.name) })
	return out
}
