package cache

import (
	"errors"
	"io"
	"time"

	"proxycache/backend/flow"
)

// stalled is how long a reader may not go on while others wait for it, before it is cut off.
const stalled = 30 * time.Second

// errSlow is what it reads then.
var errSlow = errors.New("reading a response that several share: this client reads so slowly that the others waited for it. Ask again")

// reader is one client that reads the body of a flight.
type reader struct {
	flight *flight
	at     int64
	left   bool
	slow   bool        // it was cut off
	stop   func() bool // ends the watch over the client's leaving
}

// gone is for a client that left while it waits in Read; Close comes later.
func (r *reader) gone() {
	f := r.flight
	f.mu.Lock()
	defer f.mu.Unlock()
	r.leave()
	f.moved.Broadcast()
}

// leave is called with the flight's mu held.
func (r *reader) leave() {
	if r.left {
		return
	}
	r.left = true
	f := r.flight
	delete(f.readers, r)
	f.moved.Broadcast() // who is slow may have been waited for
	f.unwanted()
}

func (r *reader) Read(p []byte) (int, error) {
	f := r.flight
	f.mu.Lock()
	defer f.mu.Unlock()
	for {
		if r.slow {
			return 0, errSlow
		}
		if r.left {
			return 0, io.ErrClosedPipe
		}
		if n := f.copy(p, r.at); n > 0 || len(p) == 0 {
			r.at += int64(n)
			return n, nil
		}
		switch {
		case f.end != nil:
			return 0, f.end
		case f.pumping || !f.roomFor(r):
			f.moved.Wait()
		default:
			f.pump()
		}
	}
}

// copy copies what came from the byte at on.
func (f *flight) copy(p []byte, at int64) int {
	skip, n := at-f.base, 0
	for _, c := range f.chunks {
		if skip >= int64(len(c)) {
			skip -= int64(len(c))
			continue
		}
		n += copy(p[n:], c[skip:])
		skip = 0
		if n == len(p) {
			break
		}
	}
	return n
}

// roomFor tells whether r may read on for all. A body that is too large to be held goes on as fast as its
// slowest reader.
func (f *flight) roomFor(r *reader) bool {
	if !f.wide {
		return true
	}
	slowest := r.at
	for other := range f.readers {
		slowest = min(slowest, other.at)
	}
	for len(f.chunks) > 0 && f.base+int64(len(f.chunks[0])) <= slowest {
		f.base += int64(len(f.chunks[0]))
		if len(f.chunks) == 1 { // serves again
			f.chunks[0] = f.chunks[0][:0]
			break
		}
		f.held -= int64(cap(f.chunks[0]))
		f.table.hold(-int64(cap(f.chunks[0])))
		f.chunks = f.chunks[1:]
	}
	if slowest == r.at || f.got-f.base < window {
		return true
	}
	if !f.watched {
		f.watched = true
		time.AfterFunc(stalled, func() { f.cutOff(slowest) })
	}
	return false
}

// cutOff ends the readers that have not gone on from the byte at, if others wait for them still.
func (f *flight) cutOff(at int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watched = false
	if f.end != nil || f.pumping || f.got-f.base < window {
		return
	}
	for r := range f.readers {
		if r.at <= at && len(f.readers) > 1 {
			r.slow = true
			r.leave()
		}
	}
	f.moved.Broadcast()
}

const (
	firstChunk = 4 << 10
	lastChunk  = 64 << 10
	// window is how far the fastest reader may be before the slowest where not all is held.
	window = 2 * lastChunk
)

// space is where the next bytes go: behind the last chunk, or in a new one.
func (f *flight) space() []byte {
	if n := len(f.chunks); n > 0 {
		if last := f.chunks[n-1]; cap(last) > len(last) {
			return last[len(last):cap(last)]
		}
	}
	size := min(max(firstChunk, f.got), lastChunk)
	if f.size > f.got {
		size = min(f.size-f.got, lastChunk)
	}
	f.held += size
	if !f.table.hold(size) {
		f.widen()
	}
	chunk := make([]byte, 0, size)
	f.chunks = append(f.chunks, chunk)
	return chunk[:size]
}

// widen says that not all of the body is held from now on.
func (f *flight) widen() {
	if !f.wide {
		f.wide = true
		f.table.leave(f)
	}
}

// pump reads once from the source, for all. f.mu is held, but for the reading.
func (f *flight) pump() {
	f.pumping = true
	p := f.space()
	f.mu.Unlock()
	n, err := f.source.Read(p)
	f.mu.Lock()
	f.pumping = false
	if last := len(f.chunks) - 1; last >= 0 {
		c := f.chunks[last]
		f.chunks[last] = c[:len(c)+n]
	}
	f.got += int64(n)
	if f.got > f.table.most {
		f.widen()
	}
	switch {
	case err != nil:
		f.end = err
		if err == io.EOF && f.source.trailer != nil {
			f.trailer = keptTrailer(f.source.trailer())
		}
	case f.size >= 0 && f.got == f.size && f.source.trailer == nil:
		f.end = io.EOF
	}
	if f.over { // all left meanwhile
		_ = f.source.Close() // nobody is there to be told
	} else {
		f.settle()
	}
	f.moved.Broadcast()
}

// Ready tells that a Read does not wait.
func (r *reader) Ready() bool {
	f := r.flight
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.got > r.at || f.end != nil || !f.pumping && flow.Ready(f.source)
}

// Same is the body whose bytes it passes on as they are.
func (r *reader) Same() io.ReadCloser {
	f := r.flight
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.source
}

func (r *reader) Close() error {
	r.stop()
	f := r.flight
	f.mu.Lock()
	defer f.mu.Unlock()
	r.leave()
	return nil
}
