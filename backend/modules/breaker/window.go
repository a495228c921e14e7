package breaker

import "time"

// tally is what came of a number of exchanges.
type tally struct{ all, failed, badStatus, slow int }

func (t *tally) add(r result) {
	t.all++
	if r.failed {
		t.failed++
	}
	if r.badStatus {
		t.badStatus++
	}
	if r.slow {
		t.slow++
	}
}

func (t *tally) subtract(o tally) {
	t.all -= o.all
	t.failed -= o.failed
	t.badStatus -= o.badStatus
	t.slow -= o.slow
}

// parts is into how many a window is cut: the oldest tenth of it leaves at once.
const parts = 10

// window is a tally of the last while.
type window struct {
	width time.Duration // of a part
	part  int64         // the number of the newest one
	each  [parts]tally
	sum   tally
}

// to lets the parts go that are too old.
func (w *window) to(now time.Time, length time.Duration) {
	if width := max(length/parts, 1); w.width != width { // new, or the setting was changed
		*w = window{width: width, part: now.UnixNano() / int64(width)}
		return
	}
	part := now.UnixNano() / int64(w.width)
	for steps := min(part-w.part, parts); steps > 0; steps-- {
		oldest := &w.each[uint64(part-steps+1)%parts]
		w.sum.subtract(*oldest)
		*oldest = tally{}
	}
	w.part = max(part, w.part)
}

func (w *window) add(r result) {
	w.each[uint64(w.part)%parts].add(r)
	w.sum.add(r)
}

// spoil turns a good result into a failure: the body of an answer broke off. Where the result is too
// old to be here it is one more.
func (w *window) spoil() {
	failure := &w.each[uint64(w.part)%parts]
	if w.sum.failed >= w.sum.all {
		failure.all++
		w.sum.all++
	}
	failure.failed++
	w.sum.failed++
}

func (w *window) clear() { *w = window{} }
