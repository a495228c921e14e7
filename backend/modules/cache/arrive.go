package cache

import (
	"context"
	"slices"

	"proxycache/backend/cachestore"
	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// serverFailed are the statuses that stale-if-error is for (RFC 5861 §4).
func serverFailed(status int) bool {
	return status == 500 || status == 502 || status == 503 || status == 504
}

// arrive makes the answer of what came, and lands the flight. f is nil where nobody else waits, and x is
// where no client does.
func (c *cache) arrive(x *flow.Exchange, a *asked, l *looked, d decision, f *flight, g fetched) (*flow.Response, error) {
	failing := g.err != nil || serverFailed(g.r.Status)
	switch {
	case failing && ifError(l.head(), g.received):
		return c.staleForError(x, a, l, f, g), nil
	case g.err != nil:
		f.fail(g.err)
		l.close()
		c.note(x, "miss", d.why)
		passed(x)
		return nil, g.err
	case g.validating && g.r.Status == 304:
		set := g.r.Header
		r := c.stillGood(x, a, l, d, f, g)
		if x != nil {
			withCookies(&r.Header, set)
		}
		return r, nil
	}
	c.count.misses.Add(1)
	c.note(x, "miss", d.why)
	l.close() // before the new one needs room: what is read keeps its own
	r, err := c.pass(x, a, l, d, f, g)
	passed(x)
	return r, err
}

// pass hands a response on, and stores it where it may.
func (c *cache) pass(x *flow.Exchange, a *asked, l *looked, d decision, f *flight, g fetched) (*flow.Response, error) {
	t := told{fwd: d.fwd}
	if a.ranges != "" && g.r.Status == 206 {
		c.passPart(x, a, l, g, &t)
		f.release(contextOf(x), g.r)
		c.tell(g.r, t)
		return g.r, nil
	}
	entry, why := c.toStore(a, l, g)
	if entry == nil {
		c.count.notStored.Add(1)
		if !a.head && g.r.Status != 304 && !serverFailed(g.r.Status) {
			c.shelf.passes.add(l.key, g.received)
		}
		if x != nil {
			x.Note("not stored", why)
		}
		t.detail = detail(why)
		f.release(contextOf(x), g.r)
		c.tell(g.r, t)
		return g.r, nil
	}
	source := c.begin(entry, g)
	t.stored = source.stores
	t.ttl, t.timed = entry.Lifetime-ageAt(entry, g.received), true
	if x != nil {
		source.noteBegun(x, t)
		if g.r.Header.Has("Set-Cookie") && !entry.Header.Has("Set-Cookie") {
			x.Note("left out", "Set-Cookie, which is for this client alone")
		}
	}
	r := g.r
	c.tell(r, t)
	others := reusable(entry, g.received)
	if others {
		c.shelf.passes.drop(l.key)
	} else {
		c.shelf.passes.add(l.key, g.received)
	}
	if f == nil || !others {
		r.Body = source
		f.release(contextOf(x), r)
		return r, nil
	}
	return c.share(x, f, source, entry, r), nil
}

// share lets all who wait read the body of r, its own client among them.
func (c *cache) share(x *flow.Exchange, f *flight, source *filling, entry *cachestore.Response, r *flow.Response) *flow.Response {
	own := f.share(contextOf(x), source, entry)
	out := &flow.Response{
		Status: r.Status, Reason: r.Reason, Proto: r.Proto, Header: slices.Clone(r.Header), RawHead: slices.Clone(r.RawHead),
		Body: own, ContentLength: r.ContentLength,
	}
	if r.Trailer != nil {
		out.Trailer = f.trailers
	}
	return out
}

// contextOf ends when the client of x leaves; where there is no client, it does not.
func contextOf(x *flow.Exchange) context.Context {
	if x == nil {
		return context.Background()
	}
	return x.Context()
}

// passed says that the response is the server's, whatever the cache did with it.
func passed(x *flow.Exchange) {
	if x != nil {
		x.Verdict(flow.Passed)
	}
}

// note tells the verdict and the rule that gave it, where there is an exchange to tell it of.
func (c *cache) note(x *flow.Exchange, verdict, rule string) {
	if x != nil {
		x.Note("verdict", verdict)
		x.Note("rule", rule)
	}
}

// staleForError answers from the store because the server failed.
func (c *cache) staleForError(x *flow.Exchange, a *asked, l *looked, f *flight, g fetched) *flow.Response {
	why, t := "", told{fwd: "stale"}
	if g.err != nil {
		why = "the server failed: " + g.err.Error()
		t.detail = string(problem.KindOf(g.err))
	} else {
		_ = g.r.Body.Close() // the stored one is the answer
		why = "the server answered " + formatInt(int64(g.r.Status))
		t.fwdStatus = g.r.Status
	}
	f.fail(nil)
	head := l.object.Response
	c.count.stale.Add(1)
	c.note(x, "stale", why+"; stale-if-error="+seconds(head.StaleIfError))
	if x != nil {
		x.Verdict(flow.Answered)
	}
	age := ageAt(head, g.received)
	t.ttl, t.timed = head.Lifetime-age, true
	return c.give(x, a, whole(l.object), age, g.received, t)
}
