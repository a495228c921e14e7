package cachestore

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"proxycache/backend/flow"
)

func lawPut(t *testing.T, k kind) {
	s := k.open(t, room)
	wantAbsent(t, s, "a")
	r := sample("a")
	put(t, s, r, []byte("hello"))
	o := get(t, s, "a")
	if o == nil {
		t.Fatal("it is not found")
	}
	sameResponse(t, o.Response, unclocked(r))
	wantBody(t, s, "a", "hello")
	wantAbsent(t, s, "b")

	long := sample(strings.Repeat("k", 60<<10))
	long.URL = "http://long.test/"
	put(t, s, long, []byte("long"))
	wantBody(t, s, long.Key, "long")

	w, err := s.Put(sample("c"), -1)
	if err != nil || w == nil {
		t.Fatalf("without a size: %v, %v", w, err)
	}
	for range 100 {
		if _, err := w.Write(bytes.Repeat([]byte("x"), 999)); err != nil {
			t.Fatal(err)
		}
	}
	late := sample("c")
	late.Trailer = flow.Header{{Name: "X-Late", Value: "1"}}
	if err := w.Commit(late); err != nil {
		t.Fatal(err)
	}
	wantBody(t, s, "c", strings.Repeat("x", 99900))
	if got := get(t, s, "c").Trailer.Get("X-Late"); got != "1" {
		t.Errorf("the trailer given at the end is %q", got)
	}
}

// unclocked is r as a store that does not keep monotonic clocks gives it back.
func unclocked(r *Response) *Response {
	c := *r
	c.Requested, c.Received, c.Drop = c.Requested.Round(0), c.Received.Round(0), c.Drop.Round(0)
	return &c
}

func lawAbort(t *testing.T, k kind) {
	s := k.open(t, room)
	put(t, s, sample("a"), []byte("old"))
	w, err := s.Put(sample("a"), 3)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write([]byte("new"))
	wantBody(t, s, "a", "old")
	w.Abort()
	wantBody(t, s, "a", "old")
	w, err = s.Put(sample("b"), -1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(noise(100_000)); err != nil {
		t.Fatal(err)
	}
	wantAbsent(t, s, "b")
	w.Abort()
	wantAbsent(t, s, "b")
}

func lawReplace(t *testing.T, k kind) {
	s := k.open(t, room)
	first := noise(k.body)
	put(t, s, sample("a"), first)
	old := get(t, s, "a")
	head := make([]byte, 10)
	if _, err := old.Body.ReadAt(head, 0); err != nil {
		t.Fatal(err)
	}
	put(t, s, sample("a"), []byte("second"))
	wantBody(t, s, "a", "second")
	if !bytes.Equal(content(t, old), first) {
		t.Error("the reader of the one before did not get the whole of it")
	}
	put(t, s, sample("b"), first)
	read := get(t, s, "b")
	if _, err := s.Purge(Selection{Tag: "shop"}, false); err != nil {
		t.Fatal(err)
	}
	wantAbsent(t, s, "b")
	if !bytes.Equal(content(t, read), first) {
		t.Error("the reader of a purged one did not get the whole of it")
	}
}

func lawUpdate(t *testing.T, k kind) {
	s := k.open(t, room)
	if err := s.Update(sample("a"), sample("a")); err != nil {
		t.Fatal(err)
	}
	wantAbsent(t, s, "a")
	body := noise(k.body / 2)
	put(t, s, sample("a"), body)
	for i := range 20 {
		r := sample("a")
		r.Header = flow.Header{{Name: "ETag", Value: strings.Repeat("v", i*37%500+1)}}
		r.Tags = []string{"other"}
		if err := s.Update(r, get(t, s, "a").Response); err != nil {
			t.Fatal(err)
		}
		o := get(t, s, "a")
		if o == nil {
			t.Fatal("it is not found after an update")
		}
		sameResponse(t, o.Response, unclocked(r))
		if !bytes.Equal(content(t, o), body) {
			t.Fatal("the body is another after an update")
		}
	}
	if n, err := s.Purge(Selection{Tag: "shop"}, false); err != nil || n > 0 {
		t.Errorf("by a tag that the update took away: %d purged, %v", n, err)
	}
	if n, err := s.Purge(Selection{Tag: "other"}, false); err != nil || n != 1 && n != -1 {
		t.Errorf("by a tag that the update brought: %d purged, %v", n, err)
	}
	wantAbsent(t, s, "a")
}

func lawSizes(t *testing.T, k kind) {
	s := k.open(t, room)
	for _, size := range []int{0, 1, 32<<10 - 1, 32 << 10, 32<<10 + 1, 512 << 10, 512<<10 + 1, 3<<20 + 17} {
		if size > k.body {
			continue
		}
		body := noise(size)
		put(t, s, sample("a"), body)
		o := get(t, s, "a")
		if o == nil || o.Body.Size() != int64(size) {
			t.Fatalf("%d bytes: not found, or of another size", size)
		}
		if !bytes.Equal(content(t, o), body) {
			t.Fatalf("%d bytes: others came back", size)
		}
		random := rand.New(rand.NewPCG(1, uint64(size)))
		for range 50 {
			from, n := random.IntN(size+1), random.IntN(size+1)
			p := make([]byte, n)
			got, err := o.Body.ReadAt(p, int64(from))
			want := body[from:min(size, from+n)]
			if !bytes.Equal(p[:got], want) {
				t.Fatalf("%d bytes: %d from %d differ", size, n, from)
			}
			if got < n && !errors.Is(err, io.EOF) || got == n && err != nil && !errors.Is(err, io.EOF) {
				t.Fatalf("%d bytes: %d from %d: %d, %v", size, n, from, got, err)
			}
		}
		if _, err := o.Body.ReadAt(make([]byte, 1), int64(size)); !errors.Is(err, io.EOF) {
			t.Errorf("%d bytes: beyond the end: %v", size, err)
		}
		if _, err := o.Body.ReadAt(make([]byte, 1), -1); err == nil {
			t.Errorf("%d bytes: before the beginning there was something", size)
		}
	}
}
