package engine

import (
	"proxycache/backend/filter"
	"proxycache/backend/flow"
)

// Reason says why a route did not take an exchange.
type Reason struct{ Route, Why string }

// Probe tells which route would take x, and why each other one would not. The route is "" where
// none would; forward exchanges then go where the client said.
func (e *Engine) Probe(x *flow.Exchange) (taken string, others []Reason) {
	plan := e.acquire()
	if plan == nil {
		return "", nil
	}
	defer plan.release()
	for _, r := range plan.routes {
		switch fits := r.when == nil || r.when.MatchRequest(x); {
		case fits && taken == "":
			taken = r.name
		case fits:
			others = append(others, Reason{r.name, "it fits as well but stands after " + taken})
		default:
			others = append(others, Reason{r.name, "needs " + filter.WhyNot(r.expr, x)})
		}
	}
	return taken, others
}
