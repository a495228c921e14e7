package metrics

import "time"

// The windows that a histogram looks back. The slot that runs counts as well: a window is its length,
// and up to a slot more.
const (
	TenSeconds = iota
	OneMinute
	TenMinutes
	windows
)

// lengths are the seconds of a slot, and how many slots are over but count.
var lengths = [windows]struct {
	slot  int64
	slots int
}{{1, 10}, {10, 6}, {60, 10}}

// mostSlots is the most of any window, with the one that runs.
const mostSlots = 11

// ring holds the last slots of a window.
type ring struct {
	at    int64 // the slot that runs, counted from the start of the board
	some  bool  // any slot has something
	slots [mostSlots][]bin
}

// advance goes on to the slot at, and forgets those that are too old; keep is how many count.
func (r *ring) advance(at int64, keep int) {
	if at <= r.at {
		return
	}
	if r.some {
		for next := max(r.at+1, at-int64(keep)); next <= at; next++ {
			r.slots[next%int64(keep+1)] = nil
		}
		r.some = false
		for _, bins := range r.slots {
			r.some = r.some || bins != nil
		}
	}
	r.at = at
}

// add counts bins in the slot that runs.
func (r *ring) add(bins []bin, keep int) {
	slot := &r.slots[r.at%int64(keep+1)]
	*slot, r.some = merge(*slot, bins), true
}

// Quantiles are the durations that 50, 90, 99 and 99.9 % of a window's exchanges did not exceed; zero
// where Count is.
type Quantiles struct {
	Count               uint64
	P50, P90, P99, P999 time.Duration
}

// Windows reads the windows of all hs as one, in the order of TenSeconds, OneMinute, TenMinutes.
func (b *Board) Windows(hs ...*Histogram) (out [windows]Quantiles) {
	b.reading.Lock()
	defer b.reading.Unlock()
	for _, h := range hs {
		b.collect(h)
	}
	for i := range out {
		out[i] = b.quantiles(hs, i)
	}
	return out
}

// quantiles reads one window of all hs. b.reading is held.
func (b *Board) quantiles(hs []*Histogram, window int) (q Quantiles) {
	for _, h := range hs {
		r := &h.windows[window]
		if !r.some {
			continue
		}
		if q.Count == 0 {
			b.sum = [buckets]uint64{}
		}
		for _, bins := range r.slots {
			for _, one := range bins {
				b.sum[one.bucket] += uint64(one.n)
				q.Count += uint64(one.n)
			}
		}
	}
	if q.Count > 0 {
		q.read(&b.sum)
	}
	return q
}

// read finds the quantiles in counts, of which Count is the sum.
func (q *Quantiles) read(counts *[buckets]uint64) {
	wanted := [...]struct {
		perMille uint64
		to       *time.Duration
	}{{500, &q.P50}, {900, &q.P90}, {990, &q.P99}, {999, &q.P999}}
	var seen uint64
	next := 0
	for bucket, n := range counts {
		seen += n
		for next < len(wanted) && n > 0 && seen >= (q.Count*wanted[next].perMille+999)/1000 {
			*wanted[next].to = middleOf(bucket)
			next++
		}
	}
}
