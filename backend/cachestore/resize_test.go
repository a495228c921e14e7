package cachestore

import (
	"fmt"
	"sync"
	"testing"
)

func resizable(t *testing.T) map[string]Store {
	return map[string]Store{"memory": openMemory(8 << 20), "disk": openDisk(t, t.TempDir(), 8<<20)}
}

// A smaller store lets go what is too much, and keeps what fits; a larger one takes more.
func TestAStoreIsResizedInPlace(t *testing.T) {
	for name, s := range resizable(t) {
		t.Run(name, func(t *testing.T) {
			for i := range 100 {
				put(t, s, sample(fmt.Sprint(i)), noise(50_000))
			}
			before := s.Stats()
			s.(Resizer).Resize(2 << 20)
			after := s.Stats()
			if after.Capacity != 2<<20 || after.Bytes > 2<<20 || after.Entries < 20 || after.Evicted-before.Evicted != before.Entries-after.Entries {
				t.Errorf("smaller: %+v, before %+v", after, before)
			}
			s.(Resizer).Resize(16 << 20)
			for i := range 200 {
				put(t, s, sample(fmt.Sprint("more-", i)), noise(50_000))
			}
			if st := s.Stats(); st.Capacity != 16<<20 || st.Bytes < 9<<20 || st.Bytes > 16<<20 {
				t.Errorf("larger: %+v", st)
			}
		})
	}
}

// A body that is read while its store becomes small counts more than there is room for: nothing breaks, and
// there is room again when it has been read.
func TestMemoryResizedUnderWhatIsRead(t *testing.T) {
	m := openMemory(8 << 20)
	put(t, m, sample("a"), noise(3<<20))
	o := get(t, m, "a")
	for _, capacity := range []int64{1 << 20, 0} {
		m.Resize(capacity)
		if w, err := m.Put(sample("b"), 100); w != nil || err != nil {
			t.Errorf("of %d bytes: there is room, %v", capacity, err)
		}
	}
	if len(content(t, o)) != 3<<20 {
		t.Error("who reads lost the body")
	}
	_ = o.Body.Close()
	m.Resize(1 << 20)
	put(t, m, sample("b"), noise(100))
	wantBody(t, m, "b", string(noise(100)))
}

func TestStoresAreResizedWhileTheyAreUsed(t *testing.T) {
	for name, s := range resizable(t) {
		t.Run(name, func(t *testing.T) {
			var all sync.WaitGroup
			for worker := range 4 {
				all.Go(func() {
					for i := range 100 {
						if worker == 0 {
							s.(Resizer).Resize(int64(i%5) << 20)
							continue
						}
						r := sample(fmt.Sprint(i % 20))
						if w, err := s.Put(r, -1); err == nil && w != nil {
							_, _ = w.Write(noise(10_000 * worker))
							_ = w.Commit(r) // there may be no room
						}
						if o, err := s.Get(r.Key); err == nil && o != nil {
							_ = o.Body.Close()
						}
					}
				})
			}
			all.Wait()
			s.(Resizer).Resize(1 << 20)
			if st := s.Stats(); st.Bytes > 1<<20 {
				t.Errorf("%+v", st)
			}
		})
	}
}
