package retry

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// backOff says how long to wait between two attempts: exponential, with full jitter, and at least as
// long as the server asks for.
type backOff struct {
	base, most time.Duration
	after      time.Duration // the longest Retry-After that is waited for
}

// before is the wait before another attempt after n.
func (b backOff) before(n int) time.Duration {
	limit := b.base
	for range n - 1 {
		if limit *= 2; limit >= b.most {
			limit = b.most
			break
		}
	}
	if limit = min(limit, b.most); limit <= 0 {
		return 0
	}
	return rand.N(limit + 1)
}

// asked is how long the server wants to be left alone (RFC 9110 §10.2.3); 0 where it does not say.
func asked(response *flow.Response, err error) time.Duration {
	if err != nil {
		return problem.Of(err).RetryAfter
	}
	written := strings.TrimSpace(response.Header.Get("Retry-After"))
	if written == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(written, 10, 63); err == nil {
		const longest = 365 * 24 * 60 * 60
		return time.Duration(min(seconds, longest)) * time.Second
	}
	for _, form := range dates {
		if at, err := time.Parse(form, written); err == nil {
			return max(0, time.Until(at))
		}
	}
	return 0
}

// dates are the forms of a date (RFC 9110 §5.6.7): the one that is written, and two that were.
var dates = [...]string{"Mon, 02 Jan 2006 15:04:05 GMT", "Monday, 02-Jan-06 15:04:05 GMT", time.ANSIC}
