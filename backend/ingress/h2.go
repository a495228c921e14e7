package ingress

import (
	"errors"
	"net"
	"runtime/debug"
	"strconv"
	"sync"

	"proxycache/backend/flow"
	"proxycache/backend/http1"
	"proxycache/backend/http2"
)

// streams are the requests of a connection that speaks HTTP/2.
type streams struct {
	mu      sync.Mutex
	conn    *http2.Conn // nil where something else is spoken
	bounds  *bounds     // that it keeps
	running int
	endless map[*stream]struct{} // those of them that have no end of their own
}

// serveH2 serves the HTTP/2 client inside conn until it is gone.
func (c *client) serveH2(conn net.Conn) {
	s := &c.streams
	s.mu.Lock()
	s.bounds = c.server.limits.Load()
	s.conn = http2.New(outward{conn, &c.out}, c, s.bounds.http2())
	s.mu.Unlock()
	c.stage.Store(shared)
	if c.server.draining.Load() { // a shutdown that looked before
		c.dismiss()
	}
	if err := s.conn.Serve(); err != nil {
		c.server.options.Log.Debug("an HTTP/2 connection ended", "client", c.facts.Remote, "why", err)
	}
}

// outward is a connection that is written to by way of its output, whose writes end when the client takes
// nothing.
type outward struct {
	net.Conn
	out *output
}

func (o outward) Write(p []byte) (int, error) { return o.out.Write(p) }

// CloseWrite ends our side alone.
func (o outward) CloseWrite() error {
	if half, ok := o.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

func (b *bounds) http2() http2.Options {
	return http2.Options{
		Streams: b.Streams, HeaderSize: b.head.Head, HeaderFields: b.head.Fields, TargetSize: b.head.Target,
		HeaderTimeout: b.headerTimeout, BodyTimeout: b.bodyTimeout, WriteTimeout: b.writeTimeout, KeepAlive: b.keepAlive,
	}
}

func (s *streams) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running++
}

func (s *streams) end(ended *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
	delete(s.endless, ended)
}

// lasts says that one has no end of its own.
func (s *streams) lasts(one *stream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.endless == nil {
		s.endless = map[*stream]struct{}{}
	}
	s.endless[one] = struct{}{}
}

// count is how many run, and how many of these have no end of their own.
func (s *streams) count() (running, endless int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running, len(s.endless)
}

// drain lets none begin any more; the connection closes after the last.
func (s *streams) drain() {
	s.mu.Lock()
	conn := s.conn
	s.mu.Unlock()
	if conn != nil {
		conn.Drain()
	}
}

// cutEndless ends those that have no end of their own, where no others run.
func (s *streams) cutEndless() {
	s.mu.Lock()
	var cut []*stream
	if s.running == len(s.endless) {
		for one := range s.endless {
			cut = append(cut, one)
		}
	}
	s.mu.Unlock()
	for _, one := range cut {
		one.wasCut.Store(true)
		one.wire.Reset(http2.Cancel, "the proxy is closing")
	}
}

// adopt puts limits in force that were changed since the last request.
func (s *streams) adopt(b *bounds) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.bounds != b {
		s.bounds = b
		s.conn.Limit(b.http2())
	}
}

// ServeStream answers one request of an HTTP/2 connection. A panic, a fault of ours, ends its stream
// alone.
func (c *client) ServeStream(wire *http2.Stream) {
	s := &stream{client: c, wire: wire}
	c.streams.begin()
	defer func() {
		if p := recover(); p != nil {
			c.server.options.Log.Error("serving a request failed", "client", c.facts.Remote, "panic", p, "stack", string(debug.Stack()))
		}
		s.release()
		c.streams.end(s)
	}()
	c.streams.adopt(c.server.limits.Load())
	if c.lastAnswer() {
		c.streams.drain()
	}
	if refused := s.address(); refused != nil {
		s.refuse(refused)
		return
	}
	s.run()
}

// address finds the door and the place that the request names.
func (s *stream) address() *refusal {
	c, r := s.client, &s.wire.Request
	accept := c.bound.ways.Load()
	s.door = flow.Reverse
	s.request = flow.Request{
		Method: r.Method, Scheme: c.scheme, Authority: r.Authority, Target: r.Path, Proto: "HTTP/2.0",
		Header: r.Header, Body: flow.NoBody, ContentLength: r.Length,
	}
	switch {
	case r.Protocol != "" && r.Protocol != "websocket":
		return &refusal{501, "An extended CONNECT for " + strconv.Quote(r.Protocol) + " is not passed on; \"websocket\" is."}
	case r.Method == "CONNECT" && r.Protocol == "":
		return s.addressTunnel(accept)
	case !flow.EqualFold(r.Scheme, "http") && !flow.EqualFold(r.Scheme, "https"):
		return &refusal{400, "The proxy passes http:// and https:// on, and not " + r.Scheme + "://."}
	case c.via != "":
		s.door = flow.Forward
		s.request.Authority, s.request.Dial = c.inside(r.Authority)
		if c.scheme == "https" {
			s.door = flow.Intercept
		}
	case accept.forward && s.asksProxy():
		if !accept.login.admitsRequest(r.Header) {
			return &refusal{407, notAdmitted}
		}
		s.door, s.request.Scheme = flow.Forward, "http"
	case !accept.reverse && s.asksProxy():
		return &refusal{403, notForward}
	case !accept.reverse:
		return &refusal{403, notReverse}
	}
	if r.Protocol != "" {
		s.addressUpgrade()
		return nil
	}
	s.body()
	return nil
}

// asksProxy tells that the request is one for a proxy, which HTTP/2 has no form of its own for: http:// is
// asked for over TLS. Some proxies in front of servers say so, too, so a listener that is only theirs takes
// it for its own.
func (s *stream) asksProxy() bool {
	r := &s.wire.Request
	return s.client.scheme == "https" && flow.EqualFold(r.Scheme, "http") && r.Authority != ""
}

// addressTunnel takes a CONNECT inside the connection: its stream becomes the tunnel. What is inside
// passes untouched, TLS is not opened there: a program whose traffic is to be read says CONNECT over
// HTTP/1.1, as nearly all do.
func (s *stream) addressTunnel(accept *ways) *refusal {
	switch {
	case s.client.via != "":
		return &refusal{403, "A CONNECT inside a CONNECT is not taken. Send it to the proxy itself."}
	case !accept.connect:
		return &refusal{403, "This address does not take CONNECT: its listener does not accept \"connect\"."}
	case !accept.login.admitsRequest(s.request.Header):
		return &refusal{407, notAdmitted}
	}
	s.door = flow.Tunnel
	s.request.Target, s.request.ContentLength = "", 0
	return nil
}

// refuse answers what does not become an exchange.
func (s *stream) refuse(r *refusal) {
	s.client.server.options.Log.Debug("refused a request", "client", s.client.facts.Remote, "status", r.status, "why", r.why)
	h, body := r.page(s.wire.Request.Header.Joined("Accept"), r.kind())
	if r.status == 407 {
		h.Add("Proxy-Authenticate", `Basic realm="Proxycache"`)
	}
	w := newWord(r, h, body)
	s.write(w.response)
	if r.status != 407 { // which is how a client learns to ask again
		s.client.turnedAway(&s.request, s.door, r, w.sent(s.request.Method))
	}
}

// h2Header is a response's header for HTTP/2: without what concerns a connection (RFC 9113 §8.2.2),
// with the length that is true here. It is appended to h.
func (s *stream) h2Header(h flow.Header, r *flow.Response, length int64, empty bool) flow.Header {
	dated, sized := false, false
	for _, f := range r.Header {
		switch {
		case hopByHop(f.Name):
			continue
		case len(f.Name) == len("Content-Length") && flow.EqualFold(f.Name, "Content-Length"):
			if sized || !sizeOf(s.request.Method, r, &f, length, empty) {
				continue
			}
			sized = true
		case len(f.Name) == len("Date") && flow.EqualFold(f.Name, "Date"):
			dated = true
		}
		h = append(h, f)
	}
	switch {
	case sized || length == http1.Chunked:
	case !empty:
		h.Add("content-length", strconv.FormatInt(length, 10))
	case s.request.Method == "HEAD" && r.Status != 204 && r.ContentLength > 0: // of the body that a GET gets
		h.Add("content-length", strconv.FormatInt(r.ContentLength, 10))
	}
	if !dated {
		h.Add("date", s.client.server.date())
	}
	return h
}
