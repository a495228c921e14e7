package core

import (
	"errors"
	"testing"

	"proxycache/backend/problem"
)

func TestAFaultHasItsStatus(t *testing.T) {
	invalid := problem.New(problem.Invalid, "wrong")
	for _, c := range []struct {
		err  error
		want int
	}{
		{invalid, 400},
		{problem.List{invalid, problem.New(problem.Conflict, "stale")}, 400},
		{problem.New(problem.NotFound, "gone"), 404},
		{problem.New(problem.Conflict, "stale"), 409},
		{problem.New(problem.Forbidden, "no"), 403},
		{problem.New(problem.Unavailable, "later"), 503},
		{errors.New("unknown"), 500},
	} {
		if got := StatusOf(c.err); got != c.want {
			t.Errorf("%v: %d, not %d", c.err, got, c.want)
		}
	}
}
