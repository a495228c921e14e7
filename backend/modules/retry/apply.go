package retry

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/policy"
	"proxycache/backend/problem"
)

// retrier is the running policy.
type retrier struct {
	rules    rules
	attempts int
	perTry   time.Duration // 0 for no limit
	bodyCap  int64
	wait     backOff
	limits   limits
	budget   *budget

	hedgeAfter time.Duration // 0 for none, or for hedgeShare
	hedgeShare float64       // of the answers; 0 for none
	atMost     int
	latency    *latency

	losers sync.WaitGroup // attempts that lost and have not ended yet
	log    *slog.Logger
}

// Close waits for the attempts that were given up.
func (p *retrier) Close() error {
	p.losers.Wait()
	return nil
}

// run is one exchange with its attempts.
type run struct {
	*retrier
	x      *flow.Exchange
	next   policy.Next
	asked  flow.Request // as the client's request came here
	body   *replay      // nil where there is none, or nothing is repeated
	avoid  []string     // as they came here
	bars   []flow.Bar
	sendTo string
	hedged int     // requests sent beside the first
	views  []*view // the bodies of the attempts so far
}

func (p *retrier) Apply(x *flow.Exchange, next policy.Next) (*flow.Response, error) {
	p.budget.enter()
	defer p.budget.leave()
	r, _ := runs.Get().(*run)
	*r = run{
		retrier: p, x: x, next: next, asked: *x.Request,
		avoid: slices.Clip(x.Avoid), bars: slices.Clip(x.Bars), sendTo: x.SendTo,
	}
	r.asked.Header = slices.Clip(r.asked.Header)
	if x.Request.Body != flow.NoBody && (p.attempts > 1 || p.hedges()) {
		r.body = newReplay(x.Request, p.bodyCap)
	}
	response, err := r.all()
	*r = run{} // who was given up and still runs holds nothing of it
	runs.Put(r)
	return response, err
}

var runs = sync.Pool{New: func() any { return new(run) }}

func (p *retrier) hedges() bool { return p.hedgeAfter > 0 || p.hedgeShare > 0 }

// all makes the attempts and gives back what the last of them brought.
func (r *run) all() (*flow.Response, error) {
	for n := 1; ; n++ {
		response, err := r.attempt(n)
		now := time.Now()
		if n == 1 {
			r.budget.tried(now)
		} else {
			r.budget.give()
		}
		why := r.rules.why(response, err)
		if why == "" {
			r.conclude(n)
			return response, err
		}
		r.x.Note(fmt.Sprintf("attempt %d", n), r.told(why))
		wait, stop := r.again(n, response, err, now)
		if stop != "" {
			r.x.Note("not repeated", stop)
			r.verdict(n)
			return response, err
		}
		spend(response)
		if err := r.pause(wait); err != nil {
			r.budget.give()
			return nil, err
		}
	}
}

// told is why an attempt is repeated, and which target it went to.
func (r *run) told(why string) string {
	if r.x.Target == "" {
		return why
	}
	return r.x.Target + ": " + why
}

// conclude says that the n-th attempt brought an answer to pass on.
func (r *run) conclude(n int) {
	r.verdict(n)
	if n > 1 {
		r.budget.recovered.Add(1)
		r.x.Note("attempts", strconv.Itoa(n))
	}
}

// verdict says what the cell did, which the engine cannot see: bodies that are kept change nothing.
func (r *run) verdict(n int) {
	if n > 1 || r.hedged > 0 {
		r.x.Verdict(flow.Changed)
	} else {
		r.x.Verdict(flow.Passed)
	}
}

// again decides whether there is another attempt after n, and how long to wait before it. Where it
// allows one, the budget has it.
func (r *run) again(n int, response *flow.Response, err error, now time.Time) (wait time.Duration, stop string) {
	if r.x.Context().Err() != nil {
		return 0, "the client left"
	}
	if n >= r.attempts {
		return 0, fmt.Sprintf("attempt %d of %d", n, r.attempts)
	}
	after := asked(response, err)
	if err != nil && failureOf(err) == knownDown && after == 0 {
		return 0, "the server is known to be down"
	}
	if after > r.wait.after {
		return 0, fmt.Sprintf("the server is not to be asked again for %s, longer than %s is not waited", after.Round(time.Millisecond), r.wait.after)
	}
	because, ok := r.rules.harmless(r.x, err)
	if !ok {
		return 0, because
	}
	if refused := r.budget.take(r.limits, now); refused != "" {
		return 0, refused
	}
	if r.body != nil && !r.body.takeBack(r.views) {
		r.budget.give()
		return 0, fmt.Sprintf("more of the body was read than the %d bytes that are kept", r.bodyCap)
	}
	r.budget.retries.Add(1)
	r.x.Note("repeated", because)
	return after + r.wait.before(n), ""
}

// pause waits before an attempt; it ends with the client.
func (r *run) pause(wait time.Duration) error {
	if wait > 0 {
		r.x.Note("waited", wait.Round(time.Microsecond).String())
		timer := time.NewTimer(wait)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.x.Context().Done():
		}
	}
	if err := r.x.Context().Err(); err != nil {
		return problem.Wrap(problem.ClientLeft, err, "Waiting to send %s %s again: the client left. Make the waits shorter than the client's patience.", r.x.Request.Method, r.x.Request.URL())
	}
	return nil
}

// attempt is the n-th one. It begins with the request as it came, whatever cells made of it before.
func (r *run) attempt(n int) (*flow.Response, error) {
	if n > 1 {
		r.startAgain()
	}
	after := r.hedgeTime()
	if n > 1 || r.body != nil || after > 0 {
		// Who sent the attempt before, or brings the body, may still look at the other.
		request := r.asked
		r.x.Request = &request
	}
	if after > 0 {
		return r.race(after, n)
	}
	if _, err := r.view(r.x.Request); err != nil {
		return nil, err
	}
	if r.hedgeShare == 0 || n > 1 {
		return r.timed(r.x, r.next)
	}
	begun := time.Now()
	response, err := r.timed(r.x, r.next)
	r.latency.add(time.Since(begun))
	return response, err
}

// startAgain takes back what is known of the attempt before, but for its target.
func (r *run) startAgain() {
	x := r.x
	x.Avoid, x.Bars, x.SendTo = r.avoid, r.bars, r.sendTo
	if x.Target != "" {
		x.Avoid = append(r.avoid, x.Target)
	}
	x.Target, x.Sent, x.Mocked = "", false, false
}

// view gives request a body of its own, where there is one; else it returns nil.
func (r *run) view(request *flow.Request) (*view, error) {
	if r.body == nil {
		return nil, nil
	}
	v, ok := r.body.view(request)
	if !ok { // takeBack saw to it
		return nil, problem.New(problem.Internal, "Sending %s %s again: its body is not there any more. Report this.", request.Method, request.URL())
	}
	r.views = append(r.views, v)
	return v, nil
}

// timed hands x on, and gives up when its time is over before an answer began.
func (p *retrier) timed(x *flow.Exchange, next policy.Next) (*flow.Response, error) {
	if p.perTry == 0 {
		return next(x)
	}
	client := x.Context()
	ctx, cancel := context.WithCancelCause(client)
	slow := problem.New(problem.ReadTimeout, "Waiting for the answer to %s %s: none began within %s. See what the server is busy with, or raise per_try_timeout.", x.Request.Method, x.Request.URL(), p.perTry)
	timer := time.AfterFunc(p.perTry, func() { cancel(slow) })
	x.WithContext(ctx)
	response, err := next(x)
	x.WithContext(client)
	if !timer.Stop() && context.Cause(ctx) == error(slow) {
		closed(response)
		return nil, slow
	}
	if err != nil {
		cancel(nil)
		return nil, err
	}
	return holding(response, cancel), nil
}
