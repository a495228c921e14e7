package cache

import (
	"slices"
	"strings"
	"time"

	"proxycache/backend/cachestore"
	"proxycache/backend/flow"
)

// rules decide what is kept, and how long it is fresh.
type rules struct {
	defaultTTL, overrideTTL, staleWhile, staleIfError, keepStale time.Duration

	defaultStatuses []int
	ignoreRequest   bool
	deception       bool
	tagFields       []string
	keyed           []string // fields of a request that are in the key, lower case
	maxObject       int64
}

// maxLifetime bounds what a response says, so that sums of times stay times.
const maxLifetime = maxDelta * time.Second

// maxHeuristic bounds what is made up where a response says nothing.
const maxHeuristic = 24 * time.Hour

// judge makes the stored form of the head r, which answers what was asked; why says why it may not be
// kept, and then there is none (RFC 9111 §3). status and fields may be other than a 206's.
func (u *rules) judge(a *asked, status int, r *flow.Response, requested, received time.Time) (entry *cachestore.Response, why string) {
	c := controlOf(r.Header)
	if why := u.forbids(a, status, r, &c); why != "" {
		return nil, why
	}
	entry = &cachestore.Response{
		Key: a.key, URL: a.url, Status: status, Reason: strings.Clone(r.Reason), Proto: strings.Clone(r.Proto),
		Requested: requested, Received: received,
	}
	entry.Header = keptFields(r.Header, received)
	if !c.public {
		dropCookies(&entry.Header)
	}
	if why := u.times(entry, &c); why != "" {
		return nil, why
	}
	if why := u.deceives(a, entry, &c); why != "" {
		return nil, why
	}
	names, every := varyOf(r.Header)
	if every {
		return nil, "Vary matches no other request"
	}
	entry.Vary = names
	entry.Tags = u.tags(entry.Header)
	return entry, ""
}

// forbids says what keeps the response from being kept whatever its lifetime.
func (u *rules) forbids(a *asked, status int, r *flow.Response, c *control) string {
	if why := a.private(c); why != "" {
		return why
	}
	switch {
	case status < 200 || status == 304 || status > 599:
		return "a response with this status is never kept"
	case c.noStore && !(c.mustUnderstand && understood(status)):
		return "no-store" + from(c)
	case c.mustUnderstand && !understood(status):
		return "must-understand, and this status is not known here"
	case c.private:
		return "private" + from(c)
	case c.setsCookie && !c.lifetime():
		return "it sets a cookie, and does not say how long it is fresh"
	case !c.lifetime() && isEventStream(r.Header):
		return "it is a stream of events, and does not say how long it is fresh"
	case r.ContentLength > u.maxObject && !a.head:
		return "its body is larger than max_object"
	}
	return ""
}

// private says what in the request keeps what answers it from being kept for others. It tells c, too,
// whether the request is somebody's: no setting gives the answer a lifetime then.
func (a *asked) private(c *control) string {
	cookies := a.cookies && !cookiesInKey(a.key, a.header)
	c.personal = !c.public && (a.authorized || cookies)
	switch {
	case a.sender != nil && a.sender.SendTo != "":
		return "it came from another upstream, " + a.sender.SendTo + ", which a cell fell back on"
	case a.wish.noStore:
		return "the request says no-store"
	case a.authorized && !c.public && !c.mustRevalidate && c.sMaxAge == absent:
		return "the request has Authorization, and the response says neither public, nor s-maxage, nor must-revalidate (RFC 9111 §3.5)"
	case a.unkeyed != "":
		return "the request has " + a.unkeyed + ", which is no part of the key"
	case cookies && !c.public && !c.lifetime():
		return "the request has a cookie that is no part of the key, and the response says neither public nor how long it is fresh"
	}
	return ""
}

// from names the field that a directive came from, where it is not the usual one.
func from(c *control) string {
	if c.source == "" || c.source == "Cache-Control" {
		return ""
	}
	return " of " + c.source
}

// understood are the statuses whose rules for caches are kept here.
func understood(status int) bool {
	switch status {
	case 200, 203, 204, 206, 300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 405, 410, 414, 421, 451, 500, 501, 502, 503, 504:
		return true
	}
	return false
}

// heuristicStatus tells whether a lifetime may be made up for the status (RFC 9110 §15.1).
func heuristicStatus(status int) bool {
	switch status {
	case 200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501:
		return true
	}
	return false
}

// times sets what of e says how long it can be used, from its stored fields and its control.
func (u *rules) times(e *cachestore.Response, c *control) (why string) {
	explicit := u.lifetime(e, c)
	overridden := e.Rule == ruleOverride
	e.AlwaysValidate = c.noCache && !overridden
	e.MustRevalidate = c.mustRevalidate || c.proxyRevalidate || c.sMaxAge != absent && !overridden
	e.StaleWhile, e.StaleIfError = u.stale(e, c)
	e.InitialAge = initialAge(e)
	validator := hasValidator(e.Header)
	switch {
	case !explicit && !c.public && !heuristicStatus(e.Status):
		return "it says nothing about its lifetime, and for this status none can be made up"
	case !validator && e.AlwaysValidate:
		return "no-cache, and nothing to validate it by"
	case !validator && e.Lifetime == 0 && e.StaleWhile == 0 && e.StaleIfError == 0:
		if explicit {
			return "it is never fresh (" + e.Rule + "), and there is nothing to validate it by"
		}
		return "it says nothing about its lifetime, and there is nothing to validate it by"
	}
	kept := max(e.Lifetime-e.InitialAge, 0) + max(u.keepStale, e.StaleWhile, e.StaleIfError)
	e.Drop = e.Received.Add(kept)
	return ""
}

// stale is for how long e may be used when it is stale: what it says itself, else the settings, where it
// has a lifetime that can be over. What was never fresh for anybody is not somebody else's.
func (u *rules) stale(e *cachestore.Response, c *control) (while, ifError time.Duration) {
	if c.public || e.Lifetime > 0 || c.lifetime() && !c.personal {
		while, ifError = u.staleWhile, u.staleIfError
	}
	if c.staleWhile >= 0 {
		while = c.staleWhile.duration()
	}
	if c.staleIfError >= 0 {
		ifError = c.staleIfError.duration()
	}
	return while, ifError
}

// lifetime sets the freshness lifetime (RFC 9111 §4.2.1), and tells whether the response, or a setting,
// says it.
func (u *rules) lifetime(e *cachestore.Response, c *control) (explicit bool) {
	e.Lifetime, e.Heuristic = 0, false
	expires, dated := e.Header.Get("Expires"), dateOf(e)
	switch {
	case u.overrideTTL > 0 && u.settable(e, c):
		e.Lifetime, e.Rule = u.overrideTTL, ruleOverride
	case c.sMaxAge != absent:
		e.Lifetime, e.Rule = explicitly("s-maxage", c.sMaxAge, c)
	case c.maxAge != absent:
		e.Lifetime, e.Rule = explicitly("max-age", c.maxAge, c)
	case c.expires:
		e.Rule = "Expires"
		if t, ok := httpDate(expires, e.Received); ok {
			e.Lifetime = min(max(t.Sub(dated), 0), maxLifetime)
		} else {
			e.Rule = "Expires, which is no date"
		}
	case u.defaultTTL > 0 && !c.noCache && u.settable(e, c):
		e.Lifetime, e.Rule = u.defaultTTL, ruleDefault
	default:
		u.heuristic(e, c, dated)
		return false
	}
	return true
}

// The rules that are no words of the response.
const (
	ruleOverride = "override_ttl"
	ruleDefault  = "default_ttl"
)

// settable tells whether a setting may give e its lifetime: its status is one of those, it was not made
// for somebody, sets no cookie, and has an end.
func (u *rules) settable(e *cachestore.Response, c *control) bool {
	return slices.Contains(u.defaultStatuses, e.Status) && !c.personal && !c.setsCookie && !isEventStream(e.Header)
}

// isEventStream tells whether h is of a stream of server-sent events.
func isEventStream(h flow.Header) bool {
	kind, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(kind), "text/event-stream")
}

func explicitly(name string, d delta, c *control) (time.Duration, string) {
	if d == invalid { // encouraged to be taken for stale
		return 0, name + " without a valid number" + from(c)
	}
	return d.duration(), name + "=" + formatInt(int64(d)) + from(c)
}

// heuristic makes up a tenth of the time since the last change (RFC 9111 §4.2.2). What sets a cookie is
// made for somebody, and gets none.
func (u *rules) heuristic(e *cachestore.Response, c *control, dated time.Time) {
	e.Rule = "no lifetime"
	if !heuristicStatus(e.Status) && !c.public || c.setsCookie || c.personal {
		return
	}
	if t, ok := httpDate(e.Header.Get("Last-Modified"), e.Received); ok && t.Before(dated) {
		e.Lifetime, e.Heuristic = min(dated.Sub(t)/10, maxHeuristic), true
		e.Rule = "a tenth of the time since Last-Modified"
	}
}

// dateOf is the moment of Date, or that of the receipt where there is no valid one.
func dateOf(e *cachestore.Response) time.Time {
	if t, ok := httpDate(e.Header.Get("Date"), e.Received); ok {
		return t
	}
	return e.Received
}

// initialAge is corrected_initial_age (RFC 9111 §4.2.3). The field Age is in e.Header when this is
// asked, and goes then: every response from here gets its own.
func initialAge(e *cachestore.Response) time.Duration {
	apparent := max(e.Received.Sub(dateOf(e)), 0)
	var age time.Duration
	if first, _ := member(e.Header.Get("Age")); first != "" { // of a list the first, and what is no number is none (§5.1)
		if n, ok := deltaSeconds(first); ok {
			age = time.Duration(n) * time.Second
		}
	}
	e.Header.Del("Age")
	return min(max(apparent, age+e.Received.Sub(e.Requested)), maxLifetime)
}

func hasValidator(h flow.Header) bool { return h.Get("ETag") != "" || h.Get("Last-Modified") != "" }

// maxTags is how many tags of a response are kept, each of at most maxTag bytes.
const (
	maxTags = 256
	maxTag  = 512
)

// tags are those of the fields that hold some, parted by blanks or commas.
func (u *rules) tags(h flow.Header) (tags []string) {
	for _, name := range u.tagFields {
		for i := range h {
			if !flow.EqualFold(h[i].Name, name) {
				continue
			}
			for tag := range strings.FieldsFuncSeq(h[i].Value, func(r rune) bool { return r == ' ' || r == ',' || r == '\t' }) {
				if len(tag) <= maxTag && len(tags) < maxTags && !slices.Contains(tags, tag) {
					tags = append(tags, tag)
				}
			}
		}
	}
	return tags
}
