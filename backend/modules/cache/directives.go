package cache

import (
	"strings"
	"time"

	"proxycache/backend/flow"
)

// delta is the value of a directive in seconds.
type delta int64

const (
	absent  delta = -1 // the directive is not there
	invalid delta = -2 // it is there, and its value is no number of seconds
)

func (d delta) duration() time.Duration { return time.Duration(d) * time.Second }

// control is what the directives of a response say (RFC 9111 §5.2.2), from Cache-Control or a targeted
// field.
type control struct {
	maxAge, sMaxAge, staleWhile, staleIfError delta

	noStore, noCache, private, public               bool
	mustRevalidate, proxyRevalidate, mustUnderstand bool

	expires    bool // Expires is there, and counts
	setsCookie bool // Set-Cookie is there
	personal   bool // the request was somebody's, and the response is not said to be public

	source string // the field that it came from; "" where there is none
}

// lifetime tells whether the response says itself how long it is fresh, be it that it never is.
func (c *control) lifetime() bool { return c.sMaxAge != absent || c.maxAge != absent || c.expires }

func noControl() control {
	return control{maxAge: absent, sMaxAge: absent, staleWhile: absent, staleIfError: absent}
}

// responseControl reads Cache-Control. Of several occurrences of a directive the first counts
// (RFC 9111 §4.2.1).
func responseControl(h flow.Header) control {
	c := noControl()
	for i := range h {
		if len(h[i].Name) != len("Cache-Control") || !flow.EqualFold(h[i].Name, "Cache-Control") {
			continue
		}
		c.source = "Cache-Control"
		for rest := h[i].Value; rest != ""; {
			var text string
			if text, rest = member(rest); text != "" {
				name, value, has := directive(text)
				c.set(name, value, has)
			}
		}
	}
	return c
}

// directive parts "name=value" and takes the quotes away. A blank before the equals sign is no part of
// the grammar; such a directive keeps its name, and has no valid value, so that what it wanted to be
// fresh is stale.
func directive(text string) (name, value string, has bool) {
	name, value, has = strings.Cut(text, "=")
	if trimmed := strings.TrimRight(name, " \t"); trimmed != name {
		return trimmed, "?", true
	}
	if plain, ok := unquote(value); ok {
		value = plain
	}
	return name, value, has
}

func (c *control) set(name, value string, has bool) {
	switch strings.ToLower(name) {
	case "max-age":
		c.maxAge.first(value, has)
	case "s-maxage":
		c.sMaxAge.first(value, has)
	case "stale-while-revalidate":
		c.staleWhile.first(value, has)
	case "stale-if-error":
		c.staleIfError.first(value, has)
	case "no-store":
		c.noStore = true
	case "no-cache": // with names of fields, too: taken as without (RFC 9111 §5.2.2.4)
		c.noCache = true
	case "private":
		c.private = true
	case "public":
		c.public = true
	case "must-revalidate":
		c.mustRevalidate = true
	case "proxy-revalidate":
		c.proxyRevalidate = true
	case "must-understand":
		c.mustUnderstand = true
	}
}

// first takes the value, unless the directive was there before.
func (d *delta) first(value string, has bool) {
	if *d != absent {
		return
	}
	*d = invalid
	if n, ok := deltaSeconds(value); ok && has {
		*d = delta(n)
	}
}

// targetedFields are the fields for caches like this one, by precedence (RFC 9213 §2.2).
var targetedFields = [...]string{"Proxycache-Cache-Control", "CDN-Cache-Control"}

// controlOf is what the fields of a response say: the control in force, and what counts beside it.
func controlOf(h flow.Header) control {
	c := controlInForce(h)
	c.expires = !c.targeted() && h.Has("Expires")
	c.setsCookie = h.Has("Set-Cookie") || h.Has("Set-Cookie2")
	return c
}

// targeted tells whether c came from a field for caches like this one: Expires is ignored then
// (RFC 9213 §2.2).
func (c *control) targeted() bool { return c.source != "" && c.source != "Cache-Control" }

// controlInForce is that of the first targeted field that stands, else Cache-Control's.
func controlInForce(h flow.Header) control {
	for _, name := range targetedFields {
		if !h.Has(name) {
			continue
		}
		if members, ok := parseDictionary(h.Joined(name)); ok && len(members) > 0 {
			return targetedControl(name, members)
		}
	}
	return responseControl(h)
}

// targetedControl reads the members of a structured field. A directive whose value has not the type it
// needs is there and invalid.
func targetedControl(source string, members []sfMember) control {
	c := noControl()
	c.source = source
	for _, m := range members {
		if m.value.kind == sfBoolean && m.value.text == "0" { // "?0": said not to be
			continue
		}
		text := "?"
		if m.value.kind == sfInteger {
			text = m.value.text
		}
		c.set(m.key, text, true)
	}
	return c
}

// wish is what the directives of a request ask for (RFC 9111 §5.2.1).
type wish struct {
	maxAge, minFresh, maxStale     delta
	noCache, noStore, onlyIfCached bool
}

// anyStale is max-stale without a value.
const anyStale delta = maxDelta

func noWish() wish { return wish{maxAge: absent, minFresh: absent, maxStale: absent} }

func (w *wish) read(value string) {
	for rest := value; rest != ""; {
		var text string
		text, rest = member(rest)
		name, value, has := directive(text)
		switch strings.ToLower(name) {
		case "max-age":
			w.maxAge.first(value, has)
		case "min-fresh":
			w.minFresh.first(value, has)
		case "max-stale":
			if has {
				w.maxStale.first(value, has)
			} else {
				w.maxStale = anyStale
			}
		case "no-cache":
			w.noCache = true
		case "no-store":
			w.noStore = true
		case "only-if-cached":
			w.onlyIfCached = true
		}
	}
}
