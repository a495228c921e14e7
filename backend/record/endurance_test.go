package record

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3" // to look at the file without the store

	"proxycache/backend/filter"
	"proxycache/backend/flow"
	"proxycache/backend/store"
)

// childDir names the folder in which this test binary, run again, records until it is killed.
const childDir = "PROXYCACHE_TEST_RECORD_UNTIL_KILLED"

func bodyOf(seq int64) []byte {
	return bytes.Repeat(binary.BigEndian.AppendUint64(nil, uint64(seq)), 128)
}

// numbered answers with the body of the exchange's number.
var numbered = flow.HandlerFunc(func(x *flow.Exchange) *flow.Response {
	return flow.NewResponse(200, "application/octet-stream", bodyOf(x.Seq))
})

// recordUntilKilled runs 2 000 exchanges a second and prints the number of each that is finished.
func recordUntilKilled(dir string) {
	s, err := store.Open(filepath.Join(dir, "traffic.db"))
	if err != nil {
		panic(err)
	}
	r, err := New(Options{Next: numbered, Store: s, Settings: settings()})
	if err != nil {
		panic(err)
	}
	out := bufio.NewWriter(os.Stdout)
	for range time.Tick(10 * time.Millisecond) {
		for range 20 {
			x := request(nil)
			if _, err := serve(r, x); err != nil {
				panic(err)
			}
			fmt.Fprintln(out, x.Seq)
		}
		if err := out.Flush(); err != nil {
			return
		}
	}
}

func TestAKilledProgramLosesAtMostTheLastBatch(t *testing.T) {
	dir := t.TempDir()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childDir+"="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	type finish struct {
		seq int64
		at  time.Time
	}
	var finished []finish
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		seq, err := strconv.ParseInt(lines.Text(), 10, 64)
		if err != nil {
			break // the last line may be cut
		}
		finished = append(finished, finish{seq, time.Now()})
		if len(finished) == 3001 { // in the middle of a batch
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = child.Wait() // it was killed
	if len(finished) < 3001 {
		t.Fatalf("the program ended by itself behind %d exchanges", len(finished))
	}
	s, err := store.Open(filepath.Join(dir, "traffic.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	seqs, err := s.Seqs(nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, seq := range seqs {
		if seq != int64(i+1) {
			t.Fatalf("#%d is missing, and #%d is there", i+1, seq)
		}
	}
	killed := finished[len(finished)-1].at
	last := finished[min(len(seqs), len(finished))-1]
	if age := killed.Sub(last.at); age > time.Second {
		t.Errorf("what was finished in the last %v is lost", age)
	}
	if s.Total() != int64(len(seqs)) || s.LastSeq() != int64(len(seqs)) {
		t.Errorf("%d exchanges, but the total is %d and the last number %d", len(seqs), s.Total(), s.LastSeq())
	}
	for _, seq := range []int64{1, int64(len(seqs)) / 2, int64(len(seqs))} {
		checkKept(t, s, seq)
	}
	checkIntegrity(t, filepath.Join(dir, "traffic.db"))
}

func checkKept(t *testing.T, s *store.Store, seq int64) {
	t.Helper()
	r, err := s.Record(seq)
	if err != nil {
		t.Fatal(err)
	}
	body, err := s.Body(r.ResponseBody.Hash)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, bodyOf(seq)) {
		t.Errorf("the body of #%d has %d bytes, %v", seq, len(got), err)
	}
}

func checkIntegrity(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite3", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var says string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&says); err != nil || says != "ok" {
		t.Errorf("the integrity check says %q, %v", says, err)
	}
}

func TestTwoHundredThousandExchangesWhileOthersRead(t *testing.T) {
	const each, workers = 50_000, 4
	h := openHouse(t, settings(), numbered)
	failures, err := filter.Parse("status >= 500 or items/77")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var reading, traffic sync.WaitGroup
	queries := 0
	reading.Go(func() {
		for ; ctx.Err() == nil; queries++ {
			rows, err := h.store.Rows(store.Query{After: int64(queries) * 100 % max(h.store.Total(), 1), Limit: 100})
			if err != nil {
				t.Error(err)
			}
			for _, row := range rows {
				if row.Status != 200 || row.ResponseSize != 1024 {
					t.Errorf("read %+v", row)
				}
			}
			if queries%200 == 0 {
				if n, err := h.store.Count(failures); n != 0 || err != nil {
					t.Errorf("%d failures, %v", n, err)
				}
			}
			h.Drain(500)
		}
	})
	for range workers {
		traffic.Go(func() {
			for range each {
				x := request(nil)
				response := h.Handle(x)
				_, _ = io.Copy(io.Discard, response.Body)
				end(x, response)
			}
		})
	}
	traffic.Wait()
	cancel()
	reading.Wait()
	h.drained()
	if s := h.Stats(); s.Lost != 0 || s.Warning != nil || h.store.Total() != each*workers || queries == 0 {
		t.Errorf("%d kept, %d lost, %d queries, %v", h.store.Total(), s.Lost, queries, s.Warning)
	}
	for _, seq := range []int64{1, 100_000, 200_000} {
		checkKept(t, h.store, seq)
	}
}

// BenchmarkHandle measures what an exchange costs where it passes, with all that its writer does.
func BenchmarkHandle(b *testing.B) {
	for _, c := range []struct {
		name string
		next flow.Handler
	}{
		{"no body", flow.HandlerFunc(func(*flow.Exchange) *flow.Response { return flow.NewResponse(204, "", nil) })},
		{"1 KB body", numbered},
		{"the same 1 KB body", saying(strings.Repeat("x", 1024))},
	} {
		b.Run(c.name, func(b *testing.B) {
			h := openHouse(b, settings(), c.next)
			b.ReportAllocs()
			buffer := make([]byte, 4096)
			for b.Loop() {
				x := request(nil)
				response := h.Handle(x)
				for {
					if _, err := response.Body.Read(buffer); err != nil {
						break
					}
				}
				end(x, response)
			}
			h.drained()
		})
	}
}
