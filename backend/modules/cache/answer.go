package cache

import (
	"io"
	"sync"
	"time"

	"proxycache/backend/cachestore"
	"proxycache/backend/flow"
)

// found is a response from the store on its way to a client: the response, its fields and its body in
// one piece of memory.
type found struct {
	flow.Response
	body   cachestore.Body
	at     int64
	end    int64
	parts  *parts // of several ranges
	fields [16]flow.Field
}

func (f *found) Read(p []byte) (int, error) {
	if f.parts != nil {
		return f.parts.Read(p)
	}
	if f.at >= f.end {
		return 0, io.EOF
	}
	if int64(len(p)) > f.end-f.at {
		p = p[:f.end-f.at]
	}
	n, err := f.body.ReadAt(p, f.at)
	f.at += int64(n)
	switch {
	case f.at == f.end:
		err = io.EOF
	case err == io.EOF: // the store has less than it said
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Ready tells that reading does not wait for anybody else.
func (f *found) Ready() bool { return true }

func (f *found) Close() error { return f.body.Close() }

// lent is a stored response as the store lent it: its head, which a validation may have made anew since,
// and its body, of which base is where it begins in the whole of size bytes.
type lent struct {
	head *cachestore.Response
	body cachestore.Body
	base int64
	size int64
}

func whole(o *cachestore.Object) lent { return lent{o.Response, o.Body, 0, o.Body.Size()} }

// founds are those of exchanges that are over.
var founds = sync.Pool{New: func() any { return new(found) }}

// Release gives f to another exchange.
func (f *found) Release() {
	*f = found{}
	founds.Put(f)
}

// give makes the answer of x, nil in the background, to a from l, which it closes in the end: 200, 304, 206 or 416. status is
// the member of Cache-Status.
func (c *cache) give(x *flow.Exchange, a *asked, l lent, age time.Duration, now time.Time, t told) *flow.Response {
	r := l.head
	f, _ := founds.Get().(*found)
	if x != nil { // else nobody asked, and nobody tells when it is over
		x.Own(f)
	}
	f.body, f.end = l.body, l.size-l.base
	f.Response = flow.Response{Status: r.Status, Reason: r.Reason, Proto: r.Proto, Body: flow.NoBody}
	f.Header = f.fields[:0]
	f.ContentLength = l.size
	switch {
	case a.condition && unchanged(a, r, now):
		f.Status, f.Reason, f.ContentLength = 304, "Not Modified", 0
		f.Header = notModified(r.Header, f.Header)
		f.end = 0
	case a.ranges != "" && !a.head && (r.Status == 200 || r.Status == 206) && sameByRange(a, r, now):
		f.cut(a, l)
	default:
		f.Header = append(f.Header, r.Header...)
		if len(r.Trailer) > 0 {
			f.Trailer = func() flow.Header { return r.Trailer }
		}
	}
	f.Header = append(f.Header, flow.Field{Name: "Age", Value: seconds(age)})
	if c.statusName != "" {
		f.Header = append(f.Header, flow.Field{Name: "Cache-Status", Value: c.status(t)})
	}
	if a.head || f.at >= f.end {
		_ = l.body.Close() // nothing is read from it
		return &f.Response
	}
	f.Body = f
	return &f.Response
}

// cut makes f the part that a asks for, or says that there is none.
func (f *found) cut(a *asked, l lent) {
	spans, kind := rangesOf(a.ranges, l.size)
	if kind == wholeBody || kind == manyRanges && l.base > 0 {
		f.Header = append(f.Header, l.head.Header...)
		return
	}
	for _, field := range l.head.Header {
		if !flow.EqualFold(field.Name, "Content-Length") && !flow.EqualFold(field.Name, "Content-Range") {
			f.Header = append(f.Header, field)
		}
	}
	if kind == noRange {
		f.Status, f.Reason, f.ContentLength, f.end = 416, "Range Not Satisfiable", 0, 0
		f.Header.Add("Content-Range", "bytes */"+formatInt(l.size))
		return
	}
	f.Status, f.Reason = 206, "Partial Content"
	if kind == manyRanges {
		f.parts = newParts(l, spans)
		f.ContentLength = f.parts.size
		f.Header.Set("Content-Type", "multipart/byteranges; boundary="+f.parts.boundary)
		return
	}
	s := spans[0]
	f.ContentLength = s.end - s.first
	f.at, f.end = s.first-l.base, s.end-l.base
	f.Header.Add("Content-Range", contentRange(s, l.size))
}
