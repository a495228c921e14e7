package store

import (
	"bytes"
	"database/sql/driver"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"proxycache/backend/problem"
)

// tell is the answer of a query that gives one number.
func (s *Store) tell(t testing.TB, query string) int64 {
	t.Helper()
	var n int64
	if err := s.readers.QueryRow(query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// reopen closes s and opens its file again.
func reopen(t testing.TB, s *Store) *Store {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(s.path)
	if err != nil {
		t.Fatal(err)
	}
	*s = Store{} // its cleanup has nothing to close
	t.Cleanup(func() {
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	})
	return again
}

func integrity(t testing.TB, path string) string {
	t.Helper()
	s := &Store{path: path}
	opened, err := s.connect("")
	if err != nil {
		t.Fatal(err)
	}
	defer opened.Close()
	rows, err := conn{opened}.query("PRAGMA integrity_check")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	row := make([]driver.Value, 1)
	if err := rows.Next(row); err != nil {
		t.Fatal(err)
	}
	return row[0].(string)
}

func TestAFullDiskIsToldAndTheBatchCanBeTriedAgain(t *testing.T) {
	s := open(t)
	save(t, s, Entry{Record: exchange(1)})
	limit := func(pages int64) {
		t.Helper()
		if _, err := s.writer.number("PRAGMA max_page_count = " + big.NewInt(pages).String()); err != nil {
			t.Fatal(err)
		}
	}
	limit(s.tell(t, "PRAGMA page_count"))
	batch := &Batch{Entries: []Entry{withBody(Entry{Record: exchange(2)}, noise(ChunkSize, 1)), withBody(Entry{Record: exchange(3)}, noise(ChunkSize, 1))}}
	for range 2 {
		err := s.Save(batch)
		if problem.KindOf(err) != problem.Unavailable || !strings.Contains(err.Error(), s.Path()) || !strings.Contains(err.Error(), "full. Make room on it.") {
			t.Errorf("saving on a full disk: %v", err)
		}
		if s.Total() != 1 || s.LastSeq() != 1 {
			t.Errorf("%d exchanges, last number %d", s.Total(), s.LastSeq())
		}
	}
	limit(1 << 30)
	if err := s.Save(batch); err != nil {
		t.Fatal(err)
	}
	if s.Total() != 3 || s.LastSeq() != 3 || s.tell(t, "SELECT count(*) FROM bodies") != 1 {
		t.Errorf("%d exchanges, last number %d", s.Total(), s.LastSeq())
	}
}

// Rows are inserted many at a time; one of them may be one too many.
func TestARowThatCannotBeKeptTakesItsBatchAlong(t *testing.T) {
	for _, at := range []int64{0, rowsAtOnce / 2, rowsAtOnce + 1} { // with the others, and alone
		s := open(t)
		save(t, s, Entry{Record: exchange(1)})
		numbered := func(n int64) *Batch {
			b := &Batch{}
			for i := range n {
				b.Entries = append(b.Entries, withBody(Entry{Record: exchange(2 + i)}, fmt.Append(nil, i)))
			}
			return b
		}
		batch := numbered(rowsAtOnce + 2)
		batch.Entries[at].Record.Seq = 1
		if err := s.Save(batch); err == nil {
			t.Fatalf("two exchanges with one number, the second as row %d, are kept", at)
		}
		if n := s.tell(t, "SELECT (SELECT count(*) FROM exchanges) + (SELECT count(*) FROM details) + (SELECT count(*) FROM bodies)"); n != 2 {
			t.Errorf("of a batch whose row %d fails, %d rows are kept", at, n-2)
		}
		if err := s.Save(numbered(rowsAtOnce + 2)); err != nil || s.Total() != rowsAtOnce+3 {
			t.Errorf("the next batch: %v, %d exchanges", err, s.Total())
		}
	}
}

func TestAFileThatCannotBeACaptureIsToldWithWhatToDo(t *testing.T) {
	for name, c := range map[string]struct {
		make func(t *testing.T, path string)
		want string
	}{
		"text": {func(t *testing.T, path string) { write(t, path, bytes.Repeat([]byte("no database "), 100)) }, "Move it"},
		"damaged": {func(t *testing.T, path string) {
			s, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			fill(t, s, 300)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			copy(text[100:], bytes.Repeat([]byte{0xaa}, 4000))
			write(t, path, text)
		}, "Move it"},
		"of another program": {func(t *testing.T, path string) { script(t, path, "CREATE TABLE theirs (x)") }, "another program"},
		"newer": {func(t *testing.T, path string) {
			script(t, path, "PRAGMA application_id = 1348031559; PRAGMA user_version = 99")
		}, "newer Proxycache"},
		"a folder":     {func(t *testing.T, path string) { mkdir(t, path) }, "permissions"},
		"in no folder": {func(t *testing.T, path string) { mkdir(t, filepath.Dir(path)+"/x"); remove(t, filepath.Dir(path)) }, "permissions"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "data", "traffic.db")
			mkdir(t, filepath.Dir(path))
			c.make(t, path)
			before, _ := os.ReadFile(path)
			s, err := Open(path)
			if err == nil {
				_ = s.Close()
				t.Fatal("it opens")
			}
			if problem.KindOf(err) != problem.Unavailable || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v", problem.KindOf(err), err)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("the file was changed")
			}
		})
	}
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(path, 0o700); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

func script(t *testing.T, path, text string) {
	t.Helper()
	s := &Store{path: path}
	opened, err := s.connect("")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := (conn{opened}).exec(text); err != nil {
		t.Fatal(err)
	}
	if err := opened.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestTheFileIsMadeAsItShouldBe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a #folder? 100%", "traffic.db")
	mkdir(t, filepath.Dir(path))
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Path() != path {
		t.Errorf("the file is at %s", s.Path())
	}
	for _, file := range []string{path, path + "-wal"} {
		if info, err := os.Stat(file); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v, want it for its owner alone", file, info, err)
		}
	}
	for query, want := range map[string]int64{
		"PRAGMA user_version": 1, "PRAGMA auto_vacuum": 2, "PRAGMA page_size": 16384, "PRAGMA application_id": applicationID,
		"SELECT journal_mode = 'wal' FROM pragma_journal_mode": 1,
	} {
		if got := s.tell(t, query); got != want {
			t.Errorf("%s: %d, want %d", query, got, want)
		}
	}
	if n, err := s.writer.number("PRAGMA synchronous"); err != nil || n != 1 {
		t.Errorf("the writer's synchronous is %d, %v, want NORMAL", n, err)
	}
	if n, err := s.writer.number("PRAGMA temp_store"); err != nil || n != 2 {
		t.Errorf("the writer's temp_store is %d, %v, want MEMORY", n, err)
	}
	if _, err := s.readers.Exec("DELETE FROM exchanges"); err == nil {
		t.Error("a reader can write")
	}
}

func TestOneProgramHoldsAFolder(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "lock.db")
	lock, err := Hold(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Hold(path); problem.KindOf(err) != problem.Conflict || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "another Proxycache") {
		t.Errorf("the second holder is told %v", err)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	again, err := Hold(path)
	if err != nil {
		t.Fatalf("after the first let go: %v", err)
	}
	if err := again.Release(); err != nil {
		t.Error(err)
	}
	if _, err := Hold(filepath.Join(dir, "nowhere", "lock.db")); problem.KindOf(err) != problem.Unavailable {
		t.Errorf("a folder that is not there: %v", err)
	}
}
