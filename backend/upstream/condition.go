package upstream

import (
	"cmp"
	"slices"
	"time"

	"proxycache/backend/problem"
)

// State is how a target stands, in one word.
type State string

const (
	Healthy   State = "healthy"
	Unhealthy State = "unhealthy" // a check fails, or it could not be reached
	Ejected   State = "ejected"   // its answers were bad
	Draining  State = "draining"
	Off       State = "off"
	Fresh     State = "new" // its first check has not been answered: it is taken for healthy
)

// Change is one of the states that a target was in.
type Change struct {
	At     time.Time
	State  State
	Reason string
}

// maxHistory is how many of them are remembered of a target.
const maxHistory = 20

// condition is how a target fares.
type condition struct {
	tallies   []tally // one a check
	unreached string  // why it could not be reached when it was last tried; "" where it could

	ejected   time.Time // until then it is left out; zero where it is not
	why       string    // it was ejected
	times     int       // its next ejection takes so many times as long, less one
	ejections int       // since the beginning

	state   State
	reason  string
	since   time.Time
	history []Change // the oldest first
}

// now is the state and why.
func (m *member) now() (State, string) {
	c := &m.condition
	switch m.duty {
	case off:
		return Off, "its state is off in the settings"
	case drain:
		return Draining, "its state is drain in the settings"
	}
	if !c.ejected.IsZero() {
		return Ejected, c.why
	}
	known, reason := true, ""
	for i := range c.tallies {
		if c.tallies[i].down {
			return Unhealthy, c.tallies[i].reason
		}
		known = known && c.tallies[i].known
		reason = cmp.Or(reason, c.tallies[i].reason)
	}
	switch {
	case c.unreached != "":
		return Unhealthy, c.unreached
	case !known:
		return Fresh, "its first check has not been answered yet"
	}
	return Healthy, reason
}

// settle takes what has become of t's condition into its state, its history and the roster. It is
// called under b.mu.
func (b *balance) settle(t *target) {
	c := &t.condition
	was := c.state
	state, reason := t.now()
	reason = problem.Printable(reason) // much of it is the target's own words
	if state == Healthy && reason == "" {
		reason = recovered[was]
	}
	if state != was || reason != "" {
		c.reason = reason
	}
	if state != was {
		b.change(t, state, reason)
		if state == Healthy && (was == Unhealthy || was == Ejected) {
			b.rise(t)
		}
	}
	unfit := t.isUnfit()
	if t.unfit.Swap(unfit) != unfit || unfit && state != was {
		b.renew(b.all())
	}
}

// recovered is why a target without checks is healthy again.
var recovered = map[State]string{Ejected: "the time of its ejection is over", Unhealthy: "it was reached again"}

// isUnfit tells that t gets no requests while others can take them.
func (m *member) isUnfit() bool {
	c := &m.condition
	return !c.ejected.IsZero() || slices.ContainsFunc(c.tallies, func(y tally) bool { return y.down })
}

// change notes that t is in another state from now on.
func (b *balance) change(t *target, state State, reason string) {
	c := &t.condition
	c.state, c.since = state, time.Now()
	if len(c.history) >= maxHistory {
		c.history = slices.Delete(c.history, 0, len(c.history)-maxHistory+1)
	}
	c.history = append(c.history, Change{c.since, state, reason})
}

// rise begins a slow start where the settings ask for one.
func (b *balance) rise(t *target) {
	if b.slow != nil {
		t.rising.Store(time.Now().UnixNano())
	}
}

// takeOver goes on with what the target of the pool before has gone through. checked tells that the
// checks are the same. It is called under the b.mu of that pool and changes nothing of it.
func (m *member) takeOver(before *member, b *balance, checked bool) {
	m.load = before.load
	m.rising.Store(before.rising.Load())
	c, was := &m.condition, &before.condition
	c.since, c.state, c.history = was.since, was.state, slices.Clone(was.history)
	c.unreached, c.ejections = was.unreached, was.ejections
	if until := before.rests.Load(); until != 0 {
		m.rests.Store(until)
		b.resting.Add(1)
	}
	if b.outlier != nil {
		c.ejected, c.why, c.times = was.ejected, was.why, was.times
	}
	if checked {
		copy(c.tallies, was.tallies)
		return
	}
	for i := range c.tallies { // other checks: what was unhealthy is so until the first of them says otherwise
		for _, y := range was.tallies {
			if y.down {
				c.tallies[i].down, c.tallies[i].reason = true, y.reason
			}
		}
	}
}
