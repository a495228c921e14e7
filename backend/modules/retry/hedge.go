package retry

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/policy"
	"proxycache/backend/problem"
)

// hedgeTime is when to send a request beside the first; 0 for never. Only what may be repeated even
// when the server has it is sent twice.
func (r *run) hedgeTime() time.Duration {
	if !r.hedges() || !slices.Contains(r.rules.methods, r.asked.Method) || r.asked.UpgradeTo() != "" {
		return 0
	}
	if r.body != nil && (r.asked.ContentLength < 0 || r.asked.ContentLength > r.bodyCap) {
		return 0
	}
	if r.hedgeAfter > 0 {
		return r.hedgeAfter
	}
	return r.latency.share(r.hedgeShare)
}

// racer is one of the requests that are sent beside each other.
type racer struct {
	number   int
	fork     *flow.Exchange
	body     *view // nil where there is none
	cancel   context.CancelCauseFunc
	begun    time.Time
	response *flow.Response // with err, once it has ended
	err      error
	ended    bool
}

// race is the attempts that run beside each other.
type race struct {
	*run
	racers  []*racer
	results chan *racer
	pending int
	late    string // why no more of them were sent
}

// race sends the request, and again beside it after a while, and takes the first answer that is of
// use; where there is none, the last.
func (r *run) race(after time.Duration, attempt int) (*flow.Response, error) {
	c := race{run: r, results: make(chan *racer, 1+r.atMost)}
	c.start()
	winner := c.first(after)
	if attempt == 1 {
		r.latency.add(time.Since(c.racers[0].begun)) // or longer, where it was given up
	}
	for range len(c.racers) - 1 {
		r.budget.give()
	}
	if len(c.racers) > 1 {
		r.hedged += len(c.racers) - 1
		r.x.Note("hedged", fmt.Sprintf("%d beside the first after %s, number %d was taken", len(c.racers)-1, after.Round(time.Microsecond), winner.number))
		if winner.number > 1 {
			r.budget.hedgesWon.Add(1)
		}
	}
	if c.late != "" {
		r.x.Note("not hedged", c.late)
	}
	c.endLosers(winner)
	r.x.Join(winner.fork)
	if winner.err != nil {
		winner.cancel(nil)
		return nil, winner.err
	}
	return holding(winner.response, winner.cancel), nil
}

// first waits for the first answer of use, or the last one.
func (c *race) first(after time.Duration) *racer {
	timer := time.NewTimer(after)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			if c.late = c.budget.take(c.limits, time.Now()); c.late != "" {
				continue // there is none later, either: most likely the server is slow for all
			}
			c.budget.hedges.Add(1)
			c.start()
			if len(c.racers) <= c.atMost {
				timer.Reset(after)
			}
		case done := <-c.results:
			done.ended = true
			c.pending--
			if c.pending == 0 || c.rules.why(done.response, done.err) == "" {
				return done
			}
		}
	}
}

// start sends another one.
func (c *race) start() {
	ctx, cancel := context.WithCancelCause(c.x.Context())
	one := &racer{number: len(c.racers) + 1, fork: c.x.Fork(ctx), cancel: cancel, begun: time.Now()}
	one.fork.Request.Header = slices.Clip(c.asked.Header)
	one.body, _ = c.view(one.fork.Request) // hedgeTime saw that all of it is kept
	c.racers = append(c.racers, one)
	c.pending++
	p, next, results := c.retrier, c.next, c.results
	p.losers.Go(func() {
		one.response, one.err = p.alone(one.fork, next)
		results <- one
	})
}

// alone hands a fork on in a goroutine of its own, where a panic would end the program.
func (p *retrier) alone(f *flow.Exchange, next policy.Next) (response *flow.Response, err error) {
	defer func() {
		if bad := recover(); bad != nil {
			p.log.Error("a cell behind retry panicked", "panic", bad, "stack", string(debug.Stack()))
			response, err = nil, problem.New(problem.Internal, "Sending %s %s: a cell behind this one failed (%v). Report this with what its log says.", f.Request.Method, f.Request.URL(), bad)
		}
	}()
	return p.timed(f, next)
}

// slowest is how long the end of an attempt that was given up is waited for, to tell its steps.
const slowest = 20 * time.Millisecond

// endLosers gives up all but the winner, and tells what they did.
func (c *race) endLosers(winner *racer) {
	why := "number " + strconv.Itoa(winner.number) + " was taken"
	for _, one := range c.racers {
		if one != winner {
			one.cancel(problem.New(problem.ClientLeft, "Sending %s %s beside another: %s. Do nothing.", c.asked.Method, c.asked.URL(), why))
			if one.body != nil {
				one.body.leave()
			}
		}
	}
	c.await()
	for _, one := range c.racers {
		switch {
		case one == winner:
		case one.ended:
			closed(one.response)
			c.x.Beside(one.fork, why)
		default:
			c.x.Note("still running", "number "+strconv.Itoa(one.number))
		}
	}
	if left, results := c.pending, c.results; left > 0 {
		c.losers.Go(func() {
			for range left {
				closed((<-results).response)
			}
		})
	}
}

// await waits a moment for those that were given up.
func (c *race) await() {
	if c.pending == 0 {
		return
	}
	timer := time.NewTimer(slowest)
	defer timer.Stop()
	for c.pending > 0 {
		select {
		case one := <-c.results:
			one.ended = true
			c.pending--
		case <-timer.C:
			return
		}
	}
}
