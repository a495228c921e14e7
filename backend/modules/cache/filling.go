package cache

import (
	"io"

	"proxycache/backend/cachestore"
	"proxycache/backend/flow"
)

// filling passes a body on and stores it on the way. What does not come to its end is not kept.
type filling struct {
	body    io.ReadCloser
	trailer func() flow.Header
	cache   *cache
	entry   *cachestore.Response
	writer  cachestore.Writer // nil when nothing is stored, or not any more
	since   int64             // of the invalidations that had been when the fetch began
	stores  bool              // there was a writer in the beginning
	size    int64             // -1 when only the end will tell
	read    int64
}

func (f *filling) Read(p []byte) (int, error) {
	n, err := f.body.Read(p)
	f.read += int64(n)
	if f.writer == nil {
		return n, err
	}
	if n > 0 && !f.keep(p[:n]) {
		return n, err
	}
	switch {
	case err == io.EOF && f.size >= 0 && f.read != f.size:
		f.drop()
	case err == io.EOF || f.size >= 0 && f.read == f.size && f.trailer == nil:
		f.commit()
	case err != nil:
		f.drop()
	}
	return n, err
}

// keep stores p, unless that makes it too large, or the store fails or has no room.
func (f *filling) keep(p []byte) bool {
	if f.read > f.cache.maxObject || f.size >= 0 && f.read > f.size {
		f.cache.count.tooLarge.Add(1)
		f.drop()
		f.cache.delete(f.entry.Key)
		return false
	}
	if _, err := f.writer.Write(p); err != nil {
		f.cache.unstored(f.entry.Key, err)
		f.drop()
		return false
	}
	return true
}

func (f *filling) commit() {
	w := f.writer
	f.writer = nil
	if f.cache.shelf.invalidations.since(f.since, f.entry) {
		w.Abort()
		return
	}
	if f.trailer != nil {
		f.entry.Trailer = keptTrailer(f.trailer())
	}
	if err := w.Commit(f.entry); err != nil {
		f.cache.unstored(f.entry.Key, err)
		return
	}
	f.cache.count.stored.Add(1)
	f.cache.recall(f.entry, f.since)
}

// unstored takes what a store said that did not store a response under key. That it has no room is no
// failure of it, whether that shows before the body or at its end; but what is stored there is older than
// what a client has seen by now.
func (c *cache) unstored(key string, err error) {
	if !cachestore.NoRoom(err) {
		c.failed(err)
		return
	}
	c.delete(key)
}

// recall takes e, which has just been stored, out again where it was invalidated after the first n and
// before it could be found: the invalidation has not seen it in the store.
func (c *cache) recall(e *cachestore.Response, n int64) {
	if c.shelf.invalidations.since(n, e) {
		c.delete(e.Key)
	}
}

func keptTrailer(h flow.Header) flow.Header {
	out := make(flow.Header, len(h))
	for i, f := range h {
		out[i] = flow.Field{Name: cloned(f.Name), Value: cloned(f.Value)}
	}
	return out
}

func (f *filling) drop() {
	if f.writer != nil {
		f.writer.Abort()
		f.writer = nil
	}
}

// Ready tells that a Read does not wait.
func (f *filling) Ready() bool { return flow.Ready(f.body) }

// Same is the body whose bytes it passes on as they are.
func (f *filling) Same() io.ReadCloser { return f.body }

func (f *filling) Close() error {
	f.drop()
	return f.body.Close()
}
