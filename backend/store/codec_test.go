package store

import (
	"bytes"
	"testing"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// FuzzReadRest reads anything: it never panics, and what it takes is written back to the same bytes
// or to a shorter form of them.
func FuzzReadRest(f *testing.F) {
	r := exchange(1)
	r.ClientConn.TLS = &flow.TLS{Version: "TLS 1.3", SNI: "shop.localhost"}
	r.Problem = problem.New(problem.DNS, "Resolving.")
	r.RequestTrailer = flow.Header{{Name: "a", Value: "b"}}
	whole := appendRest(nil, r)
	f.Add(whole)
	for n := range len(whole) {
		f.Add(whole[:n])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var read flow.Record
		chains, err := readRest(b, &read)
		if err != nil || len(chains) > 0 { // certificates are written from elsewhere
			return
		}
		if again := appendRest(nil, &read); len(again) > len(b) {
			t.Errorf("%d bytes are read, and written as %d", len(b), len(again))
		}
	})
}

func TestDetailsThatAreCutShortAreNotRead(t *testing.T) {
	whole := appendRest(nil, exchange(1))
	var read flow.Record
	if _, err := readRest(whole, &read); err != nil {
		t.Fatal(err)
	}
	if again := appendRest(nil, &read); !bytes.Equal(again, whole) {
		t.Error("they are written differently when they were read")
	}
	for n := range len(whole) {
		if _, err := readRest(whole[:n], new(flow.Record)); err == nil {
			t.Errorf("the first %d of %d bytes are read as a whole", n, len(whole))
		}
	}
	if _, err := readRest(append([]byte{restVersion + 1}, whole[1:]...), new(flow.Record)); err == nil {
		t.Error("another version is read as this one")
	}
}
