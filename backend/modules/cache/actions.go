package cache

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"proxycache/backend/cachestore"
	"proxycache/backend/flow"
	"proxycache/backend/page"
	"proxycache/backend/policy"
	"proxycache/backend/problem"
)

// Actions are what a person can do with it.
func (c *cache) Actions() []policy.Action {
	return []policy.Action{
		{
			Name: "purge", Title: "Purge", Help: "Drops what is stored, or makes it stale: by one of URL, beginning, tag or pattern.",
			Arguments: []policy.Argument{
				{Name: "url", Title: "URL", Help: "Exactly this one, with all its variants.", Placeholder: "https://shop.localhost/items?page=2"},
				{Name: "prefix", Title: "Beginning", Help: "Every URL that begins so.", Placeholder: "https://shop.localhost/items/"},
				{Name: "tag", Title: "Tag", Help: "Every response whose Surrogate-Key or Cache-Tag holds it.", Placeholder: "item-7"},
				{Name: "regex", Title: "Pattern", Help: "Every URL that the regular expression matches.", Placeholder: `/items/\d+$`},
				{Name: "soft", Title: "Softly", Help: "true makes them stale and keeps them: they are validated at the next request.", Placeholder: "true"},
			},
		},
		{
			Name: "warm", Title: "Warm up", Help: "Fetches URLs so that they are stored before they are asked for.",
			Arguments: []policy.Argument{
				{Name: "urls", Title: "URLs", Help: "One a line, or parted by blanks.", Placeholder: "https://shop.localhost/"},
				{Name: "sitemap", Title: "Sitemap", Help: "The URL of a sitemap whose pages are fetched.", Placeholder: "https://shop.localhost/sitemap.xml"},
				{Name: "recorded", Title: "Recorded traffic", Help: "The URLs of the recorded GET requests that this filter matches.", Placeholder: `host = "shop.localhost"`, Recorded: true},
				{Name: "fields", Title: "Request fields", Help: "What is sent with each request, one field a line.", Placeholder: "Accept-Encoding: gzip, br"},
			},
		},
	}
}

// Act does what Actions offers.
func (c *cache) Act(ctx context.Context, name string, arguments map[string]string) (string, error) {
	switch name {
	case "purge":
		return c.purge(arguments)
	case "warm":
		return c.warm(ctx, arguments)
	}
	return "", problem.New(problem.NotFound, "Doing %s with a cache: it can purge and warm.", name)
}

func (c *cache) purge(arguments map[string]string) (string, error) {
	s, what, err := c.selection(arguments)
	if err != nil {
		return "", err
	}
	soft := false
	switch arguments["soft"] {
	case "", "false":
	case "true":
		soft = true
	default:
		return "", problem.New(problem.Invalid, "soft is %q: write true or false", arguments["soft"]).At("soft")
	}
	n, err := c.drop(s, soft)
	if err != nil {
		return "", problem.Wrap(problem.Unavailable, err, "Purging %s: %v. Try again when the store is there.", what, err)
	}
	return purgeSentence(n, soft, what), nil
}

// purgeSentence says what a purge has done.
func purgeSentence(n int, soft bool, what string) string {
	did := "Purged"
	if soft {
		did = "Made stale"
	}
	switch n {
	case -1:
		return did + " what is stored of " + what + "."
	case 0:
		return "Nothing is stored of " + what + "."
	case 1:
		return did + " 1 response of " + what + "."
	}
	return fmt.Sprintf("%s %d responses of %s.", did, n, what)
}

// selection is what the arguments of a purge select; exactly one says it.
func (c *cache) selection(arguments map[string]string) (s cachestore.Selection, what string, err error) {
	set := 0
	for _, name := range [...]string{"url", "prefix", "tag", "regex"} {
		if arguments[name] != "" {
			set++
		}
	}
	if set != 1 {
		return s, "", problem.New(problem.Invalid, "Purging: %d of url, prefix, tag and regex are given. Give one.", set).At("url")
	}
	switch {
	case arguments["url"] != "":
		if s.URL = c.absolute(arguments["url"]); s.URL == "" {
			return s, "", problem.New(problem.Invalid, "url is %q: write it whole, as https://host/path", arguments["url"]).At("url")
		}
		return s, s.URL, nil
	case arguments["prefix"] != "":
		if s.Prefix = c.absolute(arguments["prefix"]); s.Prefix == "" {
			return s, "", problem.New(problem.Invalid, "prefix is %q: write it with scheme and host, as https://host/beginning", arguments["prefix"]).At("prefix")
		}
		return s, "URLs that begin with " + s.Prefix, nil
	case arguments["tag"] != "":
		s.Tag = arguments["tag"]
		return s, "the tag " + s.Tag, nil
	}
	if s.Match, err = regexp.Compile(arguments["regex"]); err != nil {
		return s, "", problem.Wrap(problem.Invalid, err, "regex is no regular expression: %v", err).At("regex")
	}
	return s, "URLs that match " + arguments["regex"], nil
}

// drop purges what s selects, and keeps what is on its way from being stored.
func (c *cache) drop(s cachestore.Selection, soft bool) (n int, err error) {
	c.shelf.invalidations.add(s)
	c.shelf.flights.dropSelected(&s)
	n, err = c.store().Purge(s, soft)
	if err != nil {
		c.failed(err)
		return 0, err
	}
	c.count.purged.Add(int64(max(n, 0)))
	return n, nil
}

// purgeRequest answers PURGE from this machine or from a trusted peer. "Soft-Purge: 1" makes stale what
// else is dropped.
func (c *cache) purgeRequest(x *flow.Exchange) *flow.Response {
	x.Verdict(flow.Answered)
	q := x.Request
	if !x.Trusted && !x.Client.Addr().Unmap().IsLoopback() {
		x.Note("verdict", "refused")
		return page.Answer(x, problem.New(problem.Forbidden, "Purging %s: only this machine and peers in `trusted` may. Add the peer there.", q.URL()))
	}
	url := c.key.url(q.Scheme, q.Authority, q.Target)
	soft := strings.TrimSpace(q.Header.Get("Soft-Purge")) == "1"
	n, err := c.drop(cachestore.Selection{URL: url}, soft)
	if err != nil {
		return page.Answer(x, problem.Wrap(problem.Unavailable, err, "Purging %s: %v. Try again when the store is there.", url, err))
	}
	x.Note("verdict", "purged")
	x.Note("purged", url)
	r := flow.NewResponse(200, "text/plain; charset=utf-8", []byte(purgeSentence(n, soft, url)+"\n"))
	r.Header.Add("Cache-Control", "no-store")
	return r
}
