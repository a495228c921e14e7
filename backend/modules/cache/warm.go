package cache

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	"proxycache/backend/flow"
	"proxycache/backend/policy"
	"proxycache/backend/problem"
)

const (
	maxWarm     = 10_000   // URLs at once
	warmAtOnce  = 4        // fetches
	maxSitemap  = 10 << 20 // bytes
	maxSitemaps = 50       // of an index
)

// way is the way to what lies behind the cell, for requests that no client sent.
type way struct {
	from *flow.Exchange
	next policy.Next
}

// remember keeps the way of the first exchange.
func (c *cache) remember(x *flow.Exchange, next policy.Next) {
	if c.way.Load() != nil {
		return
	}
	from := x.Fork(context.Background())
	from.Request.Header, from.Request.RawHead, from.ClientConn = nil, nil, flow.Conn{}
	from.ReplayOf, from.Avoid, from.Bars, from.SendTo = 0, nil, nil, ""
	c.way.CompareAndSwap(nil, &way{from, next})
}

// warm fetches what the arguments name, through the cache.
func (c *cache) warm(ctx context.Context, arguments map[string]string) (string, error) {
	w := c.way.Load()
	if w == nil {
		return "", problem.New(problem.Conflict, "Warming the cache: no request has come through this cell since the configuration was applied, so that the way to the server is not known. Send one, and try again.")
	}
	fields, err := warmFields(arguments["fields"])
	if err != nil {
		return "", err
	}
	urls := append(strings.Fields(arguments["urls"]), strings.Fields(arguments["recorded"])...)
	if arguments["sitemap"] != "" {
		found, err := c.sitemap(ctx, w, arguments["sitemap"], fields)
		if err != nil {
			return "", err
		}
		urls = append(urls, found...)
	}
	switch {
	case len(urls) == 0:
		return "", problem.New(problem.Invalid, "Warming the cache: no URL is given. Give some in urls, a sitemap that has some, or a filter that matches recorded GET requests.").At("urls")
	case len(urls) > maxWarm:
		return "", problem.New(problem.Invalid, "Warming the cache: %d URLs are given, at most %d can be fetched at once. Give fewer.", len(urls), maxWarm).At("urls")
	}
	for _, u := range urls {
		if _, err := warmRequest(u, fields); err != nil {
			return "", err
		}
	}
	return c.warmAll(ctx, w, urls, fields)
}

func (c *cache) warmAll(ctx context.Context, w *way, urls []string, fields flow.Header) (string, error) {
	var kept, failed atomic.Int64
	queue := make(chan string)
	var running sync.WaitGroup
	for range min(warmAtOnce, len(urls)) {
		running.Go(func() {
			for u := range queue {
				r, err := c.warmOne(ctx, w, u, fields)
				switch {
				case err != nil || r.Status >= 500:
					failed.Add(1)
				case strings.Contains(r.Header.Joined("Cache-Status"), "; stored") || strings.Contains(r.Header.Joined("Cache-Status"), "; hit"):
					kept.Add(1)
				}
				c.readOut(r, err)
			}
		})
	}
	sent := 0
	for _, u := range urls {
		if ctx.Err() != nil {
			break
		}
		queue <- u
		sent++
	}
	close(queue)
	running.Wait()
	if ctx.Err() != nil {
		return "", problem.Wrap(problem.ClientLeft, ctx.Err(), "Warming the cache: stopped after %d of %d URLs.", sent, len(urls))
	}
	return fmt.Sprintf("%d URLs fetched: %d stored, %d not to be stored, %d failed.", sent, kept.Load(), int64(sent)-kept.Load()-failed.Load(), failed.Load()), nil
}

func (c *cache) warmOne(ctx context.Context, w *way, u string, fields flow.Header) (*flow.Response, error) {
	q, err := warmRequest(u, fields)
	if err != nil {
		return nil, err
	}
	x := w.from.Fork(ctx)
	x.Request = q
	x.Enter("", "")
	return c.Apply(x, w.next)
}

func warmRequest(u string, fields flow.Header) (*flow.Request, error) {
	p, err := url.Parse(u)
	if err != nil || p.Scheme != "http" && p.Scheme != "https" || p.Host == "" {
		return nil, problem.New(problem.Invalid, "Warming the cache: %q is no whole URL. Write it as https://host/path.", u).At("urls")
	}
	h := append(flow.Header{{Name: "Host", Value: p.Host}}, fields...)
	return &flow.Request{Method: "GET", Scheme: p.Scheme, Authority: p.Host, Target: p.RequestURI(), Proto: "HTTP/1.1", Header: h, Body: flow.NoBody}, nil
}

// warmFields are the fields that go with each request: one a line.
func warmFields(text string) (flow.Header, error) {
	h := flow.Header{{Name: "User-Agent", Value: "Proxycache-Warm-Up"}}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !token.MatchString(name) || strings.ContainsAny(value, "\r\n\x00") {
			return nil, problem.New(problem.Invalid, "fields has the line %q: write Name: value", line).At("fields")
		}
		h.Set(name, strings.TrimSpace(value))
	}
	return h, nil
}

// sitemap are the URLs of a sitemap, or of those that an index names (sitemaps.org).
func (c *cache) sitemap(ctx context.Context, w *way, address string, fields flow.Header) ([]string, error) {
	pages, maps, err := c.readSitemap(ctx, w, address, fields)
	if err != nil {
		return nil, err
	}
	if len(maps) > maxSitemaps {
		maps = maps[:maxSitemaps]
	}
	for _, m := range maps {
		more, _, err := c.readSitemap(ctx, w, m, fields)
		if err != nil {
			return nil, err
		}
		if pages = append(pages, more...); len(pages) > maxWarm {
			pages = pages[:maxWarm]
			break
		}
	}
	return pages, nil
}

func (c *cache) readSitemap(ctx context.Context, w *way, address string, fields flow.Header) (pages, maps []string, err error) {
	q, err := warmRequest(address, fields)
	if err != nil {
		return nil, nil, problem.Of(err).At("sitemap")
	}
	x := w.from.Fork(ctx)
	x.Request = q
	x.Enter("", "")
	r, err := w.next(x)
	if err != nil {
		return nil, nil, problem.Wrap(problem.KindOf(err), err, "Reading the sitemap %s: %v", address, err)
	}
	defer r.Body.Close()
	if r.Status != 200 {
		return nil, nil, problem.New(problem.NotFound, "Reading the sitemap %s: the server answered %d. Name another.", address, r.Status).At("sitemap")
	}
	pages, maps, err = parseSitemap(io.LimitReader(r.Body, maxSitemap))
	if err != nil {
		return nil, nil, problem.Wrap(problem.Invalid, err, "Reading the sitemap %s: %v. It has to be XML, not compressed, of at most 10 MiB.", address, err).At("sitemap")
	}
	return pages, maps, nil
}

// parseSitemap reads the locations of pages and of further sitemaps.
func parseSitemap(r io.Reader) (pages, maps []string, err error) {
	d := xml.NewDecoder(r)
	inside := ""
	for {
		t, err := d.Token()
		if err == io.EOF {
			return pages, maps, nil
		}
		if err != nil {
			return nil, nil, err
		}
		s, ok := t.(xml.StartElement)
		if !ok {
			continue
		}
		switch s.Name.Local {
		case "url", "sitemap":
			inside = s.Name.Local
		case "loc":
			var text string
			if err := d.DecodeElement(&text, &s); err != nil {
				return nil, nil, err
			}
			if text = strings.TrimSpace(text); inside == "sitemap" {
				maps = append(maps, text)
			} else if inside == "url" && len(pages) < maxWarm {
				pages = append(pages, text)
			}
		}
	}
}
