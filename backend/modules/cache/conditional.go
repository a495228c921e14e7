package cache

import (
	"strings"
	"time"

	"proxycache/backend/cachestore"
	"proxycache/backend/flow"
)

// unchanged tells whether the condition of a holds that the client's own copy is still good: the answer
// is 304 then (RFC 9111 §4.3.2). If-Modified-Since counts only where there is no If-None-Match.
func unchanged(a *asked, r *cachestore.Response, now time.Time) bool {
	if r.Status != 200 && r.Status != 203 && r.Status != 206 {
		return false
	}
	if a.hasNoneMatch {
		return noneMatches(a.noneMatch, r.Header.Get("ETag"))
	}
	if a.modified == "" {
		return false
	}
	since, ok := httpDate(a.modified, now)
	if !ok {
		return false
	}
	changed, ok := httpDate(r.Header.Get("Last-Modified"), now)
	if !ok {
		changed = dateOf(r)
	}
	return !changed.After(since)
}

// noneMatches tells whether tag is in the list of If-None-Match, compared weakly (RFC 9110 §8.8.3.2).
func noneMatches(list, tag string) bool {
	if strings.TrimSpace(list) == "*" {
		return true
	}
	if tag == "" {
		return false
	}
	for rest := list; rest != ""; {
		var one string
		if one, rest = member(rest); one != "" && opaque(one) == opaque(tag) {
			return true
		}
	}
	return false
}

// opaque is an entity tag without the mark of weakness.
func opaque(tag string) string { return strings.TrimPrefix(tag, "W/") }

func strong(tag string) bool { return strings.HasPrefix(tag, `"`) }

// sameByRange tells whether If-Range names exactly what r is (RFC 9110 §13.1.5), or is not there.
func sameByRange(a *asked, r *cachestore.Response, now time.Time) bool {
	switch {
	case a.ifRange == "":
		return true
	case strings.HasPrefix(a.ifRange, "W/"):
		return false
	case strong(a.ifRange):
		return a.ifRange == r.Header.Get("ETag")
	}
	when, ok := httpDate(a.ifRange, now)
	changed, known := httpDate(r.Header.Get("Last-Modified"), now)
	// A time is strong where what has it is at least a second older than its Date (§8.8.2.2).
	return ok && known && when.Equal(changed) && dateOf(r).Sub(changed) >= time.Second
}

// notModified are the fields of a 304: those of the 200 that tell nothing about a body that is not
// there (RFC 9110 §15.4.5).
func notModified(h flow.Header, out flow.Header) flow.Header {
	for _, f := range h {
		if len(f.Name) > 8 && flow.EqualFold(f.Name[:8], "Content-") && !flow.EqualFold(f.Name, "Content-Location") && !flow.EqualFold(f.Name, "Content-Security-Policy") {
			continue
		}
		out = append(out, f)
	}
	return out
}
