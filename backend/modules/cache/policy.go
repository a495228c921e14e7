package cache

import (
	"strings"
	"sync/atomic"
	"time"

	"proxycache/backend/cachestore"
	"proxycache/backend/flow"
	"proxycache/backend/page"
	"proxycache/backend/policy"
)

// cache is the running policy.
type cache struct {
	settings    *Settings
	kept        *contents
	shelf       *shelf
	count       *counters
	rules       rules
	key         keyer
	statusName  string
	collapse    bool
	lockTimeout time.Duration
	maxObject   int64
	sizes       sizes
	sized       atomic.Bool         // the shelf has been given sizes
	way         atomic.Pointer[way] // to the server, for what no request asked for
}

func cloned(s string) string { return strings.Clone(s) }

func (c *cache) store() cachestore.Store { return c.shelf.get() }

// failed counts a failure of the store; the cache goes on without it.
func (c *cache) failed(err error) {
	c.count.failures.Add(1)
	c.count.failure.Store(&failure{time.Now(), err.Error()})
}

// Close gives the store back.
func (c *cache) Close() error { return c.kept.release(c.shelf) }

func (c *cache) Apply(x *flow.Exchange, next policy.Next) (*flow.Response, error) {
	if !c.sized.Load() && !c.sized.Swap(true) { // the plan runs
		c.kept.resize(c.shelf, c.sizes)
	}
	c.catchUp()
	c.remember(x, next)
	q := x.Request
	switch {
	case q.Method == "GET" || q.Method == "HEAD":
	case q.Method == "PURGE" && c.settings.PurgeMethod:
		return c.purgeRequest(x), nil
	default:
		return c.through(x, next)
	}
	var a asked
	a.read(x, c.rules.ignoreRequest, c.rules.keyed)
	if a.pass == "" {
		if a.key, a.url = c.key.of(x, a.claims); len(a.key) > maxKey {
			a.pass = "its key is longer than 16 KiB"
		}
	}
	switch {
	case a.pass != "" && a.wish.onlyIfCached: // a 504 rather than an answer of the server (RFC 9111 §5.2.1.7)
		return c.onlyCached(x, &looked{}, a.pass), nil
	case a.pass != "":
		return c.bypass(x, next, a.pass)
	}
	x.Note("key", shown(a.key))
	return c.serve(x, next, &a)
}

// bypass hands x on as if there were no cache.
func (c *cache) bypass(x *flow.Exchange, next policy.Next, why string) (*flow.Response, error) {
	c.count.passed.Add(1)
	x.Note("verdict", "bypass")
	x.Note("rule", why)
	r, err := next(x)
	x.Verdict(flow.Passed)
	if err != nil {
		return nil, err
	}
	c.tell(r, told{fwd: "bypass"})
	return r, nil
}

// looked is what the store has for a request.
type looked struct {
	key    string               // of the response that matches, or would
	mark   *cachestore.Response // by which variants are found; nil where there are none
	object *cachestore.Object   // nil where there is none
	landed int64                // of the flights, before the look
}

func (l *looked) close() {
	if l.object != nil {
		_ = l.object.Body.Close() // nothing is read from it
		l.object = nil
	}
}

// head is the stored response, or nil.
func (l *looked) head() *cachestore.Response {
	if l.object == nil {
		return nil
	}
	return l.object.Response
}

func (c *cache) look(a *asked) looked {
	l := looked{key: a.key, landed: c.shelf.flights.landed.Load()}
	o := c.get(a.key)
	if o == nil || o.Status != 0 {
		l.object = o
		return l
	}
	_ = o.Body.Close() // a mark has none
	l.mark = o.Response
	l.key = variant(l.mark, a.header)
	l.object = c.get(l.key)
	return l
}

func (c *cache) get(key string) *cachestore.Object {
	m := &c.shelf.missed
	for {
		made := m.made.Load()
		o, err := c.store().Get(key)
		if err != nil {
			c.failed(err)
			return nil
		}
		if o == nil {
			return nil
		}
		missed := m.about(o.Response)
		if !missed && m.made.Load() == made {
			return o
		}
		_ = o.Body.Close() // nothing is read from it
		if missed {
			return nil
		} // else what was missed about it may have been made up for since it was read
	}
}

// serve answers a GET or HEAD from the store, or has it fetched.
func (c *cache) serve(x *flow.Exchange, next policy.Next, a *asked) (*flow.Response, error) {
	for round := 0; ; round++ {
		now := time.Now()
		l := c.look(a)
		if l.object != nil {
			d := decide(l.object.Response, &a.wish, now)
			if d.use != forward {
				if d.use == answerRefresh {
					c.refresh(x, next, a, &l)
				}
				return c.hit(x, a, &l, d, now), nil
			}
			if r := c.fromPart(x, a, &l, now); r != nil {
				return r, nil
			}
			if a.wish.onlyIfCached {
				return c.onlyCached(x, &l, d.why), nil
			}
			if r, err, done := c.forward(x, next, a, &l, d, round); done {
				return r, err
			}
			continue
		}
		if r := c.fromPart(x, a, &l, now); r != nil {
			return r, nil
		}
		d := decision{fwd: "uri-miss", why: "nothing is stored under this key"}
		if l.mark != nil {
			d.fwd, d.why = "vary-miss", "nothing is stored for these values of "+strings.Join(l.mark.Vary, ", ")
		}
		if a.wish.onlyIfCached {
			return c.onlyCached(x, &l, d.why), nil
		}
		if r, err, done := c.forward(x, next, a, &l, d, round); done {
			return r, err
		}
	}
}

// hit answers from the store.
func (c *cache) hit(x *flow.Exchange, a *asked, l *looked, d decision, now time.Time) *flow.Response {
	word := "hit"
	if d.use == answer {
		c.count.hits.Add(1)
	} else {
		c.count.stale.Add(1)
		word = "stale"
	}
	x.Note("verdict", word)
	x.Note("rule", d.why)
	if a.behind != 0 {
		x.Note("collapsed", "it waited for the fetch of exchange "+formatInt(a.behind))
	}
	x.Verdict(flow.Answered)
	return c.give(x, a, whole(l.object), d.age, now, told{hit: true, ttl: d.left, timed: true})
}

// onlyCached is the 504 for a request that wanted nothing but what is stored (RFC 9111 §5.2.1.7).
func (c *cache) onlyCached(x *flow.Exchange, l *looked, why string) *flow.Response {
	l.close()
	c.count.misses.Add(1)
	x.Note("verdict", "miss")
	x.Note("rule", "only-if-cached: "+why)
	x.Verdict(flow.Answered)
	says := page.Page{Status: 504, Title: "Not cached", ID: x.ID.String(), Kind: "only_if_cached",
		Detail: "Answering " + x.Request.Method + " " + x.Request.URL() + " from the cache only, as the request asks: " + why + ". Ask without only-if-cached."}
	kind, body := says.In(x.Request.Header.Joined("Accept"))
	r := flow.NewResponse(504, kind, body)
	r.Header.Add("Cache-Control", "no-store")
	if x.Request.Method == "HEAD" {
		r.Body = flow.NoBody
	}
	if c.statusName != "" {
		r.Header.Add("Cache-Status", c.statusName+"; detail=only-if-cached")
	}
	return r
}
