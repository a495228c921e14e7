package ingress

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/http1"
)

// stage is what a connection is doing, as far as a shutdown must know.
type stage = int32

const (
	waiting stage = iota // for a request: it may be closed
	working              // on an exchange: it may end
	endless              // a tunnel, an upgraded connection, an event stream: it has no end of its own
	shared               // HTTP/2: its streams tell what it works on
	closing
)

// client is one connection of a client. Its fields belong to the goroutine that serves it, unless
// they say so.
type client struct {
	server *Server
	bound  *bound
	raw    net.Conn // the TCP connection
	conn   net.Conn // what is spoken on: raw, or TLS on top of it
	in     input
	out    output
	reader *http1.Reader

	scheme  string // of what is spoken on conn
	via     string // host:port of the CONNECT this is inside of; "" outside
	facts   flow.Conn
	address netip.AddrPort
	fields  flow.Header // scratch for an answer's header
	bounds  *bounds     // that the reader keeps
	spare   *turn       // for the next request, or nil
	origin  netip.Addr  // what it counts for, once entered
	entered bool

	stage   atomic.Int32 // see stage
	streams streams      // where HTTP/2 is spoken

	mu   sync.Mutex
	turn *turn // the exchange that runs; nil between two. Guarded by mu
	over bool  // it was cut. Guarded by mu
}

func newClient(s *Server, b *bound, conn net.Conn) *client {
	c := &client{server: s, bound: b, raw: conn, conn: conn, scheme: "http"}
	c.facts = flow.Conn{Local: conn.LocalAddr().String(), Remote: conn.RemoteAddr().String()}
	if a, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		c.address = netip.AddrPortFrom(a.AddrPort().Addr().Unmap(), a.AddrPort().Port())
	}
	c.in.client, c.out.client = c, c
	c.bounds = s.limits.Load()
	c.reader = http1.NewReader(&c.in, c.bounds.head)
	c.reader.Tolerate(flow.RequestTolerances) // the route decides
	return c
}

// serve speaks with the client until the connection ends.
func (c *client) serve() {
	defer c.close()
	if c.bound.ways.Load().proxied && !c.introduced() {
		return
	}
	if !c.enter() {
		c.turnAway()
		return
	}
	c.in.await()
	if start, err := c.first(); err == nil {
		c.speak(start[0])
	}
}

// close ends the connection when its goroutine does. A panic, a fault of ours, ends this connection
// and not the program.
func (c *client) close() {
	p := recover()
	_ = c.conn.Close() // takes leave, where TLS has words for it
	c.cut()
	c.leave()
	if p != nil {
		if t := c.turn; t != nil { // only this goroutine sets it
			t.release()
		}
		c.server.options.Log.Error("serving a connection failed", "client", c.facts.Remote, "panic", p, "stack", string(debug.Stack()))
		return // somebody may still read the request's body through the reader
	}
	c.reader.Release()
}

// first waits for the first byte of what the client says next. It waits long without the reader's
// buffer: thousands may.
func (c *client) first() ([]byte, error) {
	c.in.brief = true
	start, err := c.reader.Peek(1)
	c.in.brief = false
	if err == nil || c.in.phase != between || !errors.Is(err, os.ErrDeadlineExceeded) {
		return start, err
	}
	c.reader.Rest()
	c.fields, c.spare = nil, nil
	if err := c.in.doze(); err != nil {
		return nil, err
	}
	return c.reader.Peek(1)
}

// serveHTTP answers one request after another (RFC 9112 §9.3).
func (c *client) serveHTTP() {
	for c.next() {
		c.facts.Reused = true
	}
}

// next answers one request, and tells whether another may follow.
func (c *client) next() bool {
	c.in.await()
	if _, err := c.first(); err != nil {
		return false
	}
	if b := c.server.limits.Load(); b != c.bounds {
		c.bounds = b
		c.reader.Limit(b.head)
	}
	head, err := c.reader.ReadRequest()
	if err != nil {
		c.refuseHead(err)
		return false
	}
	if head.Method == "CONNECT" {
		if head.Tolerated != 0 { // it takes no route
			c.refuseRequest(head, noRequest(&http1.Error{Status: 400, Reason: head.Tolerated.Faults()}))
			return false
		}
		if refused := c.stranger(head); refused != nil {
			return c.challenge(head, refused)
		}
		c.answerConnect(head, byConnect{})
		return false
	}
	t := c.newTurn(head)
	if refused := t.address(); refused != nil {
		if refused.status == 407 {
			return c.challenge(head, refused)
		}
		c.refuseRequest(head, refused)
		return false
	}
	return t.run()
}

// refuseHead answers a head that was refused or did not come in time.
func (c *client) refuseHead(err error) {
	if refused, ok := errors.AsType[*http1.Error](err); ok {
		c.refuse(noRequest(refused))
		return
	}
	if errors.Is(err, os.ErrDeadlineExceeded) && c.in.phase == inHead {
		c.refuse(&refusal{408, "The request's header did not arrive within " + c.bounds.headerTimeout.String() + "."})
	}
}

func noRequest(why *http1.Error) *refusal {
	return &refusal{why.Status, "This is not a request that can be passed on: " + why.Reason + "."}
}

// trusted tells whether the client's forwarding fields may be believed.
func (c *client) trusted() bool { return c.server.rules.Load().trusts(c.address.Addr()) }

// lastAnswer tells that the connection closes after the next answer.
func (c *client) lastAnswer() bool { return c.bound.gone.Load() || c.server.draining.Load() }

// dismiss ends the connection when it works on nothing. Any goroutine may call it.
func (c *client) dismiss() {
	switch {
	case c.stage.CompareAndSwap(waiting, closing):
		c.cut()
	case c.stage.Load() == shared:
		c.streams.drain()
	}
}

// cut closes the connection, whatever it does. Any goroutine may call it.
func (c *client) cut() {
	c.mu.Lock()
	t := c.turn
	c.over = true
	c.mu.Unlock()
	if t != nil {
		t.ctx.cancel()
	}
	_ = c.raw.Close() // the connection is given up: what it says of that helps nobody
}

// begin makes t the exchange that runs; it is cancelled at once where the connection was cut.
func (c *client) begin(t *turn) {
	c.mu.Lock()
	c.turn = t
	over := c.over
	c.mu.Unlock()
	if over {
		t.ctx.cancel()
	}
}

// wasCut tells that we closed the connection, not the client. Any goroutine may call it.
func (c *client) wasCut() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over
}

func (c *client) end() {
	c.mu.Lock()
	c.turn = nil
	c.mu.Unlock()
}

// unread tells that bytes of the client wait to be read: closing now would reset the connection
// before the client has read its answer.
func (c *client) unread() bool { return len(c.reader.Buffered()) > 0 || len(c.in.ahead) > 0 }

const (
	lingerBytes = 4 << 20
	lingerIdle  = time.Second
	lingerTotal = 5 * time.Second
)

// linger ends our side and swallows what the client still sends, within bounds, so that it gets to
// read the answer (RFC 9112 §9.6).
func (c *client) linger() {
	half, ok := c.conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	buf := buffers.Get()
	defer buffers.Put(buf)
	end := time.Now().Add(lingerTotal)
	for swallowed := 0; swallowed < lingerBytes; {
		until := time.Now().Add(lingerIdle)
		if until.After(end) {
			until = end
		}
		if c.raw.SetReadDeadline(until) != nil {
			return
		}
		n, err := c.raw.Read(buf[:])
		if err != nil {
			return
		}
		swallowed += n
	}
}

// rest is what the client sends from here on, with what was read ahead of it. Deadlines are lifted.
func (c *client) rest() *joined {
	ahead := append(append([]byte{}, c.reader.Buffered()...), c.in.ahead...)
	c.in.ahead = nil
	_ = c.conn.SetDeadline(time.Time{}) // a closed connection says so at the next read
	c.in.until.Store(0)
	c.out.until.Store(0)
	return &joined{Conn: c.conn, raw: c.raw, ahead: ahead}
}

// joined is a connection with what was already read from it in front.
type joined struct {
	net.Conn
	raw   net.Conn // the TCP connection below
	ahead []byte
	host  string // where a TLS client that names no host connected to
	ours  bool   // the client was shown a leaf of our authority

	last [len(fatalAlert) + 1]byte // what the connection gave last, of a read that gave so much

	client *client // whose it is; set with host
	out    *output // whose writes end by looks at what the client takes; nil where they have a deadline
}

func (j *joined) Read(p []byte) (int, error) {
	if len(j.ahead) > 0 {
		n := copy(p, j.ahead)
		j.ahead = j.ahead[n:]
		return n, nil
	}
	n, err := j.Conn.Read(p)
	if n >= len(j.last) {
		copy(j.last[:], p[n-len(j.last):n])
	}
	return n, err
}

// Write goes on where a deadline has passed that was a look: TLS could not, which has counted the bytes.
func (j *joined) Write(p []byte) (int, error) {
	if j.out != nil {
		return j.out.writeOn(j.Conn, p)
	}
	return j.Conn.Write(p)
}

// SetWriteDeadline is for those who mean a deadline, as TLS for its last words.
func (j *joined) SetWriteDeadline(t time.Time) error {
	j.out = nil
	return j.Conn.SetWriteDeadline(t)
}

// waiting is how many bytes come before those of the connection.
func (j *joined) waiting() int { return len(j.ahead) }

// socket is the TCP connection below, where nothing lies between; else nil.
func (j *joined) socket() net.Conn {
	if j.Conn != j.raw {
		return nil
	}
	return j.raw
}

// CloseWrite ends our side alone.
func (j *joined) CloseWrite() error {
	if half, ok := j.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

// abort makes the connection end with a reset: the client cannot take what it got for complete.
func (c *client) abort() {
	resetAtEnd(c.raw)
	c.cut()
}

// resetAtEnd makes the connection end with a reset; without it the end is an ordinary one.
func resetAtEnd(conn net.Conn) {
	if tcp, ok := conn.(interface{ SetLinger(seconds int) error }); ok {
		_ = tcp.SetLinger(0) // a connection that has ended needs none
	}
}
