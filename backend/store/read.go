package store

import (
	"crypto/x509"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"proxycache/backend/filter"
	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// Query asks for a page of the list.
type Query struct {
	Filter      filter.Expr // nil for everything
	After       int64       // rows with a higher Seq
	Skip, Limit int         // rows to leave out, and to give at most
}

const rowColumns = "seq, started, micros, status, request_size, response_size, replay_of, flags, method, scheme, authority, target, type, door, state, route, cells"

// Rows is a page of the list, ascending by Seq.
func (s *Store) Rows(q Query) ([]flow.Row, error) {
	w, err := s.where(q.Filter)
	if err != nil {
		return nil, err
	}
	defer w.end()
	w.and("seq > ?", q.After)
	query := "SELECT " + rowColumns + " FROM exchanges" + w.clause() + " ORDER BY seq LIMIT ? OFFSET ?"
	rows, err := s.readers.Query(query, append(w.args, q.Limit, q.Skip)...)
	if err != nil {
		return nil, s.fault("Reading the list", err)
	}
	defer rows.Close()
	var out []flow.Row
	for rows.Next() {
		row, err := scanRow(rows)
		if err != nil {
			return nil, s.fault("Reading the list", err)
		}
		out = append(out, row)
	}
	return out, s.fault("Reading the list", rows.Err())
}

func scanRow(rows *sql.Rows) (flow.Row, error) {
	var r flow.Row
	var started, flags int64
	err := rows.Scan(&r.Seq, &started, &r.Micros, &r.Status, &r.RequestSize, &r.ResponseSize, &r.ReplayOf, &flags,
		&r.Method, &r.Scheme, &r.Authority, &r.Target, &r.Type, &r.Door, &r.State, &r.Route, &r.Cells)
	r.Started = time.Unix(0, started).UnixMilli()
	r.Mocked = flags&mockedFlag != 0
	return r, err
}

// Count is how many exchanges of the list match.
func (s *Store) Count(expr filter.Expr) (int64, error) {
	if expr == nil {
		return s.Total(), nil
	}
	return s.CountAfter(expr, 0)
}

// CountAfter is how many of those with a higher Seq than after match.
func (s *Store) CountAfter(expr filter.Expr, after int64) (int64, error) {
	w, err := s.where(expr)
	if err != nil {
		return 0, err
	}
	defer w.end()
	w.and("seq > ?", after)
	var n int64
	err = s.readers.QueryRow("SELECT count(*) FROM exchanges"+w.clause(), w.args...).Scan(&n)
	return n, s.fault("Counting exchanges", err)
}

// Seqs are the numbers of the exchanges that match, ascending.
func (s *Store) Seqs(expr filter.Expr) ([]int64, error) {
	w, err := s.where(expr)
	if err != nil {
		return nil, err
	}
	defer w.end()
	return s.numbers("Reading the list", "SELECT seq FROM exchanges"+w.clause()+" ORDER BY seq", w.args...)
}

// Replays are the numbers of the exchanges that repeat seq, ascending.
func (s *Store) Replays(seq int64) ([]int64, error) {
	if seq == 0 {
		return nil, nil
	}
	return s.numbers("Looking for replays", "SELECT seq FROM exchanges WHERE replay_of = ? AND replay_of > 0 AND seq NOT IN (SELECT seq FROM removed) ORDER BY seq", seq)
}

func (s *Store) numbers(doing, query string, args ...any) ([]int64, error) {
	rows, err := s.readers.Query(query, args...)
	if err != nil {
		return nil, s.fault(doing, err)
	}
	defer rows.Close()
	var out []int64
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			return nil, s.fault(doing, err)
		}
		out = append(out, n)
	}
	return out, s.fault(doing, rows.Err())
}

// Record is all that was kept of an exchange. One that is not there, or is removed, is a
// problem.NotFound.
func (s *Store) Record(seq int64) (*flow.Record, error) {
	doing := fmt.Sprintf("Reading exchange #%d", seq)
	r := &flow.Record{Seq: seq}
	var started, flags int64
	var rest, requestHash, responseHash []byte
	var requestKept, responseKept sql.NullInt64
	err := s.readers.QueryRow(`SELECT started, status, request_size, response_size, replay_of, flags,
			method, scheme, authority, target, door, state, route, client, request_head, response_head, rest,
			a.hash, a.size, b.hash, b.size
		FROM exchanges JOIN details USING (seq) LEFT JOIN bodies a ON a.id = request_body LEFT JOIN bodies b ON b.id = response_body
		WHERE seq = ? AND seq NOT IN (SELECT seq FROM removed)`, seq).Scan(
		&started, &r.Status, &r.RequestBody.Size, &r.ResponseBody.Size, &r.ReplayOf, &flags,
		&r.Method, &r.Scheme, &r.Authority, &r.Target, &r.Door, &r.State, &r.Route, &r.Client, &r.RequestHead, &r.ResponseHead, &rest,
		&requestHash, &requestKept, &responseHash, &responseKept)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, problem.New(problem.NotFound, "%s: it is not in the capture. It may have been deleted, or was the oldest when a limit of [capture] was reached.", doing)
	}
	if err != nil {
		return nil, s.fault(doing, err)
	}
	r.Started, r.Mocked = time.Unix(0, started), flags&mockedFlag != 0
	r.RequestBody.Hash, r.RequestBody.Kept = hex.EncodeToString(requestHash), requestKept.Int64
	r.ResponseBody.Hash, r.ResponseBody.Kept = hex.EncodeToString(responseHash), responseKept.Int64
	chains, err := readRest(rest, r)
	if err != nil {
		return nil, s.fault(doing, err)
	}
	return r, s.readChains(doing, chains)
}

// readChains looks up the certificates of a record's connections.
func (s *Store) readChains(doing string, chains map[*flow.TLS][]fingerprint) error {
	for tls, hashes := range chains {
		for _, hash := range hashes {
			var der []byte
			if err := s.readers.QueryRow("SELECT der FROM certificates WHERE hash = ?", hash[:]).Scan(&der); err != nil {
				return s.fault(doing, err)
			}
			cert, err := x509.ParseCertificate(der)
			if err != nil {
				return s.fault(doing, err)
			}
			tls.Chain = append(tls.Chain, cert)
		}
	}
	return nil
}
