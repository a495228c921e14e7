package ratelimit

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/http1"
	"proxycache/backend/page"
	"proxycache/backend/problem"
)

// seconds are whole ones, rounded up: a client that waits so long does not come too early. Retry-After
// rounds in the same way.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// policiesOf is the field RateLimit-Policy: each limit with its quota, its window, and what it counts
// where that is not requests (draft-ietf-httpapi-ratelimit-headers-10 §3). A bucket has the time in
// which an empty one is full again as its window.
func policiesOf(rules []*rule) string {
	items := make([]string, len(rules))
	for i, r := range rules {
		items[i] = fmt.Sprintf("%q;q=%d", r.Name, r.quota)
		if period := r.period(); period > 0 {
			items[i] += fmt.Sprintf(";w=%d", seconds(period))
		} else {
			items[i] += `;qu="concurrent-requests"`
		}
	}
	return strings.Join(items, ", ")
}

// tell adds the fields to what this client alone gets of an answer: a cache behind keeps none of them.
// Those that an origin or another limit has set stay: the draft's are lists, and of X-RateLimit the
// tighter one counts.
func (l *limiter) tell(x *flow.Exchange, r *flow.Response, c *claim) {
	reset := seconds(c.reset())
	switch l.Headers {
	case "draft":
		value := make([]byte, 0, 64)
		value = append(value, '"')
		value = append(value, c.Name...)
		value = append(value, `";r=`...)
		value = strconv.AppendInt(value, c.left, 10)
		if reset > 0 {
			value = append(value, ";t="...)
			value = strconv.AppendInt(value, reset, 10)
		}
		x.Private.Add("RateLimit-Policy", l.policies)
		x.Private.Add("RateLimit", string(value))
	case "x":
		for _, told := range []flow.Header{r.Header, x.Private} {
			if n, err := strconv.ParseInt(told.Get("X-RateLimit-Remaining"), 10, 64); err == nil && n < c.left {
				return
			}
		}
		for _, name := range []string{"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"} {
			r.Header.Del(name)
			x.Private.Del(name)
		}
		x.Private.Add("X-RateLimit-Limit", strconv.FormatInt(c.quota, 10))
		x.Private.Add("X-RateLimit-Remaining", strconv.FormatInt(c.left, 10))
		if reset > 0 {
			x.Private.Add("X-RateLimit-Reset", strconv.FormatInt(reset, 10))
		}
	}
}

// restate gives r, which says 429, the status of the settings.
func (l *limiter) restate(x *flow.Exchange, r *flow.Response, p *problem.Problem) {
	says := page.Page{Status: l.Status, Title: http1.StatusText(l.Status), Detail: p.Message, ID: x.ID.String(), Kind: string(p.Kind)}
	if says.Title == "" {
		says.Title = "Too many requests"
	}
	contentType, body := says.In(x.Request.Header.Joined("Accept"))
	r.Status, r.ContentLength, r.Body = l.Status, int64(len(body)), io.NopCloser(bytes.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	if x.Request.Method == "HEAD" {
		r.Body = flow.NoBody
	}
}
