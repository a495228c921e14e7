package breaker

import (
	"io"
	"testing"
	"testing/synctest"

	"proxycache/backend/problem"
)

// broken breaks off behind its first byte.
type broken struct {
	with error
	read bool
}

func (b *broken) Read(p []byte) (int, error) {
	if !b.read {
		b.read = true
		p[0] = 'x'
		return 1, nil
	}
	return 0, b.with
}
func (*broken) Close() error { return nil }

func TestABodyThatBreaksOffCounts(t *testing.T) {
	for _, c := range []struct {
		with error
		want string
	}{
		{problem.New(problem.Terminated, "in the middle"), "open, 30 s left"},
		{problem.New(problem.ClientLeft, "the client"), "closed"},
		{io.EOF, "closed"},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := policyOf(t, map[string]any{"minimum": int64(4)})
			for range 4 {
				ask(t, b, 1, (&origin{status: 200, body: &broken{with: c.with}}).next)
			}
			stands(t, b, c.want)
		})
	}
}
