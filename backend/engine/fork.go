package engine

import (
	"slices"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// fork takes x, which is a fork, through the cells from the i-th on, in a walk of its own. The plan
// stays until the response's body is closed.
func (r *route) fork(x *flow.Exchange, i int) (*flow.Response, error) {
	if !r.plan.share() {
		return nil, problem.New(problem.Unavailable, "Going on with %s %s beside the exchange it came from: the configuration it came in with is not in force any more. Send it again.", x.Request.Method, x.Request.URL())
	}
	held := false
	defer func() { // by who panics, too
		if !held {
			r.plan.release()
		}
	}()
	x.Trail = slices.Grow(x.Trail, len(r.cells)+1-i)
	w := r.newWalk()
	w.of, w.plan, w.now, w.asked = x, r.plan, x.Since(), askedOf(x.Request)
	response, err := w.from(i, x)
	w.count()
	if err != nil {
		return nil, err
	}
	x.Came(response)
	if response.Upgraded == nil && response.Body != flow.NoBody {
		response.Body, held = &heldBody{Held: flow.Held{ReadCloser: response.Body}, plan: r.plan}, true
	}
	return response, nil
}
