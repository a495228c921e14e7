package ratelimit

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// table counts in memory. It is split into shards, each with a lock of its own, so that requests of
// different clients seldom wait for each other. What is idle leaves as new keys come and when the
// state is asked for: nothing runs in the background.
type table struct {
	seed    maphash.Seed
	shards  []shard
	shift   uint         // of a hash, to the number of its shard
	keys    atomic.Int64 // entries and logs
	slots   atomic.Int64 // room for entries
	logs    atomic.Int64
	logged  atomic.Int64 // room for times in logs
	evicted atomic.Int64 // keys that left though they were not idle
	swept   atomic.Uint32
}

type shard struct {
	mu      sync.Mutex
	entries slots
	logs    map[uint64]*ring
	flights map[uint64]int64 // what is in flight is never dropped
	_       [64]byte         // the next lock lies in another cache line
}

const (
	mostShards    = 64
	keysPerShard  = 1024 // at least, where the table is full
	logsPerKey    = 8    // times in logs for each of max_keys, so that logs are bounded, too
	bytesOfEntry  = 24
	bytesOfTime   = 8
	bytesOfLog    = 96      // beside its times: its head and its place in a map
	sweptPerEntry = 4       // slots for each new key: a round is over before as many have come as there are
	sweptPerLook  = 1 << 14 // slots, and logs, each time the state is asked for
	evictedAtOnce = 16      // at most: an edit may have made max_keys much smaller
)

func newTable(maxKeys int64) *table {
	n, bits := 1, uint(0)
	for n < mostShards && maxKeys/int64(2*n) >= keysPerShard {
		n, bits = 2*n, bits+1
	}
	return &table{seed: maphash.MakeSeed(), shards: make([]shard, n), shift: 64 - bits}
}

// hash is how the table finds what r counts for key. It is never 0.
func (t *table) hash(r *rule, key string) uint64 {
	return max(maphash.String(t.seed, key)^r.salt, 1)
}

func (t *table) shard(hash uint64) int {
	if len(t.shards) == 1 {
		return 0
	}
	return int(hash >> t.shift)
}

// claim is what one limit is asked for one request, and what it says.
type claim struct {
	*rule
	value string // of the key
	hash  uint64
	after entry
	decision
}

// decide asks all limits at now. Only where all let the request pass, each counts it.
func (t *table) decide(claims []claim, now, maxKeys int64) bool {
	var room [mostLimits]int
	locked := room[:0]
	for i := range claims {
		locked = insert(locked, t.shard(claims[i].hash))
	}
	for _, s := range locked { // in one order everywhere, so that no two wait for each other
		t.shards[s].mu.Lock()
	}
	all := true
	for i := range claims {
		c := &claims[i]
		c.look(&t.shards[t.shard(c.hash)], now)
		all = all && c.ok
	}
	for i := range claims {
		if !all {
			break
		}
		c := &claims[i]
		t.keep(c, &t.shards[t.shard(c.hash)], now, maxKeys)
	}
	for _, s := range locked {
		t.shards[s].mu.Unlock()
	}
	return all
}

// insert puts n into a list in ascending order that holds each number once.
func insert(list []int, n int) []int {
	i := len(list)
	for i > 0 && list[i-1] >= n {
		if i--; list[i] == n {
			return list
		}
	}
	list = append(list, n)
	copy(list[i+1:], list[i:])
	list[i] = n
	return list
}

func (c *claim) look(s *shard, now int64) {
	switch c.Algorithm {
	case concurrency:
		c.decision = c.flying(s.flights[c.hash])
	case slidingLog:
		c.decision = c.log(s.logs[c.hash], now)
	default:
		e := entry{hash: c.hash}
		known := s.entries.find(c.hash)
		if known != nil {
			e = *known
		}
		if c.after, c.decision = c.take(e, now); !c.ok && known != nil && c.after.until < e.until {
			*known = c.after // counted before the clock was set back
		}
	}
}

func (t *table) keep(c *claim, s *shard, now, maxKeys int64) {
	switch c.Algorithm {
	case concurrency:
		if s.flights == nil {
			s.flights = map[uint64]int64{}
		}
		s.flights[c.hash]++
	case slidingLog:
		t.keepLog(c, s, now, maxKeys)
	default:
		t.keepEntry(c.after, s, now, maxKeys)
	}
}
