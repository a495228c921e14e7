package cache

import (
	"context"
	"io"
	"sync"

	"proxycache/backend/cachestore"
	"proxycache/backend/flow"
)

// outcome is what a fetch came to, when its head was there.
type outcome byte

const (
	pending   outcome = iota
	shared            // it is kept, and its body can be read by all who wait
	validated         // the stored response is good still
	alone             // it is not for others: they fetch by themselves
	broken            // it failed
)

// flight is one fetch that several requests may wait for. The first one leads: it sends, and decides
// what the response is to the others. The body grows in memory; whoever reads on from its end reads from
// the server for all. When nobody is left before its end, the fetch is stopped.
type flight struct {
	key     string
	table   *flights
	headed  chan struct{} // closed when outcome is known
	cancel  context.CancelFunc
	seq     int64 // of the exchange that leads
	outcome outcome
	entry   *cachestore.Response // of shared and validated
	fetches *cachestore.Response // entry of shared, nil before; under the lock of table
	variant string               // of shared: the key that the response has
	size    int64                // of shared: bytes of the body, -1 when only the end will tell
	err     error                // of broken; nil where the server answered that it failed

	mu       sync.Mutex
	moved    sync.Cond
	waiting  int  // who waits for the head, beside the one who leads
	left     bool // the client that leads has left before the head
	deserted bool // the fetch was stopped because nobody waited any more
	readers  map[*reader]struct{}
	source   *filling
	chunks   [][]byte // what came, from the byte base on
	base     int64
	got      int64 // bytes that came, with those before base
	pumping  bool
	over     bool  // source is closed, or will be by who reads from it
	end      error // io.EOF or why it broke off; nil while more may come
	wide     bool  // larger than what is held for others: nobody can begin to read any more
	held     int64 // bytes counted in the table
	watched  bool  // for readers that do not go on
	trailer  flow.Header
}

// land says what the fetch came to. A shared one stays in the table until its body has come.
func (f *flight) land(o outcome) {
	f.outcome = o
	if o != shared {
		f.table.leave(f)
	}
	close(f.headed)
}

// abandon lets those go who wait, where it has not landed: also when who leads panics.
func (f *flight) abandon() {
	if f.outcome == pending {
		f.land(alone)
	}
}

// fail tells those who wait that there is no response: because of err, or, where it is nil, because the
// server answered that it failed.
func (f *flight) fail(err error) {
	if f == nil {
		return
	}
	f.cancel()
	f.mu.Lock()
	deserted := f.deserted
	f.mu.Unlock()
	if f.err = err; deserted { // it was stopped, and did not fail by itself
		f.land(alone)
		return
	}
	f.land(broken)
}

// release leaves r to the one who leads, whose context ctx is: from now on the fetch ends with it.
func (f *flight) release(ctx context.Context, r *flow.Response) {
	if f == nil {
		return
	}
	f.land(alone)
	r.Body = &ending{r.Body, f.cancel, context.AfterFunc(ctx, f.cancel)}
}

// ending ends the context of a fetch with its body.
type ending struct {
	io.ReadCloser
	end  context.CancelFunc
	stop func() bool // ends the watch over the client's leaving
}

// Ready tells that a Read does not wait.
func (e *ending) Ready() bool { return flow.Ready(e.ReadCloser) }

func (e *ending) Close() error {
	e.stop()
	err := e.ReadCloser.Close()
	e.end()
	return err
}

// desert is for a client that leads and leaves before the head. Where others wait it goes on for them.
func (f *flight) desert() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left = true
	f.unwanted()
}

// wait counts one who waits for the head; until the call of done it is wanted.
func (f *flight) wait() (done func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting++
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.waiting--
		f.unwanted()
	}
}

// unwanted stops what nobody waits for or reads any more. f.mu is held.
func (f *flight) unwanted() {
	switch {
	case f.waiting > 0 || len(f.readers) > 0:
	case f.source != nil:
		f.settle()
		f.table.hold(-f.held)
		f.held, f.chunks, f.wide = 0, nil, true
	case f.left:
		f.deserted = true
		f.cancel()
	}
}

// trailers are what came behind the body, once it has been read.
func (f *flight) trailers() flow.Header {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.trailer
}

// share makes source what all read, and returns the reader of the client whose context ctx is.
func (f *flight) share(ctx context.Context, source *filling, entry *cachestore.Response) *reader {
	f.entry, f.size, f.variant = entry, source.size, entry.Key
	f.mu.Lock()
	f.source = source
	own := f.reader(ctx)
	f.mu.Unlock()
	f.table.names(f)
	f.table.alias(f)
	f.land(shared)
	return own
}

// read makes a reader from the beginning; nil where the beginning is not held any more. ctx is the
// client's.
func (f *flight) read(ctx context.Context) *reader {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.wide || f.over && f.end != io.EOF {
		return nil
	}
	return f.reader(ctx)
}

// reader makes one. f.mu is held.
func (f *flight) reader(ctx context.Context) *reader {
	r := &reader{flight: f}
	f.readers[r] = struct{}{}
	r.stop = context.AfterFunc(ctx, r.gone)
	return r
}

// settle closes the source when it has been read, or when nobody reads any more. Who reads from it at
// the moment does it afterwards.
func (f *flight) settle() {
	if f.over || f.end == nil && len(f.readers)+f.waiting > 0 {
		return
	}
	f.over = true
	f.cancel()
	if !f.pumping {
		_ = f.source.Close() // what it says was said by Read
	}
	f.table.leave(f)
}
