package store

import (
	"database/sql"
	"errors"
	"io"

	"proxycache/backend/problem"
)

// body reads a kept body chunk by chunk; seeking costs nothing.
type body struct {
	store       *Store
	place, size int64
	at          int64
	chunk       []byte
	loaded      int64 // which chunk that is, -1 for none
}

// Body opens a kept body, by the hash that a record names. It is an io.ReadSeeker too. One that is
// not there (any more) is a problem.NotFound, which a Read may also find.
func (s *Store) Body(hash string) (io.ReadCloser, error) {
	h, err := parseHash(hash)
	if err != nil {
		return nil, bodyGone()
	}
	p := h.prefix()
	b := &body{store: s, loaded: -1}
	err = s.readers.QueryRow(`SELECT place, size FROM bodies WHERE id = ? AND hash = ?
		UNION ALL SELECT place, size FROM hashes JOIN bodies ON id = body WHERE prefix = ? AND hash = ? LIMIT 1`,
		s.fresh.find(p), h[:], p[:], h[:]).Scan(&b.place, &b.size)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, bodyGone()
	}
	if err != nil {
		return nil, s.fault("Opening a body", err)
	}
	return b, nil
}

func bodyGone() error {
	return problem.New(problem.NotFound, "Reading a body: it is not in the capture any more. Its exchange was deleted meanwhile; choose another.")
}

func (b *body) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if b.at >= b.size {
		return 0, io.EOF
	}
	if err := b.load(b.at / ChunkSize); err != nil {
		return 0, err
	}
	n := copy(p, b.chunk[b.at%ChunkSize:])
	b.at += int64(n)
	return n, nil
}

// load makes chunk n the one at hand.
func (b *body) load(n int64) error {
	if b.loaded == n {
		return nil
	}
	var coding int64
	var data []byte
	err := b.store.readers.QueryRow("SELECT coding, data FROM chunks WHERE id = ?", b.place*chunksABody+n).Scan(&coding, &data)
	if errors.Is(err, sql.ErrNoRows) {
		return bodyGone()
	}
	if err == nil && coding == zstdChunk {
		data, err = b.store.decoder.DecodeAll(data, make([]byte, 0, ChunkSize))
	}
	if err == nil && int64(len(data)) != min(ChunkSize, b.size-n*ChunkSize) {
		err = errors.New("a part of it has another length than was written")
	}
	if err != nil {
		return b.store.fault("Reading a body", err)
	}
	b.chunk, b.loaded = data, n
	return nil
}

func (b *body) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += b.at
	case io.SeekEnd:
		offset += b.size
	}
	if offset < 0 {
		return b.at, problem.New(problem.Invalid, "Reading a body: a place before its beginning was asked for. Ask for one from 0.")
	}
	b.at = offset
	return offset, nil
}

// Close gives back what was read ahead.
func (b *body) Close() error {
	b.chunk, b.loaded = nil, -1
	return nil
}
