package http1

import (
	"runtime"
	"testing"
	"unsafe"
)

var keptHead any

// The allocator rounds up to its classes; what it rounds a head up by is lost with each one.
func TestHeadsFillWhatIsAllocatedForThem(t *testing.T) {
	const word = 8 // what the allocator keeps for itself
	for name, c := range map[string]struct {
		size uintptr
		make func()
	}{
		"small":  {unsafe.Sizeof(smallHead{}), func() { keptHead = new(smallHead) }},
		"plain":  {unsafe.Sizeof(plainHead{}), func() { keptHead = new(plainHead) }},
		"answer": {unsafe.Sizeof(answerHead{}), func() { keptHead = new(answerHead) }},
		"common": {unsafe.Sizeof(commonHead{}), func() { keptHead = new(commonHead) }},
		"medium": {unsafe.Sizeof(mediumHead{}), func() { keptHead = new(mediumHead) }},
		"usual":  {unsafe.Sizeof(usualHead{}), func() { keptHead = new(usualHead) }},
	} {
		t.Run(name, func(t *testing.T) {
			const many = 10_000
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range many {
				c.make()
			}
			runtime.ReadMemStats(&after)
			if each := (after.TotalAlloc - before.TotalAlloc) / many; each > uint64(c.size)+word {
				t.Errorf("%d bytes are allocated for one of %d", each, c.size)
			}
		})
	}
}
