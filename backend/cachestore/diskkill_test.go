package cachestore

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"proxycache/backend/flow"
)

// childDir names the folder to a child of the test.
const childDir = "PROXYCACHE_CACHESTORE_CHILD"

// writeUntilKilled puts, updates, purges and deletes in dir without end. The head of each response says
// which letter its body is made of, and how many times.
func writeUntilKilled(dir string) {
	s, err := OpenDisk(dir, 4<<20)
	if err != nil {
		panic(err)
	}
	fmt.Println("writing")
	for worker := range 2 {
		go func() {
			for i := worker; ; i++ {
				childStep(s, i)
			}
		}()
	}
	select {}
}

func childStep(s Store, i int) {
	r := sample(strconv.Itoa(rand.IntN(60)))
	size, letter := rand.IntN(120_000), string(rune('a'+rand.IntN(26)))
	if i%50 == 0 {
		size = 1_200_000
	}
	switch rand.IntN(10) {
	case 0:
		_ = s.Delete(r.Key)
		return
	case 1:
		_, _ = s.Purge(Selection{Tag: "page-" + r.Key}, i%2 == 0)
		return
	case 2, 3, 4:
		o, err := s.Get(r.Key)
		if err != nil || o == nil {
			return
		}
		defer func() { _ = o.Body.Close() }()
		// Its other worker may have replaced the body meanwhile, so the update does not say which it is.
		r.Header = flow.Header{{Name: "Updated", Value: strings.Repeat("u", rand.IntN(5000))}}
		_ = s.Update(r, o.Response)
		return
	}
	r.Header = flow.Header{{Name: "Letter", Value: letter}, {Name: "Length", Value: strconv.Itoa(size)}}
	w, err := s.Put(r, -1)
	if err != nil || w == nil {
		return
	}
	_, _ = w.Write(bytes.Repeat([]byte(letter), size))
	_ = w.Commit(r)
}

func TestDiskIsWholeAfterAKillAtAnyMoment(t *testing.T) {
	dir := t.TempDir()
	found, updated := 0, 0
	for round := range 40 {
		killWhileWriting(t, dir, time.Duration(rand.IntN(80_000))*time.Microsecond)
		d := openDisk(t, dir, 4<<20)
		if round%2 == 0 {
			<-d.walked
		}
		for key := range 60 {
			o, err := d.Get(strconv.Itoa(key))
			if err != nil {
				t.Fatal(err)
			}
			if o == nil {
				continue
			}
			found++
			if o.Header.Has("Updated") {
				updated++
			}
			wantWhole(t, o)
		}
		<-d.walked
		if st := d.Stats(); st.Failed != 0 || st.Bytes > 4<<20 {
			t.Fatalf("after kill %d: %+v", round, st)
		}
		if left, _ := os.ReadDir(dir + "/" + incoming); len(left) != 0 {
			t.Fatalf("after kill %d %d unfinished files are left", round, len(left))
		}
		_ = d.Close()
	}
	t.Logf("%d whole responses were found, %d of them after an update", found, updated)
	if found < 100 || updated < 10 {
		t.Errorf("only %d were found and %d updated: the child hardly wrote", found, updated)
	}
}

// killWhileWriting lets a child write for so long and kills it: SIGKILL, which it cannot see coming.
func killWhileWriting(t *testing.T, dir string, after time.Duration) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childDir+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	_, started := io.ReadFull(out, make([]byte, len("writing")))
	<-time.After(after)
	_ = child.Process.Kill()
	_ = child.Wait() // it was killed
	if started != nil {
		t.Fatalf("the child did not begin: %v", started)
	}
}

func wantWhole(t *testing.T, o *Object) {
	t.Helper()
	b, err := io.ReadAll(io.NewSectionReader(o.Body, 0, o.Body.Size()))
	_ = o.Body.Close()
	if err != nil || int64(len(b)) != o.Body.Size() {
		t.Fatalf("%q: %d bytes, %v", o.Key, len(b), err)
	}
	if o.Header.Has("Updated") {
		if len(b) > 0 && strings.Trim(string(b), string(b[:1])) != "" {
			t.Fatalf("%q: its body is of several", o.Key)
		}
		return
	}
	if letter := o.Header.Get("Letter"); strconv.Itoa(len(b)) != o.Header.Get("Length") || strings.Trim(string(b), letter) != "" {
		t.Fatalf("%q: the body of %d bytes is not %s times %q", o.Key, len(b), o.Header.Get("Length"), letter)
	}
}
