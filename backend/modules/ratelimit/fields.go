package ratelimit

import (
	"bytes"
	"fmt"
	"io"
	"slices"
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

// tell adds the fields to an answer. Those that an origin or another limit has set stay: the draft's
// are lists, and of X-RateLimit the tighter one counts.
func (l *limiter) tell(r *flow.Response, c *claim) {
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
		out := slices.Grow(slices.Clip(r.Header), 2) // never written behind a list that somebody else keeps
		out.Add("RateLimit-Policy", l.policies)
		out.Add("RateLimit", string(value))
		r.Header = out
	case "x":
		if n, err := strconv.ParseInt(r.Header.Get("X-RateLimit-Remaining"), 10, 64); err == nil && n < c.left {
			return
		}
		r.Header.Set("X-RateLimit-Limit", strconv.FormatInt(c.quota, 10))
		r.Header.Set("X-RateLimit-Remaining", strconv.FormatInt(c.left, 10))
		if reset > 0 {
			r.Header.Set("X-RateLimit-Reset", strconv.FormatInt(reset, 10))
		} else {
			r.Header.Del("X-RateLimit-Reset")
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
