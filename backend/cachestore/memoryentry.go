package cachestore

import (
	"io"
	"strings"
	"sync/atomic"

	"proxycache/backend/flow"
)

// entry is one response in memory. All but what is atomic is under the store's lock; the body does not
// change.
type entry struct {
	response *Response
	body     []byte   // all of it, or the first piece
	rest     [][]byte // what is behind that, in whole pieces but for the last
	size     int64    // of body and rest
	cost     int64    // bytes, bookkeeping included
	hash     uint64
	at       int // in memory.all
	url      mention
	tags     []mention

	rank       rank // the list it stands in
	next, prev *entry

	readers atomic.Int32
	gone    atomic.Bool // it cannot be found any more
	settled bool        // nothing is held for its readers
}

// lent is an entry that is being read.
type lent struct {
	Object
	entry  *entry
	store  *memory
	closed atomic.Bool
}

func (l *lent) Size() int64 { return l.entry.size }

func (l *lent) ReadAt(p []byte, from int64) (n int, err error) {
	e := l.entry
	if from < 0 || from >= e.size {
		return 0, io.EOF
	}
	if from < int64(len(e.body)) {
		n = copy(p, e.body[from:])
	}
	if n < len(p) && len(e.rest) > 0 {
		n += e.copyRest(p[n:], from+int64(n)-int64(len(e.body)))
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// copyRest copies from what is behind the first piece.
func (e *entry) copyRest(p []byte, from int64) (n int) {
	for at := from; n < len(p) && at/wholePiece < int64(len(e.rest)); at = from + int64(n) {
		piece := e.rest[at/wholePiece]
		if at%wholePiece >= int64(len(piece)) {
			break // behind the last one's end
		}
		n += copy(p[n:], piece[at%wholePiece:])
	}
	return n
}

func (l *lent) Close() error {
	if l.closed.Swap(true) {
		return nil
	}
	if l.entry.readers.Add(-1) == 0 && l.entry.gone.Load() {
		l.store.settle(l.entry)
	}
	return nil
}

// Bookkeeping of an entry in bytes, as measured: the structs and their places in maps and lists.
const (
	entryBytes = 640
	fieldBytes = 32
	tagBytes   = 160
)

// overhead is what r takes in memory besides its body.
func overhead(r *Response) int64 {
	n := entryBytes + textLength(r) + fieldBytes*(len(r.Header)+len(r.Trailer)) + tagBytes*len(r.Tags) + 16*len(r.Vary)
	return int64(n)
}

func textLength(r *Response) int {
	n := len(r.Key) + len(r.URL) + len(r.Reason) + len(r.Proto) + len(r.Rule)
	for _, list := range [][]string{r.Tags, r.Vary} {
		for _, s := range list {
			n += len(s)
		}
	}
	for _, h := range []flow.Header{r.Header, r.Trailer} {
		for _, f := range h {
			n += len(f.Name) + len(f.Value)
		}
	}
	return n
}

// compact is a copy of r whose texts lie in one piece: they were slices of whole heads, which would
// stay in memory with them.
func compact(r *Response) *Response {
	var text strings.Builder
	text.Grow(textLength(r)) // never moved afterwards, so that what was cut from it stays valid
	own := func(s string) string {
		from := text.Len()
		text.WriteString(s)
		return text.String()[from:]
	}
	list := func(l []string) []string {
		if len(l) == 0 {
			return nil
		}
		out := make([]string, len(l))
		for i, s := range l {
			out[i] = own(s)
		}
		return out
	}
	fields := func(h flow.Header) flow.Header {
		if len(h) == 0 {
			return nil
		}
		out := make(flow.Header, len(h))
		for i, f := range h {
			out[i] = flow.Field{Name: own(f.Name), Value: own(f.Value)}
		}
		return out
	}
	c := *r
	c.Key, c.URL, c.Reason, c.Proto, c.Rule = own(r.Key), own(r.URL), own(r.Reason), own(r.Proto), own(r.Rule)
	c.Tags, c.Vary = list(r.Tags), list(r.Vary)
	c.Header, c.Trailer = fields(r.Header), fields(r.Trailer)
	return &c
}
