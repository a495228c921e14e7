package cachestore

import (
	"errors"
	"hash/maphash"
	"io"
	"sync"
)

// tiered is a store in memory over another one. What is asked for comes from above when it is there, and is
// lifted there when it was not.
type tiered struct {
	above, below Store
	seed         maphash.Seed
	changes      [256]changes // of keys, by their hash
}

// liftable is up to which size a body is lifted: it is read at once, before the first byte is served.
const liftable = 1 << 20

// NewTiered is a store of two tiers: what is written goes to both, what is purged from both. Where the one
// below is shared, what another process changes there is not seen while memory holds it; where it fails,
// memory goes on alone. Each tier is resized by itself. Closing it closes both.
func NewTiered(memory, below Store) Store {
	return &tiered{above: memory, below: below, seed: maphash.MakeSeed()}
}

// changes tell whether a key was changed since a moment, so that what was read below before a change is not
// lifted over what came after it.
type changes struct {
	mu    sync.Mutex
	under int    // going on
	count uint64 // begun
}

func (c *changes) begin() {
	c.mu.Lock()
	c.under++
	c.count++
	c.mu.Unlock()
}

func (c *changes) end() {
	c.mu.Lock()
	c.under--
	c.mu.Unlock()
}

// now is a moment to compare with; quiet says that nothing is going on.
func (c *changes) now() (moment uint64, quiet bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count, c.under == 0
}

// unless does what is to be done if nothing was changed since moment, and keeps changes waiting.
func (c *changes) unless(moment uint64, do func() error) (done bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count != moment {
		return false, nil
	}
	return true, do()
}

func (t *tiered) of(key string) *changes {
	return &t.changes[maphash.String(t.seed, key)%uint64(len(t.changes))]
}

func (t *tiered) Get(key string) (*Object, error) {
	if o, err := t.above.Get(key); o != nil && err == nil {
		return o, nil
	}
	c := t.of(key)
	moment, quiet := c.now()
	o, err := t.below.Get(key)
	if o == nil || err != nil {
		return nil, err
	}
	if quiet && o.Body.Size() <= liftable {
		return t.lift(o, c, moment)
	}
	return o, nil
}

// lift puts o above, and returns it as it is there; or as it was, where there is no room or something was
// changed since moment.
func (t *tiered) lift(o *Object, c *changes, moment uint64) (*Object, error) {
	w, err := t.above.Put(o.Response, o.Body.Size())
	if w == nil || err != nil {
		return o, nil
	}
	if _, err = io.Copy(w, io.NewSectionReader(o.Body, 0, o.Body.Size())); err != nil {
		w.Abort()
		return nil, errors.Join(err, o.Body.Close())
	}
	lifted, err := c.unless(moment, func() error { return w.Commit(o.Response) })
	if !lifted {
		w.Abort()
	}
	if !lifted || err != nil {
		return o, nil
	}
	if up, err := t.above.Get(o.Key); up != nil && err == nil {
		_ = o.Body.Close() // it was read to its end
		return up, nil
	}
	return o, nil
}

// tieredWriter writes to both tiers. Either may be nil.
type tieredWriter struct {
	store        *tiered
	key          string
	above, below Writer
}

// Put fails only where neither tier takes the response.
func (t *tiered) Put(r *Response, size int64) (Writer, error) {
	w := &tieredWriter{store: t, key: r.Key}
	var fault error
	if w.below, fault = t.below.Put(r, size); fault != nil {
		w.below = nil
	}
	above, err := t.above.Put(r, size)
	if err == nil {
		w.above = above
	}
	if w.above == nil && w.below == nil {
		return nil, errors.Join(err, fault)
	}
	return w, nil
}

// Write goes on with one tier where the other cannot.
func (w *tieredWriter) Write(p []byte) (int, error) {
	var err error
	for _, tier := range []*Writer{&w.above, &w.below} {
		if *tier == nil {
			continue
		}
		if _, fault := (*tier).Write(p); fault != nil {
			(*tier).Abort()
			*tier, err = nil, fault
		}
	}
	if w.above == nil && w.below == nil {
		if err == nil {
			err = errNoRoom
		}
		return 0, err
	}
	return len(p), nil
}

// Commit ends both. A tier that does not have the new response must not keep the one before.
func (w *tieredWriter) Commit(r *Response) error {
	c := w.store.of(w.key)
	c.begin()
	defer c.end()
	below := commit(w.below, w.store.below, w.key, r)
	above := commit(w.above, w.store.above, w.key, r)
	if above != nil && below != nil {
		return errors.Join(above, below)
	}
	return nil
}

func commit(w Writer, s Store, key string, r *Response) error {
	err := errNoRoom
	if w != nil {
		err = w.Commit(r)
	}
	if err != nil {
		_ = s.Delete(key) // what can be done; err tells that it failed
	}
	return err
}

func (w *tieredWriter) Abort() {
	for _, tier := range []Writer{w.above, w.below} {
		if tier != nil {
			tier.Abort()
		}
	}
	w.above, w.below = nil, nil
}

func (t *tiered) Update(r, was *Response) error {
	c := t.of(r.Key)
	c.begin()
	defer c.end()
	return errors.Join(t.below.Update(r, was), t.above.Update(r, was))
}

func (t *tiered) Delete(key string) error {
	c := t.of(key)
	c.begin()
	defer c.end()
	return errors.Join(t.below.Delete(key), t.above.Delete(key))
}

// Purge counts what was below, where that can be told: what is above is there too, but for what it has no
// room for.
func (t *tiered) Purge(s Selection, soft bool) (int, error) {
	for i := range t.changes {
		t.changes[i].begin()
		defer t.changes[i].end()
	}
	n, err := t.below.Purge(s, soft)
	m, fault := t.above.Purge(s, soft)
	if n >= 0 {
		n = max(n, m)
	}
	return n, errors.Join(err, fault)
}

// Stats are those of what is below, and where that cannot tell what it holds, of memory.
func (t *tiered) Stats() Stats {
	s, above := t.below.Stats(), t.above.Stats()
	s.Failed += above.Failed
	if s.Entries < 0 && above.Capacity > 0 {
		s.Entries, s.Bytes, s.Capacity, s.Evicted = above.Entries, above.Bytes, above.Capacity, above.Evicted
	}
	return s
}

func (t *tiered) Close() error { return errors.Join(t.above.Close(), t.below.Close()) }
