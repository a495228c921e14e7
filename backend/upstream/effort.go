package upstream

import (
	"slices"
	"time"

	"proxycache/backend/problem"
)

// effort is what an exchange has gone through with targets that it did not reach.
type effort struct {
	connecting time.Duration // spent, over all targets
	body       []byte        // what was read of the request's body; who comes next sends it first
}

// left is how long connecting may take. A target that is silent leaves one connect_timeout to those
// that are tried behind it, which have it together.
func (e *effort) left(p *Pool) time.Duration {
	one := p.settings.connectTimeout()
	return min(one, 2*one-e.connecting)
}

// keep takes what k has read of the request's body and its target did not get.
func (e *effort) keep(k *call) {
	if k.out != nil {
		e.body = slices.Clone((*k.out)[k.head:])
	}
}

// cutShort says how long t had for its answer, where that was not all of connect_timeout.
func (p *Pool) cutShort(t *target, within time.Duration, err error) error {
	if within >= p.settings.connectTimeout() || problem.KindOf(err) != problem.Timeout {
		return err
	}
	return problem.Wrap(problem.Timeout, err, "Connecting to %s: no answer within the %s that other servers had left of connect_timeout (%s). Check that the server runs and no firewall is in between, or raise connect_timeout in %s.", t.address, rounded(within), p.settings.ConnectTimeout, p.section())
}
