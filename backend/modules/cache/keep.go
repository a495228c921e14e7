package cache

import (
	"slices"
	"time"

	"proxycache/backend/cachestore"
	"proxycache/backend/flow"
)

// reusable tells whether r may answer those who wait for it: it is fresh, and need not be validated.
func reusable(r *cachestore.Response, now time.Time) bool {
	anybody := noWish()
	return decide(r, &anybody, now).use == answer
}

// noteStored tells for how long a response is stored.
func noteStored(x *flow.Exchange, entry *cachestore.Response, t told) {
	switch {
	case !t.stored:
		x.Note("not stored", "there is no room for it")
	case t.ttl > 0:
		x.Note("stored", "fresh for "+seconds(t.ttl)+" s: "+entry.Rule)
	default:
		x.Note("stored", "to be validated: "+entry.Rule)
	}
}

// toStore is the stored form of what came, in its place; why says why there is none.
func (c *cache) toStore(a *asked, l *looked, g fetched) (entry *cachestore.Response, why string) {
	switch {
	case a.head:
		return nil, "the answer to a HEAD has no body to keep"
	case g.r.Status == 206:
		return nil, "it is a part that was not asked for"
	case g.r.Upgraded != nil:
		return nil, "the connection changed its protocol"
	}
	if entry, why = c.rules.judge(a, g.r.Status, g.r, g.requested, g.received); entry == nil {
		return nil, why
	}
	if why = c.place(entry, a, l.mark); why != "" {
		return nil, why
	}
	return entry, ""
}

// place gives e its key: the primary one, or one behind a mark where responses of the URL vary. What
// varies by other fields than those before it gets a mark of both.
func (c *cache) place(e *cachestore.Response, a *asked, mark *cachestore.Response) (why string) {
	if mark == nil && len(e.Vary) == 0 {
		return ""
	}
	if o := c.get(a.key); o != nil { // another one may have come since the look
		_ = o.Body.Close() // a mark has none
		if o.Status == 0 {
			mark = o.Response
		}
	}
	now := &cachestore.Response{Key: a.key, URL: a.url, Vary: e.Vary, Requested: e.Requested, Received: e.Received, Drop: e.Drop}
	if mark != nil {
		now.Vary = slices.Compact(slices.Sorted(slices.Values(slices.Concat(mark.Vary, e.Vary))))
	}
	if len(now.Vary) > maxVary {
		return "the responses of its URL vary by more than 20 fields"
	}
	if mark != nil && slices.Equal(now.Vary, mark.Vary) {
		now.Received = mark.Received
		if !e.Drop.After(mark.Drop) {
			e.Key = variant(mark, a.header)
			return ""
		}
	}
	w, err := c.store().Put(now, 0)
	if err == nil && w != nil {
		err = w.Commit(now)
	}
	switch {
	case err != nil:
		c.failed(err)
		return "the store failed"
	case w == nil:
		return "there is no room for it"
	}
	e.Key = variant(now, a.header)
	return ""
}

// begin starts to store entry with the body of g.
func (c *cache) begin(entry *cachestore.Response, g fetched) *filling {
	f := &filling{body: g.r.Body, trailer: g.r.Trailer, cache: c, entry: entry, since: g.since, size: g.r.ContentLength}
	w, err := c.store().Put(entry, f.size)
	if err != nil {
		c.failed(err)
		return f
	}
	f.writer, f.stores = w, w != nil
	if f.stores && f.size == 0 {
		f.commit()
	}
	return f
}
