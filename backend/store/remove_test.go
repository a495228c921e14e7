package store

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"proxycache/backend/problem"
)

func TestRemoveAndUndo(t *testing.T) {
	s := open(t)
	fill(t, s, 9)
	first, count, err := s.Remove(Selection{Seqs: []int64{1, 2, 2, 77}})
	if err != nil || count != 2 {
		t.Fatalf("removing #1, #2 and what is not there: %d, %v", count, err)
	}
	second, count, err := s.Remove(Selection{All: true, Filter: parse(t, "status = 404")})
	if err != nil || count != 3 {
		t.Fatalf("removing all 404: %d, %v", count, err)
	}
	check := func(what string, want ...int64) {
		t.Helper()
		rows, err := s.Rows(Query{Limit: 100})
		if err != nil || !slices.Equal(seqsOf(rows), want) {
			t.Errorf("%s: the list is %v, %v, want %v", what, seqsOf(rows), err, want)
		}
		n, err := s.CountAfter(nil, 0)
		if err != nil || n != int64(len(want)) || s.Total() != n {
			t.Errorf("%s: count %d, total %d, %v, want %d", what, n, s.Total(), err, len(want))
		}
	}
	check("after both", 4, 5, 7, 8)
	if _, err := s.Record(3); problem.KindOf(err) != problem.NotFound {
		t.Errorf("a removed record: %v", err)
	}
	if err := s.Undo(first); err != nil {
		t.Fatal(err)
	}
	check("after the first came back", 1, 2, 4, 5, 7, 8)
	if err := s.Undo(first); problem.KindOf(err) != problem.NotFound {
		t.Errorf("undoing twice: %v", err)
	}
	if err := s.Purge(t.Context(), time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := s.Undo(second); err != nil {
		t.Errorf("a young removal was purged: %v", err)
	}
	check("after all came back", 1, 2, 3, 4, 5, 6, 7, 8, 9)
}

func TestPurgeDeletesForGood(t *testing.T) {
	s := open(t)
	fill(t, s, 3*stepRows)
	token, count, err := s.Remove(Selection{All: true, Filter: parse(t, "status = 200")})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(t.Context(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := s.Undo(token); problem.KindOf(err) != problem.NotFound {
		t.Errorf("what was purged comes back: %v", err)
	}
	for _, table := range []string{"exchanges", "details"} {
		if n := s.tell(t, "SELECT count(*) FROM "+table); n != 3*stepRows-count {
			t.Errorf("%s has %d rows, want %d", table, n, 3*stepRows-count)
		}
	}
	if n := s.tell(t, "SELECT count(*) FROM removed") + s.tell(t, "SELECT count(*) FROM removals"); n != 0 || s.removing.Load() {
		t.Errorf("%d marks are left, removing is %t", n, s.removing.Load())
	}
	reopened := reopen(t, s)
	if reopened.Total() != 3*stepRows-count || reopened.LastSeq() != 3*stepRows {
		t.Errorf("reopened: %d exchanges, the last number was %d", reopened.Total(), reopened.LastSeq())
	}
}

func TestRetain(t *testing.T) {
	for name, c := range map[string]struct {
		limits Limits
		want   func(dropped, left int64) bool
	}{
		"nothing is over": {Limits{Exchanges: 1000, Age: 50 * 365 * 24 * time.Hour, Size: 1 << 40}, func(d, l int64) bool { return d == 0 && l == 498 }},
		"no limits":       {Limits{}, func(d, l int64) bool { return d == 0 && l == 498 }},
		"too many":        {Limits{Exchanges: 99}, func(d, l int64) bool { return d == 400 && l == 98 }},
		"too old":         {Limits{Age: time.Hour}, func(d, l int64) bool { return d == 498 && l == 0 }},
		"too large":       {Limits{Size: 900_000}, func(d, l int64) bool { return d > 0 && l > 0 && d+l == 498 }},
		"a size of one":   {Limits{Size: 1}, func(d, l int64) bool { return d == 498 && l == 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			batch := &Batch{}
			for seq := int64(1); seq <= 500; seq++ {
				batch.Entries = append(batch.Entries, withBody(Entry{Record: exchange(seq)}, noise(2000, uint64(seq))))
			}
			if err := s.Save(batch); err != nil {
				t.Fatal(err)
			}
			if _, _, err := s.Remove(Selection{Seqs: []int64{1, 500}}); err != nil {
				t.Fatal(err)
			}
			dropped, err := s.Retain(t.Context(), c.limits)
			if err != nil || !c.want(dropped, s.Total()) {
				t.Errorf("%d dropped, %d left, %v", dropped, s.Total(), err)
			}
			if rows, err := s.Rows(Query{Limit: 1000}); err != nil || int64(len(rows)) != s.Total() {
				t.Errorf("%d rows, total %d, %v", len(rows), s.Total(), err)
			} else if len(rows) > 0 && rows[len(rows)-1].Seq != 499 {
				t.Errorf("the youngest is #%d: it went before older ones", rows[len(rows)-1].Seq)
			}
			if orphans := s.tell(t, "SELECT (SELECT count(*) FROM bodies) - (SELECT count(*) FROM exchanges)"); orphans != 0 {
				t.Errorf("%d bodies more than exchanges", orphans)
			}
		})
	}
}

// No more goes than must: a few exchanges may weigh as much as many.
func TestTheSizeLeavesWhatHasRoom(t *testing.T) {
	s := open(t)
	for seq := int64(1); seq <= 18; seq++ {
		saveLarge(t, s, seq, noise(500_000, uint64(seq)))
	}
	if _, err := s.Retain(t.Context(), Limits{Size: 8 << 20}); err != nil {
		t.Fatal(err)
	}
	if left := s.Total(); left < 13 || left > 16 {
		t.Errorf("%d exchanges of half a megabyte are left of 18, for 8 MiB", left)
	}
}

func TestEverythingMayBeRemovedTwiceAtOnce(t *testing.T) {
	s := open(t)
	batch := &Batch{}
	for seq := int64(1); seq <= 50; seq++ {
		batch.Entries = append(batch.Entries, Entry{Record: exchange(seq)})
	}
	if err := s.Save(batch); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, _, err := s.Remove(Selection{All: true}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := s.Total(); n != 0 {
		t.Errorf("%d are left", n)
	}
}

func TestTheFileGivesSpaceBack(t *testing.T) {
	s := open(t)
	saveLarge(t, s, 1, noise(30<<20, 1))
	saveLarge(t, s, 2, noise(100, 1))
	pages := s.tell(t, "PRAGMA page_count")
	if _, err := s.Retain(t.Context(), Limits{Exchanges: 1}); err != nil {
		t.Fatal(err)
	}
	if now := s.tell(t, "PRAGMA page_count"); now > pages/3 {
		t.Errorf("the file has %d pages of %d behind the deletion", now, pages)
	}
	if got := integrity(t, s.path); got != "ok" {
		t.Errorf("the integrity check says %q", got)
	}
}

func TestPurgeAndRetainEndWithTheirContext(t *testing.T) {
	s := open(t)
	fill(t, s, 10)
	if _, _, err := s.Remove(Selection{All: true}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Purge(ctx, time.Now().Add(time.Hour)); !errors.Is(err, ctx.Err()) {
		t.Errorf("Purge: %v", err)
	}
	if _, err := s.Retain(ctx, Limits{Exchanges: 1}); !errors.Is(err, ctx.Err()) {
		t.Errorf("Retain: %v", err)
	}
	if n := s.tell(t, "SELECT count(*) FROM exchanges"); n != 10 {
		t.Errorf("%d exchanges are left", n)
	}
}
