package upstream

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/http1"
	"proxycache/backend/socket"
)

// conn is a connection that speaks HTTP/1.1. It belongs to one exchange at a time; only abort may be
// called by others, and Write by the one who uploads.
type conn struct {
	net.Conn              // the socket, or TLS on it
	socket   net.Conn     // below TLS
	asker    socket.Asker // the socket, where it is spoken on and can be asked; else nil
	paced    *paced       // the socket, as it is written to
	held     *held        // below TLS; nil in the clear
	clear    bool         // there is no TLS: socket is what is read and written
	site     *site        // where it leads
	lines    *lines       // where it is kept between exchanges
	reader   *http1.Reader
	facts    flow.Conn
	aborted  func()    // abort, made once
	since    time.Time // idle since
	once     bool      // it is not kept: it cannot be told from others of its site
	counted  bool      // among the open ones of its site, until its end
	ip       netip.Addr
	answers  int // of the site's names, when ip was last seen among them

	request []byte    // it leaves when its answer is read for; nil where it has left
	unsent  bool      // nothing of it has left
	beside  bool      // its body is sent beside the reading of its answer
	sent    time.Time // when it left, by asking
	waiting bool      // for the first byte of a response
	heard   bool      // something of the response came
	first   time.Time // when its first byte came
	beyond  [1]byte   // what TLS gives behind a response: nothing
}

func newConn(d *dialled, s *site, l *lines) *conn {
	c := &conn{Conn: d.conn, socket: d.socket, paced: d.paced, held: d.held, clear: d.conn == d.socket, site: s, lines: l, facts: d.facts, counted: true, ip: ipOf(d.socket)}
	if c.clear {
		c.asker, _ = d.socket.(socket.Asker)
	}
	c.answers = l.opened(s)
	c.reader = http1.NewReader((*hearing)(c), http1.Limits{})
	c.aborted = c.abort
	d.paced.patience = l.patience
	return c
}

func (c *conn) Write(p []byte) (int, error) {
	if c.clear {
		return c.paced.Write(p)
	}
	return c.Conn.Write(p)
}

// bypass is for a request's body whose bytes nobody looks at, where there is no TLS.
func (c *conn) bypass(body io.ReadCloser) socket.Bypass {
	if !c.clear {
		return socket.Bypass{}
	}
	return socket.NewBypass(flow.Inside(body), c.socket)
}

// splice writes a piece of a body that passes beside us.
func (c *conn) splice(body *http1.BodyWriter, piece *socket.Bypass) error {
	n, err := c.paced.insist(piece.Empty)
	body.Passed(n, err)
	return err
}

// unclosed tells that TLS has ended with the connection below, and not by close_notify: crypto/tls calls both
// io.EOF where no record is cut. Anybody on the way can end a connection.
func (c *conn) unclosed() bool { return c.held != nil && c.held.hasEnded() }

// abort closes the connection without a word: running reads and writes fail. Below TLS, so that no
// close_notify makes a request that was cut short look complete.
func (c *conn) abort() { _ = c.socket.Close() }

// end closes the connection in order and gives its buffer back. Nothing may be reading.
func (c *conn) end() {
	_ = c.Conn.Close() // the peer may be gone: nothing to report
	c.reader.Release()
	c.uncount()
}

// uncount gives its place to another connection.
func (c *conn) uncount() {
	if c.counted {
		c.counted = false
		c.lines.release(c.site)
	}
}

// expect begins to wait for a response.
func (c *conn) expect() {
	c.waiting, c.heard, c.unsent, c.beside = true, false, false, false
	c.sent = time.Time{}
	c.paced.answer.Store(after)
}

// next waits for another head after an interim response, which may have come with it.
func (c *conn) next() { c.waiting = len(c.reader.Buffered()) == 0 }

// hearing is a conn as its reader sees it: it notes when a response begins.
type hearing conn

func (h *hearing) Read(p []byte) (n int, err error) {
	if h.beside {
		h.paced.answer.Store(awaited)
		defer h.paced.answer.Store(unread)
	}
	if h.request != nil {
		n, err = (*conn)(h).ask(p)
	} else {
		n, err = h.Conn.Read(p)
	}
	if h.waiting && n > 0 {
		h.waiting, h.heard, h.first = false, true, time.Now()
	}
	if h.beside && n > 0 {
		h.paced.heard.Add(1)
	}
	return n, err
}

// asks tells that a request can be sent by asking. A new connection cannot: its peer may speak first,
// which is told as what it is.
func (c *conn) asks() bool { return c.asker != nil && c.facts.Reused }

// ask sends the request that waits and reads the first bytes of the answer.
func (c *conn) ask(p []byte) (int, error) {
	n, rest, sent, err := c.asker.Ask(c.request, p)
	c.request, c.sent, c.unsent = nil, sent, sent.IsZero()
	if n > 0 || err != nil {
		return n, err
	}
	m, err := c.paced.Write(rest)
	c.unsent = c.unsent && m == 0
	if err != nil {
		return 0, err
	}
	c.sent = time.Now()
	return c.Conn.Read(p)
}

// usable tells that an idle connection may be used, as far as that must be known before a request is
// there: who asks was told what has come on it before.
func (c *conn) usable() bool { return c.asker != nil || c.quiet() }

// quiet tells that an idle connection may be used: it is open, and nothing came that nobody asked
// for. Such bytes would be taken for the answer to the next request.
func (c *conn) quiet() bool { return len(c.reader.Buffered()) == 0 && socket.Quiet(c.socket) }

// spent tells that nothing was read beyond the response. TLS may have read more than it gave, of which
// its socket knows nothing; what is still in the socket is for quiet to find.
func (c *conn) spent() bool { return len(c.reader.Buffered()) == 0 && (c.clear || c.drained()) }

func (c *conn) drained() bool {
	if c.Conn.SetReadDeadline(time.Unix(1, 0)) != nil {
		return false
	}
	n, err := c.Conn.Read(c.beyond[:])
	return n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && c.Conn.SetReadDeadline(time.Time{}) == nil
}

// upgraded is a connection that no longer speaks HTTP: what was read ahead comes first.
type upgraded struct {
	net.Conn
	socket net.Conn // below all layers
	ahead  []byte
	stop   func() bool
	ended  func() // once, when it is closed
}

func newUpgraded(ctx context.Context, conn, socket net.Conn, ahead []byte, aborted, ended func()) *upgraded {
	return &upgraded{Conn: conn, socket: socket, ahead: ahead, stop: whenOver(ctx, aborted), ended: sync.OnceFunc(ended)}
}

// whenOver has f run once ctx ends, unless stop comes first, as context.AfterFunc does. The contexts
// of the ingress can do that by themselves, without a context and a channel in between.
func whenOver(ctx context.Context, f func()) (stop func() bool) {
	if c, ok := ctx.(interface {
		AfterFunc(func()) (stop func() bool)
	}); ok {
		return c.AfterFunc(f)
	}
	return context.AfterFunc(ctx, f)
}

func (u *upgraded) Read(p []byte) (int, error) {
	if len(u.ahead) > 0 {
		n := copy(p, u.ahead)
		u.ahead = u.ahead[n:]
		return n, nil
	}
	return u.Conn.Read(p)
}

// Socket is the TCP connection below, where nothing lies between; else nil.
func (u *upgraded) Socket() net.Conn {
	if u.Conn != u.socket {
		return nil
	}
	return u.socket
}

// Below is the TCP connection below TLS, too.
func (u *upgraded) Below() net.Conn { return u.socket }

// Ahead is how many bytes Read gives before those in the socket. It is for who reads to ask.
func (u *upgraded) Ahead() int { return len(u.ahead) }

// Sent and Received tell of bytes that passed beside Write and Read. Nothing here counts them.
func (u *upgraded) Sent(int64)     {}
func (u *upgraded) Received(int64) {}

// CloseWrite says that nothing more is sent; what the target still sends can be read.
func (u *upgraded) CloseWrite() error {
	if half, ok := u.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

func (u *upgraded) Close() error {
	u.stop()
	err := u.Conn.Close()
	u.ended()
	return err
}
