package breaker

import (
	"context"
	"fmt"
	"strings"
	"time"

	"proxycache/backend/policy"
	"proxycache/backend/problem"
)

// snapshot is how a circuit stands.
type snapshot struct {
	name        string
	state       state
	left        time.Duration // open: until it recovers
	transitions [states][states]int64
	spent       [states]time.Duration
	rejected    int64
}

// snapshot changes nothing: an open circuit whose time is over waits for an exchange to recover with.
func (c *circuit) snapshot(now time.Time) snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := snapshot{name: c.name, state: c.state, transitions: c.transitions, spent: c.spent, rejected: c.rejected}
	s.spent[c.state] += now.Sub(c.since)
	if c.state == open {
		s.left = max(0, c.until.Sub(now))
	}
	return s
}

// State tells how the circuits stand.
func (b *breaker) State() policy.State {
	now := time.Now()
	var count [states]int
	var left time.Duration
	out := policy.State{Level: policy.Calm}
	for _, c := range b.circuits.all() {
		s := c.snapshot(now)
		count[s.state]++
		left = max(left, s.left)
		out.Figures = append(out.Figures, s.figures()...)
	}
	switch {
	case count[open] > 0:
		out.Level = policy.Alarm
	case count[recovering] > 0:
		out.Level = policy.Warn
	}
	out.Summary = summary(count, left)
	return out
}

func summary(count [states]int, left time.Duration) string {
	if count[open]+count[recovering] == 0 {
		return closed.String()
	}
	all := count[closed] + count[open] + count[recovering]
	var parts []string
	for _, s := range []state{open, recovering} {
		switch {
		case count[s] == 0:
		case all == 1:
			parts = append(parts, s.String())
		default:
			parts = append(parts, fmt.Sprintf("%d of %d %s", count[s], all, s))
		}
	}
	switch {
	case count[open] > 0 && left > 0:
		parts = append(parts, wait(left)+" left")
	case count[open] > 0:
		parts = append(parts, "recovers with the next request")
	}
	return strings.Join(parts, ", ")
}

// ways are all there are between the states.
var ways = [...][2]state{{closed, open}, {open, recovering}, {recovering, closed}, {recovering, open}}

func (s *snapshot) figures() []policy.Figure {
	scope := policy.Label{Name: "scope", Value: s.name}
	var out []policy.Figure
	for st := closed; st < states; st++ {
		is := 0.0
		if s.state == st {
			is = 1
		}
		labels := []policy.Label{scope, {Name: "state", Value: st.String()}}
		out = append(out,
			policy.Figure{Name: "state", Help: "1 for the state in which the breaker is.", Labels: labels, Value: is},
			policy.Figure{Name: "seconds_total", Help: "How long the breaker was in each state.", Counter: true, Labels: labels, Value: s.spent[st].Seconds()})
	}
	for _, w := range ways {
		out = append(out, policy.Figure{Name: "transitions_total", Help: "How often the breaker went from one state to another.", Counter: true,
			Labels: []policy.Label{scope, {Name: "from", Value: w[0].String()}, {Name: "to", Value: w[1].String()}}, Value: float64(s.transitions[w[0]][w[1]])})
	}
	return append(out, policy.Figure{Name: "rejected_total", Help: "Requests that were not let through.", Counter: true, Labels: []policy.Label{scope}, Value: float64(s.rejected)})
}

// Actions are to open and to close it by hand.
func (b *breaker) Actions() []policy.Action {
	which := []policy.Argument{{Name: "target", Title: "Which", Help: "The server, or the route, whose breaker it is; empty for all.", Placeholder: "127.0.0.1:3000"}}
	return []policy.Action{
		{Name: "open", Title: "Open", Help: "Lets nothing through for the time it is open, then recovers as always.", Arguments: which},
		{Name: "close", Title: "Close", Help: "Lets everything through at once.", Arguments: which},
	}
}

// Act opens or closes it.
func (b *breaker) Act(_ context.Context, name string, arguments map[string]string) (string, error) {
	chosen, err := b.chosen(name, arguments["target"])
	if err != nil {
		return "", err
	}
	now := time.Now()
	names := make([]string, 0, len(chosen))
	for _, c := range chosen {
		if name == "open" {
			c.force(&b.rules, now)
		} else {
			c.mend(now)
		}
		names = append(names, c.name)
	}
	if name == "open" {
		return fmt.Sprintf("Opened %s for %s.", strings.Join(names, ", "), b.OpenFor), nil
	}
	return fmt.Sprintf("Closed %s.", strings.Join(names, ", ")), nil
}

func (b *breaker) chosen(action, name string) ([]*circuit, error) {
	all := b.circuits.all()
	var names []string
	for _, c := range all {
		if c.name == name {
			return []*circuit{c}, nil
		}
		names = append(names, c.name)
	}
	switch {
	case len(all) == 0:
		return nil, problem.New(problem.NotFound, "Doing %s: no request has come to this breaker yet. Try again when one has.", action)
	case name != "":
		return nil, problem.New(problem.NotFound, "Doing %s: there is no breaker for %q. Known are: %s.", action, name, strings.Join(names, ", ")).At("target")
	}
	return all, nil
}
