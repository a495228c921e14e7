package engine

import (
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/metrics"
	"proxycache/backend/upstream"
)

// window is how many samples, one a second, the recent figures look back.
const window = 10

// figures count what cells, routes and pools did since the engine began. They outlive plans: an edit
// does not set the comb to zero, nor does one that is taken back within an hour.
type figures struct {
	mu       sync.Mutex
	counters map[string]*counter
	board    *metrics.Board // made with the first counter
	samples  int
}

const (
	forgetAfter = time.Hour // in which no plan that was prepared has the name
	forgetEvery = 60        // samples
)

// counter counts exchanges when they come back, each once, and holds how long they took.
type counter struct {
	passed, acted, failed atomic.Int64
	targets               sync.Map // address → *counter, for pools; bounded by maxTargets

	wanted time.Time // by a plan, the last time; under figures.mu

	board    *metrics.Board // where the next three are written and read
	latency  metrics.Histogram
	lastByte *metrics.Histogram // of a route; else nil
	answers  metrics.Tally      // of a route, by answerOf

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
		if f.counters == nil {
			f.counters, f.board = map[string]*counter{}, metrics.NewBoard()
		}
		c = &counter{board: f.board}
		if strings.HasPrefix(name, "route/") {
			c.lastByte = &metrics.Histogram{}
		}
		f.counters[name] = c
	}
	c.wanted = time.Now()
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

// maxTargets bounds what a forward pool, which is sent anywhere, remembers between two samples.
const maxTargets = 256

// target counts what came of an exchange that was sent there, and returns the target's counter: nil
// where nothing was sent, or there are too many.
func (c *counter) target(address string, failed bool) *counter {
	if address == "" {
		return nil
	}
	v, ok := c.targets.Load(address)
	if !ok {
		n := 0
		c.targets.Range(func(any, any) bool { n++; return n < maxTargets })
		if n >= maxTargets {
			return nil
		}
		v, _ = c.targets.LoadOrStore(strings.Clone(address), &counter{board: c.board})
	}
	t := v.(*counter)
	if failed {
		t.failed.Add(1)
	} else {
		t.acted.Add(1)
	}
	return t
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
	inForce := e.tally()
	f := &e.figures
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.samples++; f.samples%forgetEvery == 0 {
		f.forget(inForce)
	}
	var out []Figure
	for name, c := range f.counters {
		out = append(out, c.sample(name))
		out = append(out, c.sampleTargets(name)...)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}

// crowded is from how many targets on those that rest are forgotten: a pool that is sent anywhere, or
// whose servers come and go, has room for those it uses.
const crowded = maxTargets / 2

func (c *counter) sampleTargets(name string) (out []Figure) {
	var resting []any
	c.targets.Range(func(address, t any) bool {
		of := t.(*counter)
		one := of.sample(name + "/" + address.(string))
		if out = append(out, one); one.Rate == 0 && of.samples > window {
			resting = append(resting, address)
		}
		return true
	})
	if len(out) > crowded {
		for _, address := range resting {
			c.targets.Delete(address)
		}
	}
	return out
}

// forget drops the counters that are not in force and no plan has wanted lately, so that a long life of
// edits does not gather them. mu is held.
func (f *figures) forget(inForce map[*counter]bool) {
	for name, c := range f.counters {
		if !inForce[c] && time.Since(c.wanted) > forgetAfter {
			delete(f.counters, name)
		}
	}
}

// tally has the plan in force give the counters what it gathered, and returns them.
func (e *Engine) tally() (inForce map[*counter]bool) {
	plan := e.acquire()
	if plan == nil {
		return nil
	}
	defer plan.release()
	plan.tally()
	inForce = map[*counter]bool{plan.forward.count: true}
	for _, p := range plan.pools {
		inForce[p.count] = true
	}
	for _, r := range append([]*route{plan.direct}, plan.routes...) {
		inForce[r.count] = true
		for _, c := range r.cells {
			inForce[c.count] = true
		}
	}
	return inForce
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
