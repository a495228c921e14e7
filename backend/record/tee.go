package record

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net"
	"sync"
	"sync/atomic"

	"proxycache/backend/flow"
	"proxycache/backend/store"
)

// tee passes a body on and keeps its first bytes, up to cap. It holds at most one chunk in memory:
// full ones go ahead to the writer.
type tee struct {
	io.ReadCloser
	watch  *watch
	cap    int64
	length int64 // as announced; -1 unknown

	size atomic.Int64 // bytes that passed

	mu    sync.Mutex // the request's end may be seen while its body is still read
	rest  []byte     // of the chunk that is being filled
	kept  int64
	place int64 // in the store, once a part went ahead
	parts int64
	hash  hash.Hash // of the parts
	ended
	closed bool
}

// ended is how a body ended.
type ended struct {
	whole   bool  // it was read to its end
	err     error // why it broke off
	trailer flow.Header
	content content
}

// content is what was kept of a body.
type content struct {
	store.Content
	size, kept int64
	hash       hash.Hash // of the parts that went ahead; nil when there are none
}

func (t *tee) Read(p []byte) (int, error) {
	n, err := t.ReadCloser.Read(p)
	if n > 0 {
		t.size.Add(int64(n))
		t.take(p[:n])
	}
	if err != nil {
		t.stop(err)
	}
	return n, err
}

// Ready tells that a Read does not wait.
func (t *tee) Ready() bool { return flow.Ready(t.ReadCloser) }

// take keeps bytes that passed.
func (t *tee) take(p []byte) {
	t.watch.grown()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	p = p[:min(int64(len(p)), t.cap-t.kept)]
	t.kept += int64(len(p))
	for len(p) > 0 {
		n := min(len(p), store.ChunkSize-len(t.rest))
		if t.rest == nil {
			t.rest = make([]byte, 0, t.room(n))
		}
		t.rest = append(t.rest, p[:n]...)
		p = p[n:]
		if len(t.rest) == store.ChunkSize && !t.sendPart() {
			return
		}
	}
}

// room is how much memory a chunk begins with.
func (t *tee) room(n int) int64 {
	switch {
	case t.parts > 0:
		return store.ChunkSize
	case t.length > 0:
		return max(int64(n), min(t.length, t.cap, store.ChunkSize))
	}
	return int64(n)
}

// sendPart lets the full chunk go ahead. A part that is lost ends what is kept of the body.
func (t *tee) sendPart() bool {
	r := t.watch.recorder
	if t.place == 0 {
		t.place = r.keep.Reserve()
	}
	part := store.Part{Place: t.place, N: t.parts, Bytes: t.rest}
	t.rest = nil
	if !r.enqueuePart(item{part: part, owner: t.watch}) {
		t.kept = t.parts * store.ChunkSize
		t.cap = t.kept
		return false
	}
	if t.hash == nil {
		t.hash = sha256.New()
	}
	t.hash.Write(part.Bytes) // the writer only reads them
	t.parts++
	return true
}

// stop notes the end of the body, and takes its trailer there.
func (t *tee) stop(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || t.whole || t.err != nil {
		return
	}
	if !errors.Is(err, io.EOF) {
		t.err = err
		return
	}
	t.whole = true
	w := t.watch
	switch {
	case t == &w.up:
		t.trailer = w.request.Trailer
	case w.response.Trailer != nil:
		t.trailer = w.response.Trailer()
	}
}

// end gives what was kept; what passes afterwards is not.
func (t *tee) end() ended {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.content = content{
		Content: store.Content{Place: t.place, Parts: t.parts, Rest: t.rest},
		size:    t.size.Load(), kept: t.kept, hash: t.hash,
	}
	t.rest, t.hash = nil, nil
	if t.ReadCloser == nil || t.ReadCloser == flow.NoBody || t.length >= 0 && t.content.size == t.length {
		t.whole = true
	}
	return t.ended
}

// begin puts the tee of a response around its body.
func (t *tee) begin(p *flow.Response) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ReadCloser, t.length = p.Body, p.ContentLength
}

// Close ends the body; that of a response ends the exchange.
func (t *tee) Close() error {
	err := t.ReadCloser.Close()
	if t == &t.watch.down {
		t.watch.finish()
	}
	return err
}

// sum is the hash of what was kept, as hex; "" when there is nothing.
func (c *content) sum() string {
	if c.kept == 0 {
		return ""
	}
	if c.hash != nil {
		c.hash.Write(c.Rest)
		return hex.EncodeToString(c.hash.Sum(nil))
	}
	sum := sha256.Sum256(c.Rest)
	var digits [2 * len(sum)]byte
	hex.Encode(digits[:], sum[:])
	return string(digits[:])
}

// watchUpgraded counts the bytes of a connection that left HTTP, both ways.
func watchUpgraded(w *watch, c io.ReadWriteCloser) io.ReadWriteCloser {
	u := upgraded{c, w}
	half, ok := c.(halfCloser)
	if !ok {
		return &u
	}
	if s, ok := c.(socketed); ok {
		return &socketUpgraded{halfUpgraded{u, half}, s}
	}
	return &halfUpgraded{u, half}
}

// socketed is a connection whose bytes may pass beside Read and Write, from socket to socket.
type socketed interface {
	Socket() net.Conn
	Below() net.Conn
	Ahead() int
}

type socketUpgraded struct {
	halfUpgraded
	socketed
}

// Sent counts bytes that passed beside Write.
func (u *socketUpgraded) Sent(n int64) {
	u.watch.up.size.Add(n)
	u.watch.grown()
}

// Received counts bytes that passed beside Read.
func (u *socketUpgraded) Received(n int64) {
	u.watch.down.size.Add(n)
	u.watch.grown()
}

type upgraded struct {
	io.ReadWriteCloser
	watch *watch
}

// halfCloser is a connection of which one direction can end before the other.
type halfCloser interface{ CloseWrite() error }

type halfUpgraded struct {
	upgraded
	halfCloser
}

func (u *upgraded) Read(p []byte) (int, error) {
	n, err := u.ReadWriteCloser.Read(p)
	if n > 0 {
		u.watch.down.size.Add(int64(n))
		u.watch.grown()
	}
	return n, err
}

func (u *upgraded) Write(p []byte) (int, error) {
	n, err := u.ReadWriteCloser.Write(p)
	if n > 0 {
		u.watch.up.size.Add(int64(n))
		u.watch.grown()
	}
	return n, err
}

// Close ends the exchange.
func (u *upgraded) Close() error {
	err := u.ReadWriteCloser.Close()
	u.watch.finish()
	return err
}
