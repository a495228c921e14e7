package ratelimit

import (
	"sync/atomic"

	"proxycache/backend/flow"
)

// hold is what a request takes of limits by concurrency: from its decision until the body of its
// answer is closed, or until it fails. A nil hold holds nothing.
type hold struct {
	table  *table
	hashes []uint64
	flight *flight // in Redis; nil where the table counts

	handed bool // to the body of an answer
	over   atomic.Bool
}

func holdOf(f *flight) *hold {
	if f == nil {
		return nil
	}
	return &hold{flight: f}
}

// unlessHanded ends the hold where no body took it over; also when a cell behind panics.
func (h *hold) unlessHanded() {
	if h != nil && !h.handed {
		h.end()
	}
}

// handTo lets r's body end the hold when it is closed.
func (h *hold) handTo(r *flow.Response) {
	if h != nil && r.Body != flow.NoBody {
		r.Body, h.handed = &heldBody{flow.Held{ReadCloser: r.Body}, h}, true
	}
}

func (h *hold) end() {
	if h.over.Swap(true) {
		return
	}
	if h.flight != nil {
		h.flight.land()
		return
	}
	for _, hash := range h.hashes {
		h.table.land(hash)
	}
}

type heldBody struct {
	flow.Held
	hold *hold
}

func (b *heldBody) Close() error {
	err := b.ReadCloser.Close()
	b.hold.end()
	return err
}
