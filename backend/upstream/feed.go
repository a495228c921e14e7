package upstream

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/http1"
)

// feed is the request's body as net/http reads it, which closes it: ours is closed by the ingress.
type feed struct {
	request *flow.Request
	ahead   []byte // read before, for another connection; it comes first
	from    io.Reader
	left    int64       // bytes promised; http1.Chunked when only the end will tell
	trailer http.Header // its values are filled in at the end; nil where none can come

	unread atomic.Bool  // the answer may have come, and nobody reads it just now
	giveUp func(error)  // ends the exchange
	turns  atomic.Int64 // grows while something moves; it is odd while more is read for net/http
	seen   int64        // of turns, at the last look
	since  time.Time    // they have been so many

	begun, stopped atomic.Bool
	over           chan struct{}         // closed when it is stopped
	broken         atomic.Pointer[error] // why it did not come to its end
	kept           []byte                // what was read, where all may be no more than smallBody
	spilt          bool                  // it was more, or will be
	whole          atomic.Bool           // kept is all of it
}

func newFeed(k *call, giveUp func(error)) *feed {
	f := &feed{
		request: k.x.Request, ahead: k.ahead, from: k.x.Request.Body, left: k.length, giveUp: giveUp,
		over: make(chan struct{}), spilt: k.length > smallBody,
	}
	if k.out != nil { // HTTP/1.1 was tried before, and read the beginning
		f.ahead = (*k.out)[k.head:]
		k.out = nil // the feed has it now
	}
	return f
}

// announce tells net/http of the trailers the client announced. It sends others, too, where it knows that
// there may be some.
func (f *feed) announce(r *http.Request) {
	if f.left != http1.Chunked {
		return
	}
	f.trailer = http.Header{}
	for name := range strings.SplitSeq(f.request.Header.Joined("Trailer"), ",") {
		name = strings.TrimSpace(name)
		if may := http1.Trailer(flow.Header{{Name: name}}); name != "" && len(may) > 0 { // net/http refuses others
			f.trailer[http.CanonicalHeaderKey(name)] = nil
		}
	}
	r.Trailer = f.trailer
	r.Header.Del("Trailer") // net/http writes it from the map
}

func (f *feed) Read(p []byte) (int, error) {
	f.begun.Store(true)
	f.turns.Add(1)
	defer f.turns.Add(1)
	n, err := f.next(p[:min(len(p), piece)])
	if f.stopped.Load() { // whatever the client does now, it did not end the exchange
		return 0, io.ErrClosedPipe
	}
	f.keep(p[:n])
	if f.left > 0 {
		f.left = max(0, f.left-int64(n))
	}
	if err == io.EOF && f.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	switch {
	case err == io.EOF:
		f.end()
	case err != nil:
		f.broken.Store(&err)
	}
	return n, err
}

// arrival is what came of a read.
type arrival struct {
	piece *[piece]byte
	n     int
	err   error
}

var pieces = sync.Pool{New: func() any { return new([piece]byte) }}

// next reads what comes next. It waits for the client beside: net/http tells nobody that the target is gone
// before its own read of the body has returned. A read that is left behind goes on until the client's body
// lets it go, as Send says.
func (f *feed) next(p []byte) (int, error) {
	switch {
	case f.stopped.Load():
		return 0, io.ErrClosedPipe
	case len(f.ahead) > 0:
		n := copy(p, f.ahead)
		f.ahead = f.ahead[n:]
		return n, nil
	case f.ready():
		return f.from.Read(p)
	}
	came := make(chan arrival, 1)
	go func(room int) { // p is net/http's, who may need it before this is over
		buf, _ := pieces.Get().(*[piece]byte)
		n, err := f.from.Read(buf[:room])
		came <- arrival{buf, n, err}
	}(len(p))
	select {
	case a := <-came:
		defer pieces.Put(a.piece)
		return copy(p, a.piece[:a.n]), a.err
	case <-f.over:
		return 0, io.ErrClosedPipe
	}
}

// ready tells that a read does not wait.
func (f *feed) ready() bool { return len(f.ahead) > 0 || flow.Ready(f.from) }

// keep holds what was read of a short body for a target that does not process it.
func (f *feed) keep(p []byte) {
	if f.spilt = f.spilt || len(f.kept)+len(p) > smallBody; f.spilt {
		f.kept = nil
	} else {
		f.kept = append(f.kept, p...)
	}
}

func (f *feed) end() {
	if f.trailer != nil {
		for _, t := range http1.Trailer(without(nominated(f.request.Header), f.request.Trailer)) {
			f.trailer.Add(t.Name, t.Value)
		}
	}
	f.whole.Store(!f.spilt)
}

// Close ends a Read that waits.
func (f *feed) Close() error {
	if !f.stopped.Swap(true) {
		close(f.over)
	}
	return nil
}

// listOf is a header of net/http as it is on the wire of HTTP/2, lower case; by name, for the order
