package retry

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// limits are how much may be repeated.
type limits struct {
	share float64 // of the requests
	least int     // always
}

func (l limits) of(n int64) int64 { return max(int64(l.least), int64(l.share*float64(n))) }

// budget bounds the repetitions of a cell twice. Those under way at once are a share of the requests
// under way, as Envoy has it: a burst of failures does not become a burst of repetitions. And those of
// the last ten seconds are a share of the requests whose first attempt ended in them: however quickly
// repetitions fail, the server is not asked much more often than its clients ask.
type budget struct {
	active atomic.Int64 // requests under way

	mu        sync.Mutex
	repeating int64 // repetitions under way or waiting for their turn
	seconds   [budgetSeconds]second
	refusedAt time.Time

	retries, recovered, refused, hedges, hedgesWon atomic.Int64
}

const budgetSeconds = 10

// second is what happened in one second of the Unix time at.
type second struct{ at, firsts, repeats int64 }

func (b *budget) enter() { b.active.Add(1) }
func (b *budget) leave() { b.active.Add(-1) }

// tried counts the end of a first attempt.
func (b *budget) tried(now time.Time) {
	b.mu.Lock()
	b.second(now).firsts++
	b.mu.Unlock()
}

// second is that of now, empty if it has just begun. The caller holds mu.
func (b *budget) second(now time.Time) *second {
	at := now.Unix()
	s := &b.seconds[uint64(at)%budgetSeconds]
	if s.at != at {
		*s = second{at: at}
	}
	return s
}

// take allows a repetition, which give ends, or says why it does not.
func (b *budget) take(l limits, now time.Time) (refused string) {
	active := b.active.Load()
	b.mu.Lock()
	defer b.mu.Unlock()
	this := b.second(now)
	firsts, repeats := b.window(now)
	switch most := l.of(active); {
	case b.repeating >= most:
		refused = fmt.Sprintf("%d repetitions are under way, %d are allowed beside %d requests", b.repeating, most, active)
	case repeats >= l.of(firsts):
		refused = fmt.Sprintf("%d repetitions in %d s, %d are allowed beside %d requests", repeats, budgetSeconds, l.of(firsts), firsts)
	default:
		b.repeating++
		this.repeats++
		return ""
	}
	b.refused.Add(1)
	b.refusedAt = now
	return refused
}

func (b *budget) give() {
	b.mu.Lock()
	b.repeating--
	b.mu.Unlock()
}

// window sums up the last seconds. The caller holds mu.
func (b *budget) window(now time.Time) (firsts, repeats int64) {
	oldest := now.Unix() - budgetSeconds + 1
	for i := range b.seconds {
		if b.seconds[i].at >= oldest {
			firsts += b.seconds[i].firsts
			repeats += b.seconds[i].repeats
		}
	}
	return firsts, repeats
}

// short tells that a repetition was not allowed within the last seconds.
func (b *budget) short(now time.Time) (repeating int64, short bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.repeating, !b.refusedAt.IsZero() && now.Sub(b.refusedAt) < budgetSeconds*time.Second
}
