// Package store keeps exchanges and their bodies in one SQLite file.
package store

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"
	"github.com/mattn/go-sqlite3"

	"proxycache/backend/problem"
)

// Store is an open capture. Its methods may be called at any time by any goroutine: many read at
// once, one writes.
type Store struct {
	path    string
	readers *sql.DB
	writer  *writer

	total     atomic.Int64 // exchanges that are not removed
	removing  atomic.Bool  // some may be removed and not yet purged
	lastPlace atomic.Int64 // of a body; ids of bodies come from it too
	lastSeq   atomic.Int64
	fresh     fresh

	tests    sync.Map // int64 → func(string) bool: the conditions of running queries that Go decides
	lastTest atomic.Int64

	encoder *zstd.Encoder
	decoder *zstd.Decoder
}

const readerCount = 4

// Open opens the capture at path, or makes one. The file belongs to this process alone: see Hold.
func Open(path string) (*Store, error) {
	s := &Store{path: path}
	var err error
	if s.path, err = filepath.Abs(path); err != nil {
		return nil, problem.Wrap(problem.Unavailable, err, "Opening %s: %v. Start from a folder that exists.", path, err)
	}
	if err := s.open(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Store) open() error {
	if err := s.openCodecs(); err != nil {
		return err
	}
	if err := s.makeFile(); err != nil {
		return err
	}
	opened, err := s.connect("_mutex=no&_synchronous=NORMAL&_cache_size=-16000&_busy_timeout=10000")
	if err != nil {
		return s.fault("Opening the capture", err)
	}
	s.writer = &writer{store: s, conn: conn{opened}, bodies: map[hash]int64{}, certificates: map[fingerprint]bool{}}
	if err := s.writer.open(); err != nil {
		return err
	}
	s.readers = sql.OpenDB(readerConnector{s})
	s.readers.SetMaxOpenConns(readerCount)
	s.readers.SetMaxIdleConns(readerCount)
	return s.count()
}

// makeFile makes the file if it is not there: for its owner alone, for what passes holds cookies and
// passwords. SQLite gives its log the same permissions.
func (s *Store) makeFile() error {
	f, err := os.OpenFile(s.path, os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return problem.Wrap(problem.Unavailable, err, "Opening the capture: %s cannot be written (%v). Check that its folder exists and the permissions of both, or choose another folder with --dir.", s.path, err)
	}
	return nil
}

func (s *Store) openCodecs() (err error) {
	s.encoder, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithWindowSize(chunkWindow), zstd.WithLowerEncoderMem(true), zstd.WithEncoderCRC(false))
	if err != nil {
		return problem.Wrap(problem.Internal, err, "Opening the capture: %v. Report this.", err)
	}
	s.decoder, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(runtime.GOMAXPROCS(0)), zstd.WithDecoderMaxMemory(ChunkSize), zstd.WithDecoderLowmem(true))
	if err != nil {
		return problem.Wrap(problem.Internal, err, "Opening the capture: %v. Report this.", err)
	}
	return nil
}

// count reads the figures that are kept in memory from then on.
func (s *Store) count() error {
	var exchanges, removed, lastSeq, lastPlace int64
	err := s.readers.QueryRow(`SELECT last_seq, exchanges, (SELECT count(*) FROM removed),
		max(hashed, ifnull((SELECT max(id) FROM bodies), 0), ifnull((SELECT max(id) FROM chunks), 0) / ?)
		FROM totals`, chunksABody).Scan(&lastSeq, &exchanges, &removed, &lastPlace)
	if err != nil {
		return s.fault("Opening the capture", err)
	}
	s.total.Store(exchanges - removed)
	s.removing.Store(removed > 0)
	s.lastSeq.Store(lastSeq)
	s.lastPlace.Store(lastPlace)
	return nil
}

// Path is the file.
func (s *Store) Path() string { return s.path }

// Total is how many exchanges are in the list: those that are removed do not count.
func (s *Store) Total() int64 { return s.total.Load() }

// LastSeq is the highest number that was ever kept, even if its exchange is gone.
func (s *Store) LastSeq() int64 { return s.lastSeq.Load() }

// Close closes the file. Nothing may use the store meanwhile or afterwards.
func (s *Store) Close() error {
	var errs []error
	if s.readers != nil {
		errs = append(errs, s.readers.Close())
	}
	if s.writer != nil {
		errs = append(errs, s.writer.close())
	}
	if s.encoder != nil {
		errs = append(errs, s.encoder.Close())
	}
	if s.decoder != nil {
		s.decoder.Close()
	}
	if err := errors.Join(errs...); err != nil {
		return s.fault("Closing the capture", err)
	}
	return nil
}

// connect opens one connection; options are the driver's, which reach each connection only through
// its DSN.
func (s *Store) connect(options string) (driver.Conn, error) {
	sqlite := sqlite3.SQLiteDriver{ConnectHook: func(c *sqlite3.SQLiteConn) error {
		return c.RegisterFunc("holds", s.holds, false)
	}}
	return sqlite.Open(fileURI(s.path) + "?" + options)
}

// fileURI writes an absolute path so that no character of it means anything to SQLite.
func fileURI(path string) string {
	path = filepath.ToSlash(path)
	if path[0] != '/' { // C:/…
		path = "/" + path
	}
	return (&url.URL{Scheme: "file", Path: path}).String()
}
