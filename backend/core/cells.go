package core

import (
	"context"
	"slices"
	"strings"

	"proxycache/backend/engine"
	"proxycache/backend/flow"
	"proxycache/backend/policy"
)

// CellState is how a running cell stands, and what can be done with it.
type CellState struct {
	Cell    string          `json:"cell"` // its id: "shop-api/cache"
	Module  string          `json:"module"`
	Summary string          `json:"summary"` // a few words; "" where there is nothing to tell
	Level   string          `json:"level"`   // "calm", "warn", "alarm"
	Figures []policy.Figure `json:"figures"`
	Actions []policy.Action `json:"actions"`
}

// CellAction is something to do with a running cell.
type CellAction struct {
	Cell      string            `json:"cell"`
	Action    string            `json:"action"`
	Arguments map[string]string `json:"arguments"`
}

// Cells are the running cells that have a state or actions, in the order of the routes.
func (c *Core) Cells(context.Context, Nothing) ([]CellState, error) {
	return toCellStates(c.engine.States()), nil
}

// ActOnCell does something with a running cell and says in a sentence what was done.
func (c *Core) ActOnCell(ctx context.Context, a CellAction) (string, error) {
	arguments := map[string]string{}
	for name, value := range a.Arguments {
		if c.wantsRecorded(a, name) {
			urls, err := c.recordedURLs(ctx, value)
			if err != nil {
				return "", err
			}
			value = strings.Join(urls, "\n")
		}
		arguments[name] = value
	}
	return c.engine.Act(ctx, a.Cell, a.Action, arguments)
}

// wantsRecorded tells whether an argument of a is a filter over recorded traffic.
func (c *Core) wantsRecorded(a CellAction, argument string) bool {
	for _, s := range c.engine.States() {
		for _, action := range s.Actions {
			if s.Cell == a.Cell && action.Name == a.Action {
				return slices.ContainsFunc(action.Arguments, func(one policy.Argument) bool { return one.Name == argument && one.Recorded })
			}
		}
	}
	return false
}

// mostRecorded bounds how many addresses an action takes from recorded traffic.
const mostRecorded = 1000

// recordedURLs are the addresses of the GET exchanges that filter matches, each once.
func (c *Core) recordedURLs(ctx context.Context, filter string) (urls []string, err error) {
	page, err := c.Exchanges(ctx, ExchangeQuery{Filter: filter, Limit: 500})
	for err == nil && len(page.Rows) > 0 && len(urls) < mostRecorded {
		for _, r := range page.Rows {
			if u := urlOf(r); r.Method == "GET" && !slices.Contains(urls, u) {
				urls = append(urls, u)
			}
		}
		page, err = c.Exchanges(ctx, ExchangeQuery{Filter: filter, After: page.Rows[len(page.Rows)-1].Seq, Limit: 500})
	}
	return urls, err
}

// toMoods are the states in brief, of the cells that tell one.
func toMoods(states []engine.CellState) []CellMood {
	out := []CellMood{}
	for _, s := range toCellStates(states) {
		if s.Summary != "" {
			out = append(out, CellMood{s.Cell, s.Summary, s.Level})
		}
	}
	return out
}

func toCellStates(states []engine.CellState) []CellState {
	out := []CellState{}
	for _, s := range states {
		one := CellState{Cell: s.Cell, Module: s.Module, Summary: s.State.Summary, Level: string(s.State.Level), Figures: s.State.Figures, Actions: s.Actions}
		if one.Level == "" {
			one.Level = string(policy.Calm)
		}
		if one.Figures == nil {
			one.Figures = []policy.Figure{}
		}
		out = append(out, one)
	}
	return out
}

func urlOf(r flow.Row) string { return r.Scheme + "://" + r.Authority + r.Target }
