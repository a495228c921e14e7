package cache

import (
	"io"
	"slices"
	"time"

	"proxycache/backend/cachestore"
	"proxycache/backend/flow"
)

// partSuffix follows the key of a whole response in the key of a part of it.
const partSuffix = "\npart"

// fromPart answers a request for a range from a part that is stored, where it is in it and fresh; nil
// where it is not.
func (c *cache) fromPart(x *flow.Exchange, a *asked, l *looked, now time.Time) *flow.Response {
	if a.ranges == "" || a.head || c.shelf.parts.Load() == 0 {
		return nil
	}
	o := c.get(l.key + partSuffix)
	if o == nil {
		return nil
	}
	d := decide(o.Response, &a.wish, now)
	have, size, ok := parseContentRange(o.Header.Get("Content-Range"))
	want, kind := rangeOf(a.ranges, size)
	if d.use != answer || !ok || kind != oneRange || want.first < have.first || want.end > have.end || !sameByRange(a, o.Response, now) {
		_ = o.Body.Close() // nothing is read from it
		return nil
	}
	l.close()
	c.count.hits.Add(1)
	x.Note("verdict", "hit")
	x.Note("rule", "in the part that is stored ("+o.Header.Get("Content-Range")+"); "+d.why)
	x.Verdict(flow.Answered)
	return c.give(x, a, lent{o.Response, o.Body, have.first, size}, d.age, now, told{hit: true, ttl: d.left, timed: true})
}

// passPart hands a 206 on, and stores it: whole parts of a known size only (RFC 9111 §3.3).
func (c *cache) passPart(x *flow.Exchange, a *asked, l *looked, g fetched, t *told) {
	why := ""
	have, size, ok := parseContentRange(g.r.Header.Get("Content-Range"))
	entry, reason := c.rules.judge(a, 206, g.r, g.requested, g.received)
	switch {
	case entry == nil:
		why = reason
	case !ok:
		why = "its Content-Range names no single part of a known size"
	case g.r.ContentLength != have.end-have.first:
		why = "it has not the length that its Content-Range says"
	case !reusable(entry, g.received):
		why = "a part is of use while it is fresh, and it is not"
	case !c.shelf.flights.hold(g.r.ContentLength):
		c.shelf.flights.hold(-g.r.ContentLength)
		why = "there is no room for it"
	default:
		if why = c.place(entry, a, l.mark); why != "" {
			c.shelf.flights.hold(-g.r.ContentLength)
		}
	}
	if why != "" {
		c.count.notStored.Add(1)
		if x != nil {
			x.Note("not stored", why)
		}
		return
	}
	entry.Key += partSuffix
	c.shelf.parts.Add(1)
	t.stored, t.ttl, t.timed = true, entry.Lifetime-ageAt(entry, g.received), true
	if x != nil {
		noteStored(x, entry, *t)
	}
	g.r.Body = &partBody{body: g.r.Body, cache: c, entry: entry, since: g.since, part: part{have, size, make([]byte, 0, have.end-have.first)}}
}

// part is a piece of a body of size bytes.
type part struct {
	span
	size int64
	data []byte
}

// partBody passes a part on, and stores it when it has come to its end, together with what is stored
// beside it already.
type partBody struct {
	body  io.ReadCloser
	cache *cache
	entry *cachestore.Response
	since int64
	part
	done bool
}

func (p *partBody) Read(b []byte) (int, error) {
	n, err := p.body.Read(b)
	if room := cap(p.data) - len(p.data); !p.done && n <= room {
		p.data = append(p.data, b[:n]...)
		if n == room && (err == nil || err == io.EOF) {
			p.finish()
			p.cache.putPart(p.entry, p.part, p.since)
		}
	}
	return n, err
}

// Ready tells that a Read does not wait.
func (p *partBody) Ready() bool { return flow.Ready(p.body) }

func (p *partBody) finish() {
	if !p.done {
		p.done = true
		p.cache.shelf.flights.hold(-int64(cap(p.data)))
	}
}

func (p *partBody) Close() error {
	p.finish()
	return p.body.Close()
}

// putPart stores a part, or the whole where it makes one.
func (c *cache) putPart(e *cachestore.Response, p part, since int64) {
	if c.shelf.invalidations.since(since, e) {
		return
	}
	if old := c.get(e.Key); old != nil {
		p = p.with(old, e)
		_ = old.Body.Close() // it has been read
	}
	e.Header.Del("Content-Range")
	e.Header.Set("Content-Length", formatInt(int64(len(p.data))))
	if int64(len(p.data)) == p.size {
		c.delete(e.Key)
		e.Key, e.Status, e.Reason = e.Key[:len(e.Key)-len(partSuffix)], 200, "OK"
	} else {
		e.Header.Add("Content-Range", contentRange(p.span, p.size))
	}
	w, err := c.store().Put(e, int64(len(p.data)))
	if err == nil && w != nil {
		if _, err = w.Write(p.data); err != nil {
			w.Abort()
		} else if err = w.Commit(e); err == nil {
			c.count.stored.Add(1)
			c.recall(e, since)
		}
	}
	if err != nil {
		c.unstored(e.Key, err)
	}
}

// with is p and what old has, where both are of the same representation by a strong validator (RFC 9110
// §15.3.7.3) and leave no gap.
func (p part) with(old *cachestore.Object, e *cachestore.Response) part {
	have, size, ok := parseContentRange(old.Header.Get("Content-Range"))
	tag := e.Header.Get("ETag")
	if !ok || size != p.size || !strong(tag) || tag != old.Header.Get("ETag") || have.first > p.end || p.first > have.end {
		return p
	}
	if have.end-have.first != old.Body.Size() {
		return p
	}
	both := part{span{min(have.first, p.first), max(have.end, p.end)}, size, nil}
	both.data = make([]byte, both.end-both.first)
	if n, err := old.Body.ReadAt(both.data[have.first-both.first:have.end-both.first], 0); err != nil && (err != io.EOF || int64(n) != have.end-have.first) {
		return p
	}
	copy(both.data[p.first-both.first:], p.data)
	return both
}

// beginning is the first part of a response that is stored, for which the rest is fetched.
type beginning struct {
	object *cachestore.Object
	have   span
	size   int64
}

// begun is the stored beginning of what a asks for; nil where there is none, or it is not known to belong
// to what the server has. It is of the variant of a, whose key the look has found.
func (c *cache) begun(a *asked, l *looked) *beginning {
	if a.head || a.ranges != "" || a.condition || l.object != nil || c.shelf.parts.Load() == 0 {
		return nil
	}
	o := c.get(l.key + partSuffix)
	if o == nil {
		return nil
	}
	have, size, ok := parseContentRange(o.Header.Get("Content-Range"))
	if !ok || have.first != 0 || have.end != o.Body.Size() || !strong(o.Header.Get("ETag")) {
		_ = o.Body.Close() // nothing is read from it
		return nil
	}
	return &beginning{o, have, size}
}

// rest are the fields of a request for what is missing, as long as it is of the same response.
func (b *beginning) rest(h flow.Header) flow.Header {
	return append(slices.Clip(h), flow.Field{Name: "Range", Value: "bytes=" + formatInt(b.have.end) + "-"},
		flow.Field{Name: "If-Range", Value: b.object.Header.Get("ETag")})
}

// complete makes of r, where it is the rest, the whole response. ok is false where it is an answer that
// only the rest can have, and is not the rest.
func (b *beginning) complete(r *flow.Response) (ok bool) {
	if r == nil || r.Status != 206 && r.Status != 416 {
		_ = b.object.Body.Close() // nothing is read from it
		return true
	}
	came, size, ok := parseContentRange(r.Header.Get("Content-Range"))
	if !ok || size != b.size || came.first != b.have.end || came.end != size || r.Header.Get("ETag") != b.object.Header.Get("ETag") {
		_ = b.object.Body.Close() // it is no rest of this
		return false
	}
	r.Status, r.Reason, r.ContentLength = 200, "OK", size
	h := r.Header.Clone()
	h.Del("Content-Range")
	h.Set("Content-Length", formatInt(size))
	r.Header, r.RawHead = h, nil
	r.Body = &joined{first: io.NewSectionReader(b.object.Body, 0, b.have.end), object: b.object, rest: r.Body}
	return true
}

// joined is a stored beginning, and then the rest as it comes.
type joined struct {
	first  *io.SectionReader
	object *cachestore.Object
	rest   io.ReadCloser
}

func (j *joined) Read(p []byte) (int, error) {
	n, err := j.first.Read(p)
	if n > 0 || err != io.EOF {
		return n, err
	}
	return j.rest.Read(p)
}

func (j *joined) Close() error {
	_ = j.object.Body.Close() // it has been read, or is not wanted
	return j.rest.Close()
}
