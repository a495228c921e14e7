package engine

import (
	"io"
	"reflect"
	"slices"
	"strconv"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/policy"
	"proxycache/backend/problem"
)

// run takes x through its route: each cell in order, then the pool.
func (p *Plan) run(x *flow.Exchange) (*flow.Response, error) {
	if x.Door == flow.Tunnel {
		return (&walk{plan: p, now: x.Since()}).send(x, p.forward)
	}
	r := p.routeOf(x)
	if err := lenientWith(x, r); err != nil {
		return nil, err
	}
	if r == nil {
		return nil, problem.New(problem.NoRoute, "Routing %s %s: no route takes it. Add a route whose condition matches, or send it to the proxy as a forward request.", x.Request.Method, x.Request.URL())
	}
	x.Route = r.name
	r.count.seen.Add(1)
	x.Trail = slices.Grow(x.Trail, len(r.cells)+1)
	w := r.walk(p, x)
	response, err := w.from(0, x)
	w.release()
	tellTolerated(x)
	return response, err
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
	meters []meter // one a cell
	used   int     // of meters
	// now is when the clock was last read: a cell begins when the one before it handed on, and goes on
	// when the one behind it is done. That halves the readings.
	now time.Duration
}

// walk begins one, with what another has left.
func (r *route) walk(p *Plan, x *flow.Exchange) *walk {
	w, ok := r.walks.Get().(*walk)
	if !ok {
		w = &walk{route: r, meters: make([]meter, len(r.cells))}
		for i := range w.meters {
			m := &w.meters[i]
			m.walk, m.place, m.cell = w, i, r.cells[i]
			m.next = m.goOn
		}
	}
	w.plan, w.now = p, x.Since()
	return w
}

func (w *walk) release() {
	for i := range w.meters[:w.used] {
		w.meters[i].passage = passage{}
	}
	w.plan, w.used = nil, 0
	w.route.walks.Put(w)
}

func (w *walk) from(i int, x *flow.Exchange) (*flow.Response, error) {
	if i == len(w.route.cells) {
		return w.end(x)
	}
	c := w.route.cells[i]
	c.count.seen.Add(1)
	if c.policy == nil {
		x.Enter(flow.Step{Cell: c.id, Module: c.module.Name, Verdict: flow.Skipped, Why: "off"})
		return w.from(i+1, x)
	}
	if c.when != nil && !c.when.MatchRequest(x) {
		x.Enter(flow.Step{Cell: c.id, Module: c.module.Name, Verdict: flow.Skipped, Why: "when: " + c.text})
		return w.from(i+1, x)
	}
	m := &w.meters[i]
	w.used = max(w.used, i+1)
	m.passage = passage{x: x, step: x.Enter(flow.Step{Cell: c.id, Module: c.module.Name})}
	return m.apply()
}

// end is what stands behind the last cell.
func (w *walk) end(x *flow.Exchange) (*flow.Response, error) {
	switch {
	case w.route.pool != nil:
		return w.send(x, w.route.pool)
	case clientChose(x):
		return w.send(x, w.plan.forward)
	}
	x.Enter(flow.Step{Cell: "upstream/", Module: "upstream", Verdict: flow.Failed, Why: "the route has no upstream"})
	return nil, problem.New(problem.NoRoute, "Routing %s %s: no cell of route %q answered, and it has no upstream. Name one with `to`, or add a mock that matches.", x.Request.Method, x.Request.URL(), w.route.name)
}

func (w *walk) send(x *flow.Exchange, to *pool) (*flow.Response, error) {
	to.count.seen.Add(1)
	start := w.now
	step := x.Enter(flow.Step{Cell: to.cell, Module: "upstream", Verdict: flow.Picked})
	response, err := to.Send(x)
	s := &x.Trail[step]
	w.now = x.Since()
	s.Before = w.now - start
	if err != nil {
		s.Verdict = flow.Failed
		x.Note("error", err.Error())
		to.count.failed.Add(1)
	} else {
		to.count.acted.Add(1)
	}
	to.count.target(x.Target, err != nil)
	return response, err
}

// meter writes the trail of one cell: its time, and what it changed on the way there and back.
type meter struct {
	walk  *walk
	place int // among the cells of the route
	cell  *cell
	next  policy.Next // goOn, made once
	passage
}

// passage is one exchange on its way through one cell.
type passage struct {
	x       *flow.Exchange
	step    int
	handed  bool
	entered time.Duration

	request snapshot
	back    *flow.Response // what came back from behind the cell
	header  flow.Header
	status  int
	body    io.ReadCloser
	backAt  time.Duration
	backErr error
}

// snapshot is the request as a cell was given it. Header edits copy (flow.Header), so keeping the
// slice is enough.
type snapshot struct {
	method, scheme, authority, target string
	header                            flow.Header
	body                              io.ReadCloser
}

func snap(r *flow.Request) snapshot {
	return snapshot{r.Method, r.Scheme, r.Authority, r.Target, r.Header, r.Body}
}

func (s snapshot) line() string { return s.method + " " + s.scheme + "://" + s.authority + s.target }

func (m *meter) apply() (*flow.Response, error) {
	m.entered = m.walk.now
	m.request = snap(m.x.Request)
	response, err := m.cell.policy.Apply(m.x, m.next)
	m.finish(response, err)
	return response, err
}

// goOn is the rest of the route, as the cell sees it.
func (m *meter) goOn(x *flow.Exchange) (*flow.Response, error) {
	if m.x != x {
		return nil, problem.New(problem.Internal, "Running cell %q: it handed an exchange on after its turn was over. Report this with what its log says.", m.cell.id)
	}
	m.leave()
	m.back, m.backErr = m.walk.from(m.place+1, x)
	m.come()
	return m.back, m.backErr
}

// leave notes the moment and the changes when the cell hands the exchange on.
func (m *meter) leave() {
	s := &m.x.Trail[m.step]
	m.handed = true
	m.walk.now = m.x.Since()
	s.Before = m.walk.now - m.entered
	now := snap(m.x.Request)
	s.Request.Header = diff(m.request.header, now.header)
	if m.request.method != now.method || m.request.target != now.target || m.request.authority != now.authority || m.request.scheme != now.scheme {
		s.Request.Line = [2]string{m.request.line(), now.line()}
	}
	s.Request.Body = !sameBody(m.request.body, now.body)
}

// come notes what the cell is given back.
func (m *meter) come() {
	m.x.Resume(m.step)
	m.backAt = m.walk.now
	if m.back != nil {
		m.header, m.status, m.body = m.back.Header, m.back.Status, m.back.Body
	}
}

func (m *meter) finish(response *flow.Response, err error) {
	m.x.Resume(m.step)
	s := &m.x.Trail[m.step]
	m.walk.now = m.x.Since()
	if !m.handed {
		s.Before = m.walk.now - m.entered
	} else {
		s.After = m.walk.now - m.backAt
	}
	if m.handed && m.back != nil && response != nil {
		s.Response.Header = diff(m.header, response.Header)
		if m.status != response.Status {
			s.Response.Line = [2]string{strconv.Itoa(m.status), strconv.Itoa(response.Status)}
		}
		s.Response.Body = !sameBody(m.body, response.Body)
	}
	if s.Verdict == "" {
		s.Verdict = m.verdict(s, response, err)
	}
	m.cell.count.note(s.Verdict)
}

func (m *meter) verdict(s *flow.Step, response *flow.Response, err error) flow.Verdict {
	switch {
	case err != nil && !m.handed, err != nil && m.backErr == nil:
		return flow.Failed
	case response != nil && (!m.handed || response != m.back):
		return flow.Answered
	case !s.Request.Empty() || !s.Response.Empty():
		return flow.Changed
	}
	return flow.Passed
}

// sameBody compares without the panic that comparing two values of an incomparable type is.
func sameBody(a, b io.ReadCloser) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	t := reflect.TypeOf(a)
	return t == reflect.TypeOf(b) && (!t.Comparable() || a == b)
}
