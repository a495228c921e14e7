package cache

import (
	"time"

	"proxycache/backend/cachestore"
)

// use is what may be done with a stored response.
type use byte

const (
	forward       use = iota // it has to be validated, or fetched anew
	answer                   // it is fresh
	answerStale              // it is stale, and the request says it does not mind
	answerRefresh            // it is stale, and given while a new one is fetched
)

// decision is what is to be done with a stored response for a request at a moment, and why.
type decision struct {
	use  use
	fwd  string // why it is not used, as Cache-Status says it (RFC 9211 §2.2)
	why  string // the same in words, with the numbers
	age  time.Duration
	left time.Duration // of its freshness; negative when it is stale
}

// ageAt is current_age (RFC 9111 §4.2.3).
func ageAt(r *cachestore.Response, now time.Time) time.Duration {
	return r.InitialAge + max(now.Sub(r.Received), 0)
}

// decide holds r to RFC 9111 §4.2 and to what the request asks for (§5.2.1).
func decide(r *cachestore.Response, w *wish, now time.Time) decision {
	d := decision{age: ageAt(r, now)}
	d.left = r.Lifetime - d.age
	if r.Purged {
		d.left = min(d.left, 0)
	}
	fresh := d.left > 0 && !r.AlwaysValidate
	switch {
	case r.AlwaysValidate:
		d.fwd, d.why = "stale", "no-cache: it is validated every time"
	case w.noCache:
		d.fwd, d.why = "request", "the request says no-cache"
	case w.maxAge == 0 || w.maxAge > 0 && d.age > w.maxAge.duration():
		d.fwd, d.why = "request", "the request says max-age="+formatInt(int64(w.maxAge))+", it is "+seconds(d.age)+" old"
	case fresh && w.minFresh > 0 && d.left < w.minFresh.duration():
		d.fwd, d.why = "request", "the request says min-fresh="+formatInt(int64(w.minFresh))+", it is fresh for "+seconds(d.left)+" more"
	case fresh:
		d.use, d.why = answer, d.freshness(r)
	default:
		d.stale(r, w)
	}
	return d
}

// stale decides about one that is stale.
func (d *decision) stale(r *cachestore.Response, w *wish) {
	d.fwd, d.why = "stale", d.freshness(r)
	switch over := -d.left; {
	case r.MustRevalidate:
		d.why += "; it must be validated then"
	case !r.Purged && w.maxStale >= 0 && (w.maxStale == anyStale || over <= w.maxStale.duration()) && wasFresh(r):
		d.use = answerStale
		d.why += "; the request says max-stale"
	case over <= r.StaleWhile && r.StaleWhile > 0:
		d.use = answerRefresh
		d.why += "; stale-while-revalidate=" + seconds(r.StaleWhile)
	}
}

// wasFresh tells whether r was fresh for others once, or is for everybody: what was only ever to be
// validated is not given because a client does not mind.
func wasFresh(r *cachestore.Response) bool {
	if r.Lifetime > 0 {
		return true
	}
	c := controlOf(r.Header)
	return c.public
}

// freshness says in words how fresh r is.
func (d *decision) freshness(r *cachestore.Response) string {
	behind := " s: "
	if d.left > 0 {
		behind = " s more: "
	}
	if r.Purged {
		return "stale: purged, age " + seconds(d.age)
	}
	var room [96]byte
	b := room[:0]
	if d.left > 0 {
		b = append(b, "fresh for "...)
		b = appendSeconds(b, d.left)
	} else {
		b = append(b, "stale for "...)
		b = appendSeconds(b, -d.left)
	}
	b = append(append(b, behind...), r.Rule...)
	b = append(b, ", age "...)
	return string(appendSeconds(b, d.age))
}

// ifError tells whether r may be given, stale as it is, because the server failed (RFC 5861 §4).
func ifError(r *cachestore.Response, now time.Time) bool {
	if r == nil || r.AlwaysValidate || r.MustRevalidate || r.StaleIfError <= 0 {
		return false
	}
	return ageAt(r, now)-r.Lifetime <= r.StaleIfError
}
