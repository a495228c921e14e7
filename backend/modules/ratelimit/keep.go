package ratelimit

func (t *table) keepEntry(e entry, s *shard, now, maxKeys int64) {
	n, room := s.entries.n, len(s.entries.list)
	if s.entries.put(e, now) {
		s.entries.sweep(sweptPerEntry, now)
	}
	t.keys.Add(int64(s.entries.n - n))
	t.slots.Add(int64(len(s.entries.list) - room))
	for i := 0; i < evictedAtOnce && t.keys.Load() > maxKeys; i++ {
		if !t.evictEntry(s, e.hash) && !t.evictLog(s, e.hash) {
			return
		}
	}
}

func (t *table) keepLog(c *claim, s *shard, now, maxKeys int64) {
	l, known := s.logs[c.hash]
	if !known {
		l = &ring{}
		if s.logs == nil {
			s.logs = map[uint64]*ring{}
		}
		s.logs[c.hash] = l
		t.keys.Add(1)
		t.logs.Add(1)
	}
	t.logged.Add(int64(l.push(now, c.window)))
	if !known {
		t.sweepLogs(s, sweptPerEntry, now)
	}
	for i := 0; i < evictedAtOnce && t.logged.Load() > logsPerKey*maxKeys; i++ {
		if !t.evictLog(s, c.hash) {
			break
		}
	}
	for i := 0; i < evictedAtOnce && t.keys.Load() > maxKeys; i++ {
		if !t.evictLog(s, c.hash) && !t.evictEntry(s, c.hash) {
			return
		}
	}
}

func (t *table) evictEntry(s *shard, keep uint64) bool {
	if !s.entries.evict(keep) {
		return false
	}
	t.keys.Add(-1)
	t.evicted.Add(1)
	return true
}

// evictLog drops, of some logs, the one that is worth nothing the soonest.
func (t *table) evictLog(s *shard, keep uint64) bool {
	var best uint64
	seen := 0
	for hash, l := range s.logs {
		if hash == keep {
			continue
		}
		if best == 0 || l.until < s.logs[best].until {
			best = hash
		}
		if seen++; seen == looked {
			break
		}
	}
	if best == 0 {
		return false
	}
	t.dropLog(s, best)
	t.evicted.Add(1)
	return true
}

func (t *table) dropLog(s *shard, hash uint64) {
	t.logged.Add(-int64(len(s.logs[hash].times)))
	delete(s.logs, hash)
	t.keys.Add(-1)
	t.logs.Add(-1)
}

// sweepLogs looks at some logs, which a map gives in no order, and drops those that hold nothing.
func (t *table) sweepLogs(s *shard, steps int, now int64) {
	for hash, l := range s.logs {
		if l.until <= now {
			t.dropLog(s, hash)
		}
		if steps--; steps <= 0 {
			return
		}
	}
}

// sweep drops what is idle in one shard, the next one each time.
func (t *table) sweep(now int64) {
	s := &t.shards[int(t.swept.Add(1))%len(t.shards)]
	s.mu.Lock()
	defer s.mu.Unlock()
	n, room := s.entries.n, len(s.entries.list)
	s.entries.sweep(sweptPerLook, now)
	t.keys.Add(int64(s.entries.n - n))
	t.slots.Add(int64(len(s.entries.list) - room))
	t.sweepLogs(s, sweptPerLook, now)
}

// bytes is about how much memory the table takes.
func (t *table) bytes() int64 {
	return t.slots.Load()*bytesOfEntry + t.logged.Load()*bytesOfTime + t.logs.Load()*bytesOfLog
}

// land says that a request which was in flight for hash is over.
func (t *table) land(hash uint64) {
	s := &t.shards[t.shard(hash)]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flights[hash]--; s.flights[hash] <= 0 {
		delete(s.flights, hash)
	}
}

// inFlight is how many requests limits by concurrency count now; one that two such limits count is
// two.
func (t *table) inFlight() (n int64) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		for _, flying := range s.flights {
			n += flying
		}
		s.mu.Unlock()
	}
	return n
}

// reset forgets one key, and tells whether there was something; what is in flight stays.
func (t *table) reset(hash uint64) bool {
	s := &t.shards[t.shard(hash)]
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.logs[hash]; there {
		t.dropLog(s, hash)
		return true
	}
	if s.entries.delete(hash) {
		t.keys.Add(-1)
		return true
	}
	return false
}

// clear forgets all keys, and tells how many there were; what is in flight stays.
func (t *table) clear() (n int64) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		n += int64(s.entries.n + len(s.logs))
		t.keys.Add(-int64(s.entries.n))
		t.slots.Add(-int64(len(s.entries.list)))
		s.entries = slots{}
		for hash := range s.logs {
			t.dropLog(s, hash)
		}
		s.mu.Unlock()
	}
	return n
}
