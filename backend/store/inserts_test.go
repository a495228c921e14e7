package store

import (
	"bytes"
	"fmt"
	"testing"

	"proxycache/backend/flow"
)

// Rows wait for others within a transaction: what is asked meanwhile, and what comes last, must find them.
func TestRowsThatWaitAreThere(t *testing.T) {
	big := bytes.Repeat([]byte("0123456789abcdef"), ChunkSize/16+10)
	inParts := func(s *Store, seq int64) (Part, Entry) {
		e := withBody(Entry{Record: exchange(seq)}, big)
		part := Part{Place: s.Reserve(), Bytes: big[:ChunkSize]}
		e.Response = Content{Place: part.Place, Parts: 1, Rest: big[ChunkSize:]}
		return part, e
	}
	for _, c := range []struct {
		name                   string
		batch                  func(s *Store) *Batch
		exchanges, bodies, all int64 // all chunks
	}{
		{"fewer than go at once", func(*Store) *Batch {
			return &Batch{Entries: []Entry{withBody(Entry{Record: exchange(1)}, []byte("one"))}}
		}, 1, 1, 1},
		{"as many as go at once, and one", func(*Store) *Batch {
			b := &Batch{}
			for seq := range int64(rowsAtOnce + 1) {
				b.Entries = append(b.Entries, withBody(Entry{Record: exchange(seq + 1)}, fmt.Append(nil, seq)))
			}
			return b
		}, rowsAtOnce + 1, rowsAtOnce + 1, rowsAtOnce + 1},
		{"one body twice, in parts", func(s *Store) *Batch {
			first, one := inParts(s, 1)
			second, two := inParts(s, 2)
			return &Batch{Parts: []Part{first, second}, Entries: []Entry{one, two}}
		}, 2, 1, 2},
		{"one body twice, and forgotten between", func(s *Store) *Batch {
			numbered := func(first, last, of int64) *Batch {
				b := &Batch{}
				for seq := first; seq <= last; seq++ {
					b.Entries = append(b.Entries, withBody(Entry{Record: exchange(seq)}, fmt.Append(nil, min(seq, of-seq))))
				}
				return b
			}
			// So that the one that is repeated is not the last that fills a statement.
			if err := s.Save(numbered(1, 5, 1<<40)); err != nil {
				t.Error(err)
			}
			const last = knownLimit + 2
			return numbered(6, last, last+knownLimit)
		}, knownLimit + 2, knownLimit + 1, knownLimit + 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := open(t)
			if err := s.Save(c.batch(s)); err != nil {
				t.Fatal(err)
			}
			for query, want := range map[string]int64{
				"SELECT count(*) FROM exchanges": c.exchanges, "SELECT count(*) FROM details": c.exchanges,
				"SELECT count(*) FROM bodies": c.bodies, "SELECT sum(refs) FROM bodies": c.exchanges,
				"SELECT count(*) FROM chunks": c.all, "SELECT count(*) FROM drafts": 0,
			} {
				if got := s.tell(t, query); got != want {
					t.Errorf("%s: %d, want %d", query, got, want)
				}
			}
		})
	}
}

// A row takes the place of another: nothing of that one may be left in it.
func TestARowKeepsNothingOfTheOneBefore(t *testing.T) {
	s := open(t)
	full, bare := exchange(1), &flow.Record{Seq: 2, Started: exchange(2).Started, State: flow.Errored}
	full.Authority, full.ReplayOf = "SHOP.localhost:80", 7
	for _, e := range []Entry{withBody(Entry{Record: full}, []byte("body")), {Record: bare}, withBody(Entry{Record: exchange(3)}, []byte("other"))} {
		if err := s.Save(&Batch{Entries: []Entry{e}}); err != nil {
			t.Fatal(err)
		}
	}
	for query, want := range map[string]int64{
		"SELECT count(*) FROM exchanges WHERE seq = 1 AND host = 'shop.localhost' AND replay_of = 7":                                    1,
		"SELECT count(*) FROM exchanges WHERE seq = 2 AND host IS NULL AND method = '' AND replay_of = 0 AND status = 0 AND cells = ''": 1,
		"SELECT count(*) FROM details WHERE seq = 2 AND response_body IS NULL AND length(request_head) = 0":                             1,
		"SELECT count(*) FROM exchanges WHERE seq = 3 AND host = 'shop.localhost' AND status = 200":                                     1,
		"SELECT count(*) FROM details WHERE seq = 3 AND response_body IS NOT NULL AND length(request_head) > 0":                         1,
	} {
		if got := s.tell(t, query); got != want {
			t.Errorf("%s: %d, want %d", query, got, want)
		}
	}
}

// Heads may be large, and the last rows are not kept for it.
func TestNothingIsKeptOfTheRowsThatWent(t *testing.T) {
	s := open(t)
	for _, n := range []int64{1, rowsAtOnce, rowsAtOnce + 3} {
		b := &Batch{}
		for seq := range n {
			r := exchange(1000*n + seq)
			r.RequestHead = bytes.Repeat([]byte("x"), 100<<10)
			b.Entries = append(b.Entries, withBody(Entry{Record: r}, fmt.Append(nil, n, seq)))
		}
		if err := s.Save(b); err != nil {
			t.Fatal(err)
		}
		for _, in := range s.writer.inserts() {
			if in.waiting != 0 || in.bytes != 0 {
				t.Errorf("after %d: %d rows wait, with %d bytes", n, in.waiting, in.bytes)
			}
			for _, arg := range append(in.many.args, in.one.args...) {
				if blob, ok := arg.Value.([]byte); ok {
					t.Fatalf("after %d: %d bytes are kept", n, len(blob))
				}
			}
		}
	}
	if got := s.tell(t, "SELECT count(*) FROM details WHERE length(request_head) = 102400"); got != 1+rowsAtOnce+rowsAtOnce+3 {
		t.Errorf("%d heads are there", got)
	}
}
