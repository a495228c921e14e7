package cache

import (
	"slices"

	"proxycache/backend/cachestore"
	"proxycache/backend/flow"
)

// stillGood answers from the store after the server has said that what is stored is good still, and
// brings it up to date (RFC 9111 §4.3.4). The request had the validators of the one stored response
// only, so that the 304 is about this one whatever entity tag it has.
func (c *cache) stillGood(x *flow.Exchange, a *asked, l *looked, d decision, f *flight, g fetched) *flow.Response {
	_ = g.r.Body.Close() // a 304 has none
	head, why := c.freshen(a, l, g)
	if f != nil {
		f.cancel()
		switch f.entry = head; {
		case why == changedMeanwhile: // who waits looks again
			f.land(validated)
		case why == "" && reusable(head, g.received):
			c.shelf.passes.drop(l.key)
			f.land(validated)
		default:
			c.shelf.passes.add(l.key, g.received)
			f.land(alone)
		}
	}
	c.count.validated.Add(1)
	age := ageAt(head, g.received)
	t := told{fwd: d.fwd, fwdStatus: 304, ttl: head.Lifetime - age, timed: true, stored: why == ""}
	if x != nil {
		x.Note("verdict", "revalidated")
		x.Note("rule", d.why+"; the server answered 304")
		if why != "" {
			x.Note("not stored", why)
		} else {
			noteStored(x, head, t)
		}
		x.Verdict(flow.Answered)
	}
	given := whole(l.object)
	given.head = head
	return c.give(x, a, given, age, g.received, t)
}

// changedMeanwhile is why a validation is not for the store: what it is about is not to be used any more.
const changedMeanwhile = "it was invalidated or purged while the server was asked"

// freshen makes the stored response anew with the fields of g, and puts it in the place of the old one.
// Where it may not be kept any more, why says so, and it is gone from the store; where the answer to this
// request is not for others, it stays there as it was.
func (c *cache) freshen(a *asked, l *looked, g fetched) (head *cachestore.Response, why string) {
	now := *l.object.Response
	now.Header = freshened(now.Header, g.r.Header, g.received)
	now.Requested, now.Received, now.Purged = g.requested, g.received, false
	now.Tags = c.rules.tags(now.Header)
	con := controlOf(now.Header)
	if own := a.private(&con); own != "" {
		c.rules.times(&now, &con)
		return &now, own
	}
	why = c.rules.times(&now, &con)
	if c.shelf.invalidations.since(g.since, l.object.Response) {
		return &now, changedMeanwhile
	}
	switch {
	case why != "":
	case con.noStore:
		why = "no-store" + from(&con)
	case con.private:
		why = "private" + from(&con)
	default:
		why = varies(&now, l.mark)
	}
	if why != "" {
		now.AlwaysValidate = true
		c.delete(l.key)
		return &now, why
	}
	if err := c.store().Update(&now, l.object.Response); err != nil {
		c.failed(err)
	}
	return &now, ""
}

// varies says why r cannot stay where it is, when an update made it vary by something else.
func varies(r, mark *cachestore.Response) string {
	names, every := varyOf(r.Header)
	if every {
		return "Vary matches no other request"
	}
	for _, name := range names {
		if mark == nil || !slices.Contains(mark.Vary, name) {
			return "it varies by " + name + " now, and was stored without"
		}
	}
	r.Vary = names
	return ""
}

func (c *cache) delete(key string) {
	if err := c.store().Delete(key); err != nil {
		c.failed(err)
	}
}

// freshenByHead brings what is stored up to date with the 200 that a HEAD got, or makes it stale where
// it is not the same any more (RFC 9111 §4.3.5).
func (c *cache) freshenByHead(a *asked, l *looked, g fetched) {
	if l.object == nil || g.r.Status != 200 || l.object.Status != 200 {
		return
	}
	for _, name := range [...]string{"ETag", "Last-Modified"} {
		if v := g.r.Header.Get(name); v != "" && v != l.object.Header.Get(name) {
			c.outdate(l.object.Response)
			return
		}
	}
	if size := g.r.Header.Get("Content-Length"); size != "" && size != formatInt(l.object.Body.Size()) {
		c.outdate(l.object.Response)
		return
	}
	if !c.shelf.invalidations.since(g.since, l.object.Response) {
		c.freshen(a, l, g)
	}
}

// outdate makes a stored response stale.
func (c *cache) outdate(r *cachestore.Response) {
	stale := *r
	stale.Purged = true
	if err := c.store().Update(&stale, r); err != nil {
		c.failed(err)
	}
}
