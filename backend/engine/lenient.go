package engine

import (
	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// lenientWith lets pass in x what r does, and is why the request's head needs more than that. r is
// nil where no route takes x; like the way without a route it lets nothing pass.
func lenientWith(x *flow.Exchange, r *route) error {
	if r != nil {
		x.Lenient = r.lenient
	}
	q := x.Request
	missing := q.Tolerated &^ x.Lenient
	if missing == 0 {
		return nil
	}
	if r == nil || r.name == "" {
		return problem.New(problem.BadRequest, "Reading the request %s %s: %s. No route takes it that lets this pass. Mend the client, or add a route with %s.",
			q.Method, q.URL(), missing.Faults(), missing.Setting())
	}
	x.Route = r.name
	return problem.New(problem.BadRequest, "Reading the request %s %s: %s. Route %q does not let this pass. Mend the client, or write %s into the route.",
		q.Method, q.URL(), missing.Faults(), r.name, (missing | x.Lenient).Setting())
}

// tellTolerated notes in the first step that ran what was let pass in the request.
func tellTolerated(x *flow.Exchange) {
	if x.Request.Tolerated == 0 {
		return
	}
	for i := range x.Trail {
		if s := &x.Trail[i]; s.Verdict != flow.Skipped {
			s.Facts = append(s.Facts, flow.Fact{Name: "tolerated", Value: x.Request.Tolerated.String() + " in the request"})
			return
		}
	}
}
