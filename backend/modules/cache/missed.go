package cache

import (
	"sync"
	"sync/atomic"
	"time"

	"proxycache/backend/cachestore"
)

const (
	// maxMissed is of how many URLs it is remembered that the store has missed their invalidation.
	maxMissed = 1024
	// replayEvery is how long a store that has failed again is let alone.
	replayEvery = time.Second
	// everyURL begins all of them.
	everyURL = "http"
)

// missed are the invalidations that failed in the store, which may have gone away with what they are
// about and come back with it. What was received before them is not used (RFC 9111 §4.4).
type missed struct {
	some atomic.Bool   // else there is nothing to look for
	made atomic.Uint64 // how many were made up for, each counted before it is forgotten

	mu     sync.Mutex
	urls   map[string]time.Time // when they were invalidated last
	all    time.Time            // as if every URL had been: there were too many to remember
	replay bool                 // goes on
	tried  time.Time            // when the last one ended
}

func (m *missed) add(url string, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.urls == nil {
		m.urls = map[string]time.Time{}
	}
	if _, known := m.urls[url]; !known && len(m.urls) >= maxMissed {
		clear(m.urls)
		m.all = now
	} else {
		m.urls[cloned(url)] = now
	}
	m.some.Store(true)
}

// about tells whether one was about r, which is from before it.
func (m *missed) about(r *cachestore.Response) bool {
	if !m.some.Load() {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	at, ok := m.urls[r.URL]
	return ok && !r.Received.After(at) || !m.all.IsZero() && !r.Received.After(m.all)
}

// begin is what is to be replayed, with its moments; nil where that goes on, or was tried just now.
func (m *missed) begin(now time.Time) map[cachestore.Selection]time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.replay || now.Sub(m.tried) < replayEvery {
		return nil
	}
	m.replay = true
	list := make(map[cachestore.Selection]time.Time, len(m.urls)+1)
	for url, at := range m.urls {
		list[cachestore.Selection{URL: url}] = at
	}
	if !m.all.IsZero() {
		list[cachestore.Selection{Prefix: everyURL}] = m.all
	}
	return list
}

// done forgets s, unless it has been missed once more since at.
func (m *missed) done(s cachestore.Selection, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.made.Add(1)
	switch {
	case s.URL == "" && m.all.Equal(at):
		m.all = time.Time{}
	case m.urls[s.URL].Equal(at):
		delete(m.urls, s.URL)
	}
	m.some.Store(len(m.urls) > 0 || !m.all.IsZero())
}

func (m *missed) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.replay, m.tried = false, time.Now()
}

// catchUp repeats in the background what the store has missed, when it is there again.
func (c *cache) catchUp() {
	m := &c.shelf.missed
	if !m.some.Load() || c.store().Stats().Down {
		return
	}
	list := m.begin(time.Now())
	if list == nil {
		return
	}
	go func() {
		defer m.end()
		for s, at := range list {
			if _, err := c.store().Purge(s, false); err != nil {
				c.failed(err)
				return
			}
			m.done(s, at)
		}
	}()
}
