package upstream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
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
	made    time.Time
	settled context.Context // is over when it is known how many streams the peer takes

	mu      sync.Mutex
	used    time.Time // when an exchange last had a place
	waiting int       // places whose stream has not begun
}

// place is room for one exchange on a shared connection.
type place struct {
	*shared
	reused bool
}

// pings find out that a peer has gone without a word, which TCP does before them: see noticeGone. A server of
// gRPC ends a connection that is pinged more often than every five minutes, or two hours without a stream.
const (
	pingAfter = 6 * time.Minute
	pingWait  = 15 * time.Second
)

const (
	// receiveWindow is what a target may send of one answer before its client takes it: so much of each answer
	// is held for a client that takes nothing. The window of the connection, a gigabyte, is net/http's own:
	// those that are held up do not close it for the others.
	receiveWindow = 256 << 10
	// headMost is what net/http reads of a head. One that has more, or one field of it, ends the connection with
	// all that others have on it, so what is beyond our own limit is refused by us: see malformed.
	headMost = 1 << 20
)

// settling is how long a new connection is waited for until it says how many streams it takes. The exchange
// that opened it does not wait; where nothing comes, the others go elsewhere.
const settling = time.Second

// held is a socket whose end is told: net/http closes it when it likes.
type held struct {
	net.Conn

	mu     sync.Mutex
	began  string // what was read first
	fin    bool   // the peer has ended its side
	closed bool
	ended  func()

	refusal error // of our certificate, which net/http would keep to itself
}

const http1Began = "HTTP/1."

func (h *held) Read(p []byte) (int, error) {
	n, err := h.Conn.Read(p)
	h.mu.Lock()
	if missing := len(http1Began) - len(h.began); missing > 0 {
		h.began += string(p[:min(n, missing)])
	}
	h.fin = h.fin || err == io.EOF
	h.mu.Unlock()
	return n, err
}

// note keeps what is told of our certificate.
func (h *held) note(err error) {
	if !wantsCertificate(err) {
		return
	}
	h.mu.Lock()
	h.refusal = err
	h.mu.Unlock()
}

// why is what net/http makes of the end of a connection, with what it leaves out.
func (h *held) why(err error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refusal != nil {
		return fmt.Errorf("%w: %w", h.refusal, err)
	}
	return err
}

// hasEnded tells that the peer has ended its side. Where TLS above had its own end before, close_notify, it
// has not looked for that.
func (h *held) hasEnded() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.fin
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

// framed is a connection above its TLS, where the frames are.
type framed struct {
	net.Conn
	held   *held
	began  []byte          // of the first frame: its length
	read   int             // bytes, until it is settled
	over   context.Context // net/http knows the first SETTINGS, or nothing comes any more
	settle context.CancelFunc
	heard  context.Context // all that the peer has said: nothing comes any more
	deaf   context.CancelFunc
}

func newFramed(d *dialled) *framed {
	f := &framed{Conn: d.conn, held: d.held}
	f.over, f.settle = context.WithCancel(context.Background())
	f.heard, f.deaf = context.WithCancel(context.Background())
	return f
}

const (
	frameLength = 3 // bytes that tell the length of a payload (RFC 9113 §4.1)
	frameHead   = 9 // bytes before the payload
)

// Read settles when net/http is through with the first frame, which is SETTINGS (RFC 9113 §3.4): it asks for
// more only then. One goroutine reads.
func (f *framed) Read(p []byte) (int, error) {
	if f.over.Err() != nil {
		return f.hear(p)
	}
	if b := f.began; len(b) == frameLength && f.read >= frameHead+(int(b[0])<<16|int(b[1])<<8|int(b[2])) {
		f.settle()
	}
	n, err := f.hear(p)
	f.read += n
	f.began = append(f.began, p[:min(n, frameLength-len(f.began))]...)
	return n, err
}

func (f *framed) hear(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	if err != nil {
		f.held.note(err)
		f.deaf()
	}
	return n, err
}

// Write lets what the peer said before it went be heard first, else why it went is never known.
func (f *framed) Write(p []byte) (int, error) {
	n, err := f.Conn.Write(p)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		select {
		case <-f.heard.Done():
		case <-time.After(lastWord):
		}
	}
	return n, err
}

// lastWord is how long a peer that takes nothing may hold up the last word of TLS, and its own be waited for.
const lastWord = 250 * time.Millisecond

func (f *framed) Close() error {
	f.settle()
	timer := time.AfterFunc(lastWord, func() { _ = f.held.Close() })
	defer timer.Stop()
	return f.Conn.Close()
}

// newShared speaks HTTP/2 over d, with a place for the first exchange.
func newShared(ctx context.Context, d *dialled, s *site, l *lines) (*shared, error) {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	noticeGone(d.socket)
	f := newFramed(d)
	transport := &http.Transport{ // it opens one connection: the one that is there
		DialContext:            func(context.Context, string, string) (net.Conn, error) { return f, nil },
		Protocols:              &protocols,
		DisableCompression:     true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: pingAfter, PingTimeout: pingWait, MaxReceiveBufferPerStream: receiveWindow},
		MaxResponseHeaderBytes: headMost,
		ExpectContinueTimeout:  continueTimeout,
	}
	made, err := transport.NewClientConn(ctx, "http", s.origin.address()) // it need not know of the TLS below
	if err != nil {
		return nil, d.held.why(err)
	}
	h := &shared{conn: made, site: s, lines: l, held: d.held, settled: f.over, facts: d.facts, ip: ipOf(d.socket), made: time.Now(), used: time.Now(), waiting: 1}
	h.sending.patience = l.patience
	if err := made.Err(); err != nil {
		h.close()
		return nil, d.held.why(err)
	}
	made.SetStateHook(h.changed)
	l.opened(s)
	d.held.tell(func() { l.release(s) })
	context.AfterFunc(f.over, func() { l.nudge(s) })
	return h, nil
}

// changed is told by net/http when an exchange ended or the peer allows more of them.
func (s *shared) changed(c *http.ClientConn) {
	if s.retired.Load() && !s.busy() {
		s.close()
		return
	}
	s.lines.nudge(s.site)
}

// reserve takes a place for one exchange; false when there is none. The places are counted here: those that
// net/http reserves hold up the exchange that is about to use one of them when the limit turns out lower
// (Reserve, awaitOpenSlotForStreamLocked), for good.
func (s *shared) reserve(ctx context.Context) bool {
	if !s.settles(ctx) {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead() || s.waiting >= s.conn.Available() {
		return false
	}
	s.waiting++
	s.used = time.Now()
	return true
}

// settles waits until the peer has said how many streams it takes; false when it takes too long, or longer
// than ctx.
func (s *shared) settles(ctx context.Context) bool {
	if s.settled.Err() != nil {
		return true
	}
	timer := time.NewTimer(time.Until(s.made.Add(settling)))
	defer timer.Stop()
	select {
	case <-s.settled.Done():
		return true
	case <-ctx.Done():
		return false
	case <-timer.C:
		return s.settled.Err() != nil
	}
}

// began says that a place has become a stream, which net/http counts, or never will.
func (s *shared) began() {
	s.mu.Lock()
	s.waiting--
	s.mu.Unlock()
	s.conn.Release() // of nothing: it has net/http look how many streams there are, or it would not tell of fewer
	s.changed(s.conn)
}

// busy tells that somebody has a place. A stream begins before its place is given up, so it is looked for
// after that.
func (s *shared) busy() bool {
	s.mu.Lock()
	waiting := s.waiting
	s.mu.Unlock()
	return waiting > 0 || s.conn.InFlight() > 0
}

func (s *shared) touch() {
	s.mu.Lock()
	s.used = time.Now()
	s.mu.Unlock()
}

func (s *shared) dead() bool { return s.conn.Err() != nil }

// idleSince tells that no exchange has used it after limit.
func (s *shared) idleSince(limit time.Time) bool {
	if s.busy() {
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
	if !s.busy() {
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
	} else {
		s.startClock() // it runs while net/http waits for its turn, too; a body has a clock of its own
	}
	answer, err := l.conn.RoundTrip(s.request())
	s.goOn()
	s.begin()
	if tooLarge(err) {
		return s.refuse(), nil
	}
	if err == nil || !unsent(err) {
		k.x.Sent = true
		k.x.NoteSent(s.head)
	}
	if err != nil {
		return nil, s.failed(k.doing("Waiting for the answer of %s"), l.held.why(err))
	}
	if bad := malformed(answer); bad != nil {
		s.answer = answer
		err := s.failed(k.doing("Waiting for the answer of %s"), bad)
		_ = s.end()
		return nil, err
	}
	return s.respond(answer), nil
}
