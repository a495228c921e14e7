package engine

import (
	"cmp"
	"slices"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/metrics"
)

// try is one sending to a pool that was answered.
type try struct {
	pool, target *counter // target is nil where the pool has too many
	took         time.Duration
}

// passing is one way there and back through a cell that was passed again.
type passing struct {
	cell *counter
	took time.Duration
}

// took is the cell's own time on the way there and back; false where it was skipped.
func (m *meter) took() (time.Duration, bool) {
	if m.x == nil || m.step >= len(m.x.Trail) {
		return 0, false
	}
	step := &m.x.Trail[m.step]
	return step.Before + step.After, true
}

// again makes m ready for an exchange that comes by once more, and keeps what it took before.
func (m *meter) again() {
	if took, ok := m.took(); ok {
		m.walk.passings = append(m.walk.passings, passing{m.cell.count, took})
	}
	m.passage = passage{}
}

// measure adds what the exchange took to the histograms: of the route, from when its request came in
// until the head of its answer was there, which is all of an answer without a body; of each pool and
// target that answered, from when the pool had it until then, with the wait for a connection; of each
// cell, its own time on the way there and back, each time it was passed.
func (w *walk) measure() {
	board := w.board()
	if board == nil {
		return
	}
	s := board.Write()
	if w.route != nil && w.of == nil {
		c := w.route.count
		c.latency.Observe(s, w.now)
		w.late = c.lastByte.Late(s)
		if !w.failed {
			c.answers.Add(s, answerOf(w.given.Status))
		}
		if w.whole {
			c.lastByte.Observe(s, w.now)
		}
	}
	for i := range w.meters[:w.used] {
		if took, ok := w.meters[i].took(); ok {
			w.meters[i].cell.count.latency.Observe(s, took)
		}
	}
	for _, p := range w.passings {
		p.cell.latency.Observe(s, p.took)
	}
	for _, t := range w.tries {
		t.pool.latency.Observe(s, t.took)
		if t.target != nil {
			t.target.latency.Observe(s, t.took)
		}
	}
	s.Done()
	w.tries, w.passings = w.tries[:0], w.passings[:0]
}

// lasted is how long x took until the last byte of its answer was given to the client. Who gives it says
// so before the body is closed.
func lasted(x *flow.Exchange) time.Duration {
	if x.Timing.Done > 0 {
		return x.Timing.Done
	}
	return x.Since()
}

// board is the engine's; nil for a tunnel that was sent nowhere.
func (w *walk) board() *metrics.Board {
	switch {
	case w.route != nil:
		return w.route.count.board
	case w.to != nil:
		return w.to.count.board
	}
	return nil
}

// The kinds of a route's answers, as counter.answers counts them: 1 to 5 for 1xx to 5xx.
const (
	unanswered  = 0 // the connection was cut
	otherAnswer = 6
)

func answerOf(status int) int { return min(max(status/100, unanswered), otherAnswer) }

// refused counts the answer that the engine itself gave x, which failed.
func (f *figures) refused(x *flow.Exchange, status int) {
	if x.Door == flow.Tunnel {
		return
	}
	c := f.of("route/" + x.Route)
	s := c.board.Write()
	c.answers.Add(s, answerOf(status))
	s.Done()
}

// Latency is how long exchanges took lately, in the windows of package metrics. Names are those of
// Sample: of a route until the head of the answer was there, and with LastByte behind it until its last
// byte was given to the client; of a pool and its targets until the head from when the pool had it; of a
// cell its own time.
type Latency struct {
	Name    string
	Windows [3]metrics.Quantiles // ten seconds, one minute, ten minutes
}

// LastByte is what the name of a route's Latency ends in where it is that of whole answers.
const LastByte = "/last-byte"

// Latencies are those of all that had an exchange in the last ten minutes, sorted by name. The first,
// "", is that of all exchanges that a route took, until the head of the answer was there.
func (e *Engine) Latencies() []Latency {
	var out []Latency
	var routes []*metrics.Histogram
	var board *metrics.Board
	tell := func(name string, windows [3]metrics.Quantiles) {
		if windows[metrics.TenMinutes].Count > 0 {
			out = append(out, Latency{name, windows})
		}
	}
	e.figures.each(func(name, target string, c *counter) {
		tell(joined(name, target), c.board.Windows(&c.latency))
		if c.lastByte != nil {
			tell(name+LastByte, c.board.Windows(c.lastByte))
			routes, board = append(routes, &c.latency), c.board
		}
	})
	if board != nil {
		tell("", board.Windows(routes...))
	}
	slices.SortFunc(out, func(a, b Latency) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// Measure is all that is counted of a name since the engine began.
type Measure struct {
	Name                  string // as Sample has it, without the target
	Target                string // of a pool: "127.0.0.1:3000"; "" for the whole
	Passed, Acted, Failed int64
	Answers               [7]int64 // of a route: those cut off, 1xx to 5xx, others
	Duration              metrics.Distribution
	LastByte              metrics.Distribution // of a route
}

// Measures reads them, sorted by name and target.
func (e *Engine) Measures() []Measure {
	e.tally()
	var out []Measure
	e.figures.each(func(name, target string, c *counter) {
		m := Measure{
			Name: name, Target: target, Passed: c.passed.Load(), Acted: c.acted.Load(), Failed: c.failed.Load(),
			Duration: c.board.Distribution(&c.latency),
		}
		answers := c.board.Count(&c.answers)
		copy(m.Answers[:], answers[:])
		if c.lastByte != nil {
			m.LastByte = c.board.Distribution(c.lastByte)
		}
		out = append(out, m)
	})
	slices.SortFunc(out, func(a, b Measure) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Target, b.Target))
	})
	return out
}

// each calls with every counter. The lock is not held meanwhile: exchanges that fail want it.
func (f *figures) each(tell func(name, target string, c *counter)) {
	type named struct {
		name string
		c    *counter
	}
	var all []named
	f.mu.Lock()
	for name, c := range f.counters {
		all = append(all, named{name, c})
	}
	f.mu.Unlock()
	for _, n := range all {
		tell(n.name, "", n.c)
		n.c.targets.Range(func(address, t any) bool {
			tell(n.name, address.(string), t.(*counter))
			return true
		})
	}
}

func joined(name, target string) string {
	if target == "" {
		return name
	}
	return name + "/" + target
}
