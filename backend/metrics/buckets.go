package metrics

import (
	"math/bits"
	"time"
)

// The buckets are log-linear, as those of HdrHistogram: one a nanosecond up to 128 ns, then 64 in each
// power of two. The middle of a bucket is within 0.8 % of every duration in it: two significant digits.
const (
	stepBits = 6
	steps    = 1 << stepBits // in a power of two, and on a page
	pages    = 37
	buckets  = pages * steps

	// Longest is the longest duration that is told from longer ones: about 73 minutes.
	Longest = 1<<(pages+5)*time.Nanosecond - 1
)

// bucketOf is where d is counted. What is shorter than nothing counts as nothing.
func bucketOf(d time.Duration) int {
	n := uint64(min(max(d, 0), Longest))
	if n < 2*steps {
		return int(n)
	}
	shift := bits.Len64(n) - stepBits - 1
	return shift<<stepBits + int(n>>shift)
}

// bucketBounds are the shortest duration of a bucket and the shortest that is longer than all in it.
func bucketBounds(bucket int) (from, to time.Duration) {
	if bucket < 2*steps {
		return time.Duration(bucket), time.Duration(bucket + 1)
	}
	shift := bucket>>stepBits - 1
	from = time.Duration(steps+bucket%steps) << shift
	return from, from + 1<<shift
}

// middleOf stands for all durations of a bucket.
func middleOf(bucket int) time.Duration {
	from, to := bucketBounds(bucket)
	return from + (to-from)/2
}

// bin is how often a bucket was hit.
type bin struct {
	bucket uint16
	n      uint32
}

// merge adds more to into; both are sorted by bucket.
func merge(into, more []bin) []bin {
	missing, i := 0, 0
	for _, m := range more {
		for i < len(into) && into[i].bucket < m.bucket {
			i++
		}
		if i < len(into) && into[i].bucket == m.bucket {
			into[i].n += m.n
		} else {
			missing++
		}
	}
	if missing == 0 {
		return into
	}
	out := append(into, make([]bin, missing)...)
	i = len(into) - 1
	for j, k := len(more)-1, len(out)-1; j >= 0; k-- { // from the end, so that nothing is overwritten that is still wanted
		switch {
		case i >= 0 && into[i].bucket >= more[j].bucket:
			out[k] = into[i]
			if into[i].bucket == more[j].bucket {
				j--
			}
			i--
		default:
			out[k] = more[j]
			j--
		}
	}
	return out
}
