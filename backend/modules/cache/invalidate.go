package cache

import (
	"net/url"
	"strings"
	"time"

	"proxycache/backend/cachestore"
	"proxycache/backend/flow"
	"proxycache/backend/policy"
)

// safe are the methods that ask and change nothing (the registry of RFC 9110 §16.1). What is not known
// here may change something.
func safe(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "TRACE", "PROPFIND", "REPORT", "SEARCH", "QUERY", "PRI":
		return true
	}
	return false
}

// through hands on what is neither GET nor HEAD. What changed something on the server makes what is
// stored of it invalid (RFC 9111 §4.4).
func (c *cache) through(x *flow.Exchange, next policy.Next) (*flow.Response, error) {
	c.count.passed.Add(1)
	q := x.Request
	x.Note("verdict", "bypass")
	x.Note("rule", "the method is "+q.Method)
	var post postRequest
	if q.Method == "POST" {
		post.read(c, x)
	}
	url := c.key.url(q.Scheme, q.Authority, q.Target)
	r, err := next(x)
	x.Verdict(flow.Passed)
	if err != nil {
		return nil, err
	}
	if !safe(q.Method) && 200 <= r.Status && r.Status < 400 {
		c.invalidate(x, url)
		for _, name := range [...]string{"Location", "Content-Location"} {
			if other := c.sameOrigin(url, r.Header.Get(name)); other != "" && other != url {
				c.invalidate(x, other)
			}
		}
	}
	t := told{fwd: "method"}
	if q.Method == "POST" {
		post.store(c, x, r, &t)
	}
	c.tell(r, t)
	return r, nil
}

// sameOrigin is what reference means seen from base, in the spelling of keys; "" where that is nothing,
// or of another origin: one server has no say in what is stored of another.
func (c *cache) sameOrigin(base, reference string) string {
	if reference == "" {
		return ""
	}
	b, err := url.Parse(base)
	if err != nil {
		return ""
	}
	u, err := b.Parse(strings.TrimSpace(reference))
	if err != nil || u.Scheme != b.Scheme || plainAuthority(u.Scheme, u.Host) != b.Host {
		return ""
	}
	return c.key.url(u.Scheme, u.Host, u.RequestURI())
}

// absolute is a whole URL in the spelling of keys; "" where text is none.
func (c *cache) absolute(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return ""
	}
	return c.key.url(u.Scheme, u.Host, u.RequestURI())
}

// invalidate drops what is stored of url, all its variants, and keeps what is on its way from being
// stored.
func (c *cache) invalidate(x *flow.Exchange, url string) {
	c.count.invalidated.Add(1)
	c.shelf.invalidations.add(cachestore.Selection{URL: url})
	c.shelf.flights.drop(url)
	if _, err := c.store().Purge(cachestore.Selection{URL: url}, false); err != nil {
		c.failed(err)
		c.shelf.missed.add(url, time.Now())
		x.Note("not invalidated", url+": the store is away; what it has of it is not used, and dropped when it is back")
		return
	}
	x.Note("invalidated", url)
}
