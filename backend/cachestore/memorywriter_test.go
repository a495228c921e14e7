package cachestore

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
)

func TestMemoryGivesOneResponseHalfOfIt(t *testing.T) {
	const capacity = 1 << 20
	half := capacity/2 - int(overhead(sample("a")))
	for _, known := range []bool{true, false} {
		for _, write := range []int{999, 7000, 16 << 10, 32 << 10, 100_000, capacity} {
			for size, want := range map[int]bool{half / 2: true, half - 5000: true, half: true, half + 1: false, capacity * 3 / 5: false} {
				m := openMemory(capacity)
				body := noise(size)
				if kept := offer(t, m, "a", body, known, write); kept != want {
					t.Errorf("a body of %d bytes of %d, its size known %t, in writes of %d: kept %t, want %t", size, half, known, write, kept, want)
				}
				if want {
					wantBody(t, m, "a", string(body))
				} else if st := m.Stats(); st.Bytes != 0 {
					t.Errorf("%d bytes are held for what is not kept", st.Bytes)
				}
			}
		}
	}
}

// Bodies in pieces are read like those in one, wherever a reading begins and ends.
func TestMemoryReadsBodiesInPieces(t *testing.T) {
	m := openMemory(16 << 20)
	for _, size := range []int{0, 1, 4095, 4097, 16<<10 + 1, 32<<10 - 1, 32 << 10, 32<<10 + 1, 64 << 10, 64<<10 + 1, 1_000_000} {
		for _, write := range []int{1000, 4 << 10, 33_000, 1 << 20} {
			body := noise(size)
			if !offer(t, m, "a", body, false, write) {
				t.Fatalf("%d bytes: there was no room", size)
			}
			o := get(t, m, "a")
			if o.Body.Size() != int64(size) || !bytes.Equal(content(t, o), body) {
				t.Fatalf("%d bytes in writes of %d: others came back", size, write)
			}
			random := rand.New(rand.NewPCG(uint64(size), uint64(write)))
			for range 100 {
				from, n := random.IntN(size+1), random.IntN(size+1)
				p := make([]byte, n)
				got, err := o.Body.ReadAt(p, int64(from))
				if !bytes.Equal(p[:got], body[from:min(size, from+n)]) || got < n && err != io.EOF || got == n && n > 0 && err != nil {
					t.Fatalf("%d bytes in writes of %d: %d from %d: %d, %v", size, write, n, from, got, err)
				}
			}
			_ = o.Body.Close()
		}
	}
}

// A body that had to take what was left goes on when others have ended; where that gives too little, it is
// not kept.
func TestMemoryGoesOnWhenRoomComesBack(t *testing.T) {
	const capacity = 1 << 20
	for ended, want := range map[int]bool{300_000: true, 1000: false} {
		m := openMemory(capacity)
		others := map[int]Writer{}
		for _, size := range []int{300_000, 1000} {
			w, err := m.Put(sample("other"), int64(size))
			if w == nil || err != nil {
				t.Fatal(w, err)
			}
			others[size] = w
		}
		w, err := m.Put(sample("a"), -1)
		if w == nil || err != nil {
			t.Fatal(w, err)
		}
		body, written := noise(450_000), 0
		for part := range bytesIn(body, 100) {
			if _, err := w.Write(part); err != nil {
				t.Fatal(err)
			}
			if written += len(part); m.passing() == capacity/2 {
				break
			}
		}
		others[ended].Abort()
		if last := *w.(*memoryWriter).last(); !want { // less than it would need to be moved, but not nothing
			body = body[:written+cap(last)-len(last)+300]
		}
		if _, err := w.Write(body[written:]); err != nil {
			t.Fatal(err)
		}
		if err := w.Commit(nil); (err == nil) != want || err != nil && !NoRoom(err) {
			t.Errorf("when %d bytes ended: %v", ended, err)
		}
		if !want {
			wantAbsent(t, m, "a")
		} else if o := get(t, m, "a"); o == nil || !bytes.Equal(content(t, o), body) {
			t.Error("others came back")
		}
	}
}

// A body that came without a size takes little more than one that had one.
func TestMemoryTrimsBodies(t *testing.T) {
	for _, size := range []int{0, 1, 100, 5000, 33_000, 100_000} {
		m := openMemory(1 << 20)
		offer(t, m, "a", noise(size), false, 700)
		most := overhead(sample("a")) + int64(size)*9/8
		if st := m.Stats(); st.Bytes > most {
			t.Errorf("a body of %d bytes takes %d, more than %d", size, st.Bytes, most)
		}
	}
}

func BenchmarkMemoryBodiesWithoutASize(b *testing.B) {
	for _, size := range []int{1 << 10, 100 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("put/%dKiB", size>>10), func(b *testing.B) {
			s, part := NewMemory(256<<20), make([]byte, 16<<10)
			b.ReportAllocs()
			b.SetBytes(int64(size))
			r := sample("k")
			for b.Loop() {
				w, _ := s.Put(r, -1)
				for left := size; left > 0; left -= min(left, len(part)) {
					_, _ = w.Write(part[:min(left, len(part))])
				}
				if err := w.Commit(r); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("get/%dKiB", size>>10), func(b *testing.B) {
			s, buffer := NewMemory(256<<20), make([]byte, 32<<10)
			w, _ := s.Put(sample("k"), -1)
			_, _ = w.Write(make([]byte, size))
			if err := w.Commit(nil); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.SetBytes(int64(size))
			for b.Loop() {
				o, _ := s.Get("k")
				for at := int64(0); at < o.Body.Size(); at += int64(len(buffer)) {
					_, _ = o.Body.ReadAt(buffer, at)
				}
				_ = o.Body.Close()
			}
		})
	}
}
