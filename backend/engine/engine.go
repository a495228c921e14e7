// Package engine builds plans from documents, runs exchanges through them, and swaps plans without
// dropping one.
package engine

import (
	"log/slog"
	"net/netip"
	"slices"
	"sync/atomic"

	"proxycache/backend/flow"
	"proxycache/backend/page"
	"proxycache/backend/policy"
	"proxycache/backend/problem"
	"proxycache/backend/upstream"
)

// Options are what an engine needs of its surroundings.
type Options struct {
	// Module finds a module by the name that a cell uses.
	Module func(name string) (policy.Module, bool)
	// Demo is the address that the target "demo:" stands for.
	Demo string
	// Refuse names addresses that no pool may dial, asked after resolution.
	Refuse func(netip.AddrPort) bool
	// Listens tells the addresses of the proxy's own listeners.
	Listens func(netip.AddrPort) bool
	// Folder is where relative paths of pools' files begin: the configuration file's.
	Folder string
	// Resolver finds the addresses of names; nil is the system's.
	Resolver upstream.Resolver
	// Data is the folder for what cells keep on the disk; "" where they keep nothing there.
	Data string
	Log  *slog.Logger
}

// Engine runs exchanges through the plan in force. Its methods may be called at any time by any
// goroutine.
type Engine struct {
	options Options
	keep    policy.Keep
	figures figures
	plan    atomic.Pointer[Plan]
}

// New makes an engine without a plan: it answers 503 until Swap gave it one.
func New(o Options) *Engine {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Engine{options: o}
}

// Handle runs x through its route and always returns a response; where there is no ordinary one,
// x.Problem says why.
func (e *Engine) Handle(x *flow.Exchange) *flow.Response {
	plan := e.acquire()
	if plan == nil {
		x.Problem = problem.New(problem.Unavailable, "Routing %s: no configuration is in force yet. Try again in a moment.", x.Request.URL())
		return page.Answer(x, x.Problem)
	}
	held := false
	defer func() { // by who panics, too
		if !held {
			plan.release()
		}
	}()
	response, late, err := plan.run(x)
	if err != nil {
		x.Problem = problem.Of(err)
		response = page.Answer(x, x.Problem)
		e.figures.refused(x, response.Status)
	}
	if len(x.Private) > 0 && response.Upgraded == nil {
		response.Header = append(slices.Clip(response.Header), x.Private...)
	}
	switch {
	case response.Upgraded != nil:
	case response.Body != flow.NoBody:
		response.Body, held = &heldBody{Held: flow.Held{ReadCloser: response.Body}, plan: plan, exchange: x, late: late}, true
	case err != nil && late != nil:
		late.Observe(x.Since())
	}
	return response
}

// acquire takes a share in the plan in force, so that it is not closed while the exchange runs.
func (e *Engine) acquire() *Plan {
	for {
		plan := e.plan.Load()
		if plan == nil {
			return nil
		}
		if !plan.share() {
			continue // it was swapped in between
		}
		if e.plan.Load() == plan {
			return plan
		}
		plan.release()
	}
}

// Swap puts plan in force. Exchanges that run keep the plan they began with; it is closed after the
// last of them.
func (e *Engine) Swap(plan *Plan) {
	old := e.plan.Swap(plan)
	e.keep.Retain(plan.cellIDs())
	if old == nil {
		return
	}
	old.retire(plan)
}

// Close ends the plan in force after its last exchange. Later exchanges are answered 503.
func (e *Engine) Close() {
	if old := e.plan.Swap(nil); old != nil {
		old.retire(nil)
	}
	e.keep.Retain(nil)
}
