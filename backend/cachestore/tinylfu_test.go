package cachestore

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// A crawl that asks for twenty thousand things once must leave what is asked for all the time.
func TestMemoryIsNotFlushedByACrawl(t *testing.T) {
	m := openMemory(1 << 20)
	usual := make([]string, 200)
	for i := range usual {
		usual[i] = fmt.Sprint("usual-", i)
		put(t, m, sample(usual[i]), noise(1000))
	}
	for range 3 {
		for _, key := range usual {
			if o := get(t, m, key); o != nil {
				_ = o.Body.Close()
			}
		}
	}
	for i := range 20_000 {
		put(t, m, sample(fmt.Sprint("crawl-", i)), noise(1000))
		if i%10 != 0 { // nine in ten are the crawler's
			continue
		}
		if o, _ := m.Get(usual[i/10%len(usual)]); o != nil {
			_ = o.Body.Close()
		}
	}
	left := 0
	for _, key := range usual {
		if o, _ := m.Get(key); o != nil {
			left++
			_ = o.Body.Close()
		}
	}
	t.Logf("%d of %d are left", left, len(usual))
	if left < len(usual)*9/10 {
		t.Errorf("only %d of %d are left", left, len(usual))
	}
}

// The share of hits for keys drawn by Zipf's law: compared with what the most popular that fit would give.
func TestMemoryKeepsThePopular(t *testing.T) {
	const keys, fit = 50_000, 2000
	each := overhead(sample("00000")) + 1000
	m := openMemory(fit * each * 16 / 15)
	zipf := rand.NewZipf(rand.New(rand.NewPCG(3, 4)), 1.05, 1, keys-1)
	hits, best, asked := 0, 0, 0
	for i := range 300_000 {
		n := zipf.Uint64()
		o, _ := m.Get(fmt.Sprintf("%05d", n))
		if o != nil {
			_ = o.Body.Close()
		} else {
			put(t, m, sample(fmt.Sprintf("%05d", n)), make([]byte, 1000))
		}
		if i < 100_000 {
			continue // it warms up
		}
		asked++
		if o != nil {
			hits++
		}
		if n < fit {
			best++
		}
	}
	t.Logf("hits: %.1f %%, the most popular that fit: %.1f %%", 100*float64(hits)/float64(asked), 100*float64(best)/float64(asked))
	if float64(hits) < 0.93*float64(best) {
		t.Errorf("%d hits of %d; the best possible is %d", hits, asked, best)
	}
}

// After what was popular has changed, the new must get in.
func TestMemoryForgetsWhatWasPopular(t *testing.T) {
	m := openMemory(1 << 20)
	ask := func(name string, rounds int) (hits int) {
		for range rounds {
			for i := range 100 {
				key := fmt.Sprint(name, i)
				o, _ := m.Get(key)
				if o != nil {
					hits++
					_ = o.Body.Close()
					continue
				}
				put(t, m, sample(key), noise(5000))
			}
		}
		return hits
	}
	ask("old", 50)
	ask("new", 100)
	if hits := ask("new", 10); hits < 950 {
		t.Errorf("of 1000 only %d are hits", hits)
	}
}

func TestSketchCountsAndForgets(t *testing.T) {
	var s sketch
	s.grow(1000)
	hash := func(i uint64) uint64 { return i * 0x9E3779B97F4A7C15 }
	for i := range uint64(1000) {
		for range i % 10 {
			s.add(hash(i))
		}
	}
	off := 0
	for i := range uint64(1000) {
		n := s.count(hash(i))
		if n < i%10 {
			t.Fatalf("%d was seen %d times, it says %d", i, i%10, n)
		}
		if n > i%10 {
			off++
		}
	}
	if off > 50 {
		t.Errorf("%d of 1000 are overestimated", off)
	}
	s.grow(100_000)
	if n := s.count(hash(9)); n < 9 || n > 12 {
		t.Errorf("in a larger table 9 is %d", n)
	}
	s.age()
	if n := s.count(hash(9)); n > 5 {
		t.Errorf("after a halving 9 is %d", n)
	}
}
