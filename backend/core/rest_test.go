package core

import "testing"

func TestMemoryIsGivenBackOnceAfterABusyTime(t *testing.T) {
	var m memory
	total := uint64(0)
	second := func(allocated uint64) bool {
		total += allocated
		return m.quiet(total)
	}
	for range 10 {
		if second(10 << 20) {
			t.Fatal("in a busy time")
		}
	}
	for i, want := range []bool{false, false, true, false, false, false, false} {
		if got := second(100 << 10); got != want {
			t.Errorf("%d s after it: %v", i+1, got)
		}
	}
	second(4 << 20)
	for range 10 {
		if second(100 << 10) {
			t.Error("after a time that was not worth it")
		}
	}
}

func TestALittleHeapMayGrowMore(t *testing.T) {
	for live, want := range map[uint64]int{0: 1600, 4 << 20: 1600, 16 << 20: 400, 64 << 20: 100, 1 << 30: 100} {
		if got := roomFor(live); got != want {
			t.Errorf("with %d bytes alive the heap grows by %d percent, not %d", live, got, want)
		}
	}
}
