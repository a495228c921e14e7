package engine

import (
	"slices"
	"strconv"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/metrics"
	"proxycache/backend/problem"
)

// run takes x through its route: each cell in order, then the pool. late is where to count how long x
// took until the last byte of its answer; nil where no route took it.
func (p *Plan) run(x *flow.Exchange) (response *flow.Response, late *metrics.Late, err error) {
	if x.Door == flow.Tunnel {
		w := &walk{plan: p, now: x.Since()}
		response, err = w.send(x, p.forward)
		p.forward.count.add(w.sent)
		w.measure()
		return response, nil, err
	}
	r := p.routeOf(x)
	if err := lenientWith(x, r); err != nil {
		return nil, nil, err
	}
	if r == nil {
		return nil, nil, problem.New(problem.NoRoute, "Routing %s %s: no route takes it. Add a route whose condition matches, or send it to the proxy as a forward request.", x.Request.Method, x.Request.URL())
	}
	x.Route = r.name
	x.Trail = slices.Grow(x.Trail, len(r.cells)+1)
	w := r.walk(p, x)
	response, err = w.from(0, x)
	w.failed = err != nil
	w.whole = err == nil && response.Upgraded == nil && response.Body == flow.NoBody
	w.count()
	late = w.late
	w.release()
	tellTolerated(x)
	return response, late, err
}

// routeOf finds the first route that takes x. A forward exchange that none takes goes where its
// client said.
func (p *Plan) routeOf(x *flow.Exchange) *route {
	for _, r := range p.routes {
		if r.when == nil || r.when.MatchRequest(x) {
			return r
		}
	}
	if clientChose(x) {
		return p.direct
	}
	return nil
}

// clientChose tells that the request itself names its target.
func clientChose(x *flow.Exchange) bool {
	return x.Door == flow.Forward || x.Door == flow.Intercept || x.Door == flow.Tunnel
}

// walk is one exchange on its way through the cells of a route.
type walk struct {
	plan   *Plan
	route  *route
	of     *flow.Exchange // the fork that it was made for; nil else
	meters []meter        // one a cell
	used   int            // of meters
	sent   visits         // to the pool that it was sent to last
	to     *pool
	tries  []try // that were answered
	failed bool  // there was no answer
	whole  bool  // the answer is all there with its head

	passings []passing     // of the cells that were passed again, but for the last
	late     *metrics.Late // of the route's last bytes, once the exchange was measured
	// now is when the clock was last read: a cell begins when the one before it handed on, and goes on
	// when the one behind it is done. That halves the readings.
	now time.Duration
	// What the request was when a cell last handed it on, and the response when one last gave it back:
	// what differs later is the doing of the cell that runs.
	asked asked
	given flow.Given
}

// walk begins one, with what another has left.
func (r *route) walk(p *Plan, x *flow.Exchange) *walk {
	w, ok := r.walks.Get().(*walk)
	if !ok {
		w = r.newWalk()
	}
	w.plan, w.now, w.asked = p, x.Since(), askedOf(x.Request)
	return w
}

func (r *route) newWalk() *walk {
	w := &walk{route: r, meters: make([]meter, len(r.cells))}
	for i := range w.meters {
		m := &w.meters[i]
		m.walk, m.place, m.cell = w, i, r.cells[i]
		m.next = m.goOn
	}
	return w
}

// count gives what the cells and the pool did to their counters.
func (w *walk) count() {
	w.measure()
	if w.through() {
		w.route.through.Add(1)
		return
	}
	if w.of == nil {
		w.route.count.acted.Add(1)
	}
	for i := range w.meters[:w.used] {
		w.meters[i].cell.count.add(w.meters[i].visits)
	}
	if w.to != nil {
		w.to.count.add(w.sent)
	}
}

// through tells whether the exchange is one of those that route.through counts.
func (w *walk) through() bool {
	if w.plan.retired.Load() || w.used < len(w.meters) || w.to != w.route.last(w.plan) || w.sent != (visits{acted: 1}) {
		return false
	}
	for i := range w.meters {
		if w.meters[i].visits != (visits{passed: 1}) {
			return false
		}
	}
	return true
}

func (w *walk) release() {
	for i := range w.meters[:w.used] {
		w.meters[i].passage, w.meters[i].visits = passage{}, visits{}
	}
	w.plan, w.used, w.sent, w.to, w.failed, w.whole, w.late, w.asked, w.given = nil, 0, visits{}, nil, false, false, nil, asked{}, flow.Given{}
	w.route.walks.Put(w)
}

// from takes x through the cells from the i-th on. Those that do nothing on the way back follow one
// another here; another one calls from for what is behind it.
func (w *walk) from(i int, x *flow.Exchange) (*flow.Response, error) {
	for ; i < len(w.meters); i++ {
		m := &w.meters[i]
		if i >= w.used {
			w.used = i + 1
		} else { // who repeats comes here again
			m.again()
		}
		step := x.Enter(m.cell.id, m.cell.module.Name)
		if why := m.cell.skips(x); why != "" {
			x.Trail[step].Verdict, x.Trail[step].Why = flow.Skipped, why
			m.note(flow.Skipped)
			continue
		}
		m.x, m.step, m.entered, m.joined = x, step, w.now, x.Joined()
		if m.cell.oneWay == nil {
			return m.apply()
		}
		response, err := m.cell.oneWay(x)
		if response != nil || err != nil {
			m.finish(response, err)
			return response, err
		}
		m.leave()
		m.conclude(nil, nil)
	}
	return w.end(x)
}

// skips says why c is not for x; "" when it is.
func (c *cell) skips(x *flow.Exchange) (why string) {
	switch {
	case c.policy == nil:
		return "off"
	case c.when != nil && !c.when.MatchRequest(x):
		return c.unless
	}
	return ""
}

// end is what stands behind the last cell.
func (w *walk) end(x *flow.Exchange) (*flow.Response, error) {
	if response := lastHop(x); response != nil {
		return response, nil
	}
	switch {
	case x.SendTo != "":
		to := w.plan.pools[x.SendTo]
		if to == nil {
			return nil, problem.New(problem.NoRoute, "Routing %s %s: a cell sends it to the upstream %q, which there is none of. Name another.", x.Request.Method, x.Request.URL(), x.SendTo)
		}
		return w.send(x, to)
	case w.route.pool != nil:
		return w.send(x, w.route.pool)
	case clientChose(x):
		return w.send(x, w.plan.forward)
	}
	step := x.Enter("upstream/", "upstream")
	x.Trail[step].Verdict, x.Trail[step].Why = flow.Failed, "the route has no upstream"
	return nil, problem.New(problem.NoRoute, "Routing %s %s: no cell of route %q answered, and it has no upstream. Name one with `to`, or add a mock that matches.", x.Request.Method, x.Request.URL(), w.route.name)
}

func (w *walk) send(x *flow.Exchange, to *pool) (*flow.Response, error) {
	if w.to != nil && w.to != to { // who repeats has it sent to another pool
		w.to.count.add(w.sent)
		w.sent = visits{}
	}
	w.to = to
	start := w.now
	step := x.Enter(to.cell, "upstream")
	x.Verdict(flow.Picked)
	response, err := to.Send(x)
	s := &x.Trail[step]
	w.now = x.Since()
	s.Before = w.now - start
	if err != nil {
		s.Verdict = flow.Failed
		x.Note("error", err.Error())
		w.sent.failed++
	} else {
		w.sent.acted++
		w.given = flow.GivenBy(response)
		if response.Status >= 500 { // the server's own, whatever cells make of it: a breaker reads it, too
			x.Note("status", strconv.Itoa(response.Status))
		}
	}
	if target := to.count.target(x.Target, err != nil); err == nil {
		w.tries = append(w.tries, try{to.count, target, s.Before})
	}
	return response, err
}
