package cache

import (
	"context"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/policy"
	"proxycache/backend/problem"
)

// forward has what is asked for fetched or validated, alone or with others. done is false where another one's fetch
// may have changed what is stored: look again.
func (c *cache) forward(x *flow.Exchange, next policy.Next, a *asked, l *looked, d decision, round int) (r *flow.Response, err error, done bool) {
	if round > 1 || !c.collapses(a, l) {
		r, err = c.alone(x, next, a, l, d)
		return r, err, true
	}
	f, leads := c.shelf.flights.join(l.key, x.Seq)
	if !leads {
		return c.follow(x, next, a, l, d, f)
	}
	defer f.abandon()
	if c.shelf.flights.landed.Load() != l.landed { // one landed since the look: what it stored was not seen
		l.close()
		*l = c.look(a)
		if l.key != f.key || l.object != nil && decide(l.object.Response, &a.wish, time.Now()).use != forward {
			l.close()
			return nil, nil, false
		}
	}
	r, err = c.lead(x, next, a, l, d, f)
	return r, err, true
}

// collapses tells whether others may wait for the fetch of a, and a for theirs.
func (c *cache) collapses(a *asked, l *looked) bool {
	validates := l.object != nil && hasValidator(l.object.Header)
	return c.collapse && !a.head && !a.authorized && a.unkeyed == "" && !a.wish.noStore && !a.wish.noCache && a.wish.maxAge != 0 &&
		(validates || !a.condition && a.ranges == "") && !c.shelf.passes.has(l.key, time.Now())
}

// lead sends for all who wait. What the server says goes to its own client as it comes.
func (c *cache) lead(x *flow.Exchange, next policy.Next, a *asked, l *looked, d decision, f *flight) (*flow.Response, error) {
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel = cancel
	stop := context.AfterFunc(x.Context(), f.desert)
	fork := x.Fork(ctx)
	fork.Interim = x.Interim
	g := c.fetch(fork, next, a, l)
	stop()
	x.Join(fork)
	noteAsked(x, l, g)
	return c.arrive(x, a, l, d, f, g)
}

// fetched is what came of sending a request.
type fetched struct {
	r                   *flow.Response
	err                 error
	requested, received time.Time
	validating          bool  // it was asked whether what is stored is good still
	since               int64 // of the invalidations that had been before
}

// fetch sends e, which is asked to validate what is stored where that is possible.
func (c *cache) fetch(e *flow.Exchange, next policy.Next, a *asked, l *looked) fetched {
	g := fetched{since: c.shelf.invalidations.now(), requested: time.Now()}
	a.sender = e
	given := e.Request.Header
	begun := c.begun(a, l)
	if begun != nil {
		e.Request.Header = begun.rest(given)
	}
	if l.object != nil && l.object.Status != 206 && !a.head && hasValidator(l.object.Header) {
		g.validating = true
		e.Request.Header = validation(given, l.object.Header)
	}
	g.r, g.err = next(e)
	e.Request.Header = given
	if begun != nil && !begun.complete(g.r) {
		_ = g.r.Body.Close() // it answers what only we have asked
		g.r, g.err = next(e)
	}
	g.received = time.Now()
	if g.r == nil && g.err == nil {
		g.err = problem.New(problem.Internal, "Fetching %s %s: there was neither a response nor an error. Report this.", e.Request.Method, e.Request.URL())
	}
	return g
}

// validation are the fields of a request with the conditions of the stored response in the place of its
// own (RFC 9111 §4.3.1).
func validation(h, stored flow.Header) flow.Header {
	out := forWhole(h)
	if tag := stored.Get("ETag"); tag != "" {
		out.Add("If-None-Match", tag)
	}
	if changed := stored.Get("Last-Modified"); changed != "" {
		out.Add("If-Modified-Since", changed)
	}
	return out
}

// forWhole are the fields of a request without those that have a client get a part, or only what it has
// not got yet. There is room for two more.
func forWhole(h flow.Header) flow.Header {
	out := make(flow.Header, 0, len(h)+2)
	for _, f := range h {
		switch {
		case flow.EqualFold(f.Name, "If-None-Match"), flow.EqualFold(f.Name, "If-Modified-Since"),
			flow.EqualFold(f.Name, "Range"), flow.EqualFold(f.Name, "If-Range"):
		default:
			out = append(out, f)
		}
	}
	return out
}

// noteAsked says what a validation asked with: the request that the trail shows has not these fields.
func noteAsked(x *flow.Exchange, l *looked, g fetched) {
	switch tag := l.head(); {
	case !g.validating:
	case tag.Header.Get("ETag") != "":
		x.Note("asked", "If-None-Match: "+tag.Header.Get("ETag"))
	default:
		x.Note("asked", "If-Modified-Since: "+tag.Header.Get("Last-Modified"))
	}
}

// alone sends x without anybody else in mind.
func (c *cache) alone(x *flow.Exchange, next policy.Next, a *asked, l *looked, d decision) (*flow.Response, error) {
	g := c.fetch(x, next, a, l)
	noteAsked(x, l, g)
	if g.err == nil && a.head {
		c.freshenByHead(a, l, g)
	}
	return c.arrive(x, a, l, d, nil, g)
}
