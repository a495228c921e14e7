package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync"
)

// writer is the one connection that writes. Every transaction holds mu, and is short: retention works
// in small steps, so that saving is not kept waiting.
type writer struct {
	store *Store
	conn  conn
	mu    sync.Mutex

	prepared []*statement

	exchanges, details, newBodies, chunks inserts

	insertDraft, insertCertificate                                         statement
	findBody, bodyHash, addRefs, setTotals, deleteDraft                    statement
	detailBodies, deleteDetail, deleteExchange, findRemoved, deleteRemoved statement
	bodyRefs, deleteBody, deleteHash, deleteChunks                         statement

	// What the file is known to hold, so that it need not be asked. Emptied when a transaction fails.
	bodies       map[hash]int64 // → id
	certificates map[fingerprint]bool

	// Of this transaction:
	added map[prefix]int64 // its new bodies
	refs  map[int64]int64  // what bodies gain or lose
	rows  int64            // exchanges added or, below zero, deleted
	last  int64            // highest number
}

// knownLimit bounds each of the writer's maps.
const knownLimit = 8192

func (w *writer) open() error {
	if err := w.migrate(); err != nil {
		return err
	}
	full, err := w.number("SELECT sqlite_compileoption_used('ENABLE_FTS5')")
	if err != nil {
		return w.store.fault("Opening the capture", err)
	}
	if full == 0 {
		return w.store.fault("Opening the capture", errors.New("this program was built without full text search: build it with -tags sqlite_fts5"))
	}
	if err := w.prepare(); err != nil {
		return w.store.fault("Opening the capture", err)
	}
	if err := w.loadFresh(); err != nil {
		return w.store.fault("Opening the capture", err)
	}
	return w.dropDrafts()
}

func (w *writer) prepare() error {
	for _, p := range []struct {
		to   *inserts
		text string
	}{
		{&w.exchanges, `exchanges (seq, started, micros, status, request_size, response_size, replay_of, flags,
			method, scheme, authority, host, target, type, door, state, route, client, cells)`},
		{&w.details, `details (seq, request_body, response_body, request_head, response_head, rest)`},
		{&w.newBodies, `bodies (id, place, hash, size, refs)`},
		{&w.chunks, `chunks (id, coding, data)`},
	} {
		if err := p.to.prepare(w.conn, p.text); err != nil {
			return err
		}
		w.prepared = append(w.prepared, &p.to.one, &p.to.many)
	}
	for _, p := range []struct {
		to   *statement
		text string
	}{
		{&w.insertDraft, `INSERT OR IGNORE INTO drafts (place) VALUES (?)`},
		{&w.insertCertificate, `INSERT OR IGNORE INTO certificates (hash, der) VALUES (?,?)`},
		{&w.findBody, `SELECT body FROM hashes WHERE prefix = ?`}, // a join would be planned anew at each run
		{&w.bodyHash, `SELECT id FROM bodies WHERE id = ? AND hash = ?`},
		{&w.addRefs, `UPDATE bodies SET refs = refs + ? WHERE id = ?`},
		{&w.setTotals, `UPDATE totals SET last_seq = max(last_seq, ?), exchanges = exchanges + ?`},
		{&w.deleteDraft, `DELETE FROM drafts WHERE place = ?`},
		{&w.detailBodies, `SELECT request_body, response_body FROM details WHERE seq = ?`},
		{&w.deleteDetail, `DELETE FROM details WHERE seq = ?`},
		{&w.deleteExchange, `DELETE FROM exchanges WHERE seq = ?`},
		{&w.findRemoved, `SELECT seq FROM removed WHERE seq = ?`},
		{&w.deleteRemoved, `DELETE FROM removed WHERE seq = ?`},
		{&w.bodyRefs, `SELECT refs, hash, place FROM bodies WHERE id = ?`},
		{&w.deleteBody, `DELETE FROM bodies WHERE id = ?`},
		{&w.deleteHash, `DELETE FROM hashes WHERE prefix = ? AND body = ?`},
		{&w.deleteChunks, `DELETE FROM chunks WHERE id >= ? AND id < ?`},
	} {
		if err := p.to.prepare(w.conn, p.text); err != nil {
			return err
		}
		w.prepared = append(w.prepared, p.to)
	}
	return nil
}

// close leaves one file: SQLite writes what is in the log into it only when no statement is left.
func (w *writer) close() error {
	var errs []error
	for _, s := range w.prepared {
		errs = append(errs, s.stmt.Close())
	}
	return errors.Join(append(errs, w.conn.Close())...)
}

// transact runs work in one transaction: all of it is kept, or nothing is.
func (w *writer) transact(work func() error) error { return w.transactThen(work, func() {}) }

// transactThen is transact, and after the commit then, before anybody else writes.
func (w *writer) transactThen(work func() error, then func()) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.added, w.refs, w.rows, w.last = map[prefix]int64{}, map[int64]int64{}, 0, 0
	for _, in := range w.inserts() {
		in.forget()
	}
	if _, err := w.conn.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := work()
	if err == nil {
		err = w.settle()
	}
	if err == nil {
		_, err = w.conn.exec("COMMIT")
	}
	if err != nil {
		w.rollback()
		return err
	}
	w.store.lastSeq.Store(max(w.store.lastSeq.Load(), w.last))
	w.store.fresh.add(w.added)
	then()
	return nil
}

// inserts are the tables that rows are inserted into many at a time.
func (w *writer) inserts() [4]*inserts {
	return [...]*inserts{&w.exchanges, &w.details, &w.newBodies, &w.chunks}
}

// settle writes what waits, and what the transaction's exchanges add up to.
func (w *writer) settle() error {
	for _, in := range w.inserts() {
		if err := in.flush(); err != nil {
			return err
		}
	}
	for body, n := range w.refs {
		if n == 0 {
			continue
		}
		if err := w.addRefs.run(n, body); err != nil {
			return err
		}
		if n < 0 {
			if err := w.forgetBody(body); err != nil {
				return err
			}
		}
	}
	if w.rows == 0 && w.last == 0 {
		return nil
	}
	return w.setTotals.run(w.last, w.rows)
}

// rollback leaves the file as it was; a failure of it leaves no transaction open either.
func (w *writer) rollback() {
	_, _ = w.conn.exec("ROLLBACK") // fails when SQLite has rolled back by itself
	clear(w.bodies)
	clear(w.certificates)
}

// statement is a prepared statement of the writer. Its arguments are bound and its first step taken
// in one call into SQLite, which is why a writing statement runs as a query too.
type statement struct {
	stmt driver.Stmt
	args []driver.NamedValue
}

func (s *statement) prepare(c conn, text string) (err error) {
	if s.stmt, err = c.Prepare(text); err != nil {
		return err
	}
	s.args = make([]driver.NamedValue, s.stmt.NumInput())
	for i := range s.args {
		s.args[i].Ordinal = i + 1
	}
	return nil
}

// run executes a statement that answers nothing.
func (s *statement) run(args ...driver.Value) error {
	_, err := s.query(args)
	return err
}

func (s *statement) query(args []driver.Value) (driver.Rows, error) {
	for i, v := range args {
		s.args[i].Value = v
	}
	return s.stmt.(driver.StmtQueryContext).QueryContext(context.Background(), s.args)
}

// first is the first row of the answer in out; false when there is none.
func (s *statement) first(out []driver.Value, args ...driver.Value) (bool, error) {
	rows, err := s.query(args)
	if err != nil {
		return false, err
	}
	err = rows.Next(out)
	closed := rows.Close()
	switch {
	case errors.Is(err, errDone):
		return false, closed
	case err != nil:
		return false, err
	}
	return true, closed
}
