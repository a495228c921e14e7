package engine

import (
	"io"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"

	"proxycache/backend/config"
	"proxycache/backend/filter"
	"proxycache/backend/flow"
	"proxycache/backend/metrics"
	"proxycache/backend/policy"
	"proxycache/backend/problem"
	"proxycache/backend/schema"
	"proxycache/backend/upstream"
)

// Plan is a document made ready to run: whole, checked, and never changed.
type Plan struct {
	routes  []*route
	direct  *route // for forward exchanges that no route takes: the common cells, then the client's target
	pools   map[string]*pool
	forward *pool
	log     *slog.Logger

	users   atomic.Int64 // exchanges that run in it, and one share for being in force
	closing sync.Once
	retired atomic.Bool // it is not in force any more
}

type route struct {
	plan  *Plan
	name  string
	when  *filter.Matcher // nil matches everything
	expr  filter.Expr
	cells []*cell
	pool  *pool // nil when its cells answer everything
	count *counter
	walks sync.Pool // of *walk that have ended

	// through counts the exchanges that nothing happened to: every cell had them once and did nothing,
	// and the pool answered. Most are such, and one counter that all processors write is enough.
	through atomic.Int64

	lenient flow.Tolerance // what it lets pass in heads
}

type cell struct {
	id     string // "shop-api/headers"
	module policy.Module
	policy policy.Policy // nil when it is off
	oneWay policy.OneWay // policy, where it is one
	when   *filter.Matcher
	expr   filter.Expr
	unless string // why it is skipped where its condition does not hold
	count  *counter
}

// pool is used by each plan that was built with it, and closed with the last of them: a plan that is
// never put in force leaves it to those that are.
type pool struct {
	*upstream.Pool
	plans    atomic.Int64
	cell     string // what its step in the trail is called: "upstream/shop"
	settings any    // to see whether a later plan may go on with it
	count    *counter
}

// Prepare builds the plan of doc, which has been checked and whose variables are expanded. Nothing
// of it is in force before Swap; a plan that is not swapped in must be discarded.
func (e *Engine) Prepare(doc *config.Document) (*Plan, error) {
	b := builder{engine: e, plan: &Plan{pools: map[string]*pool{}, log: e.options.Log}, before: e.plan.Load()}
	b.plan.users.Store(1)
	b.upstreams(doc)
	common := b.cells("", doc.Cells)
	b.plan.direct = &route{plan: b.plan, cells: common, pool: b.plan.forward, count: e.figures.of("route/")}
	for _, r := range doc.Routes {
		if !r.Off {
			b.route(r, common)
		}
	}
	if err := b.problems.Err(); err != nil {
		b.plan.Discard()
		return nil, err
	}
	return b.plan, nil
}

// Discard closes a plan that was prepared and never swapped in.
func (p *Plan) Discard() { p.release() }

// builder gathers a plan and what stands against it.
type builder struct {
	engine   *Engine
	plan     *Plan
	before   *Plan // may be nil
	problems problem.List
}

func (b *builder) fail(where string, err error) {
	if list, ok := err.(problem.List); ok {
		b.problems = append(b.problems, list...)
		return
	}
	p := problem.Of(err)
	if p.Where == "" {
		p = p.At(where)
	}
	b.problems = append(b.problems, p)
}

// failInside is fail for problems whose Where is relative to where.
func (b *builder) failInside(where string, err error) {
	for _, p := range problem.ListOf(err) {
		if p.Where != "" {
			p = p.At(where + "." + p.Where)
		}
		b.fail(where, p)
	}
}

func (b *builder) options() upstream.Options {
	o := b.engine.options
	return upstream.Options{Demo: o.Demo, Refuse: o.Refuse, Listens: o.Listens, Folder: o.Folder, Resolver: o.Resolver}
}

func (b *builder) upstreams(doc *config.Document) {
	for _, u := range doc.Upstreams {
		where := "upstreams." + u.Name
		var s upstream.Settings
		if list := schema.Decode(where, u.Settings, &s); len(list) > 0 {
			b.fail(where, list)
			continue
		}
		var before *pool
		if b.before != nil {
			before = b.before.pools[u.Name]
		}
		p, err := b.pool(u.Name, s, before, func() (*upstream.Pool, error) {
			o := b.options()
			if before != nil {
				o.Before = before.Pool
			}
			return upstream.New(u.Name, s, o)
		})
		if err != nil {
			b.fail(where, err)
			continue
		}
		b.plan.pools[u.Name] = p
	}
	var f upstream.Forward
	if list := schema.Decode("forward", doc.Sections["forward"], &f); len(list) > 0 {
		b.fail("forward", list)
		return
	}
	var before *pool
	if b.before != nil {
		before = b.before.forward
	}
	p, err := b.pool("", f, before, func() (*upstream.Pool, error) { return upstream.NewForward(f, b.options()) })
	if err != nil {
		b.fail("forward", err)
		return
	}
	b.plan.forward = p
}

// pool goes on with the one before when its settings are the same, so that its connections live.
func (b *builder) pool(name string, settings any, before *pool, open func() (*upstream.Pool, error)) (*pool, error) {
	if before != nil && reflect.DeepEqual(before.settings, settings) {
		before.plans.Add(1)
		return before, nil
	}
	p, err := open()
	if err != nil {
		return nil, err
	}
	cell := "upstream/" + name
	made := &pool{Pool: p, cell: cell, settings: settings, count: b.engine.figures.of(cell)}
	made.plans.Store(1)
	return made, nil
}

func (b *builder) route(r config.Route, common []*cell) {
	where := "routes." + r.Name
	out := &route{plan: b.plan, name: r.Name, count: b.engine.figures.of("route/" + r.Name)}
	out.when, out.expr = b.condition(where+".when", r.When)
	if r.To != "" {
		if out.pool = b.plan.pools[r.To]; out.pool == nil {
			b.fail(where+".to", problem.New(problem.Invalid, "there is no upstream called %q: define [upstreams.%s] or name another", r.To, r.To))
		}
	}
	for _, name := range r.Lenient {
		t, ok := flow.ToleranceOf(name)
		if !ok {
			b.fail(where+".lenient", schema.Unknown("leniency", name, flow.ToleranceNames()))
		}
		out.lenient |= t
	}
	out.cells = append(append(out.cells, common...), b.cells(r.Name, r.Cells)...)
	b.plan.routes = append(b.plan.routes, out)
}

func (b *builder) cells(route string, cells []config.Cell) []*cell {
	var out []*cell
	for i, c := range cells {
		where := config.CellPath(route, i)
		module, ok := b.engine.options.Module(c.Use)
		if !ok {
			b.fail(where+".use", problem.New(problem.Invalid, "there is no module called %q", c.Use))
			continue
		}
		made := &cell{id: CellID(route, c.ID), module: module, unless: "when: " + c.When}
		made.count = b.engine.figures.of(made.id)
		made.when, made.expr = b.condition(where+".when", c.When)
		settings := module.Settings()
		if list := schema.Decode(where, c.Settings, settings); len(list) > 0 {
			b.fail(where, list)
			continue
		}
		if !c.Off {
			p, err := settings.Policy(policy.NewEnv(made.id, b.plan.log, &b.engine.keep).In(b.engine.options.Data, b.poolNames()))
			if err != nil {
				b.failInside(where, err)
				continue
			}
			made.policy = p
			made.oneWay, _ = p.(policy.OneWay)
		}
		out = append(out, made)
	}
	return out
}

func (b *builder) poolNames() []string { return slices.Sorted(maps.Keys(b.plan.pools)) }

// CellID names a cell in the whole configuration: "shop-api/headers", "common/requestid".
func CellID(route, id string) string {
	if route == "" {
		return "common/" + id
	}
	return route + "/" + id
}

func (b *builder) condition(where, text string) (*filter.Matcher, filter.Expr) {
	if text == "" {
		return nil, nil
	}
	expr, err := filter.Parse(text)
	if err != nil {
		b.fail(where, err)
		return nil, nil
	}
	m, err := filter.Compile(expr)
	if err != nil {
		b.fail(where, err)
	}
	return m, expr
}

func (p *Plan) cellIDs() map[string]bool {
	ids := map[string]bool{}
	for c := range p.allCells() {
		ids[c.id] = true
	}
	return ids
}

// tally gives the cells and pools their part of what went through.
func (p *Plan) tally() {
	for _, r := range append([]*route{p.direct}, p.routes...) {
		n := r.through.Swap(0)
		r.count.acted.Add(n)
		for _, c := range r.cells {
			c.count.passed.Add(n)
		}
		if to := r.last(p); n > 0 && to != nil {
			to.count.acted.Add(n)
		}
	}
}

// last is where r sends what its cells let through; nil where it has no pool and no client that says.
func (r *route) last(p *Plan) *pool {
	if r.pool != nil {
		return r.pool
	}
	return p.forward
}

func (p *Plan) allCells() func(yield func(*cell) bool) {
	return func(yield func(*cell) bool) {
		seen := map[*cell]bool{}
		for _, r := range append([]*route{p.direct}, p.routes...) {
			for _, c := range r.cells {
				if !seen[c] && !yield(c) {
					return
				}
				seen[c] = true
			}
		}
	}
}

// retire gives up the share for being in force; next may be nil. What went through so far is told at
// once, and pools that next has not ask nobody for their health any more: the last exchange may take its
// time.
func (p *Plan) retire(next *Plan) {
	p.retired.Store(true)
	p.tally()
	for name, pool := range p.pools {
		if next == nil || next.pools[name] != pool {
			pool.Rest()
		}
	}
	p.release()
}

// share takes one more share in a plan of which one is held elsewhere; false when it has been closed.
func (p *Plan) share() bool {
	for {
		n := p.users.Load()
		if n <= 0 {
			return false
		}
		if p.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// release gives back one share; the last one closes the plan.
func (p *Plan) release() {
	if p.users.Add(-1) == 0 {
		p.closing.Do(p.close)
	}
}

func (p *Plan) close() {
	p.tally()
	for c := range p.allCells() {
		if closer, ok := c.policy.(io.Closer); ok {
			if err := closer.Close(); err != nil {
				p.log.Warn("closing a cell", "cell", c.id, "error", err)
			}
		}
	}
	for _, pool := range p.pools {
		pool.release()
	}
	if p.forward != nil {
		p.forward.release()
	}
}

// release gives back one plan's share.
func (p *pool) release() {
	if p.plans.Add(-1) == 0 {
		_ = p.Close() // idle connections only; nothing to report
	}
}

// heldBody keeps the plan of a response alive until its body was consumed, and counts how long that took.
type heldBody struct {
	flow.Held
	plan     *Plan
	exchange *flow.Exchange // serves another one once the body was closed
	late     *metrics.Late  // nil where it is not counted
	closed   atomic.Bool
}

func (b *heldBody) Close() error {
	err := b.ReadCloser.Close()
	if !b.closed.Swap(true) {
		if b.late != nil {
			b.late.Observe(lasted(b.exchange))
		}
		b.plan.release()
	}
	return err
}

var _ flow.Handler = (*Engine)(nil)
