package store

import (
	"bytes"
	"testing"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// headsOf is what the rest of r is read into.
func headsOf(r *flow.Record) *flow.Record {
	return &flow.Record{RequestHead: r.RequestHead, ResponseHead: r.ResponseHead}
}

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
		read := headsOf(r)
		chains, err := readRest(b, read)
		if err != nil || len(chains) > 0 { // certificates are written from elsewhere
			return
		}
		if again := appendRest(nil, read); len(again) > len(b) {
			t.Errorf("%d bytes are read, and written as %d", len(b), len(again))
		}
	})
}

func TestDetailsThatAreCutShortAreNotRead(t *testing.T) {
	whole := appendRest(nil, exchange(1))
	read := headsOf(exchange(1))
	if _, err := readRest(whole, read); err != nil {
		t.Fatal(err)
	}
	if again := appendRest(nil, read); !bytes.Equal(again, whole) {
		t.Error("they are written differently when they were read")
	}
	for n := range len(whole) {
		if _, err := readRest(whole[:n], headsOf(exchange(1))); err == nil {
			t.Errorf("the first %d of %d bytes are read as a whole", n, len(whole))
		}
	}
	if _, err := readRest(append([]byte{restVersion + 1}, whole[1:]...), headsOf(exchange(1))); err == nil {
		t.Error("another version is read as this one")
	}
}

// What was kept before the steps of pools had heads can still be read.
func TestDetailsWithoutHeadsAreRead(t *testing.T) {
	r := exchange(1)
	r.Trail[1].Sent, r.Trail[1].Came = nil, nil
	r.Trail = r.Trail[1:]
	whole := appendRest(nil, r)
	end := len(whole) - 1 // the last byte says that there is no problem, the two before it that there is no head
	old := append(append([]byte{headlessVersion}, whole[1:end-2]...), whole[end])
	read := headsOf(r)
	if _, err := readRest(old, read); err != nil {
		t.Fatal(err)
	}
	if again := appendRest(nil, read); !bytes.Equal(again, whole) {
		t.Errorf("read as %+v", read)
	}
}
