package metrics

import (
	"math"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// observe writes durations to h.
func observe(b *Board, h *Histogram, durations ...time.Duration) {
	s := b.Write()
	defer s.Done()
	for _, d := range durations {
		h.Observe(s, d)
	}
}

// spread draws durations of every size: as many bits are as likely as any other number of them.
func spread() *rapid.Generator[time.Duration] {
	return rapid.Custom(func(t *rapid.T) time.Duration {
		bits := rapid.IntRange(0, 42).Draw(t, "bits")
		return time.Duration(rapid.Int64Range(0, 1<<bits-1).Draw(t, "nanoseconds"))
	})
}

func TestABucketHoldsWhatItSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := spread().Draw(t, "duration")
		bucket := bucketOf(d)
		from, to := bucketBounds(bucket)
		if d < from || d >= to {
			t.Fatalf("%v is in bucket %d, which is from %v to %v", d, bucket, from, to)
		}
		if off := math.Abs(float64(middleOf(bucket) - d)); off > .008*float64(d) {
			t.Fatalf("%v is told as %v", d, middleOf(bucket))
		}
	})
}

func TestBucketsFollowOneAnother(t *testing.T) {
	for bucket := 1; bucket < buckets; bucket++ {
		_, end := bucketBounds(bucket - 1)
		if from, _ := bucketBounds(bucket); from != end || bucketOf(from) != bucket || bucketOf(from-1) != bucket-1 {
			t.Fatalf("bucket %d begins at %v, the one before ends at %v", bucket, from, end)
		}
	}
	if _, end := bucketBounds(buckets - 1); end != Longest+1 {
		t.Errorf("the last bucket ends at %v, the longest duration is %v", end, Longest)
	}
	for d, want := range map[time.Duration]int{-1: 0, math.MinInt64: 0, Longest: buckets - 1, math.MaxInt64: buckets - 1} {
		if got := bucketOf(d); got != want {
			t.Errorf("%d is in bucket %d, want %d", d, got, want)
		}
	}
}

func TestMergedBinsAreTheSum(t *testing.T) {
	bins := rapid.Custom(func(t *rapid.T) []bin {
		var out []bin
		for _, b := range rapid.SliceOfDistinct(rapid.Uint16Range(0, 20), func(b uint16) uint16 { return b }).Draw(t, "buckets") {
			out = append(out, bin{b, rapid.Uint32Range(1, 9).Draw(t, "count")})
		}
		slices.SortFunc(out, func(a, b bin) int { return int(a.bucket) - int(b.bucket) })
		return out
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := bins.Draw(t, "a"), bins.Draw(t, "b")
		want := map[uint16]uint32{}
		for _, one := range append(slices.Clone(a), b...) {
			want[one.bucket] += one.n
		}
		got := merge(a, b)
		if !slices.IsSortedFunc(got, func(a, b bin) int { return int(a.bucket) - int(b.bucket) }) || len(got) != len(want) {
			t.Fatalf("merged to %v, want %v", got, want)
		}
		for _, one := range got {
			if want[one.bucket] != one.n {
				t.Fatalf("merged to %v, want %v", got, want)
			}
		}
	})
}

func TestTheDistributionIsExact(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, h := NewBoard(), &Histogram{}
		var sum time.Duration
		want := map[time.Duration]uint64{}
		var count uint64
		for _, part := range rapid.SliceOfN(rapid.SliceOf(spread()), 1, 5).Draw(t, "between readings") {
			observe(b, h, part...)
			for _, d := range part {
				sum += d
				count++
				want[middleOf(bucketOf(d))]++
			}
			got := b.Distribution(h)
			if got.Sum != sum || got.Count != count || len(got.Buckets) != len(want) {
				t.Fatalf("of %d durations of %v in all: %+v", count, sum, got)
			}
			for _, one := range got.Buckets {
				if want[one.Middle] != one.Count {
					t.Fatalf("%v was counted %d times, want %d", one.Middle, one.Count, want[one.Middle])
				}
			}
		}
	})
}

// late writes durations to h after the stripe was given back.
func late(b *Board, h *Histogram, durations ...time.Duration) {
	s := b.Write()
	l := h.Late(s)
	s.Done()
	for _, d := range durations {
		l.Observe(d)
	}
}

func TestWhatIsKnownLateCountsAsTheRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, h := NewBoard(), &Histogram{}
		want := map[time.Duration]uint64{}
		var sum time.Duration
		var count uint64
		for range rapid.IntRange(1, 4).Draw(t, "readings") {
			early, behind := rapid.SliceOf(spread()).Draw(t, "early"), rapid.SliceOf(spread()).Draw(t, "late")
			observe(b, h, early...)
			late(b, h, behind...)
			for _, d := range early {
				sum += d
				want[middleOf(bucketOf(d))]++
			}
			for _, d := range behind {
				sum += middleOf(bucketOf(d))
				want[middleOf(bucketOf(d))]++
			}
			count += uint64(len(early) + len(behind))
			got, windows := b.Distribution(h), b.Windows(h)
			if got.Count != count || got.Sum != sum || len(got.Buckets) != len(want) || windows[TenMinutes].Count != count {
				t.Fatalf("of %d durations of %v in all: %+v, %+v", count, sum, got, windows)
			}
			for _, one := range got.Buckets {
				if want[one.Middle] != one.Count {
					t.Fatalf("%v was counted %d times, want %d", one.Middle, one.Count, want[one.Middle])
				}
			}
		}
	})
}

// The first of a size makes room for it: of several who are the first none is forgotten.
func TestSeveralBeginAPageAtOnce(t *testing.T) {
	const writers, rounds = 4, 300
	for range rounds {
		b, h := NewBoard(), &Histogram{}
		s := b.Write()
		l := h.Late(s)
		s.Done()
		var ready, writing sync.WaitGroup
		ready.Add(writers)
		for range writers {
			writing.Go(func() {
				ready.Done()
				ready.Wait()
				for bits := range 42 {
					l.Observe(1 << bits)
				}
			})
		}
		writing.Wait()
		if d := b.Distribution(h); d.Count != writers*42 {
			t.Fatalf("counted %d of %d", d.Count, writers*42)
		}
	}
}

func TestQuantilesAreThoseOfASortedList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := NewBoard()
		hs := []*Histogram{{}, {}} // read as one
		all := rapid.SliceOfN(spread(), 1, 300).Draw(t, "durations")
		for i, d := range all {
			observe(b, hs[i%2], d)
		}
		slices.Sort(all)
		at := func(perMille int) time.Duration { return middleOf(bucketOf(all[(len(all)*perMille+999)/1000-1])) }
		want := Quantiles{uint64(len(all)), at(500), at(900), at(990), at(999)}
		for i, got := range b.Windows(hs...) {
			if got != want {
				t.Fatalf("window %d of %v: %+v, want %+v", i, all, got, want)
			}
		}
	})
}

func TestAWindowForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, h := NewBoard(), &Histogram{}
		observe(b, h, time.Millisecond)
		at := func(second int) [3]uint64 {
			time.Sleep(time.Duration(second)*time.Second - time.Since(b.Began()))
			w := b.Windows(h)
			return [3]uint64{w[TenSeconds].Count, w[OneMinute].Count, w[TenMinutes].Count}
		}
		for _, c := range []struct {
			second int
			want   [3]uint64
		}{
			{0, [3]uint64{1, 1, 1}}, {1, [3]uint64{1, 1, 1}}, {10, [3]uint64{1, 1, 1}}, {11, [3]uint64{0, 1, 1}},
			{69, [3]uint64{0, 1, 1}}, {70, [3]uint64{0, 0, 1}}, {659, [3]uint64{0, 0, 1}}, {660, [3]uint64{}}, {10000, [3]uint64{}},
		} {
			if got := at(c.second); got != c.want {
				t.Errorf("after %d s: %v, want %v", c.second, got, c.want)
			}
		}
		if d := b.Distribution(h); d.Count != 1 {
			t.Errorf("since the start there was %d", d.Count)
		}
	})
}

// One duration a second, of as many milliseconds as seconds have passed, read at odd moments.
func TestAWindowSlides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, h := NewBoard(), &Histogram{}
		for second := range 1500 {
			if second%7 != 3 {
				b.Windows(h)
			}
			observe(b, h, time.Duration(second)*time.Millisecond)
			w := b.Windows(h)
			for i, l := range lengths {
				slot := second / int(l.slot)
				first := max(slot-l.slots, 0) * int(l.slot)
				if want := uint64(second - first + 1); w[i].Count != want {
					t.Fatalf("after %d s window %d has %d, want %d", second, i, w[i].Count, want)
				}
				if want := middleOf(bucketOf(time.Duration(second) * time.Millisecond)); w[i].P999 != want {
					t.Fatalf("after %d s window %d ends at %v, want %v", second, i, w[i].P999, want)
				}
			}
			time.Sleep(time.Second)
		}
	})
}

func TestNothingIsLostBetweenWritersAndReaders(t *testing.T) {
	b, h, tally := NewBoard(), &Histogram{}, &Tally{}
	const writers, each = 8, 5000
	var writing, reading sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		reading.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					b.Windows(h)
					b.Distribution(h)
					b.Count(tally)
					runtime.Gosched()
				}
			}
		})
	}
	for w := range writers {
		writing.Go(func() {
			for i := range each {
				s := b.Write()
				h.Observe(s, time.Duration(i)*time.Microsecond)
				tally.Add(s, w)
				l := h.Late(s)
				s.Done()
				l.Observe(time.Duration(i) * time.Nanosecond)
			}
		})
	}
	writing.Wait()
	close(done)
	reading.Wait()
	d, w := b.Distribution(h), b.Windows(h)
	wantSum := time.Duration(writers*each*(each-1)/2) * time.Microsecond
	for i := range each {
		wantSum += writers * middleOf(bucketOf(time.Duration(i)*time.Nanosecond))
	}
	if d.Count != 2*writers*each || d.Sum != wantSum || w[TenMinutes].Count != 2*writers*each {
		t.Errorf("counted %d of %v, %d in the window; want %d of %v", d.Count, d.Sum, w[TenMinutes].Count, 2*writers*each, wantSum)
	}
	for kind, n := range b.Count(tally) {
		if n != each {
			t.Errorf("kind %d was counted %d times", kind, n)
		}
	}
}

// An idle histogram costs no allocation at a reading, and gives its windows back.
func TestReadingAnIdleHistogramAllocatesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, h := NewBoard(), &Histogram{}
		observe(b, h, time.Millisecond, time.Second)
		late(b, h, time.Millisecond)
		b.Windows(h)
		time.Sleep(time.Hour)
		b.Windows(h)
		for i, r := range h.windows {
			for _, slot := range r.slots {
				if slot != nil {
					t.Errorf("window %d still holds %v", i, slot)
				}
			}
		}
		hs := []*Histogram{h}
		if n := testing.AllocsPerRun(100, func() { b.Windows(hs...) }); n != 0 {
			t.Errorf("%v allocations", n)
		}
		if n := testing.AllocsPerRun(100, func() { observe(b, h, time.Millisecond) }); n != 0 {
			t.Errorf("%v allocations to write", n)
		}
		if n := testing.AllocsPerRun(100, func() { late(b, h, time.Millisecond) }); n != 0 {
			t.Errorf("%v allocations to write late", n)
		}
	})
}

// The most that a histogram can take of memory: every bucket in every slot.
func TestWhatAHistogramTakesAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, h := NewBoard(), &Histogram{}
		for range 660 {
			s := b.Write()
			for bucket := range buckets {
				h.Observe(s, middleOf(bucket))
			}
			s.Done()
			b.Windows(h)
			time.Sleep(time.Second)
		}
		bytes := 0
		for _, r := range h.windows {
			for _, slot := range r.slots {
				bytes += cap(slot) * 8
			}
		}
		bytes += pages*steps*8 + 2*maxStripes*(pages*steps*4+pages*8+16) // early and late
		if bytes > 1<<20 {
			t.Errorf("it takes %d bytes", bytes)
		}
		t.Logf("%d KiB", bytes>>10)
	})
}
