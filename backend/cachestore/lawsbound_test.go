package cachestore

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"proxycache/backend/flow"
)

// lawConcurrent writes bodies of one letter repeated, whose letter the head names, and reads meanwhile.
func lawConcurrent(t *testing.T, k kind) {
	s := k.open(t, room)
	var stop atomic.Bool
	var wrong atomic.Pointer[string]
	complain := func(format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		wrong.CompareAndSwap(nil, &text)
	}
	var readers sync.WaitGroup
	for i := range 3 {
		readers.Go(func() {
			for n := 0; !stop.Load() && wrong.Load() == nil; n++ {
				readLetters(s, fmt.Sprint((n+i)%3), complain)
			}
		})
	}
	for i := range 60 {
		letter, r := string(rune('a'+i%26)), sample(fmt.Sprint(i%3))
		r.Header = flow.Header{{Name: "Letter", Value: letter}}
		put(t, s, r, bytes.Repeat([]byte(letter), 1+i*k.body/200))
		if i%7 == 0 {
			_, _ = s.Purge(Selection{Tag: "page-" + r.Key}, i%2 == 0)
		}
	}
	stop.Store(true)
	readers.Wait()
	if w := wrong.Load(); w != nil {
		t.Fatal(*w)
	}
}

func readLetters(s Store, key string, complain func(string, ...any)) {
	o, err := s.Get(key)
	if err != nil || o == nil {
		if err != nil {
			complain("get: %v", err)
		}
		return
	}
	defer func() { _ = o.Body.Close() }()
	b, err := io.ReadAll(io.NewSectionReader(o.Body, 0, o.Body.Size()))
	if err != nil {
		complain("read: %v", err)
	}
	if want := o.Header.Get("Letter"); int64(len(b)) != o.Body.Size() || strings.Trim(string(b), want) != "" {
		complain("the body of %q is not all %q", key, want)
	}
}

func lawBound(t *testing.T, k kind) {
	if k.shared {
		if st := k.open(t, room).Stats(); st.Capacity != -1 && !k.tiers {
			t.Errorf("a shared store tells the capacity %d", st.Capacity)
		}
		return
	}
	const capacity = 1 << 20
	s := k.open(t, capacity)
	if w, err := s.Put(sample("huge"), 2*capacity); err != nil || w != nil {
		t.Errorf("what has no room got the writer %v, %v", w, err)
	}
	w, err := s.Put(sample("huge"), -1)
	if err != nil {
		t.Fatal(err)
	}
	for range 64 {
		if _, err = w.Write(noise(32 << 10)); err != nil {
			break
		}
	}
	if err == nil {
		t.Error("a body of twice the capacity was taken")
	}
	w.Abort()
	for i := range 500 {
		put(t, s, sample(fmt.Sprint(i)), noise(5000+i))
		if st := s.Stats(); st.Bytes > capacity {
			t.Fatalf("it holds %d bytes of %d", st.Bytes, capacity)
		}
	}
	st := s.Stats()
	if st.Evicted == 0 || st.Bytes < capacity*3/4 {
		t.Errorf("full, it says %+v", st)
	}
	found := int64(0)
	for i := range 500 {
		if o, _ := s.Get(fmt.Sprint(i)); o != nil {
			found++
			_ = o.Body.Close()
		}
	}
	if found != st.Entries && (!k.tiers || found < st.Entries) {
		t.Errorf("%d are found of %d", found, st.Entries)
	}
	if _, err := s.Purge(Selection{Tag: "shop"}, false); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Entries != 0 || st.Bytes != 0 {
		t.Errorf("emptied, it says %+v", st)
	}
}

func lawClose(t *testing.T, k kind) {
	s := k.open(t, room)
	put(t, s, sample("a"), []byte("x"))
	w, err := s.Put(sample("b"), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if w != nil {
		_, _ = w.Write([]byte("x"))
		_ = w.Commit(sample("b"))
	}
	for _, key := range []string{"a", "b"} {
		if o, err := s.Get(key); o != nil || k.shared && err == nil {
			t.Errorf("closed, it finds %v, %v", o, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
}
