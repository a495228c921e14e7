package cachestore

// memoryWriter gathers a body that is being stored in memory: in one piece where its size is known, else in
// pieces, so that it never has to be moved as a whole. Where there is no room for all of it, it is measured
// to its end.
type memoryWriter struct {
	store    *memory
	response *Response
	hash     uint64
	body     []byte
	rest     [][]byte
	size     int64 // bytes that came

	reserved int64  // in the beginning
	of       *int64 // the sum of the store that reserved is part of
	grown    int64  // reserved since then
	held     int64  // of both, what is taken

	measures bool // nothing is held any more
	over     bool
}

const (
	// firstPiece is the room for a body whose size is not known; it doubles from there until it is a piece.
	firstPiece = 4 << 10
	// wholePiece is the size of each piece but the first and the last.
	wholePiece = 32 << 10
)

func (w *memoryWriter) Write(p []byte) (int, error) {
	if w.over {
		return 0, errNoRoom
	}
	w.size += int64(len(p))
	for rest := p; len(rest) > 0 && !w.measures; {
		last := w.last()
		n := min(len(rest), cap(*last)-len(*last))
		*last = append(*last, rest[:n]...)
		if rest = rest[n:]; len(rest) > 0 && !w.extend(len(rest)) {
			w.letGo()
			w.measures = true
		}
	}
	if w.measures && w.size+overhead(w.response) > w.store.largest() {
		w.store.learn(w)
		w.over = true
		return 0, errNoRoom
	}
	return len(p), nil
}

// last is the piece that is written to.
func (w *memoryWriter) last() *[]byte {
	if n := len(w.rest); n > 0 {
		return &w.rest[n-1]
	}
	return &w.body
}

// extend makes room behind what was written, if possible for need bytes.
func (w *memoryWriter) extend(need int) bool {
	last := w.last()
	if has := cap(*last); has < wholePiece {
		if n := w.take(has+1, min(wholePiece, max(firstPiece, 2*has, has+need))); n > 0 {
			*last = append(make([]byte, 0, n), *last...)
			w.held -= int64(has)
			return true
		}
	}
	if cap(*last) < wholePiece && len(w.rest) > 0 { // all pieces between the first and the last are whole
		return false
	}
	n := w.take(1, wholePiece)
	if n > 0 {
		w.rest = append(w.rest, make([]byte, 0, n))
	}
	return n > 0
}

// take is how many bytes w can have more: between least and most, or 0. Where the size was foreseen, no more
// than that is taken as long as it is enough.
func (w *memoryWriter) take(least, most int) int {
	left := w.reserved + w.grown - w.held
	if left < int64(least) || left < int64(most) && w.of == nil {
		w.store.mu.Lock()
		left += w.store.grow(w, int64(least)-left, int64(most)-left)
		w.store.mu.Unlock()
	}
	if left < int64(least) {
		return 0
	}
	n := min(left, int64(most))
	w.held += n
	return int(n)
}

// Commit stores what was written. Where its head has become too large for the store, it is left out.
func (w *memoryWriter) Commit(r *Response) error {
	defer w.Abort()
	switch {
	case w.over:
		return errNoRoom
	case w.measures:
		w.store.learn(w)
		return errNoRoom
	case r == nil:
		r = w.response
	}
	w.trim()
	r = compact(r)
	e := &entry{response: r, hash: w.hash, body: w.body, rest: w.rest, size: w.size, cost: overhead(r) + int64(cap(w.body))}
	for _, piece := range w.rest {
		e.cost += int64(cap(piece))
	}
	if e.cost > w.store.largest() || !w.store.add(e, w) {
		return errNoRoom
	}
	return nil
}

// trim gives up what the last piece has too much of, where that is much of the body.
func (w *memoryWriter) trim() {
	last := w.last()
	if cap(*last)-len(*last) <= int(w.size/8) || w.take(len(*last), len(*last)) < len(*last) {
		return
	}
	*last = append(make([]byte, 0, len(*last)), *last...)
}

// letGo gives up what is held.
func (w *memoryWriter) letGo() {
	if w.reserved+w.grown > 0 {
		w.store.mu.Lock()
		w.store.giveBack(w)
		w.store.mu.Unlock()
	}
	w.body, w.rest, w.held = nil, nil, 0
}

func (w *memoryWriter) Abort() {
	w.letGo()
	w.over = true
}
