package cachestore

import (
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"proxycache/backend/flow"
)

// kind says of a store what the laws ask of it differently.
type kind struct {
	open func(t *testing.T, capacity int64) Store
	// coarse stores purge by prefix and expression more than is selected, and do not count.
	coarse bool
	// shared stores have no bound of their own.
	shared bool
	// tiers may still hold above what was pushed out below.
	tiers bool
	// body is the largest that it takes.
	body int
}

// testStore holds a store to the contract of the interface.
func testStore(t *testing.T, k kind) {
	laws := []struct {
		name string
		law  func(*testing.T, kind)
	}{
		{"what was put is found whole", lawPut},
		{"nothing is found before the commit or after an abort", lawAbort},
		{"what replaces is found instead, and readers of the old one end theirs", lawReplace},
		{"an update keeps the body", lawUpdate},
		{"an update comes late and changes nothing", lawLateUpdate},
		{"what was deleted is gone", lawDelete},
		{"a response is gone when its time is over", lawDrop},
		{"a purge takes what it selects", lawPurge},
		{"a soft purge leaves it, marked", lawSoftPurge},
		{"a mark is found, and not counted in a purge", lawMark},
		{"bodies of any size are read at random", lawSizes},
		{"readers see one whole response while it is replaced", lawConcurrent},
		{"it stays within its bound", lawBound},
		{"closed, it fails or finds nothing", lawClose},
	}
	for _, l := range laws {
		t.Run(strings.ReplaceAll(l.name, " ", "_"), func(t *testing.T) { l.law(t, k) })
	}
}

const room = 16 << 20

func sample(key string) *Response {
	now := time.Now()
	return &Response{
		Key: key, URL: "http://shop.test/" + key, Tags: []string{"shop", "page-" + key},
		Status: 200, Reason: "OK", Proto: "HTTP/1.1",
		Header:    flow.Header{{Name: "Content-Type", Value: "text/plain"}, {Name: "X-Latin", Value: "caf\xe9"}, {Name: "x-latin", Value: ""}},
		Trailer:   flow.Header{{Name: "Digest", Value: "1"}},
		Requested: now.Add(-time.Second), Received: now, InitialAge: 3 * time.Second, Lifetime: time.Minute, Rule: "max-age=60",
		MustRevalidate: true, StaleWhile: time.Second, StaleIfError: 2 * time.Second, Drop: now.Add(time.Hour),
	}
}

func put(t *testing.T, s Store, r *Response, body []byte) {
	t.Helper()
	w, err := s.Put(r, int64(len(body)))
	if err != nil || w == nil {
		t.Fatalf("put %q: writer %v, %v", r.Key, w, err)
	}
	if _, err := w.Write(body); err != nil {
		t.Fatalf("write %q: %v", r.Key, err)
	}
	if err := w.Commit(r); err != nil {
		t.Fatalf("commit %q: %v", r.Key, err)
	}
}

func get(t *testing.T, s Store, key string) *Object {
	t.Helper()
	o, err := s.Get(key)
	if err != nil {
		t.Fatalf("get %q: %v", key, err)
	}
	if o != nil {
		t.Cleanup(func() { _ = o.Body.Close() })
	}
	return o
}

func content(t *testing.T, o *Object) []byte {
	t.Helper()
	b, err := io.ReadAll(io.NewSectionReader(o.Body, 0, o.Body.Size()))
	if err != nil {
		t.Fatalf("read %q: %v", o.Key, err)
	}
	return b
}

func wantBody(t *testing.T, s Store, key, want string) {
	t.Helper()
	o := get(t, s, key)
	if o == nil {
		t.Fatalf("%q is not found", key)
	}
	if got := content(t, o); string(got) != want {
		t.Fatalf("%q has the body %q, want %q", key, got, want)
	}
}

func wantAbsent(t *testing.T, s Store, key string) {
	t.Helper()
	if o := get(t, s, key); o != nil {
		t.Fatalf("%q is found", key)
	}
}

func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(uint64(n), 7))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// sameResponse compares all fields, times by the moment they mean.
func sameResponse(t *testing.T, got, want *Response) {
	t.Helper()
	g, w := reflect.ValueOf(got).Elem(), reflect.ValueOf(want).Elem()
	for i := range g.NumField() {
		a, b := g.Field(i).Interface(), w.Field(i).Interface()
		if at, ok := a.(time.Time); ok && at.Equal(b.(time.Time)) {
			continue
		}
		if v := g.Field(i); v.Kind() == reflect.Slice && v.Len() == 0 && w.Field(i).Len() == 0 {
			continue
		}
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%s is %v, want %v", g.Type().Field(i).Name, a, b)
		}
	}
}
