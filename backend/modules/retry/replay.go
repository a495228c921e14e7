package retry

import (
	"errors"
	"io"
	"slices"
	"sync"

	"proxycache/backend/flow"
)

// replay lets several attempts read one request body: what was read of it is kept, up to a cap.
type replay struct {
	source *flow.Request // the client's: its Body, and its Trailer behind it
	most   int64         // bytes that are kept

	turn chan struct{} // held by who reads the source

	mu      sync.Mutex
	kept    []byte
	direct  bool // somebody reads beyond the cap
	lost    bool // and got something: there is no way back
	end     error
	trailer flow.Header
}

func newReplay(source *flow.Request, most int64) *replay {
	if source.ContentLength > most {
		most = 0 // it will not be whole: keep nothing
	}
	return &replay{source: source, most: most, turn: make(chan struct{}, 1)}
}

// view is the body as one attempt reads it.
type view struct {
	of      *replay
	request *flow.Request // whose Body it is
	at      int           // what it has of what is kept
	cut     chan struct{} // closed when the attempt is over
	once    sync.Once
}

// view makes the body of request one that begins where the client's did. ok is false when it cannot
// be had from its beginning any more.
func (r *replay) view(request *flow.Request) (v *view, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.direct {
		return nil, false
	}
	v = &view{of: r, request: request, cut: make(chan struct{})}
	request.Body, request.ContentLength = v, r.source.ContentLength
	return v, true
}

// takeBack ends the reading of all views, unless the body cannot be had from its beginning any more:
// then the attempt that has it goes on.
func (r *replay) takeBack(views []*view) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.direct {
		return false
	}
	for _, v := range views {
		v.leave()
	}
	return true
}

var errAttemptOver = errors.New("retry: the attempt is over, its request body cannot be read any more")

// Read gives what is kept, and then what comes from the client. Reads of two attempts take turns: what
// one gets is there for the other.
func (v *view) Read(p []byte) (int, error) {
	if n, done, err := v.again(p); done {
		return n, err
	}
	select {
	case v.of.turn <- struct{}{}:
	case <-v.cut:
		return 0, errAttemptOver
	}
	defer func() { <-v.of.turn }()
	if n, done, err := v.again(p); done {
		return n, err
	}
	return v.fresh(p)
}

// again reads what is kept; done is false where that is read.
func (v *view) again(p []byte) (n int, done bool, err error) {
	r := v.of
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case v.over():
		return 0, true, errAttemptOver
	case len(p) == 0:
		return 0, true, nil
	case v.at < len(r.kept):
		n = copy(p, r.kept[v.at:])
		v.at += n
		return n, true, nil
	case r.end != nil:
		return 0, true, v.ended()
	}
	return 0, false, nil
}

// ended is the error behind the last byte. The trailer is complete then. The caller holds of.mu.
func (v *view) ended() error {
	if v.of.end == io.EOF {
		v.request.Trailer = v.of.trailer
	}
	return v.of.end
}

func (v *view) over() bool {
	select {
	case <-v.cut:
		return true
	default:
		return false
	}
}

// fresh reads from the client. The caller has the turn.
func (v *view) fresh(p []byte) (int, error) {
	r := v.of
	r.mu.Lock()
	if v.over() {
		r.mu.Unlock()
		return 0, errAttemptOver
	}
	room := r.most - int64(len(r.kept))
	beyond := r.lost || room == 0
	r.direct = r.lost || beyond && int64(len(r.kept)) != r.source.ContentLength // else its end is all that comes
	if !beyond {
		p = p[:min(int64(len(p)), room)]
	}
	r.mu.Unlock()
	n, err := r.source.Body.Read(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !beyond:
		r.kept = append(r.kept, p[:n]...)
		v.at += n
	case n > 0:
		r.direct, r.lost, r.kept, r.most, v.at = true, true, nil, 0, 0
	default: // what is kept may be all
		r.direct = r.lost
	}
	if err != nil {
		r.end, r.trailer = err, slices.Clone(r.source.Trailer)
		return n, v.ended()
	}
	return n, nil
}

// Ready tells that a Read does not wait.
func (v *view) Ready() bool {
	v.of.mu.Lock()
	ready := v.at < len(v.of.kept) || v.of.end != nil
	v.of.mu.Unlock()
	return ready || flow.Ready(v.of.source.Body)
}

// Same is the body whose bytes it passes on as they are.
func (v *view) Same() io.ReadCloser { return v.of.source.Body }

// leave ends the attempt's reading; the client's body stays open for another.
func (v *view) leave() { v.once.Do(func() { close(v.cut) }) }

// Close ends the attempt's reading, and the client's body with it.
func (v *view) Close() error {
	v.leave()
	return v.of.source.Body.Close()
}
