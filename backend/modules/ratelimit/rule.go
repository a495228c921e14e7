package ratelimit

import (
	"hash/maphash"
	"math/bits"
	"time"
)

// rule is a limit made ready. Times are nanoseconds; moments are since 1970.
type rule struct {
	Limit
	key      key
	quota    int64
	window   int64 // of windows and the log
	interval int64 // buckets: the time of one request
	slack    int64 // buckets: how far ahead of now the next turn may lie for a request to pass
	// id names what is counted, and salt is its hash: an edit that leaves it as it is goes on counting.
	id   string
	salt uint64
	says string // "100 requests a minute per client IP"
	fact string // "default: sliding_window, 100 requests a minute per client IP"
}

func newRule(l Limit, a addressing, t *table) (*rule, error) {
	k, err := parseKey(l.Key, a)
	if err != nil {
		return nil, err
	}
	r := &rule{Limit: l, key: k, quota: l.quota(), window: int64(l.Window), says: l.explain()}
	r.fact = l.Name + ": " + l.Algorithm + ", " + r.says
	r.id = l.Name + "\x00" + l.Algorithm + "\x00" + l.Key
	if l.bucket() {
		r.interval = l.interval()
		r.slack = (r.quota - 1) * r.interval
	} else if l.Algorithm != concurrency {
		r.id += "\x00" + l.Window.String()
	}
	r.salt = maphash.String(t.seed, r.id)
	return r, nil
}

// period is the time to which the quota belongs, as RateLimit-Policy says it: of a bucket, in which
// an empty one is full again; 0 for concurrency.
func (r *rule) period() time.Duration {
	switch {
	case r.bucket():
		return time.Duration(r.quota * r.interval)
	case r.Algorithm == concurrency:
		return 0
	}
	return time.Duration(r.window)
}

// entry is the state of one key: all but a log and what is in flight.
type entry struct {
	hash uint64
	// until is when the entry tells nothing any more. Of a bucket it is when the next turn would be
	// free if none were taken before it (GCRA's theoretical arrival time).
	until   int64
	n, last uint32 // requests in the window, and in the one before it
}

// decision is what a limit says to one request.
type decision struct {
	ok     bool
	left   int64         // how many more would pass now
	wait   time.Duration // before it goes on
	frees  time.Duration // until one more passes; 0 where that is not known
	clears time.Duration // until the whole quota is there
}

// reset is when there is more to be had: the next request where none is left, else all.
func (d *decision) reset() time.Duration {
	if !d.ok || d.left == 0 {
		return d.frees
	}
	return d.clears
}

// take decides on a request at now, and gives the state that is to be kept if it passes everywhere.
func (r *rule) take(e entry, now int64) (entry, decision) {
	var d decision
	switch r.Algorithm {
	case fixedWindow:
		e = r.fixedAt(e, now)
		d.left = r.quota - int64(e.n)
	case slidingWindow:
		e = r.slidingAt(e, now)
		d.left = r.quota - int64(e.n) - r.carried(e, now)
	default:
		e.until = min(max(e.until, now), now+r.slack+r.interval) // beyond that the clock was set back, or the settings changed
		d.left = (r.slack + r.interval - (e.until - now)) / r.interval
	}
	if d.ok = d.left > 0; !d.ok {
		d.left = 0
		d.frees, d.clears = time.Duration(r.freeIn(e, now)), time.Duration(e.until-now)
		return e, d
	}
	if r.bucket() {
		if r.Algorithm == leakyBucket && !r.NoDelay {
			d.wait = time.Duration(e.until - now)
		}
		e.until += r.interval
	} else {
		e.n++
	}
	d.left--
	d.clears = time.Duration(e.until - now)
	if d.left == 0 {
		d.frees = time.Duration(r.freeIn(e, now))
	}
	return e, d
}

// freeIn is how long it takes until one more request passes in a state where none does.
func (r *rule) freeIn(e entry, now int64) int64 {
	switch r.Algorithm {
	case fixedWindow:
		return e.until - now
	case slidingWindow:
		end := e.until - r.window
		if free := r.quota - int64(e.n); free > 0 { // when no more than so much of the last window counts
			return end - mulDiv(free, r.window, int64(e.last)) - now
		}
		return end + r.window - mulDiv(r.quota, r.window, int64(e.n)) - now
	}
	return e.until - now - r.slack
}

// fixedAt is e in the window of now. One that lies ahead was counted before the clock was set back,
// and is taken for this one.
func (r *rule) fixedAt(e entry, now int64) entry {
	end := now - now%r.window + r.window
	if e.until < end {
		e.n = 0
	}
	e.until = end
	return e
}

// slidingAt is e in the window of now. Its until is the end of the window after it, to which it counts.
func (r *rule) slidingAt(e entry, now int64) entry {
	until := now - now%r.window + 2*r.window
	switch {
	case e.until >= until: // this window; or one ahead, of before the clock was set back
	case e.until == until-r.window:
		e.n, e.last = 0, e.n
	default:
		e.n, e.last = 0, 0
	}
	e.until = until
	return e
}

// carried is how much of the window before counts at now: the whole requests below its share, so that
// one who comes at an even pace never finds a part of a request in the way.
func (r *rule) carried(e entry, now int64) int64 {
	hi, lo := bits.Mul64(uint64(e.last), uint64(e.until-r.window-now))
	if hi|lo == 0 {
		return 0
	}
	lo, borrow := bits.Sub64(lo, 1, 0)
	n, _ := bits.Div64(hi-borrow, lo, uint64(r.window)) // fits: no more than a window is ahead
	return int64(n)
}

// mulDiv is a·b/c, rounded down, for a ≤ c.
func mulDiv(a, b, c int64) int64 {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	n, _ := bits.Div64(hi, lo, uint64(c))
	return int64(n)
}

// ring is the log of one key: when the requests of the last window passed, the oldest first.
type ring struct {
	times []int64 // as a ring; its length is a power of two
	first int
	n     int
	until int64 // when the last of them counts no more
}

func (l *ring) at(i int) int64 { return l.times[(l.first+i)&(len(l.times)-1)] }

// forget drops what passed before a window, which ends at now. Times ahead of now were written before
// the clock was set back: all move back with it.
func (l *ring) forget(now, window int64) {
	for l.n > 0 && l.at(0) <= now-window {
		l.first, l.n = (l.first+1)&(len(l.times)-1), l.n-1
	}
	if l.n > 0 && l.at(l.n-1) > now {
		ahead := l.at(l.n-1) - now
		for i := range l.times {
			l.times[i] -= ahead
		}
		l.until = now + window
	}
}

// push adds now, and tells by how many times the log grew.
func (l *ring) push(now, window int64) (grown int) {
	l.until = now + window
	if l.n == len(l.times) {
		wider := make([]int64, max(2*l.n, 4))
		for i := range l.n {
			wider[i] = l.at(i)
		}
		grown = len(wider) - len(l.times)
		l.times, l.first = wider, 0
	}
	l.times[(l.first+l.n)&(len(l.times)-1)] = now
	l.n++
	return grown
}

// log decides on a request by its log, which is nil for a key that has none.
func (r *rule) log(l *ring, now int64) (d decision) {
	n := int64(0)
	if l != nil {
		l.forget(now, r.window)
		n = int64(l.n)
	}
	d.ok = n < r.quota
	switch {
	case !d.ok:
		d.frees = time.Duration(l.at(int(n-r.quota)) + r.window - now)
		d.clears = time.Duration(l.at(l.n-1) + r.window - now)
	default:
		d.left = r.quota - n - 1
		d.clears = time.Duration(r.window)
		if d.left == 0 {
			d.frees = d.clears
			if n > 0 {
				d.frees = time.Duration(l.at(0) + r.window - now)
			}
		}
	}
	return d
}

// flying decides by how many requests of the key are in flight.
func (r *rule) flying(n int64) decision {
	if n >= r.quota {
		return decision{}
	}
	return decision{ok: true, left: r.quota - n - 1}
}
