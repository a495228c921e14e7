package cache

import (
	"time"

	"proxycache/backend/flow"
)

// postRequest is what of a POST matters when its response is kept: one that says how long it is fresh,
// and that it is what a GET of the same URL would get (RFC 9110 §9.3.3).
type postRequest struct {
	asked
	requested time.Time
}

func (p *postRequest) read(c *cache, x *flow.Exchange) {
	p.asked.read(x, c.rules.ignoreRequest, c.rules.keyed)
	p.key, p.url = c.key.of(x, p.claims)
	p.requested = time.Now()
}

func (p *postRequest) store(c *cache, x *flow.Exchange, r *flow.Response, t *told) {
	if r.Status < 200 || r.Status > 299 || r.Status == 206 || r.Upgraded != nil || len(p.key) > maxKey ||
		c.sameOrigin(p.url, r.Header.Get("Content-Location")) != p.url || !r.Header.Has("Content-Location") {
		return
	}
	// The invalidation by this very POST has been; later ones count.
	g := fetched{r: r, requested: p.requested, received: time.Now(), since: c.shelf.invalidations.now()}
	entry, why := c.rules.judge(&p.asked, r.Status, r, g.requested, g.received)
	if entry != nil && (entry.Heuristic || entry.Lifetime == 0) {
		entry, why = nil, "a POST needs a lifetime of its own"
	}
	if entry != nil {
		why = c.place(entry, &p.asked, nil)
	}
	if why != "" {
		x.Note("not stored", why)
		return
	}
	source := c.begin(entry, g)
	r.Body = source
	t.stored, t.ttl, t.timed = source.stores, entry.Lifetime-ageAt(entry, g.received), true
	noteStored(x, entry, *t)
}
