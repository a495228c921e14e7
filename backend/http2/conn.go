package http2

import (
	"cmp"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2/hpack"
)

// Conn is one connection of a client.
type Conn struct {
	conn    net.Conn
	handler Handler
	options atomic.Pointer[Options]

	// These belong to the goroutine of Serve.
	in      input
	decoder *hpack.Decoder
	block   block
	greeted bool // the peer's first SETTINGS came
	began   time.Time

	handlers sync.WaitGroup

	mu      sync.Mutex // guards what follows, and the streams
	changed sync.Cond  // something of the connection did: room in out, the end of a write, death
	out     output
	calm    calm

	streams map[uint32]*Stream // open or half closed
	lastID  uint32             // the highest the client used
	served  uint32             // the highest that was not ignored: what a GOAWAY names
	past    past               // how streams ended that are not open any more
	begun   int                // requests so far
	active  int                // streams that count for Options.Streams
	running int                // handlers
	idle    *time.Timer        // ends a connection without requests
	since   time.Time          // it has no request

	receive  int   // what the client may still send on all streams together
	grown    int   // by how much the windows of bodies are larger than at first
	taken    int   // what was read of that and not given back
	sendable int64 // what we may still send on all streams together
	window   int64 // a new stream's, by the client's SETTINGS

	leaving leaving
	settle  *time.Timer // ends the first step of leaving
	closing bool        // nothing is served any more: what waits is written, and then the connection closed
	fault   error       // why; nil when it was by our own will
	dead    error       // why nothing can be written any more; nil while it can
}

// leaving is how far a graceful end is (RFC 9113 §6.8).
type leaving int

const (
	staying   leaving = iota
	announced         // the client was told to open no streams; those under way are still served
	settled           // what the client opens now is ignored
)

const (
	// streamWindow is what a client may send of one body before it is read, at first; grownWindow when
	// it is being read. All windows of a connection together grow by growth at most.
	streamWindow = 64 << 10
	grownWindow  = 256 << 10
	growth       = 2 << 20
	// credit is how much of the connection's window is given back at a time.
	credit    = 256 << 10
	tableSize = 4 << 10 // of HPACK's tables, both ways: the initial value
)

// connWindow is what a client may send of all bodies of a connection before they are read. All that so many
// streams can hold without being read leaves some of it: those do not hold up the others.
func connWindow(streams int) int { return min(streams*streamWindow+growth+credit, maxWindow) }

// New makes the server's end of conn, on which the client's preface is next. A Write of conn must end by
// itself when the client takes nothing.
func New(conn net.Conn, h Handler, o Options) *Conn {
	c := &Conn{
		conn: conn, handler: h, streams: map[uint32]*Stream{},
		sendable: initialWindow, window: initialWindow,
	}
	c.Limit(o)
	c.receive = connWindow(c.limits().Streams)
	c.in.conn = conn
	c.changed.L = &c.mu
	c.out.encoder = hpack.NewEncoder(&c.out.block)
	c.decoder = hpack.NewDecoder(tableSize, func(f hpack.HeaderField) { c.block.section.take(f, c.limits()) })
	return c
}

// Limit puts other options in force, from the next request on. Streams stays as the client was told
// at the beginning. Any goroutine may call it.
func (c *Conn) Limit(o Options) {
	o = o.orDefaults()
	if now := c.options.Load(); now != nil {
		o.Streams = now.Streams
	}
	c.options.Store(&o)
}

func (c *Conn) limits() *Options { return c.options.Load() }

// Serve speaks with the client until the connection is over and every handler has returned, and
// closes it. The error says why it ended; nil for an ordinary end.
func (c *Conn) Serve() error {
	c.began = time.Now()
	c.greet()
	err := c.read()
	err = c.finish(err)
	c.handlers.Wait()
	if errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// errOver ends the reading of a connection that ends by our own will.
var errOver = errors.New("http2: the connection is over")

// greet says our settings (RFC 9113 §3.4).
func (c *Conn) greet() {
	var s [5 * 6]byte
	payload := appendSetting(s[:0], settingStreams, uint32(c.limits().Streams))
	payload = appendSetting(payload, settingWindow, streamWindow)
	payload = appendSetting(payload, settingHeaderSize, uint32(c.limits().HeaderSize))
	payload = appendSetting(payload, settingConnectMethod, 1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.since = c.began
	c.idle = time.AfterFunc(c.limits().KeepAlive, c.endIdle)
	c.control(kindSettings, 0, 0, payload)
	c.windowUpdate(0, c.receive-initialWindow)
	c.pushLater()
}

func (c *Conn) read() error {
	if err := c.readPreface(); err != nil {
		return err
	}
	for {
		f, err := c.next()
		if err != nil {
			return err
		}
		if err := c.take(f); err != nil {
			return err
		}
	}
}

// finish ends the connection after its last frame was read, and says why it ended.
func (c *Conn) finish(err error) error {
	c.mu.Lock()
	if fault, ok := err.(*Error); ok {
		c.fail(fault)
	}
	switch {
	case c.dead != nil:
		err = c.dead
	case c.closing:
		err = c.fault
		c.pushLater()
		c.mu.Unlock()
		c.linger()
		c.mu.Lock()
	}
	c.lose(err)
	c.idle.Stop()
	if c.settle != nil {
		c.settle.Stop()
	}
	if c.out.cork != nil {
		c.out.cork.Stop()
	}
	c.mu.Unlock()
	_ = c.conn.Close() // what it says of that helps nobody
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.out.writing {
		c.changed.Wait()
	}
	return err
}

// fail ends the connection for a fault of the client. It is called with mu held.
func (c *Conn) fail(fault *Error) {
	if c.closing || c.dead != nil {
		return
	}
	c.fault = fault
	c.goAway(fault.Code, fault.Reason)
	c.close(fault)
	_ = c.conn.SetReadDeadline(longAgo) // wakes the goroutine of Serve, which lingers
}

// close ends every stream; what waits in out is still written. It is called with mu held.
func (c *Conn) close(why *Error) {
	c.closing = true
	for _, s := range c.streams {
		c.drop(s, why)
	}
	c.changed.Broadcast()
}

// lose ends every stream: the connection is gone. It is called with mu held.
func (c *Conn) lose(err error) {
	if c.dead == nil {
		c.dead = cmp.Or(err, net.ErrClosed)
	}
	c.close(&Error{Code: Cancel, Reason: "the connection is gone", Peer: true, cause: err})
}

const (
	lingerTime  = time.Second
	lingerBytes = 4 << 20
)

// linger swallows what the client still sends until it has read our last words and closes, within
// bounds: closing with bytes unread would take those words from it (RFC 9112 §9.6 tells why).
func (c *Conn) linger() {
	c.mu.Lock()
	for c.dead == nil && (c.out.writing || c.out.sheet != nil) {
		c.changed.Wait() // a write ends by itself
	}
	lost := c.dead != nil
	c.mu.Unlock()
	if lost {
		return
	}
	if half, ok := c.conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() != nil {
		return
	}
	c.in.from, c.in.to = 0, 0
	c.in.room(smallInput)
	if c.in.conn.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	for swallowed := 0; swallowed < lingerBytes; swallowed += c.in.to {
		c.in.to = 0
		if c.in.read() != nil {
			return
		}
	}
}
