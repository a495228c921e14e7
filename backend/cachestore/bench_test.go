package cachestore

import (
	"fmt"
	"io"
	"regexp"
	"testing"

	"proxycache/backend/redis/redistest"
)

// benchmarkGet gets and reads to its end one of three hundred bodies.
func benchmarkGet(b *testing.B, s Store, size int) {
	keys := make([]string, 300)
	for i := range keys {
		keys[i] = fmt.Sprint("https://shop.test/products/", i)
		fill(b, s, keys[i], size)
	}
	buffer := make([]byte, 32<<10)
	b.ReportAllocs()
	b.SetBytes(int64(size))
	i := 0
	for b.Loop() {
		o, err := s.Get(keys[i%len(keys)])
		if err != nil || o == nil {
			b.Fatal("a miss", err)
		}
		for at := int64(0); at < o.Body.Size(); at += int64(len(buffer)) {
			if _, err := o.Body.ReadAt(buffer, at); err != nil && err != io.EOF {
				b.Fatal(err)
			}
		}
		_ = o.Body.Close()
		i++
	}
}

func fill(b *testing.B, s Store, key string, size int) {
	w, err := s.Put(sample(key), int64(size))
	if err != nil || w == nil {
		b.Fatal("no room", err)
	}
	_, _ = w.Write(make([]byte, size))
	if err := w.Commit(sample(key)); err != nil {
		b.Fatal(err)
	}
}

func benchmarkPut(b *testing.B, s Store, size int) {
	body, r := make([]byte, size), sample("k")
	keys := make([]string, 5000)
	for i := range keys {
		keys[i] = fmt.Sprint("https://shop.test/products/", i)
	}
	b.ReportAllocs()
	b.SetBytes(int64(size))
	i := 0
	for b.Loop() {
		c := *r
		c.Key = keys[i%len(keys)]
		i++
		w, err := s.Put(&c, int64(size))
		if err != nil || w == nil {
			b.Fatal("no room", err)
		}
		_, _ = w.Write(body)
		if err := w.Commit(&c); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStores(b *testing.B) {
	stores := []struct {
		name string
		open func(b *testing.B) Store
	}{
		{"memory", func(*testing.B) Store { return NewMemory(256 << 20) }},
		{"disk", func(b *testing.B) Store { return openDisk(b, b.TempDir(), 1<<30) }},
		{"redis", func(b *testing.B) Store { a, _ := redistest.Start(b); return openRedis(b, a) }},
		{"memcached", func(b *testing.B) Store { a, _ := startMemcached(b); return openMemcached(b, a) }},
		{"tiered", func(b *testing.B) Store { return NewTiered(NewMemory(256<<20), openDisk(b, b.TempDir(), 1<<30)) }},
	}
	for _, s := range stores {
		for _, size := range []int{1 << 10, 100 << 10} {
			b.Run(fmt.Sprintf("get/%s/%dKiB", s.name, size>>10), func(b *testing.B) { benchmarkGet(b, s.open(b), size) })
		}
		b.Run("put/"+s.name+"/1KiB", func(b *testing.B) { benchmarkPut(b, s.open(b), 1<<10) })
	}
}

func BenchmarkMemoryGetParallel(b *testing.B) {
	s := NewMemory(64 << 20)
	keys := make([]string, 1000)
	for i := range keys {
		keys[i] = fmt.Sprint("https://shop.test/products/", i)
		fill(b, s, keys[i], 1<<10)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			o, _ := s.Get(keys[i%len(keys)])
			_ = o.Body.Close()
		}
	})
}

func BenchmarkMemoryMiss(b *testing.B) {
	s := NewMemory(64 << 20)
	for b.Loop() {
		if o, _ := s.Get("https://shop.test/products/none"); o != nil {
			b.Fatal("a hit")
		}
	}
}

// BenchmarkMemoryPurgeWalk looks at a hundred thousand entries, of which an expression selects none.
func BenchmarkMemoryPurgeWalk(b *testing.B) {
	s := NewMemory(1 << 30)
	for i := range 100_000 {
		fill(b, s, fmt.Sprint("https://shop.test/products/", i), 10)
	}
	for name, selection := range map[string]Selection{"prefix": {Prefix: "https://other"}, "expression": {Match: regexp.MustCompile(`/none-\d+$`)}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if n, _ := s.Purge(selection, false); n != 0 {
					b.Fatal(n)
				}
			}
		})
	}
}
