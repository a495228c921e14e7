package cachestore

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		writeUntilKilled(dir)
	}
	goleak.VerifyTestMain(m)
}

func openDisk(t testing.TB, dir string, capacity int64) *disk {
	t.Helper()
	s, err := OpenDisk(dir, capacity)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s.(*disk)
}

func TestDiskKeepsTheLaws(t *testing.T) {
	testStore(t, kind{body: 3 << 20, open: func(t *testing.T, capacity int64) Store { return openDisk(t, t.TempDir(), capacity) }})
}

func TestDiskServesWhatWasThereBefore(t *testing.T) {
	dir := t.TempDir()
	first := openDisk(t, dir, 8<<20)
	for i := range 300 {
		put(t, first, sample(fmt.Sprint(i)), noise(i*31))
	}
	r := sample("over")
	r.Drop = time.Now().Add(time.Millisecond)
	put(t, first, r, []byte("x"))
	large := noise(2 << 20)
	put(t, first, sample("large"), large)
	_, err := first.Purge(Selection{URL: "http://shop.test/7"}, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}

	d := openDisk(t, dir, 8<<20)
	wantBody(t, d, "large", string(large)) // whether it was found by then or not
	wantBody(t, d, "299", string(noise(299*31)))
	put(t, d, sample("300"), []byte("new"))
	<-d.walked
	if n := d.Stats().Entries; n != 302 {
		t.Errorf("it found %d entries, want 302: what is over is left out", n)
	}
	for i := range 300 {
		o := get(t, d, fmt.Sprint(i))
		if o == nil || !bytes.Equal(content(t, o), noise(i*31)) || o.Purged != (i == 7) {
			t.Fatalf("%d is not as it was put", i)
		}
	}
	if n, err := d.Purge(Selection{Match: regexp.MustCompile(`/1\d\d$`)}, false); n != 100 || err != nil {
		t.Errorf("%d purged, %v, want 100", n, err)
	}
	if failed := d.Stats().Failed; failed != 0 {
		t.Errorf("%d were damaged", failed)
	}
}

func TestDiskPurgesWhatTheWalkHasNotFound(t *testing.T) {
	dir := t.TempDir()
	first := openDisk(t, dir, 8<<20)
	for i := range 200 {
		put(t, first, sample(fmt.Sprint(i)), []byte("x"))
	}
	_ = first.Close()
	d := openDisk(t, dir, 8<<20)
	if n, err := d.Purge(Selection{Tag: "shop"}, false); n != 200 || err != nil {
		t.Errorf("right after the start %d were purged, %v, want 200", n, err)
	}
	if n := len(filesOf(t, dir)); n != 0 {
		t.Errorf("%d files are left", n)
	}
}

func TestDiskOpenedSmallerLetsGo(t *testing.T) {
	dir := t.TempDir()
	first := openDisk(t, dir, 4<<20)
	for i := range 300 {
		put(t, first, sample(fmt.Sprint(i)), noise(10_000))
	}
	_ = first.Close()
	d := openDisk(t, dir, 1<<20)
	<-d.walked
	var size int64
	for _, path := range filesOf(t, dir) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if st := d.Stats(); st.Bytes > 1<<20 || size > st.Bytes || st.Entries < 50 {
		t.Errorf("it says %+v, and the files have %d bytes", st, size)
	}
}

func TestDiskWhoseFolderIsGoneTells(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	d := openDisk(t, dir, 8<<20)
	put(t, d, sample("a"), []byte("x"))
	w, err := d.Put(sample("b"), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write([]byte("x"))
	if err := w.Commit(sample("b")); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("the commit says %v", err)
	}
	if w, err := d.Put(sample("c"), 1); w != nil || err == nil {
		t.Errorf("the put says %v, %v", w, err)
	}
	wantAbsent(t, d, "a")
	if st := d.Stats(); st.Failed != 2 || st.Entries != 0 || st.Bytes != 0 {
		t.Errorf("it says %+v", st)
	}
}

// filesOf are the files of responses in dir.
func filesOf(t testing.TB, dir string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestDiskNeverServesADamagedFile(t *testing.T) {
	for _, size := range []int{0, 1000, 100_000, 1_500_000} {
		for _, fresh := range []string{"by this process", "by one before"} {
			t.Run(fmt.Sprintf("%d_bytes_written_%s", size, fresh), func(t *testing.T) {
				damageEverywhere(t, size, fresh == "by one before")
			})
		}
	}
}

// damageEverywhere turns over one bit after the other of a file, and cuts it, and reads it each time.
func damageEverywhere(t *testing.T, size int, reopen bool) {
	dir, body := t.TempDir(), noise(size)
	d := openDisk(t, dir, 16<<20)
	put(t, d, sample("a"), body)
	path := d.path(hashOf("a"))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	places := []int{0, 5, 9, 13, 25, 33, 60, slotSize - 1, bodyPlace, bodyPlace + size/2, bodyPlace + size - 1, len(whole) - 1, len(whole) - 200}
	for i, at := range append(places, -1, -slotSize, -bodyPlace-size/2, 1-len(whole)) {
		broken := bytes.Clone(whole)
		if at >= 0 {
			broken[at] ^= 1 << (i % 8)
		} else {
			broken = broken[:len(whole)+at]
		}
		<-d.walked // before, there is no room for a large one
		put(t, d, sample("a"), body)
		if err := os.WriteFile(path, broken, 0o600); err != nil {
			t.Fatal(err)
		}
		if reopen {
			_ = d.Close()
			d = openDisk(t, dir, 16<<20)
		}
		o, err := d.Get("a")
		if err != nil {
			t.Fatalf("place %d: %v", at, err)
		}
		if o == nil {
			wantAbsent(t, d, "a")
			continue
		}
		got := make([]byte, size)
		n, err := o.Body.ReadAt(got, 0)
		if !bytes.Equal(got[:n], body[:n]) {
			t.Fatalf("place %d: other bytes than were put were served", at)
		}
		if harmless := at == 9 || size == 0; n < size && err == nil || n == size && !harmless {
			t.Errorf("place %d: %d of %d bytes, %v", at, n, size, err)
		}
		if size <= checkedWhole && reopen && n < size {
			t.Errorf("place %d: a body of %d bytes was not checked before it was served", at, size)
		}
		_ = o.Body.Close()
	}
	<-d.walked
	if d.Stats().Failed == 0 {
		t.Error("no failure is told")
	}
}

func TestDiskLetsOthersFilesAlone(t *testing.T) {
	dir := t.TempDir()
	names := []string{"README", filepath.Join("ab", "c", "notes.txt"), filepath.Join("ab", "c", strings.Repeat("g", 32))}
	for _, name := range names {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d := openDisk(t, dir, 1<<20)
	<-d.walked
	if _, err := d.Purge(Selection{Prefix: "h"}, false); err != nil {
		t.Fatal(err)
	}
	if got := filesOf(t, dir); len(got) != len(names) {
		t.Errorf("left are %q", got)
	}
}

func TestDiskSaysWhyItCannotBeOpened(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := OpenDisk(filepath.Join(file, "cache"), 1<<20)
	if err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "name another folder") && !strings.Contains(err.Error(), "give this user") {
		t.Errorf("it says: %v", err)
	}
}

// What is asked for again and again stays; a newcomer is not who leaves next.
func TestDiskKeepsWhatIsUsed(t *testing.T) {
	d := openDisk(t, t.TempDir(), 1<<20) // room for 120 of them
	for i := range 1000 {
		put(t, d, sample(fmt.Sprint(i)), noise(4000))
		if i >= 10 {
			wantBody(t, d, fmt.Sprint(i%10), string(noise(4000)))
		}
		if i >= 60 && d.index.get(hashOf(fmt.Sprint(i-60))) == nil {
			t.Fatalf("%d left before it was 60 puts old", i-60)
		}
	}
	if d.Stats().Evicted < 800 {
		t.Errorf("only %d were evicted", d.Stats().Evicted)
	}
}

func TestDiskIndexIsSmall(t *testing.T) {
	const n = 200_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	x := diskIndex{at: map[hash]uint32{}}
	for i := range n {
		x.put(diskEntry{hash: hashOf(fmt.Sprint(i)), blocks: 1})
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := (after.HeapAlloc - before.HeapAlloc) / n
	t.Logf("%d bytes an entry", each)
	if each > 150 || x.bytes != n*diskBlock {
		t.Errorf("an entry takes %d bytes, want at most 150", each)
	}
}
