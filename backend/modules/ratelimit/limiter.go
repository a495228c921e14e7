package ratelimit

import (
	"strconv"
	"sync/atomic"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/page"
	"proxycache/backend/policy"
	"proxycache/backend/problem"
)

// counts outlive an edit of the settings.
type counts struct {
	table                                     *table
	limited, delayed, dryRun, failures, local atomic.Int64
}

// limiter is the running policy.
type limiter struct {
	Settings
	rules    []*rule
	policies string // the field RateLimit-Policy
	counts   *counts
	shared   *shared // nil where it counts in memory only
}

func (l *limiter) Apply(x *flow.Exchange, next policy.Next) (*flow.Response, error) {
	var room [mostLimits]claim
	claims := room[:len(l.rules)]
	for i, r := range l.rules {
		claims[i] = claim{rule: r, value: r.key.of(x)}
	}
	all, held := l.decide(x, claims)
	tight := tightest(claims)
	l.note(x, claims, tight)
	if !all && !l.DryRun {
		l.counts.limited.Add(1)
		return l.refuse(x, tight), nil
	}
	defer held.unlessHanded()
	x.Verdict(flow.Passed) // its fields alone are not worth a count of what was limited
	if err := l.delay(x, claims, all); err != nil {
		return nil, err
	}
	r, err := next(x)
	if err != nil || r.Status == 101 || r.Upgraded != nil {
		return r, err
	}
	if !l.DryRun {
		l.tell(x, r, tight)
	}
	held.handTo(r)
	return r, nil
}

// decide asks Redis, or the table where there is none or it is away.
func (l *limiter) decide(x *flow.Exchange, claims []claim) (all bool, held *hold) {
	if l.shared != nil {
		all, member, err := l.shared.decide(x.Context(), claims)
		if err == nil {
			if !all {
				return false, nil
			}
			return true, holdOf(l.shared.fly(claims, member))
		}
		l.counts.local.Add(1)
		if x.Context().Err() == nil { // else its client has left before its turn
			l.counts.failures.Add(1)
			x.Note("store", "redis away: counted here")
		}
	}
	t, flies := l.counts.table, false
	for i := range claims {
		claims[i].hash = t.hash(claims[i].rule, claims[i].value)
		flies = flies || claims[i].Algorithm == concurrency
	}
	all = t.decide(claims, time.Now().UnixNano(), l.MaxKeys)
	if !all || !flies {
		return all, nil
	}
	held = &hold{table: t}
	for i := range claims {
		if claims[i].Algorithm == concurrency {
			held.hashes = append(held.hashes, claims[i].hash)
		}
	}
	return true, held
}

// tightest is the limit that is told of: of those that refuse the one that does the longest, else the
// one that lets the fewest more pass.
func tightest(claims []claim) *claim {
	tight := &claims[0]
	for i := range claims[1:] {
		c := &claims[i+1]
		switch {
		case c.ok != tight.ok:
			if !c.ok {
				tight = c
			}
		case !c.ok && c.frees > tight.frees,
			c.ok && c.left < tight.left,
			c.ok && c.left == tight.left && c.reset() > tight.reset():
			tight = c
		}
	}
	return tight
}

// note writes what was decided and by what. Of limits that did not matter only what is left is said.
func (l *limiter) note(x *flow.Exchange, claims []claim, tight *claim) {
	x.Note("limit", tight.fact)
	x.Note("key", tight.key.shown(tight.value))
	x.Note("left", tight.stands())
	if reset := tight.reset(); reset > 0 {
		x.Note("reset", strconv.FormatInt(seconds(reset), 10)+"s")
	}
	for i := range claims {
		if c := &claims[i]; c != tight {
			x.Note("beside", c.Name+": "+c.stands())
		}
	}
}

// stands is "87 of 100".
func (c *claim) stands() string {
	if !c.ok {
		return "none of " + strconv.FormatInt(c.quota, 10)
	}
	return strconv.FormatInt(c.left, 10) + " of " + strconv.FormatInt(c.quota, 10)
}

// delay holds x until its turn in every leaky bucket.
func (l *limiter) delay(x *flow.Exchange, claims []claim, all bool) error {
	var wait time.Duration
	for i := range claims {
		wait = max(wait, claims[i].wait)
	}
	switch {
	case l.DryRun && (!all || wait > 0):
		l.counts.dryRun.Add(1)
		if all {
			x.Note("dry_run", "would have waited "+wait.Round(time.Microsecond).String())
		} else {
			x.Note("dry_run", "would have been answered "+strconv.Itoa(l.Status))
		}
		return nil
	case wait == 0:
		return nil
	}
	l.counts.delayed.Add(1)
	x.Note("delay", wait.Round(time.Microsecond).String())
	x.Verdict(flow.Changed)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-x.Context().Done():
		x.Verdict("")
		return problem.Wrap(problem.ClientLeft, x.Context().Err(), "Holding %s %s until its turn: the client left. Make burst smaller, so that none waits longer than clients do.", x.Request.Method, x.Request.URL())
	}
}

// refuse is the answer to a request that a limit did not let pass.
func (l *limiter) refuse(x *flow.Exchange, c *claim) *flow.Response {
	again := "Try again when one of those before it has ended."
	if c.frees > 0 {
		again = "Try again in " + strconv.FormatInt(seconds(c.frees), 10) + " s."
	}
	p := problem.New(problem.Limited, "Limiting %s %s: %q lets no more pass than %s. %s", x.Request.Method, x.Request.URL(), c.Name, c.says, again)
	r := page.Answer(x, p.After(c.frees))
	if l.Status != r.Status {
		l.restate(x, r, p)
	}
	l.tell(x, r, c)
	return r
}
