package metrics

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Histogram holds how long something took. The zero Histogram is ready; all of its writers and readers
// use the same board, and somebody reads it at least once in an hour.
//
// What it takes of memory grows with how different the durations are: 1.3 KiB itself; 300 bytes a
// stripe and 256 for each power of two on it, and as much again where it is written late; 512 bytes for
// each power of two since the start; 8 bytes for each bucket that a slot of the windows has. That is
// some 20 KiB where a server answers in 1 to 100 ms, without the slots eleven minutes after the last
// duration, and never more than 1 MiB.
type Histogram struct {
	shards [maxStripes]*shard // each guarded by its stripe

	all     [pages]*[steps]uint64 // since the start
	count   uint64
	sum     time.Duration
	windows [windows]ring
}

// shard is what was written to one stripe since it was read last.
type shard struct {
	sum   time.Duration
	used  uint64 // a bit for each page that has something
	pages [pages]*[steps]uint32
	late  *Late // nil where nobody wanted it
}

// Observe adds one duration.
func (h *Histogram) Observe(s *Stripe, d time.Duration) {
	shard := h.shards[s.index]
	if shard == nil {
		shard = h.newShard(s)
	}
	bucket := bucketOf(d)
	page := shard.pages[bucket/steps]
	if page == nil {
		page = new([steps]uint32)
		shard.pages[bucket/steps] = page
	}
	page[bucket%steps]++
	shard.used |= 1 << (bucket / steps)
	shard.sum += max(d, 0)
}

func (h *Histogram) newShard(s *Stripe) *shard {
	h.shards[s.index] = &shard{}
	return h.shards[s.index]
}

// Late is the part of a histogram for who knows a duration only when the stripe is given back. Any number
// may write it at once. Adding costs one atomic addition: the sum takes such a duration for the middle of
// its bucket, and one beyond Longest for that.
type Late struct {
	pages [pages]atomic.Pointer[[steps]atomic.Uint32]
}

// Late is the part beside s: near the processor that has s now.
func (h *Histogram) Late(s *Stripe) *Late {
	shard := h.shards[s.index]
	if shard == nil {
		shard = h.newShard(s)
	}
	if shard.late == nil {
		shard.late = &Late{}
	}
	return shard.late
}

// Observe adds one duration.
func (l *Late) Observe(d time.Duration) {
	bucket := bucketOf(d)
	page := l.pages[bucket/steps].Load()
	if page == nil {
		page = l.newPage(bucket / steps)
	}
	page[bucket%steps].Add(1)
}

func (l *Late) newPage(i int) *[steps]atomic.Uint32 {
	l.pages[i].CompareAndSwap(nil, new([steps]atomic.Uint32)) // where it fails, another was quicker
	return l.pages[i].Load()
}

// drain is as that of a shard, beside those who write.
func (l *Late) drain(counts *[buckets]uint32) (used uint64, sum time.Duration) {
	if l == nil {
		return 0, 0
	}
	for i := range l.pages {
		page := l.pages[i].Load()
		if page == nil {
			continue
		}
		for step := range page {
			if page[step].Load() == 0 {
				continue
			}
			n, bucket := page[step].Swap(0), i*steps+step
			counts[bucket] += n
			sum += time.Duration(n) * middleOf(bucket)
			used |= 1 << i
		}
	}
	return used, sum
}

// drain moves what a shard has into counts, and tells which pages of those it used.
func (d *shard) drain(counts *[buckets]uint32) (used uint64, sum time.Duration) {
	used, sum = d.used, d.sum
	for left := used; left != 0; left &= left - 1 {
		page := bits.TrailingZeros64(left)
		for i, n := range d.pages[page] {
			counts[page*steps+i] += n
		}
		*d.pages[page] = [steps]uint32{}
	}
	d.used, d.sum = 0, 0
	return used, sum
}

// collect gathers what was written since the last time. b.reading is held.
func (b *Board) collect(h *Histogram) {
	second := int64(time.Since(b.began) / time.Second)
	for i := range h.windows {
		h.windows[i].advance(second/lengths[i].slot, lengths[i].slots)
	}
	var used uint64
	for i := range b.stripes {
		pages, sum := b.drain(h, i)
		used |= pages
		h.sum += sum
	}
	if used == 0 {
		return
	}
	b.bins = b.bins[:0]
	for ; used != 0; used &= used - 1 {
		b.addPage(h, bits.TrailingZeros64(used))
	}
	for i := range h.windows {
		h.windows[i].add(b.bins, lengths[i].slots)
	}
}

// drain moves what was written on a stripe to b.drained.
func (b *Board) drain(h *Histogram, stripe int) (used uint64, sum time.Duration) {
	s := &b.stripes[stripe]
	s.mu.Lock()
	shard := h.shards[stripe]
	if shard == nil {
		s.mu.Unlock()
		return 0, 0
	}
	used, sum = shard.drain(&b.drained)
	late := shard.late
	s.mu.Unlock()
	more, of := late.drain(&b.drained)
	return used | more, sum + of
}

// addPage moves a page of what was drained to what h has since the start, and to b.bins.
func (b *Board) addPage(h *Histogram, page int) {
	if h.all[page] == nil {
		h.all[page] = new([steps]uint64)
	}
	for i := range steps {
		n := b.drained[page*steps+i]
		if n == 0 {
			continue
		}
		b.drained[page*steps+i] = 0
		h.all[page][i] += uint64(n)
		h.count += uint64(n)
		b.bins = append(b.bins, bin{uint16(page*steps + i), n})
	}
}

// Distribution is what a histogram has counted since the start. The zero one counted nothing.
type Distribution struct {
	Count   uint64
	Sum     time.Duration
	Since   time.Time
	Buckets []Bucket // in ascending order
}

// Bucket is how many durations were about as long as Middle: within 0.8 % of it.
type Bucket struct {
	Middle time.Duration
	Count  uint64
}

// Distribution reads what h has counted since the start.
func (b *Board) Distribution(h *Histogram) Distribution {
	b.reading.Lock()
	defer b.reading.Unlock()
	b.collect(h)
	d := Distribution{Count: h.count, Sum: h.sum, Since: b.began}
	for page, counts := range h.all {
		if counts == nil {
			continue
		}
		for i, n := range counts {
			if n > 0 {
				d.Buckets = append(d.Buckets, Bucket{middleOf(page*steps + i), n})
			}
		}
	}
	return d
}
