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
	second(20 << 20)
	for range 10 {
		if second(100 << 10) {
			t.Error("after a time that was not worth it")
		}
	}
}
