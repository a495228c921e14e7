package cachestore

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"proxycache/backend/flow"
)

// headed is a response whose head takes about n bytes, and says which it is.
func headed(number, n int) *Response {
	r := sample("a")
	r.Header = flow.Header{{Name: "Number", Value: fmt.Sprint(number)}, {Name: "Long", Value: strings.Repeat("x", n)}}
	return r
}

// A process that is killed within an update has written the head, or a part of it, but not the slot: the
// response before must be there.
func TestDiskUpdateThatIsCutLeavesTheOneBefore(t *testing.T) {
	body := noise(50_000)
	for i, sizes := range [][]int{{10, 10}, {3000, 10}, {10, 3000, 10, 3000}, {3000, 2000, 1000, 10, 5000, 10}} {
		d := openDisk(t, t.TempDir(), 8<<20)
		path := d.path(hashOf("a"))
		put(t, d, headed(0, 500), body)
		for n, size := range sizes {
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Update(headed(n+1, size), get(t, d, "a").Response); err != nil {
				t.Fatal(err)
			}
			after, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, written := range []int{len(after), len(after) - 5} {
				cut := bytes.Clone(before)
				if len(cut) < written {
					cut = append(cut, make([]byte, written-len(cut))...)
				}
				copy(cut[bodyPlace:], after[bodyPlace:written])
				if err := os.WriteFile(path, cut, 0o600); err != nil {
					t.Fatal(err)
				}
				o := get(t, d, "a")
				if o == nil || o.Header.Get("Number") != fmt.Sprint(n) || !bytes.Equal(content(t, o), body) {
					t.Fatalf("case %d: cut in update %d, the one before is not there", i, n+1)
				}
			}
			if err := os.WriteFile(path, after, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestDiskFilesDoNotGrowWithUpdates(t *testing.T) {
	d := openDisk(t, t.TempDir(), 8<<20)
	put(t, d, headed(0, 100), noise(1000))
	for _, size := range []int{300_000, 100, 100} {
		if err := d.Update(headed(1, size), get(t, d, "a").Response); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 {
		if err := d.Update(headed(1, 100), get(t, d, "a").Response); err != nil {
			t.Fatal(err)
		}
	}
	info, err := os.Stat(d.path(hashOf("a")))
	if err != nil {
		t.Fatal(err)
	}
	if st := d.Stats(); info.Size() > 4<<10 || st.Bytes < info.Size() || st.Bytes > 8<<10 {
		t.Errorf("after 103 updates the file has %d bytes, and the store says %d", info.Size(), st.Bytes)
	}
}

// While the walk goes on, what is there is not known: only a part may be stored, and the sum stays within
// the bound.
func TestDiskStoresLittleBeforeTheWalkEnds(t *testing.T) {
	const capacity = 4 << 20
	dir := t.TempDir()
	before := openDisk(t, dir, capacity)
	for i := range 400 {
		put(t, before, sample(fmt.Sprint("old-", i)), noise(10_000))
	}
	_ = before.Close()

	d := openDisk(t, t.TempDir(), capacity)
	d.dir, d.walked = dir, make(chan struct{}) // as it is before the first step of the walk
	stored := 0
	for i := range 100 {
		w, err := d.Put(sample(fmt.Sprint("new-", i)), 10_000)
		if err != nil {
			t.Fatal(err)
		}
		if w == nil {
			break
		}
		_, _ = w.Write(noise(10_000))
		if err := w.Commit(sample(fmt.Sprint("new-", i))); err != nil {
			t.Fatal(err)
		}
		stored++
	}
	var size int64
	for _, path := range filesOf(t, dir) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		size += int64(blocksOf(info.Size())) * diskBlock
	}
	if stored < 10 || size > capacity {
		t.Errorf("%d were stored, and the files have %d bytes of %d", stored, size, capacity)
	}
	folders, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	d.walk(folders)
	if st := d.Stats(); st.Bytes > capacity || st.Entries < 200 {
		t.Errorf("after the walk: %+v", st)
	}
}
