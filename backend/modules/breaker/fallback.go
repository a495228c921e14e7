package breaker

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/policy"
	"proxycache/backend/problem"
)

// refusal is why an exchange was not let through.
type refusal struct {
	of    string // whose circuit it is
	state state
	why   string
	left  time.Duration
}

// instead gives what an exchange gets that was not let through.
func (b *breaker) instead(x *flow.Exchange, next policy.Next, r refusal) (*flow.Response, error) {
	x.Note("because", r.why)
	x.Note("left", r.left.Round(time.Millisecond).String())
	switch b.Fallback {
	case fallbackUpstream:
		x.Note("fallback", "the upstream "+b.FallbackUpstream)
		x.Verdict(flow.Changed)
		x.SendTo = b.FallbackUpstream
		return next(x)
	case fallbackAnswer:
		x.Note("fallback", fmt.Sprintf("an answer with status %d", b.FallbackStatus))
		return b.answer(x, r.left), nil
	case fallbackStale:
		x.Note("fallback", "what a cache before this cell still has")
	}
	x.Verdict(flow.Answered) // by the page that the engine makes of the problem
	of := r.of
	if of == "" {
		of = "this route"
	}
	return nil, problem.New(problem.DestinationUnavailable, "Sending %s %s: the circuit breaker of %s is %s (%s). Try again in %s, and see why the server did not answer well.",
		x.Request.Method, x.Request.URL(), of, r.state, r.why, wait(r.left)).After(r.left)
}

func wait(left time.Duration) string {
	if left <= 0 {
		return "a moment"
	}
	return strconv.Itoa(wholeSeconds(left)) + " s"
}

func wholeSeconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }

func (b *breaker) answer(x *flow.Exchange, left time.Duration) *flow.Response {
	kind := b.FallbackContentType
	if b.FallbackBody == "" {
		kind = ""
	}
	r := flow.NewResponse(b.FallbackStatus, kind, []byte(b.FallbackBody))
	r.Header.Add("Cache-Control", "no-store")
	if left > 0 && b.FallbackStatus == 503 {
		r.Header.Add("Retry-After", strconv.Itoa(wholeSeconds(left)))
	}
	if x.Request.Method == "HEAD" {
		r.Body = flow.NoBody
	}
	x.Mocked = true
	x.Verdict(flow.Answered)
	return r
}
