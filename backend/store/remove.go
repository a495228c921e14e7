package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"time"

	"proxycache/backend/filter"
	"proxycache/backend/problem"
)

// Selection names exchanges: those of Seqs, or with All those that match Filter.
type Selection struct {
	Seqs   []int64
	All    bool
	Filter filter.Expr
}

// Remove takes the selected exchanges out of the list. Undo brings them back by the token, until
// Purge has deleted them. Seqs that are not in the list count for nothing.
func (s *Store) Remove(sel Selection) (token, count int64, err error) {
	const doing = "Deleting exchanges"
	var w *where
	if sel.All {
		if w, err = s.where(sel.Filter); err != nil {
			return 0, 0, err
		}
		defer w.end()
	}
	err = s.writer.transact(func() error {
		s.removing.Store(true) // before the commit, so that no query forgets to look
		result, err := s.writer.conn.exec("INSERT INTO removals (at) VALUES (?)", time.Now().UnixMilli())
		if err != nil {
			return err
		}
		if token, err = result.LastInsertId(); err != nil {
			return err
		}
		if sel.All {
			count, err = s.writer.removeAll(token, w)
		} else {
			count, err = s.writer.removeSeqs(token, sel.Seqs)
		}
		return err
	})
	if err != nil {
		return 0, 0, s.fault(doing, err)
	}
	s.total.Add(-count)
	return token, count, nil
}

func (w *writer) removeAll(token int64, cond *where) (int64, error) {
	args := []driver.Value{token}
	for _, a := range cond.args {
		args = append(args, toValue(a))
	}
	return w.changes("INSERT OR IGNORE INTO removed (seq, token) SELECT seq, ? FROM exchanges"+cond.clause(), args...)
}

// toValue is an argument of a condition as the driver takes it.
func toValue(a any) driver.Value {
	if n, ok := a.(int); ok {
		return int64(n)
	}
	return a
}

func (w *writer) removeSeqs(token int64, seqs []int64) (count int64, err error) {
	for _, seq := range seqs {
		n, err := w.changes("INSERT OR IGNORE INTO removed (seq, token) SELECT seq, ? FROM exchanges WHERE seq = ?", token, seq)
		if err != nil {
			return 0, err
		}
		count += n
	}
	return count, nil
}

// changes runs a statement and tells how many rows it wrote.
func (w *writer) changes(query string, args ...driver.Value) (int64, error) {
	result, err := w.conn.exec(query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// Undo brings back what the removal with this token took. After Purge it is a problem.NotFound.
func (s *Store) Undo(token int64) error {
	var count int64
	err := s.writer.transact(func() (err error) {
		if count, err = s.writer.changes("DELETE FROM removed WHERE token = ?", token); err != nil {
			return err
		}
		known, err := s.writer.changes("DELETE FROM removals WHERE token = ?", token)
		if err == nil && known == 0 {
			return problem.New(problem.NotFound, "Bringing back deleted exchanges: they are gone for good. A removal can be undone only for a short while.")
		}
		return err
	})
	if err != nil {
		return s.fault("Bringing back deleted exchanges", err)
	}
	s.total.Add(count)
	return nil
}

// stepRows is how many exchanges one transaction of Purge and Retain deletes: a few milliseconds.
const stepRows = 200

// Purge deletes for good what was removed before a moment, and the bodies that nothing else has. It
// works in small steps, between which others write; ctx ends it early.
func (s *Store) Purge(ctx context.Context, before time.Time) error {
	const doing = "Removing deleted exchanges"
	if !s.removing.Load() {
		return nil
	}
	for done := false; !done; {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := s.writer.transact(func() (err error) {
			done, err = s.writer.purgeStep(before)
			return err
		})
		if err != nil {
			return s.fault(doing, err)
		}
	}
	return s.fault(doing, s.writer.shrink(ctx))
}

func (w *writer) purgeStep(before time.Time) (done bool, err error) {
	token, err := w.number("SELECT token FROM removals WHERE at < ? ORDER BY token LIMIT 1", before.UnixMilli())
	if err != nil {
		return false, err
	}
	if token == 0 {
		left, err := w.number("SELECT count(*) FROM removals")
		if err == nil && left == 0 {
			w.store.removing.Store(false)
		}
		return true, err
	}
	seqs, err := w.column("SELECT seq FROM removed WHERE token = ? LIMIT ?", token, int64(stepRows))
	if err != nil {
		return false, err
	}
	if len(seqs) < stepRows {
		if _, err := w.changes("DELETE FROM removals WHERE token = ?", token); err != nil {
			return false, err
		}
	}
	_, err = w.delete(seqs)
	return false, err
}

// column is the first column of an answer.
func (w *writer) column(query string, args ...driver.Value) ([]int64, error) {
	rows, err := w.conn.query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []int64
	row := make([]driver.Value, len(rows.Columns()))
	for {
		switch err := rows.Next(row); {
		case errors.Is(err, errDone):
			return out, nil
		case err != nil:
			return nil, err
		}
		n, _ := row[0].(int64)
		out = append(out, n)
	}
}

// delete takes exchanges out of the file. Listed is how many of them were not removed before.
func (w *writer) delete(seqs []int64) (listed int64, err error) {
	for _, seq := range seqs {
		var bodies [2]driver.Value
		if _, err := w.detailBodies.first(bodies[:], seq); err != nil {
			return 0, err
		}
		for _, b := range bodies {
			if id, ok := b.(int64); ok {
				w.refs[id]--
			}
		}
		if err := w.deleteDetail.run(seq); err != nil {
			return 0, err
		}
		if err := w.deleteExchange.run(seq); err != nil {
			return 0, err
		}
		removed, err := w.forgetRemoval(seq)
		if err != nil {
			return 0, err
		}
		if !removed {
			listed++
		}
		w.rows--
	}
	return listed, nil
}

// forgetRemoval tells whether an exchange that is deleted for good was removed before.
func (w *writer) forgetRemoval(seq int64) (removed bool, err error) {
	if !w.store.removing.Load() {
		return false, nil
	}
	var row [1]driver.Value
	if removed, err = w.findRemoved.first(row[:], seq); err != nil || !removed {
		return false, err
	}
	return true, w.deleteRemoved.run(seq)
}

// forgetBody deletes a body that nothing refers to any more.
func (w *writer) forgetBody(id int64) error {
	var row [3]driver.Value
	found, err := w.bodyRefs.first(row[:], id)
	if err != nil || !found || row[0].(int64) > 0 {
		return err
	}
	h, place := hash(row[1].([]byte)), row[2].(int64)
	p := h.prefix()
	delete(w.bodies, h)
	if err := w.deleteHash.run(p[:], id); err != nil {
		return err
	}
	if err := w.deleteChunks.run(place*chunksABody, (place+1)*chunksABody); err != nil {
		return err
	}
	return w.deleteBody.run(id)
}
