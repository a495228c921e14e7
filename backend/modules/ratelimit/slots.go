package ratelimit

// slots is a hash table of entries that knows when each is worth nothing any more: open addressing
// with linear probing, at most three quarters full. A hash of 0 is an empty slot.
type slots struct {
	list []entry // its length is 0 or a power of two
	n    int
	hand int // where the next sweep goes on
}

const fewestSlots = 16

// find is the entry of hash until the next one is put or removed; nil where there is none.
func (s *slots) find(hash uint64) *entry {
	if s.n == 0 {
		return nil
	}
	mask := len(s.list) - 1
	for i := int(hash) & mask; ; i = (i + 1) & mask {
		switch s.list[i].hash {
		case hash:
			return &s.list[i]
		case 0:
			return nil
		}
	}
}

// put keeps e, and tells whether its key is a new one.
func (s *slots) put(e entry, now int64) (added bool) {
	if len(s.list) == 0 || 4*(s.n+1) > 3*len(s.list) {
		s.resize(now)
	}
	mask := len(s.list) - 1
	for i := int(e.hash) & mask; ; i = (i + 1) & mask {
		switch s.list[i].hash {
		case e.hash:
			s.list[i] = e
			return false
		case 0:
			s.list[i] = e
			s.n++
			return true
		}
	}
}

// resize moves what is still worth something into a list that is at most three fifths full.
func (s *slots) resize(now int64) {
	old, live := s.list, 0
	for i := range old {
		if old[i].hash != 0 && old[i].until > now {
			live++
		}
	}
	size := fewestSlots
	for 3*size < 5*(live+1) {
		size *= 2
	}
	s.list, s.n, s.hand = make([]entry, size), 0, 0
	for _, e := range old {
		if e.hash != 0 && e.until > now {
			s.place(e)
		}
	}
}

func (s *slots) place(e entry) {
	mask := len(s.list) - 1
	i := int(e.hash) & mask
	for s.list[i].hash != 0 {
		i = (i + 1) & mask
	}
	s.list[i] = e
	s.n++
}

// remove empties slot i, and moves those behind it up that would not be found otherwise.
func (s *slots) remove(i int) {
	mask := len(s.list) - 1
	for j := (i + 1) & mask; s.list[j].hash != 0; j = (j + 1) & mask {
		home := int(s.list[j].hash) & mask
		if (j-home)&mask >= (j-i)&mask {
			s.list[i], i = s.list[j], j
		}
	}
	s.list[i] = entry{}
	s.n--
}

func (s *slots) delete(hash uint64) bool {
	if s.n == 0 {
		return false
	}
	mask := len(s.list) - 1
	for i := int(hash) & mask; s.list[i].hash != 0; i = (i + 1) & mask {
		if s.list[i].hash == hash {
			s.remove(i)
			return true
		}
	}
	return false
}

// sweep looks at so many slots from the hand on and drops what is worth nothing any more. A list that
// has become nearly empty is made smaller each time the hand has gone round.
func (s *slots) sweep(steps int, now int64) (dropped int) {
	for range min(steps, 2*len(s.list)) { // once round, however many go
		if e := &s.list[s.hand]; e.hash != 0 && e.until <= now {
			s.remove(s.hand) // another one may have moved here: the hand stays
			dropped++
			continue
		}
		if s.hand = (s.hand + 1) & (len(s.list) - 1); s.hand == 0 && len(s.list) > fewestSlots && 8*s.n < len(s.list) {
			before := s.n
			s.resize(now)
			return dropped + before - s.n
		}
	}
	return dropped
}

// looked is how many keys are compared to find one that goes.
const looked = 8

// evict drops, of some keys behind the hand, the one that is worth nothing the soonest; never keep.
func (s *slots) evict(keep uint64) bool {
	mask, best, seen := len(s.list)-1, -1, 0
	for i := range s.list {
		at := (s.hand + i) & mask
		if e := &s.list[at]; e.hash != 0 && e.hash != keep {
			if best < 0 || e.until < s.list[best].until {
				best = at
			}
			if seen++; seen == looked {
				break
			}
		}
	}
	if best < 0 {
		return false
	}
	s.hand = (s.hand + looked) & mask
	s.remove(best)
	return true
}
