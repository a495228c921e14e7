package engine

import (
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"

	"proxycache/backend/flow"
	"proxycache/backend/upstream"
)

// window is how many samples, one a second, the recent figures look back.
const window = 10

// figures count what cells, routes and pools did since the engine began. They outlive plans: an edit
// does not set the comb to zero.
type figures struct {
	mu       sync.Mutex
	counters map[string]*counter
}

// counter counts exchanges when they come back, each once.
type counter struct {
	passed, acted, failed atomic.Int64
	targets               sync.Map // address → *counter, for pools; bounded by the addresses a pool was sent to

	past    [window]totals // ring of samples; under figures.mu
	samples int
}

type totals struct{ seen, acted, failed int64 }

// Figure is one counter at a moment. Rate is seen a second and Share acted of seen, both recent.
type Figure struct {
	Name                string
	Seen, Acted, Failed int64
	Rate, Share         float64
}

func (f *figures) of(name string) *counter {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.counters[name]
	if c == nil {
		c = &counter{}
		if f.counters == nil {
			f.counters = map[string]*counter{}
		}
		f.counters[name] = c
	}
	return c
}

// visits are those of one exchange.
type visits struct{ passed, acted, failed int64 }

func (v *visits) note(verdict flow.Verdict) {
	switch verdict {
	case flow.Passed, flow.Skipped:
		v.passed++
	case flow.Failed:
		v.failed++
	default:
		v.acted++
	}
}

func (c *counter) add(v visits) {
	if v.passed > 0 {
		c.passed.Add(v.passed)
	}
	if v.acted > 0 {
		c.acted.Add(v.acted)
	}
	if v.failed > 0 {
		c.failed.Add(v.failed)
	}
}

// maxTargets bounds what a forward pool, which is sent anywhere, remembers.
const maxTargets = 256

func (c *counter) target(address string, failed bool) {
	if address == "" {
		return
	}
	v, ok := c.targets.Load(address)
	if !ok {
		n := 0
		c.targets.Range(func(any, any) bool { n++; return n < maxTargets })
		if n >= maxTargets {
			return
		}
		v, _ = c.targets.LoadOrStore(address, &counter{})
	}
	t := v.(*counter)
	if failed {
		t.failed.Add(1)
	} else {
		t.acted.Add(1)
	}
}

func (c *counter) sample(name string) Figure {
	now := totals{acted: c.acted.Load(), failed: c.failed.Load()}
	now.seen = c.passed.Load() + now.acted + now.failed
	var then totals
	span := min(c.samples, window)
	if span > 0 {
		then = c.past[(c.samples-span)%window]
	}
	c.past[c.samples%window] = now
	c.samples++
	f := Figure{Name: name, Seen: now.seen, Acted: now.acted, Failed: now.failed}
	if seen := now.seen - then.seen; seen > 0 && span > 0 {
		f.Rate = float64(seen) / float64(span)
		f.Share = float64(now.acted-then.acted) / float64(seen)
	}
	return f
}

// Sample reads every counter, sorted by name: cells ("shop-api/headers"), routes ("route/shop-api"),
// pools ("upstream/shop") and their targets ("upstream/shop/127.0.0.1:3000"). Call it once a second:
// the recent figures are over the last ten calls.
func (e *Engine) Sample() []Figure {
	if plan := e.acquire(); plan != nil {
		plan.tally()
		plan.release()
	}
	f := &e.figures
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []Figure
	for name, c := range f.counters {
		out = append(out, c.sample(name))
		c.targets.Range(func(address, t any) bool {
			out = append(out, t.(*counter).sample(name+"/"+address.(string)))
			return true
		})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

// PoolFigure is what a pool has of connections at a moment. Name is "" for the pool of the exchanges
// whose clients name their target.
type PoolFigure struct {
	Name string
	upstream.Stats
}

// Pools reads the connections of the pools in force, by name.
func (e *Engine) Pools() []PoolFigure {
	plan := e.acquire()
	if plan == nil {
		return nil
	}
	defer plan.release()
	out := []PoolFigure{{"", plan.forward.Stats()}}
	for name, p := range plan.pools {
		out = append(out, PoolFigure{name, p.Stats()})
	}
	slices.SortFunc(out, func(a, b PoolFigure) int { return strings.Compare(a.Name, b.Name) })
	return out
}
