package cachestore

// memoryWriter gathers a body that is being stored in memory.
type memoryWriter struct {
	store    *memory
	response *Response
	body     []byte
	reserved int64
	failed   bool
}

// firstPiece is the room for a body whose size is not known; it doubles from there.
const firstPiece = 4 << 10

func (w *memoryWriter) Write(p []byte) (int, error) {
	if w.failed {
		return 0, errNoRoom
	}
	if need := len(w.body) + len(p); need > cap(w.body) && !w.grow(need) {
		w.failed = true
		return 0, errNoRoom
	}
	w.body = append(w.body, p...)
	return len(p), nil
}

// grow moves the body to where need bytes have room. While it moves, both places count.
func (w *memoryWriter) grow(need int) bool {
	larger := max(firstPiece, 2*cap(w.body), need)
	if !w.store.reserve(int64(larger)) {
		if larger = need; !w.store.reserve(int64(larger)) {
			return false
		}
	}
	moved := make([]byte, len(w.body), larger)
	copy(moved, w.body)
	w.store.release(int64(cap(w.body)))
	w.reserved += int64(larger - cap(w.body))
	w.body = moved
	return true
}

// Commit stores what was written. Where its head has become too large for the store, it is left out.
func (w *memoryWriter) Commit(r *Response) error {
	if w.failed {
		w.Abort()
		return errNoRoom
	}
	if r == nil {
		r = w.response
	}
	if cap(w.body)-len(w.body) > len(w.body)/8 {
		w.body = append(make([]byte, 0, len(w.body)), w.body...)
	}
	r = compact(r)
	e := &entry{response: r, body: w.body, cost: overhead(r) + int64(cap(w.body))}
	if e.cost > w.store.largest() {
		w.Abort()
		return errNoRoom
	}
	w.store.add(e, w.reserved)
	w.reserved, w.body, w.failed = 0, nil, true
	return nil
}

func (w *memoryWriter) Abort() {
	w.store.release(w.reserved)
	w.reserved, w.body, w.failed = 0, nil, true
}
