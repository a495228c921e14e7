package cachestore

import "math/bits"

// sketch remembers about how often each hash was seen lately: a count-min sketch of four rows with
// counters to 15, all halved after ten times as many additions as it has words.
type sketch struct {
	words     []uint64 // sixteen counters each; a power of two of them
	additions int
}

// counter is where the counter of a hash in a row lies: a word, and a shift in it.
func (s *sketch) counter(hash uint64, row int) (word *uint64, shift uint) {
	hash = bits.RotateLeft64(hash*0x9E3779B97F4A7C15, row*16+7)
	hash ^= hash >> 29
	return &s.words[hash&uint64(len(s.words)-1)], uint(row)*16 + uint(hash>>60&3)*4
}

// grow makes room for so many entries. What was seen is known in the larger table too: where a hash lies
// differs by the higher bits alone.
func (s *sketch) grow(entries int) {
	if len(s.words) == 0 {
		s.words = make([]uint64, 256)
	}
	for entries > len(s.words) {
		s.words = append(s.words, s.words...)
	}
}

func (s *sketch) add(hash uint64) {
	if len(s.words) == 0 {
		return
	}
	for row := range 4 {
		word, shift := s.counter(hash, row)
		if *word>>shift&15 < 15 {
			*word += 1 << shift
		}
	}
	if s.additions++; s.additions >= 10*len(s.words) {
		s.age()
	}
}

// age halves every counter, so that what was popular long ago is forgotten.
func (s *sketch) age() {
	for i := range s.words {
		s.words[i] = s.words[i] >> 1 & 0x7777777777777777
	}
	s.additions = 0
}

// count is how often hash was seen, or more.
func (s *sketch) count(hash uint64) uint64 {
	if len(s.words) == 0 {
		return 0
	}
	least := uint64(15)
	for row := range 4 {
		word, shift := s.counter(hash, row)
		least = min(least, *word>>shift&15)
	}
	return least
}
