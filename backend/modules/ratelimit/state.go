package ratelimit

import (
	"context"
	"fmt"
	"strings"
	"time"

	"proxycache/backend/policy"
	"proxycache/backend/problem"
)

// Close gives the connections to Redis back.
func (l *limiter) Close() error {
	if l.shared == nil {
		return nil
	}
	return l.shared.pool.Close()
}

// State also drops some of what is idle.
func (l *limiter) State() policy.State {
	c, t := l.counts, l.counts.table
	t.sweep(time.Now().UnixNano())
	s := policy.State{Level: policy.Calm, Summary: keysOf(t.keys.Load())}
	if l.DryRun {
		s.Summary = fmt.Sprintf("dry run: %d would be, %s", c.dryRun.Load(), keysOf(t.keys.Load()))
	}
	if l.shared != nil {
		s.Summary = "counted in Redis"
		if l.shared.away.Load() || l.shared.pool.Down() {
			s.Level, s.Summary = policy.Warn, "Redis is away: counted here alone"
		}
	}
	s.Figures = l.figures()
	return s
}

func keysOf(n int64) string {
	if n == 1 {
		return "1 key"
	}
	return fmt.Sprintf("%d keys", n)
}

func (l *limiter) figures() []policy.Figure {
	c, t := l.counts, l.counts.table
	out := []policy.Figure{
		{Name: "keys", Help: "Keys that are remembered in memory.", Value: float64(t.keys.Load())},
		{Name: "bytes", Help: "Memory they take, estimated.", Value: float64(t.bytes())},
		{Name: "in_flight", Help: "Places that limits by concurrency hold in memory.", Value: float64(t.inFlight())},
		{Name: "limited_total", Help: "Requests that were refused.", Counter: true, Value: float64(c.limited.Load())},
		{Name: "delayed_total", Help: "Requests that waited for their turn.", Counter: true, Value: float64(c.delayed.Load())},
		{Name: "dry_run_total", Help: "Requests that would have been refused or delayed.", Counter: true, Value: float64(c.dryRun.Load())},
		{Name: "evicted_total", Help: "Keys that were forgotten before they were idle, because there were too many.", Counter: true, Value: float64(t.evicted.Load())},
	}
	if l.shared == nil {
		return out
	}
	up := 1.0
	if l.shared.away.Load() || l.shared.pool.Down() {
		up = 0
	}
	return append(out,
		policy.Figure{Name: "store_up", Help: "1 while Redis answers, else 0.", Value: up},
		policy.Figure{Name: "store_failures_total", Help: "Times that Redis did not answer, or was not asked because it had just failed.", Counter: true, Value: float64(c.failures.Load())},
		policy.Figure{Name: "local_total", Help: "Requests that were counted here because Redis was away.", Counter: true, Value: float64(c.local.Load())},
	)
}

// Actions are what a person can do with the counts.
func (l *limiter) Actions() []policy.Action {
	return []policy.Action{{
		Name: "reset", Title: "Reset", Help: "Forgets what was counted, of one key or of all; requests in flight stay counted.",
		Arguments: []policy.Argument{{Name: "key", Title: "Key", Help: "The key as the trail shows it, or the secret itself where that shows a fingerprint; empty for all.", Placeholder: "192.0.2.7"}},
	}}
}

// Act resets.
func (l *limiter) Act(_ context.Context, name string, arguments map[string]string) (string, error) {
	if name != "reset" {
		return "", problem.New(problem.NotFound, "Doing %s: a rate limit knows reset. Name this.", name)
	}
	value := strings.TrimSpace(arguments["key"])
	if value == "(none)" { // as the trail shows the empty one
		return l.forget("(none)", "")
	}
	if value != "" {
		return l.forget(value, value)
	}
	n := l.counts.table.clear()
	if l.shared != nil {
		there, err := l.shared.clear()
		if err != nil {
			return "", problem.Wrap(problem.Unavailable, err, "Resetting the counts in Redis: %v. Those here are reset; start the server and try again.", err)
		}
		n += there
	}
	return fmt.Sprintf("Forgot what was counted for %s.", keysOf(n)), nil
}

func (l *limiter) forget(shown, value string) (string, error) {
	found := int64(0)
	for _, r := range l.rules {
		if l.counts.table.reset(l.counts.table.hash(r, value)) {
			found++
		}
	}
	if l.shared != nil {
		there, err := l.shared.reset(l.rules, value)
		if err != nil {
			return "", problem.Wrap(problem.Unavailable, err, "Resetting %s in Redis: %v. Start the server and try again.", shown, err)
		}
		found += there
	}
	if found == 0 {
		return fmt.Sprintf("Nothing was counted for %s.", shown), nil
	}
	return fmt.Sprintf("Forgot what was counted for %s.", shown), nil
}
