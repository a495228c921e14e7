package cachestore

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"
)

// errPiece says that the server let a part of a body go.
var errPiece = errors.New("a piece of the body is not in the server any more")

// pieceBody is a body whose pieces are fetched as they are read.
type pieceBody struct {
	store *shared
	body  string
	size  int64

	mu    sync.Mutex
	piece []byte
	held  int64 // the number of piece, -1 for none
}

func (b *pieceBody) Size() int64 { return b.size }

// fetch holds the piece of that number; false where it is not there any more.
func (b *pieceBody) fetch(number int64) (bool, error) {
	if b.held == number {
		return true, nil
	}
	answer, err := b.store.do("GET", pieceKey+b.body+":"+strconv.FormatInt(number, 10))
	if err != nil {
		return false, err
	}
	piece, _ := answer.([]byte)
	if int64(len(piece)) != min(pieceSize, b.size-number*pieceSize) {
		return false, nil
	}
	b.piece, b.held = piece, number
	return true, nil
}

func (b *pieceBody) ReadAt(p []byte, from int64) (n int, err error) {
	if from < 0 {
		return 0, fmt.Errorf("reading a stored body: there is nothing %d bytes before its beginning", -from)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for n < len(p) && from < b.size {
		found, err := b.fetch(from / pieceSize)
		if err == nil && !found {
			err = errPiece
		}
		if err != nil {
			return n, b.store.note("reading a body from", err)
		}
		k := copy(p[n:], b.piece[from%pieceSize:])
		n, from = n+k, from+int64(k)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (b *pieceBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.piece, b.held = nil, -1
	return nil
}

// pieceWriter gathers a body, and sends it away by pieces when it is larger than one.
type pieceWriter struct {
	store    *shared
	response *Response
	body     string
	filled   []byte
	sent     int // pieces
	size     int64
	err      error
}

func (s *shared) Put(r *Response, size int64) (Writer, error) {
	if s.closed.Load() {
		return nil, errClosed
	}
	if s.pool.Down() {
		return nil, nil
	}
	return &pieceWriter{store: s, response: r, body: newName(), filled: make([]byte, 0, min(max(size, 0), pieceSize))}, nil
}

func (w *pieceWriter) Write(p []byte) (n int, err error) {
	for n < len(p) && w.err == nil {
		if len(w.filled) == pieceSize {
			w.send()
		}
		k := min(len(p)-n, pieceSize-len(w.filled))
		w.filled = append(w.filled, p[n:n+k]...)
		w.size += int64(k)
		n += k
	}
	return n, w.err
}

func (w *pieceWriter) send() {
	key := pieceKey + w.body + ":" + strconv.Itoa(w.sent)
	if _, err := w.store.do("SET", key, w.filled, "PX", unfinished.Milliseconds()); err != nil {
		w.err = w.store.note("storing a body in", err)
	}
	w.sent++
	w.filled = w.filled[:0]
}

func (w *pieceWriter) Commit(r *Response) error {
	if r == nil {
		r = w.response
	}
	if w.sent > 0 && w.err == nil {
		w.send()
	}
	if w.err != nil {
		w.Abort()
		return w.err
	}
	if dropped(r, time.Now()) {
		w.Abort()
		return w.store.Delete(r.Key)
	}
	head := appendHead(nil, r)
	l := label{version: newName(), body: w.body, state: stateOf(r), headSize: len(head), bodySize: w.size}
	value := append(append(l.encode(), head...), w.filled...)
	done, err := w.store.run(putScript, w.store.arguments(r, l, value)...)
	if err == nil && done == 0 {
		err = errPiece
	}
	if err != nil {
		w.Abort()
	}
	return w.store.note("storing a response in", err)
}

// Abort removes the pieces that were sent. Where that fails they go by themselves.
func (w *pieceWriter) Abort() {
	for ; w.sent > 0; w.sent-- {
		_, _ = w.store.do("DEL", pieceKey+w.body+":"+strconv.Itoa(w.sent-1))
	}
	w.filled, w.err = nil, errClosed
}
