package upstream

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"time"

	"proxycache/backend/problem"
)

// check is a HealthCheck made ready.
type check struct {
	HealthCheck
	statuses []statuses
	body     *regexp.Regexp // nil looks at no body
	folder   string         // where a command runs
}

func newCheck(s HealthCheck, folder string) (*check, error) {
	c := &check{HealthCheck: s, folder: folder}
	for _, text := range s.Statuses {
		one, ok := parseStatuses(text)
		if !ok {
			return nil, problem.New(problem.Invalid, "%q is no status: write 204, 2xx or 200-399", text)
		}
		c.statuses = append(c.statuses, one)
	}
	if s.Body != "" {
		var err error
		if c.body, err = regexp.Compile(s.Body); err != nil {
			return nil, problem.Wrap(problem.Invalid, err, "%q is no regular expression: %v", s.Body, err)
		}
	}
	return c, nil
}

// String names the check in reasons.
func (c *check) String() string {
	switch c.Type {
	case "tcp":
		return "connecting"
	case "grpc":
		return strings.TrimSpace("the gRPC health check " + c.Service)
	case "command":
		return "the command " + c.Command[0]
	}
	return c.Method + " " + c.Path
}

// tally is what one check says of one target. It is under balance.mu.
type tally struct {
	known  bool // there was an answer
	down   bool
	run    int // answers in a row that say otherwise
	reason string
}

// take notes an answer: nil for a good one.
func (y *tally) take(c *check, err error) {
	bad, needed := err != nil, c.Rise
	if bad {
		needed = c.Fall
	}
	if bad == y.down && y.known {
		y.run = 0
		if bad {
			y.reason = fmt.Sprintf("%s: %v", c, err)
		}
		return
	}
	if y.run++; y.known && y.run < needed {
		return
	}
	y.known, y.down, y.run = true, bad, 0
	y.reason = fmt.Sprintf("%s is answered", c)
	if bad {
		y.reason = fmt.Sprintf("%s: %v", c, err)
	}
}

// unsettled tells that the answers differ from what the target is taken for.
func (y *tally) unsettled() bool { return y.run > 0 }

// heard takes the answer of t to its i-th check, and returns when to ask again.
func (b *balance) heard(t *target, i int, c *check, err error) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	y := &t.condition.tallies[i]
	y.take(c, err)
	if err == nil && !y.down {
		b.rested(t)
	}
	b.settle(t)
	if y.unsettled() {
		return min(time.Duration(c.FastInterval), time.Duration(c.Interval))
	}
	return time.Duration(c.Interval)
}

// firstCheck is the longest time until a target is first checked. A plan that is only looked at is
// closed before, and asks nobody.
const firstCheck = 250 * time.Millisecond

// watch begins to check t, until its end or the rest of the pool. It is called under balance.mu.
func (p *Pool) watch(t *target) {
	if len(p.checks) == 0 || t.duty == off || t.end != nil || p.inForce.Err() != nil {
		return
	}
	ctx, cancel := context.WithCancel(p.inForce)
	t.end = cancel
	for i, c := range p.checks {
		go p.ask(ctx, t, i, c)
	}
}

func (p *Pool) ask(ctx context.Context, t *target, i int, c *check) {
	timer := time.NewTimer(firstCheck/5 + rand.N(firstCheck*4/5))
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		err := p.try(ctx, t, c)
		if ctx.Err() != nil {
			return
		}
		timer.Reset(c.jittered(p.balance.heard(t, i, c, err)))
	}
}

func (p *Pool) try(ctx context.Context, t *target, c *check) error {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(c.Timeout))
	defer cancel()
	err := p.probe(ctx, t, c)
	if err != nil && ctx.Err() == context.DeadlineExceeded {
		return fmt.Errorf("no answer within %s", c.Timeout)
	}
	return err
}

// jittered is d, longer or shorter by chance.
func (c *check) jittered(d time.Duration) time.Duration {
	if c.Jitter == 0 {
		return d
	}
	return d + time.Duration((rand.Float64()*2-1)*float64(c.Jitter)/100*float64(d))
}
