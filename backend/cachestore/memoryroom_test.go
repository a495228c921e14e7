package cachestore

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// offer puts a body in writes of so many bytes; kept is false where the store has said that it has no room.
func offer(t *testing.T, s Store, key string, body []byte, known bool, write int) (kept bool) {
	t.Helper()
	size := int64(-1)
	if known {
		size = int64(len(body))
	}
	r := sample(key)
	w, err := s.Put(r, size)
	if err != nil {
		t.Fatal(err)
	}
	if w == nil {
		return false
	}
	for part := range bytesIn(body, write) {
		if _, err := w.Write(part); err != nil {
			w.Abort()
			return refused(t, err)
		}
		if st := s.Stats(); st.Bytes > st.Capacity {
			t.Fatalf("it holds %d bytes of %d", st.Bytes, st.Capacity)
		}
	}
	if err := w.Commit(r); err != nil {
		return refused(t, err)
	}
	return true
}

func refused(t *testing.T, err error) (kept bool) {
	t.Helper()
	if !errors.Is(err, errNoRoom) {
		t.Fatal(err)
	}
	return false
}

func bytesIn(body []byte, write int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(body) > 0 {
			n := min(write, len(body))
			if !yield(body[:n]) {
				return
			}
			body = body[n:]
		}
	}
}

// fillUp puts bodies of size bytes, asked for so many times, until one would have to leave.
func fillUp(t *testing.T, m *memory, size, asked int) (keys []string) {
	t.Helper()
	m.ranks.popularity.grow(1 << 16) // so that no key is taken for another
	for m.Stats().Bytes+overhead(sample("full-00000"))+int64(size) <= m.capacity-m.capacity/16 {
		key := fmt.Sprintf("full-%05d", len(keys))
		put(t, m, sample(key), make([]byte, size))
		for range asked - 1 {
			if o, _ := m.Get(key); o != nil {
				_ = o.Body.Close()
			}
		}
		keys = append(keys, key)
	}
	if m.Stats().Evicted != 0 {
		t.Fatal("it was filled beyond its brim")
	}
	return keys
}

func TestMemoryPushesNothingOutForWhatIsNotKept(t *testing.T) {
	const capacity = 1 << 20
	for _, c := range []struct {
		name        string
		each, asked int
		body        int
		known       bool
	}{
		{"too large among few", 300_000, 1, 600_000, false},
		{"too large among many", 5000, 1, 600_000, false},
		{"too large, and known to be", 5000, 1, 600_000, true},
		{"asked for less than the others", 5000, 3, 400_000, false},
		{"asked for less than the others, its size known", 5000, 3, 400_000, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := openMemory(capacity)
			keys := fillUp(t, m, c.each, c.asked)
			for range 2 {
				if offer(t, m, "a", noise(c.body), c.known, 16<<10) {
					t.Error("it was kept")
				}
			}
			if st := m.Stats(); st.Evicted != 0 || st.Entries != int64(len(keys)) {
				t.Errorf("%d were there, now %+v", len(keys), st)
			}
		})
	}
}

// What others leave for is kept, whether its size was known or was learned when it came the first time.
func TestMemoryKeepsWhatOthersLeaveFor(t *testing.T) {
	for _, known := range []bool{true, false} {
		for _, each := range []int{1000, 5000, 90_000, 300_000} {
			m := openMemory(1 << 20)
			before := int64(len(fillUp(t, m, each, 1)))
			body := noise(450_000)
			if kept := offer(t, m, "a", body, known, 16<<10); kept != known {
				t.Errorf("others of %d bytes, its size known %t: kept %t", each, known, kept)
			}
			if st := m.Stats(); !known && st.Entries != before {
				t.Errorf("others of %d bytes: %d have left for what was not kept", each, before-st.Entries)
			}
			if !known && !offer(t, m, "a", body, false, 16<<10) {
				t.Errorf("others of %d bytes: it was not kept the second time", each)
			}
			wantBody(t, m, "a", string(body))
			countOver(t, m)
		}
	}
}

// A large response gets in when it was asked for as often as those that have to leave for it.
func TestMemoryLetsInWhatIsAskedForAgain(t *testing.T) {
	for _, known := range []bool{true, false} {
		m := openMemory(1 << 20)
		before := int64(len(fillUp(t, m, 5000, 3)))
		for ask := 1; !offer(t, m, "a", noise(400_000), known, 16<<10); ask++ {
			if st := m.Stats(); st.Entries != before || st.Evicted != 0 || ask > 4 {
				t.Fatalf("its size known %t, asked %d times: %+v", known, ask, st)
			}
		}
		wantBody(t, m, "a", string(noise(400_000)))
	}
}

// What came whole, in the room that is kept free, is compared with the others, too.
func TestMemoryComparesWhatCameWithoutASize(t *testing.T) {
	m := openMemory(1 << 20)
	keys := fillUp(t, m, 5000, 3)
	for _, key := range keys[:9] {
		if err := m.Delete(key); err != nil {
			t.Fatal(err)
		}
	}
	if offer(t, m, "a", noise(105_000), false, 16<<10) {
		t.Error("it was kept, though the others are asked for more")
	}
	if st := m.Stats(); st.Evicted != 0 || st.Entries != int64(len(keys)-9) {
		t.Errorf("%+v", st)
	}
}

// A new one takes the place of the one before, however little it is asked for, and nobody else has to leave.
func TestMemoryReplacesWhatIsLarge(t *testing.T) {
	for _, known := range []bool{true, false} {
		m := openMemory(1 << 20)
		put(t, m, sample("a"), make([]byte, 400_000))
		others := int64(len(fillUp(t, m, 5000, 3)))
		if !offer(t, m, "a", noise(400_000), known, 16<<10) {
			t.Errorf("its size known %t: the new one was not kept", known)
		}
		wantBody(t, m, "a", string(noise(400_000)))
		if st := m.Stats(); st.Evicted != 0 || st.Entries != others+1 {
			t.Errorf("its size known %t: %d others were there, now %+v", known, others, st)
		}
	}
}

// Where the one before gives too little room, others leave too.
func TestMemoryReplacesWhatIsSmallerByWhatIsLarge(t *testing.T) {
	m := openMemory(1 << 20)
	put(t, m, sample("a"), make([]byte, 200_000))
	others := int64(len(fillUp(t, m, 5000, 1)))
	if !offer(t, m, "a", noise(450_000), true, 16<<10) {
		t.Error("the new one was not kept")
	}
	if st := m.Stats(); st.Evicted == 0 || st.Entries != others+1-st.Evicted {
		t.Errorf("%d others were there, now %+v", others, st)
	}
	countOver(t, m)
}

// Who is read keeps the memory though it is let go: nobody leaves where that would give no room.
func TestMemoryDoesNotPushOutWhatIsRead(t *testing.T) {
	m := openMemory(1 << 20)
	for _, key := range fillUp(t, m, 300_000, 1) {
		get(t, m, key)
	}
	for range 4 {
		if offer(t, m, "a", noise(450_000), true, 16<<10) {
			t.Error("it was kept, though there was no room")
		}
	}
	if st := m.Stats(); st.Evicted != 0 || st.Bytes > st.Capacity {
		t.Errorf("%+v", st)
	}
}

// Who reads what was let go takes memory for as long as they like. What comes meanwhile without a size must
// not be left out, as what has one is not.
func TestMemoryTakesSmallBodiesWhileOthersAreReadSlowly(t *testing.T) {
	m := openMemory(1 << 20)
	put(t, m, sample("slow"), noise(300_000))
	get(t, m, "slow")
	if err := m.Delete("slow"); err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		for _, known := range []bool{true, false} {
			key := fmt.Sprint(i, known)
			if !offer(t, m, key, noise(10_000), known, 4<<10) {
				t.Fatalf("number %d, its size known %t, was not kept", i, known)
			}
		}
	}
}

// What turned out too large is not begun again at once: it would take room for nothing.
func TestMemoryRemembersWhatWasTooLarge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := openMemory(1 << 20)
		begins := func(want bool) {
			t.Helper()
			w, err := m.Put(sample("a"), -1)
			if err != nil || (w != nil) != want {
				t.Fatalf("it begins: %t, %v", w != nil, err)
			}
			if w != nil {
				w.Abort()
			}
		}
		offer(t, m, "a", noise(600_000), false, 16<<10)
		begins(false)
		if !offer(t, m, "a", noise(1000), true, 1000) {
			t.Error("what is known to be small was not kept")
		}
		begins(true)
		offer(t, m, "a", noise(600_000), false, 16<<10)
		m.Resize(2 << 20)
		begins(true)
		m.Resize(1 << 20)
		begins(false)
		time.Sleep(5 * time.Minute)
		begins(true)
	})
}

func TestNoRoom(t *testing.T) {
	other := errors.New("it is on fire")
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{other, false},
		{errNoRoom, true},
		{fmt.Errorf("above: %w", errNoRoom), true},
		{errors.Join(errNoRoom, errNoRoom), true},
		{errors.Join(errNoRoom, other), false},
		{fmt.Errorf("both: %w", errors.Join(other, errNoRoom)), false},
	} {
		if got := NoRoom(c.err); got != c.want {
			t.Errorf("%v: %t", c.err, got)
		}
	}
}

// Who is read keeps his room when he leaves, so that others would have to leave after him.
func TestMemoryLetsThoseLeaveWhoAreNotRead(t *testing.T) {
	m := openMemory(1 << 20)
	keys := fillUp(t, m, 40_000, 1)
	for _, key := range keys[:len(keys)/2] {
		o, err := m.Get(key)
		if err != nil || o == nil {
			t.Fatal(o, err)
		}
		defer o.Body.Close()
	}
	for _, key := range keys[len(keys)/2:] { // the others were asked for last
		wantBody(t, m, key, string(make([]byte, 40_000)))
	}
	for i := range 4 {
		put(t, m, sample(fmt.Sprintf("new-%d", i)), noise(40_000))
	}
	if st := m.Stats(); st.Evicted > 5 {
		t.Errorf("%d of %d had to leave for four", st.Evicted, len(keys))
	}
}
