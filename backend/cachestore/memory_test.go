package cachestore

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"proxycache/backend/flow"
)

func openMemory(capacity int64) *memory { return NewMemory(capacity).(*memory) }

func TestMemoryKeepsTheLaws(t *testing.T) {
	testStore(t, kind{body: 3 << 20, open: func(t *testing.T, capacity int64) Store {
		s := NewMemory(capacity)
		t.Cleanup(func() { _ = s.Close() })
		return s
	}})
}

func TestMemoryDropsAtTheMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewMemory(1 << 20)
		r := sample("a")
		r.Drop = time.Now().Add(time.Minute)
		put(t, s, r, []byte("x"))
		time.Sleep(time.Minute - 1)
		wantBody(t, s, "a", "x")
		time.Sleep(time.Nanosecond)
		wantAbsent(t, s, "a")
		if st := s.Stats(); st.Entries != 0 {
			t.Errorf("it still holds %d", st.Entries)
		}
	})
}

// However many write, fail, read and hold, the sum stays within the bound.
func TestMemoryStaysWithinItsBoundUnderPressure(t *testing.T) {
	const capacity = 1 << 20
	m := openMemory(capacity)
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			random := rand.New(rand.NewPCG(uint64(worker), 1))
			var held []*Object
			for range 2000 {
				pressure(m, random, &held)
				if st := m.Stats(); st.Bytes > capacity || st.Bytes < 0 {
					t.Errorf("it holds %d bytes of %d", st.Bytes, capacity)
					break
				}
			}
			for _, o := range held {
				_ = o.Body.Close()
			}
		})
	}
	all.Wait()
	countOver(t, m)
	if m.placed != 0 || m.sized != 0 || m.growing != 0 || m.pinned != 0 {
		t.Errorf("nobody writes or reads, but %d, %d, %d and %d bytes are held for them", m.placed, m.sized, m.growing, m.pinned)
	}
}

// pressure does one thing of many: puts what has a size and what has none, gives up, reads, goes on reading.
func pressure(m *memory, random *rand.Rand, held *[]*Object) {
	r := sample(fmt.Sprint(random.IntN(200)))
	if o, _ := m.Get(r.Key); o != nil {
		if random.IntN(4) > 0 || len(*held) > 20 {
			_ = o.Body.Close()
		} else {
			*held = append(*held, o)
		}
	}
	if len(*held) > 0 && random.IntN(3) == 0 {
		_ = (*held)[0].Body.Close()
		*held = (*held)[1:]
	}
	size := random.IntN(60_000)
	if random.IntN(20) == 0 {
		size *= 10
	}
	known := int64(size)
	if random.IntN(2) == 0 {
		known = -1
	}
	w, _ := m.Put(r, known)
	if w == nil {
		return
	}
	for size > 0 {
		n := min(size, 7000)
		if _, err := w.Write(make([]byte, n)); err != nil {
			break
		}
		size -= n
	}
	if random.IntN(5) == 0 {
		w.Abort()
		return
	}
	_ = w.Commit(r)
}

// Bodies that are read after they were let go count until they are closed.
func TestMemoryCountsWhatIsStillRead(t *testing.T) {
	m := openMemory(1 << 20)
	put(t, m, sample("a"), noise(300_000))
	first, second := get(t, m, "a"), get(t, m, "a")
	if err := m.Delete("a"); err != nil {
		t.Fatal(err)
	}
	if st := m.Stats(); st.Entries != 0 || st.Bytes < 300_000 {
		t.Errorf("while it is read: %+v", st)
	}
	if w, _ := m.Put(sample("b"), 300_000); w != nil {
		t.Error("there was room for another, though half of the store is taken by what is read")
	}
	for range 2 {
		_ = first.Body.Close()
	}
	if !bytes.Equal(content(t, second), noise(300_000)) {
		t.Error("the second reader lost it when the first ended")
	}
	_ = second.Body.Close()
	if st := m.Stats(); st.Bytes != 0 {
		t.Errorf("when all ended: %+v", st)
	}
}

// What an entry is said to take is what the process takes for it.
func TestMemoryCountsWhatTheProcessTakes(t *testing.T) {
	const n = 20_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	m := openMemory(1 << 30)
	for i := range n {
		r := sample(fmt.Sprint(i))
		r.Header = append(r.Header, flow.Field{Name: "ETag", Value: "\"abcdefgh\""}, flow.Field{Name: "Cache-Control", Value: "max-age=60"})
		w, err := m.Put(r, 500)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = w.Write(make([]byte, 500))
		_ = w.Commit(r)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	real, said := int64(after.HeapAlloc-before.HeapAlloc)/n, m.Stats().Bytes/n
	t.Logf("an entry of 500 bytes takes %d bytes and is said to take %d", real, said)
	if real > said*21/20 || real < said*7/10 {
		t.Errorf("an entry takes %d bytes, it is said to take %d", real, said)
	}
	runtime.KeepAlive(m)
}
