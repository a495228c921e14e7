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

// noRoom is why a response is not stored that may be.
const noRoom = "there is no room for it"

// noteStored tells for how long a response is stored.
func noteStored(x *flow.Exchange, entry *cachestore.Response, t told) {
	if !t.stored {
		x.Note("not stored", noRoom)
		return
	}
	x.Note("stored", forHowLong(entry, t))
}

func forHowLong(entry *cachestore.Response, t told) string {
	if t.ttl > 0 {
		return "fresh for " + seconds(t.ttl) + " s: " + entry.Rule
	}
	return "to be validated: " + entry.Rule
}

// noteBegun is noteStored for what f stores as it comes. When it turns out too large nothing can be noted any
// more: the exchange that began it may be over.
func (f *filling) noteBegun(x *flow.Exchange, t told) {
	if t.stored && f.size < 0 {
		x.Note("stored", forHowLong(f.entry, t)+"; unless it turns out too large")
		return
	}
	noteStored(x, f.entry, t)
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
	case w == nil && err == nil, cachestore.NoRoom(err):
		return noRoom
	case err != nil:
		c.failed(err)
		return "the store failed"
	}
	e.Key = variant(now, a.header)
	return ""
}

// begin starts to store entry with the body of g. Whether that succeeds shows at the end of the body, and
// what Cache-Status and the trail say goes before it: of a body whose length is not known they say that it
// is stored (RFC 9211 §2.5), as of one that may still break off, because nearly all of them are. What turned
// out too large for the memory lately gets no writer, and is said not to be stored.
func (c *cache) begin(entry *cachestore.Response, g fetched) *filling {
	f := &filling{body: g.r.Body, trailer: g.r.Trailer, cache: c, entry: entry, since: g.since, size: g.r.ContentLength}
	w, err := c.store().Put(entry, f.size)
	if err != nil {
		c.failed(err)
		return f
	}
	if f.writer, f.stores = w, w != nil; w == nil {
		c.delete(entry.Key)
	}
	if f.stores && f.size == 0 {
		f.commit()
	}
	return f
}
