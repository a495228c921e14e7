package cache

import (
	"sync"
	"time"
)

const (
	// passFor is how long requests for a key do not wait for each other after a response to one was not
	// for the others.
	passFor = 120 * time.Second
	// maxPasses is how many keys are remembered so.
	maxPasses = 16 << 10
)

// passes remembers the keys whose responses are not for others.
type passes struct {
	mu    sync.Mutex
	until map[string]time.Time
}

func (p *passes) add(key string, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.until == nil {
		p.until = map[string]time.Time{}
	}
	if len(p.until) >= maxPasses {
		p.makeRoom(now)
	}
	p.until[cloned(key)] = now.Add(passFor)
}

// makeRoom drops what is over, or else some: forgetting one costs a wait and nothing more.
func (p *passes) makeRoom(now time.Time) {
	for key, until := range p.until {
		if !now.Before(until) {
			delete(p.until, key)
		}
	}
	for key := range p.until {
		if len(p.until) < maxPasses*3/4 {
			return
		}
		delete(p.until, key)
	}
}

func (p *passes) has(key string, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	until, ok := p.until[key]
	if ok && !now.Before(until) {
		delete(p.until, key)
		return false
	}
	return ok
}

func (p *passes) drop(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.until, key)
}
