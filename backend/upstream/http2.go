package upstream

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/http1"
)

// shared is a connection that speaks HTTP/2: many exchanges use it at once. It is made by net/http,
// whose maps lose the order of fields; their values, and the order within a name, are kept.
type shared struct {
	conn    *http.ClientConn
	site    *site
	lines   *lines
	held    *held
	facts   flow.Conn
	ip      netip.Addr
	retired atomic.Bool // it ends with its last exchange
	sending sending

	mu   sync.Mutex
	used time.Time // when an exchange last had a place
}

// place is room for one exchange on a shared connection.
type place struct {
	*shared
	reused bool
}

// pings find out that a peer has gone without a word.
const (
	pingAfter = 30 * time.Second
	pingWait  = 15 * time.Second
)

// held is a socket whose end is told: net/http closes it when it likes.
type held struct {
	net.Conn

	mu     sync.Mutex
	began  string // what was read first
	closed bool
	ended  func()
}

const http1Began = "HTTP/1."

func (h *held) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	h.mu.Lock()
	if missing := len(http1Began) - len(h.began); missing > 0 {
		h.began += string(p[:min(n, missing)])
	}
	h.mu.Unlock()
	return n, err
}

// isHTTP1 tells that an answer of HTTP/1 came where HTTP/2 was spoken.
func (h *held) isHTTP1() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.began == http1Began
}

// errHTTP1 is what it means.
var errHTTP1 = &http1.Error{Status: 502, Reason: "it answers in HTTP/1, so its address begins with http://"}

func (h *held) Close() error {
	err := h.Conn.Close()
	h.mu.Lock()
	ended := h.ended
	h.closed, h.ended = true, nil
	h.mu.Unlock()
	if ended != nil {
		ended()
	}
	return err
}

// tell has do called once, when the socket is closed.
func (h *held) tell(do func()) {
	h.mu.Lock()
	closed := h.closed
	if !closed {
		h.ended = do
	}
	h.mu.Unlock()
	if closed {
		do()
	}
}

// newShared speaks HTTP/2 over d, with a place reserved for the first exchange.
func newShared(ctx context.Context, d *dialled, s *site, l *lines) (*shared, error) {
	var protocols http.Protocols
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	dialled := func(context.Context, string, string) (net.Conn, error) { return d.conn, nil }
	transport := &http.Transport{ // it opens one connection: the one that is there
		DialContext:            dialled,
		DialTLSContext:         dialled,
		Protocols:              &protocols,
		DisableCompression:     true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingWait},
		MaxResponseHeaderBytes: int64(http1.DefaultLimits.Head),
	}
	scheme := "http"
	if d.facts.TLS != nil {
		scheme = "https"
	}
	made, err := transport.NewClientConn(ctx, scheme, s.origin.address())
	if err != nil {
		return nil, err
	}
	h := &shared{conn: made, site: s, lines: l, held: d.held, facts: d.facts, ip: ipOf(d.socket), used: time.Now()}
	h.sending.patience = l.patience
	if err := made.Reserve(); err != nil {
		h.close()
		return nil, err
	}
	made.SetStateHook(h.changed)
	l.opened(s)
	d.held.tell(func() { l.release(s) })
	return h, nil
}

// changed is told by net/http when an exchange ended or the peer allows more of them.
func (s *shared) changed(c *http.ClientConn) {
	if s.retired.Load() && c.InFlight() == 0 {
		s.close()
		return
	}
	s.lines.nudge(s.site)
}

// reserve takes a place for one exchange; false when there is none.
func (s *shared) reserve() bool {
	if s.conn.Reserve() != nil {
		return false
	}
	s.touch()
	return true
}

func (s *shared) touch() {
	s.mu.Lock()
	s.used = time.Now()
	s.mu.Unlock()
}

func (s *shared) dead() bool { return s.conn.Err() != nil }

// idleSince tells that no exchange has used it after limit.
func (s *shared) idleSince(limit time.Time) bool {
	if s.conn.InFlight() > 0 {
		s.touch()
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.used.After(limit)
}

func (s *shared) close() { _ = s.conn.Close() } // the peer may be gone: nothing to report

// retire closes it after its last exchange.
func (s *shared) retire() {
	s.retired.Store(true)
	if s.conn.InFlight() == 0 {
		s.close()
	}
}

// send speaks HTTP/2.
func (l *place) send(k *call) (*flow.Response, error) {
	facts := l.facts
	facts.Reused = l.reused
	k.noteConnection(facts)
	s := newStream(k, l)
	k.x.Timing.SendStart = k.x.Since()
	if s.feed != nil {
		l.sending.add(s.feed)
	}
	answer, err := l.conn.RoundTrip(s.request())
	s.goOn()
	k.x.Sent = k.x.Sent || err == nil || !unsent(err)
	if err != nil {
		return nil, s.failed(k.doing("Waiting for the answer of %s"), err)
	}
	return s.respond(answer), nil
}
