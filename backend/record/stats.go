package record

import (
	"math/bits"
	"time"

	"proxycache/backend/problem"
)

// Stats are the recorder's figures of this moment.
type Stats struct {
	Recording bool
	Lost      int64            // exchanges that could not be kept, whole or in part
	Rate      float64          // exchanges that began, a second, over the last 5 s
	P99       float64          // milliseconds, over the last minute; -1 without traffic
	Warning   *problem.Problem // why nothing can be saved just now; nil when all is well
}

const (
	rateSeconds = 5
	slotLength  = 10 * time.Second
	slotCount   = 6
	bucketCount = 64 << bucketBits
	bucketBits  = 3 // each power of two in 8 steps: a figure is right within an eighth
)

// stats is guarded by the recorder's mu.
type stats struct {
	lost    int64
	warning *problem.Problem

	seconds [rateSeconds + 1]tally
	slots   [slotCount + 1]slot
}

// tally counts within the second of that Unix time.
type tally struct{ at, count int64 }

// slot is a histogram of durations in microseconds over slotLength.
type slot struct {
	at      int64
	buckets [bucketCount]uint32
}

func (s *stats) begun(now time.Time) {
	at := now.Unix()
	t := &s.seconds[at%int64(len(s.seconds))]
	if t.at < at || t.at-at > rateSeconds { // the clock may have been set back
		*t = tally{at: at}
	}
	if t.at == at {
		t.count++
	}
}

// finished counts an exchange that began then and took d.
func (s *stats) finished(began time.Time, d time.Duration) {
	at := slotOf(began.Add(d))
	h := &s.slots[at%int64(len(s.slots))]
	if h.at < at || h.at-at > slotCount { // the clock may have been set back
		*h = slot{at: at}
	}
	if h.at == at {
		h.buckets[bucketOf(d)]++
	}
}

func slotOf(t time.Time) int64 { return t.UnixNano() / int64(slotLength) }

func bucketOf(d time.Duration) int {
	n := uint64(max(d.Microseconds(), 0))
	if n < 1<<bucketBits {
		return int(n)
	}
	shift := bits.Len64(n) - bucketBits - 1
	return (shift+1)<<bucketBits + int(n>>shift)&(1<<bucketBits-1)
}

// bucketTop is the longest duration of a bucket, in microseconds.
func bucketTop(b int) float64 {
	if b < 1<<bucketBits {
		return float64(b)
	}
	shift := b>>bucketBits - 1
	return float64(uint64(b&(1<<bucketBits-1)|1<<bucketBits)<<shift + 1<<shift - 1)
}

// rate leaves the second that runs out: it is not over yet.
func (s *stats) rate(now time.Time) float64 {
	var sum int64
	for _, t := range s.seconds {
		if age := now.Unix() - t.at; age >= 1 && age <= rateSeconds {
			sum += t.count
		}
	}
	return float64(sum) / rateSeconds
}

func (s *stats) p99(now time.Time) float64 {
	var sum [bucketCount]uint64
	var total uint64
	for i := range s.slots {
		if age := slotOf(now) - s.slots[i].at; age < 0 || age > slotCount {
			continue
		}
		for b, n := range s.slots[i].buckets {
			sum[b] += uint64(n)
			total += uint64(n)
		}
	}
	if total == 0 {
		return -1
	}
	above := total / 100
	for b := bucketCount - 1; ; b-- {
		if sum[b] > above {
			return bucketTop(b) / 1000
		}
		above -= sum[b]
	}
}

// Stats are the figures of this moment.
func (r *Recorder) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	return Stats{Recording: !r.off.Load(), Lost: r.stats.lost, Rate: r.stats.rate(now), P99: r.stats.p99(now), Warning: r.stats.warning}
}
