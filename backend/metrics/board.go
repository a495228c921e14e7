// Package metrics measures how long things take, over the last seconds and minutes and since the
// start, and says figures in the forms that Prometheus reads.
package metrics

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// maxStripes bounds how many processors write beside each other; more of them share.
const maxStripes = 16

// kinds is how many things a Tally tells apart: eight counters fill one line of a processor's cache.
const kinds = 8

// Board is where the histograms and tallies of one owner are written and read. Who writes takes a
// stripe, which is near its processor, so that two processors hardly ever write the same memory; who
// reads gathers all stripes, and sees everything that was written before.
type Board struct {
	began   time.Time
	stripes []Stripe
	next    atomic.Uint32
	near    sync.Pool // of *Stripe: the one that this processor had last

	reading sync.Mutex // guards what follows, and all that histograms have beside their shards
	drained [buckets]uint32
	bins    []bin
	sum     [buckets]uint64
}

// Stripe is a part of every histogram and tally of a board, for one writer at a time.
type Stripe struct {
	mu    sync.Mutex
	board *Board
	index int
	_     [40]byte // the next one is on another line of the cache
}

// NewBoard makes a board whose windows begin now.
func NewBoard() *Board {
	b := &Board{began: time.Now(), stripes: make([]Stripe, min(runtime.GOMAXPROCS(0), maxStripes))}
	for i := range b.stripes {
		b.stripes[i].board, b.stripes[i].index = b, i
	}
	b.near.New = func() any { return &b.stripes[b.next.Add(1)%uint32(len(b.stripes))] }
	return b
}

// Began is when the board began to count.
func (b *Board) Began() time.Time { return b.began }

// Write takes a stripe to write to. It must be given back by Done, soon: another writer may wait.
func (b *Board) Write() *Stripe {
	s := b.near.Get().(*Stripe)
	s.mu.Lock()
	return s
}

// Done gives the stripe back.
func (s *Stripe) Done() {
	s.mu.Unlock()
	s.board.near.Put(s)
}

// Tally counts up to eight kinds of things. The zero Tally is ready; all of its writers and readers
// use the same board.
type Tally struct {
	shards [maxStripes]*[kinds]int64 // each guarded by its stripe
}

// Add counts one thing of that kind, 0 to 7.
func (t *Tally) Add(s *Stripe, kind int) {
	shard := t.shards[s.index]
	if shard == nil {
		shard = new([kinds]int64)
		t.shards[s.index] = shard
	}
	shard[kind%kinds]++
}

// Count reads a tally.
func (b *Board) Count(t *Tally) (all [kinds]int64) {
	for i := range b.stripes {
		s := &b.stripes[i]
		s.mu.Lock()
		if shard := t.shards[i]; shard != nil {
			for kind, n := range shard {
				all[kind] += n
			}
		}
		s.mu.Unlock()
	}
	return all
}
