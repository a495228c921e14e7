package retry

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// latency is how long the last answers took to begin.
type latency struct {
	mu     sync.Mutex
	last   [latencies]time.Duration
	count  int
	sorted atomic.Pointer[[]time.Duration]
}

const (
	latencies = 256
	enough    = 32 // answers, before a share of them says anything
	fresh     = 16 // answers, after which they are sorted anew
)

func (l *latency) add(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last[l.count%latencies] = d
	l.count++
	if l.count >= enough && l.count%fresh == 0 {
		sorted := slices.Clone(l.last[:min(l.count, latencies)])
		slices.Sort(sorted)
		l.sorted.Store(&sorted)
	}
}

// share is what that share of the answers took at most; 0 while there are too few.
func (l *latency) share(of float64) time.Duration {
	sorted := l.sorted.Load()
	if sorted == nil {
		return 0
	}
	return (*sorted)[min(int(of*float64(len(*sorted))), len(*sorted)-1)]
}
