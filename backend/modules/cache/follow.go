package cache

import (
	"context"
	"io"
	"slices"
	"time"

	"proxycache/backend/cachestore"
	"proxycache/backend/flow"
	"proxycache/backend/policy"
	"proxycache/backend/problem"
)

// follow waits for the head that f fetches. done is false where x has to look again, or to go alone.
func (c *cache) follow(x *flow.Exchange, next policy.Next, a *asked, l *looked, d decision, f *flight) (r *flow.Response, err error, done bool) {
	defer f.wait()()
	a.behind = f.seq
	timer := time.NewTimer(c.lockTimeout)
	defer timer.Stop()
	select {
	case <-f.headed:
	case <-timer.C:
		x.Note("collapsed", "no head from exchange "+formatInt(f.seq)+" within lock_timeout")
		r, err = c.alone(x, next, a, l, d)
		return r, err, true
	case <-x.Context().Done():
		l.close()
		return nil, problem.Wrap(problem.ClientLeft, x.Context().Err(), "Waiting for the fetch of exchange %d: the client left.", f.seq), true
	}
	switch f.outcome {
	case shared:
		return c.readAlong(x, a, l, d, f)
	case broken:
		if f.err != nil || ifError(l.head(), time.Now()) {
			r, err = c.brokenFor(x, a, l, d, f)
			return r, err, true
		}
	case validated:
	}
	l.close()
	return nil, nil, false
}

// readAlong gives x the response that f fetches, while it comes, where it is the one for x.
func (c *cache) readAlong(x *flow.Exchange, a *asked, l *looked, d decision, f *flight) (r *flow.Response, err error, done bool) {
	if f.variant != l.key { // it may vary: what for, the store knows by now
		l.close()
		if *l = c.look(a); l.key != f.variant {
			l.close()
			return nil, nil, false
		}
	}
	now := time.Now()
	if decide(f.entry, &a.wish, now).use != answer {
		l.close()
		return nil, nil, false
	}
	own := f.read(x.Context())
	l.close()
	if own == nil {
		return nil, nil, false
	}
	age := ageAt(f.entry, now)
	t := told{fwd: d.fwd, collapsed: true, ttl: f.entry.Lifetime - age, timed: true}
	c.count.collapsed.Add(1)
	x.Note("verdict", "collapsed")
	x.Note("rule", d.why+"; exchange "+formatInt(f.seq)+" fetches it")
	x.Verdict(flow.Answered)
	return c.along(a, f, own, age, now, t), nil, true
}

// along is the response for one who reads from a flight.
func (c *cache) along(a *asked, f *flight, own *reader, age time.Duration, now time.Time, t told) *flow.Response {
	e := f.entry
	r := &flow.Response{Status: e.Status, Reason: e.Reason, Proto: e.Proto, Body: own, ContentLength: f.size, Trailer: f.trailers}
	if a.condition && unchanged(a, e, now) {
		_ = own.Close() // nothing is read from it
		r.Status, r.Reason, r.Body, r.ContentLength, r.Trailer = 304, "Not Modified", flow.NoBody, 0, nil
		r.Header = notModified(e.Header, nil)
	} else {
		r.Header = slices.Clip(e.Header)
	}
	r.Header = append(r.Header, flow.Field{Name: "Age", Value: seconds(age)})
	c.tell(r, t)
	return r
}

// brokenFor is the answer to x when the fetch that it waited for has failed.
func (c *cache) brokenFor(x *flow.Exchange, a *asked, l *looked, d decision, f *flight) (*flow.Response, error) {
	now := time.Now()
	if !ifError(l.head(), now) {
		l.close()
		c.note(x, "miss", d.why+"; exchange "+formatInt(f.seq)+" fetched it, and failed")
		x.Verdict(flow.Passed)
		return nil, f.err
	}
	age := ageAt(l.object.Response, now)
	c.count.stale.Add(1)
	c.note(x, "stale", "exchange "+formatInt(f.seq)+" fetched it, and the server failed; stale-if-error="+seconds(l.object.StaleIfError))
	x.Verdict(flow.Answered)
	return c.give(x, a, whole(l.object), age, now, told{fwd: "stale", collapsed: true, ttl: l.object.Lifetime - age, timed: true}), nil
}

// refreshLimit is how long a fetch in the background may take.
const refreshLimit = 5 * time.Minute

// refresh fetches anew what l found stale, in the background, where nobody does so already. It outlives
// x, and keeps nothing of it.
func (c *cache) refresh(x *flow.Exchange, next policy.Next, a *asked, l *looked) {
	f, leads := c.shelf.flights.join(l.key, x.Seq)
	if !leads {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), refreshLimit)
	f.cancel = cancel
	fork := x.Fork(ctx)
	fork.Request.Method = "GET"
	fork.Request.Header = forWhole(fork.Request.Header) // what is fetched is for the store
	own := looked{key: l.key, mark: l.mark, object: &cachestore.Object{Response: l.object.Response, Body: noBody{}}}
	b := *a
	b.header, b.wish, b.head, b.ranges, b.condition = fork.Request.Header, noWish(), false, "", false
	go func() {
		defer cancel()
		defer func() {
			if p := recover(); p != nil { // what lies behind has told it
				c.failed(problem.New(problem.Internal, "Fetching %s in the background: %v", b.url, p))
			}
			f.abandon()
		}()
		c.readOut(c.arrive(nil, &b, &own, decision{fwd: "stale"}, f, c.fetch(fork, next, &b, &own)))
	}()
}

// readOut reads a response for the sake of storing it.
func (c *cache) readOut(r *flow.Response, err error) {
	if err != nil {
		return // it is stale still, and the next one that asks will see
	}
	_, _ = io.Copy(io.Discard, r.Body) // what breaks off is not stored
	_ = r.Body.Close()
}

// noBody is the body of a stored response of which only the head is of interest.
type noBody struct{}

func (noBody) ReadAt([]byte, int64) (int, error) { return 0, io.EOF }
func (noBody) Close() error                      { return nil }
func (noBody) Size() int64                       { return 0 }
