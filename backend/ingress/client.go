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

// What a connection may take, by idleness: a stream that moves may take hours.
const (
	idleBetween = 60 * time.Second // from an answer to the next request
	headWithin  = 10 * time.Second // from a head's first byte to its last
	bodyIdle    = 30 * time.Second // between two reads of a body
	writeIdle   = 30 * time.Second // one write
)

// stage is what a connection is doing, as far as a shutdown must know.
type stage = int32

const (
	waiting stage = iota // for a request: it may be closed
	working              // on an exchange: it may end
	endless              // a tunnel or an upgraded connection: it has no end of its own
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
	c.reader = http1.NewReader(&c.in, http1.Limits{})
	return c
}

// serve speaks with the client until the connection ends.
func (c *client) serve() {
	defer c.close()
	c.in.await()
	switch first, err := c.reader.Peek(1); {
	case err != nil:
		return
	case first[0] == tlsHandshake:
		host, _ := flow.SplitAuthority(c.facts.Local)
		c.serveTLS(host)
	default:
		c.serveHTTP()
	}
}

// close ends the connection when its goroutine does. A panic, a fault of ours, ends this connection
// and not the program.
func (c *client) close() {
	p := recover()
	_ = c.conn.Close() // takes leave, where TLS has words for it
	c.cut()
	if p != nil {
		c.server.options.Log.Error("serving a connection failed", "client", c.facts.Remote, "panic", p, "stack", string(debug.Stack()))
		return // somebody may still read the request's body through the reader
	}
	c.reader.Release()
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
	head, err := c.reader.ReadRequest()
	if err != nil {
		c.refuseHead(err)
		return false
	}
	if head.Method == "CONNECT" {
		c.answerConnect(head)
		return false
	}
	t := c.newTurn(head)
	if refused := t.address(); refused != nil {
		c.refuse(refused)
		return false
	}
	return t.run()
}

// refuseHead answers a head that was refused or did not come in time.
func (c *client) refuseHead(err error) {
	if refused, ok := errors.AsType[*http1.Error](err); ok {
		c.refuse(&refusal{refused.Status, "This is not a request that can be passed on: " + refused.Reason + "."})
		return
	}
	if errors.Is(err, os.ErrDeadlineExceeded) && c.in.phase == inHead {
		c.refuse(&refusal{408, "The request's header did not arrive within " + headWithin.String() + "."})
	}
}

// trusted tells whether the client's forwarding fields may be believed.
func (c *client) trusted() bool { return c.server.rules.Load().trusts(c.address.Addr()) }

// lastAnswer tells that the connection closes after the next answer.
func (c *client) lastAnswer() bool { return c.bound.gone.Load() || c.server.draining.Load() }

// dismiss ends the connection when it works on nothing that has an end. Any goroutine may call it.
func (c *client) dismiss() {
	now := c.stage.Load()
	if c.stage.CompareAndSwap(waiting, closing) || now == endless || now == shared && c.streams.none() {
		c.cut()
	}
}

// cut closes the connection, whatever it does. Any goroutine may call it.
func (c *client) cut() {
	c.mu.Lock()
	t := c.turn
	c.over = true
	c.mu.Unlock()
	if t != nil {
		t.cancel()
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
		t.cancel()
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
	return &joined{Conn: c.conn, ahead: ahead}
}

// joined is a connection with what was already read from it in front.
type joined struct {
	net.Conn
	ahead []byte
	host  string // where a TLS client that names no host connected to

	client *client       // whose it is; set with over
	over   chan struct{} // closed with the connection; nil where nobody waits for that
	once   sync.Once
}

// Close closes the connection.
func (j *joined) Close() error {
	if j.over != nil {
		j.once.Do(func() { close(j.over) })
	}
	return j.Conn.Close()
}

func (j *joined) Read(p []byte) (int, error) {
	if len(j.ahead) > 0 {
		n := copy(p, j.ahead)
		j.ahead = j.ahead[n:]
		return n, nil
	}
	return j.Conn.Read(p)
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
	if tcp, ok := c.raw.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // without it the end is an ordinary one
	}
	c.cut()
}
