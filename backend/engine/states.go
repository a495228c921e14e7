package engine

import (
	"context"
	"strings"

	"proxycache/backend/policy"
	"proxycache/backend/problem"
)

// CellState is how a running cell stands, and what can be done with it.
type CellState struct {
	Cell    string          `json:"cell"` // its id: "shop-api/cache"
	Module  string          `json:"module"`
	State   policy.State    `json:"state"`
	Actions []policy.Action `json:"actions"`
}

// States are those of the cells in force that have one, in the order of the routes.
func (e *Engine) States() []CellState {
	out := []CellState{}
	plan := e.acquire()
	if plan == nil {
		return out
	}
	defer plan.release()
	for c := range plan.allCells() {
		telling, tells := c.policy.(policy.Telling)
		acting, acts := c.policy.(policy.Acting)
		if !tells && !acts {
			continue
		}
		s := CellState{Cell: c.id, Module: c.module.Name, Actions: []policy.Action{}}
		if tells {
			s.State = telling.State()
		}
		if acts {
			s.Actions = acting.Actions()
		}
		out = append(out, s)
	}
	return out
}

// Act does something with a running cell, and returns a sentence of what was done.
func (e *Engine) Act(ctx context.Context, cell, action string, arguments map[string]string) (string, error) {
	plan := e.acquire()
	if plan == nil {
		return "", problem.New(problem.Unavailable, "Doing %s with %s: no configuration is in force yet. Try again in a moment.", action, cell)
	}
	defer plan.release()
	for c := range plan.allCells() {
		if c.id != cell {
			continue
		}
		acting, ok := c.policy.(policy.Acting)
		if !ok {
			return "", problem.New(problem.NotFound, "Doing %s with %s: a cell of the module %q has no actions, or this one is off.", action, cell, c.module.Name)
		}
		var names []string
		for _, a := range acting.Actions() {
			if a.Name == action {
				return acting.Act(ctx, action, arguments)
			}
			names = append(names, a.Name)
		}
		return "", problem.New(problem.NotFound, "Doing %s with %s: it knows %s. Name one of these.", action, cell, strings.Join(names, ", "))
	}
	return "", problem.New(problem.NotFound, "Doing %s: there is no cell %q in force. See `proxycache cells`.", action, cell)
}
