package upstream

import (
	"context"
	"net"
	"syscall"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/http1"
)

// conn is a connection that speaks HTTP/1.1. It belongs to one exchange at a time; only abort may be
// called by others, and Write by the one who uploads.
type conn struct {
	net.Conn          // what is written to and read from: the socket, or TLS on it
	socket   net.Conn // below TLS
	origin   origin   // where it leads
	lines    *lines   // where it is kept between exchanges
	reader   *http1.Reader
	facts    flow.Conn
	watch    watch
	aborted  func()    // abort, made once
	since    time.Time // idle since

	waiting bool      // for the first byte of a response
	heard   bool      // something of the response came
	first   time.Time // when its first byte came
}

func newConn(d *dialled, o origin, l *lines) *conn {
	c := &conn{Conn: d.conn, socket: d.socket, origin: o, lines: l, facts: d.facts}
	c.reader = http1.NewReader((*hearing)(c), http1.Limits{})
	c.aborted = c.abort
	c.watch.open(d.socket)
	return c
}

// abort closes the connection without a word: running reads and writes fail. Below TLS, so that no
// close_notify makes a request that was cut short look complete.
func (c *conn) abort() { _ = c.socket.Close() }

// end closes the connection in order and gives its buffer back. Nothing may be reading.
func (c *conn) end() {
	_ = c.Conn.Close() // the peer may be gone: nothing to report
	c.reader.Release()
}

// expect begins to wait for a response.
func (c *conn) expect() { c.waiting, c.heard = true, false }

// next waits for another head after an interim response, which may have come with it.
func (c *conn) next() { c.waiting = len(c.reader.Buffered()) == 0 }

// hearing is a conn as its reader sees it: it notes when a response begins.
type hearing conn

func (h *hearing) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	if h.waiting && n > 0 {
		h.waiting, h.heard, h.first = false, true, time.Now()
	}
	return n, err
}

// quiet tells that an idle connection may be used: it is open, and nothing came that nobody asked
// for. Such bytes would be taken for the answer to the next request.
func (c *conn) quiet() bool { return len(c.reader.Buffered()) == 0 && c.watch.quiet() }

// watch looks whether anything waits in a socket, without reading it.
type watch struct {
	raw  syscall.RawConn
	look func(fd uintptr) bool
	calm bool
}

// upgraded is a connection that no longer speaks HTTP: what was read ahead comes first.
type upgraded struct {
	net.Conn
	ahead []byte
	stop  func() bool
}

func newUpgraded(ctx context.Context, conn net.Conn, ahead []byte, aborted func()) *upgraded {
	return &upgraded{Conn: conn, ahead: ahead, stop: context.AfterFunc(ctx, aborted)}
}

func (u *upgraded) Read(p []byte) (int, error) {
	if len(u.ahead) > 0 {
		n := copy(p, u.ahead)
		u.ahead = u.ahead[n:]
		return n, nil
	}
	return u.Conn.Read(p)
}

// CloseWrite says that nothing more is sent; what the target still sends can be read.
func (u *upgraded) CloseWrite() error {
	if half, ok := u.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

func (u *upgraded) Close() error {
	u.stop()
	return u.Conn.Close()
}
