package ingress

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"proxycache/backend/flow"
)

// h2 serves HTTP/2 connections through net/http: it is the one place besides goproxy's adapter that
// knows its types. Connections come from a listener that is fed by hand.
type h2 struct {
	server http.Server
	start  sync.Once
	conns  chan net.Conn
	closed chan struct{}
	close  sync.Once
}

func newH2(log *slog.Logger) *h2 {
	h := &h2{conns: make(chan net.Conn), closed: make(chan struct{})}
	h.server = http.Server{
		Handler:     http.HandlerFunc(serveStream),
		IdleTimeout: idleBetween, ReadHeaderTimeout: headWithin, MaxHeaderBytes: 64 << 10,
		HTTP2:    &http.HTTP2Config{WriteByteTimeout: writeIdle},
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			if spoken, ok := conn.(interface{ NetConn() net.Conn }); ok {
				if j, ok := spoken.NetConn().(*joined); ok {
					return context.WithValue(ctx, clientKey{}, j.client)
				}
			}
			return ctx
		},
	}
	return h
}

type clientKey struct{}

func (h *h2) Accept() (net.Conn, error) {
	select {
	case conn := <-h.conns:
		return conn, nil
	case <-h.closed:
		return nil, net.ErrClosed
	}
}

func (h *h2) Close() error {
	h.stop()
	return nil
}

// stop lets nobody wait for being accepted any more.
func (h *h2) stop() { h.close.Do(func() { close(h.closed) }) }

func (h *h2) Addr() net.Addr { return &net.TCPAddr{} }

// serve hands a connection over; false after the server was shut down.
func (h *h2) serve(conn net.Conn) bool {
	h.start.Do(func() { go func() { _ = h.server.Serve(h) }() }) // it ends by Shutdown alone, and says so
	select {
	case h.conns <- conn:
		return true
	case <-h.closed:
		return false
	}
}

// serveH2 serves the HTTP/2 client inside conn, which stands on inner, until it is gone.
func (c *client) serveH2(conn net.Conn, inner *joined) {
	inner.client, inner.over = c, make(chan struct{})
	c.stage.Store(shared)
	if c.server.draining.Load() || !c.server.h2.serve(conn) {
		return
	}
	if c.server.draining.Load() { // a shutdown that looked before
		c.dismiss()
	}
	<-inner.over
	c.streams.end()
}

// streams counts the requests of an HTTP/2 connection.
type streams struct {
	mu      sync.Mutex
	begun   int
	running int
	over    chan struct{} // closed with the last of them; nil while the connection lives
}

// begin counts one more; false when the connection is over.
func (s *streams) begin() (first, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over != nil {
		return false, false
	}
	s.begun++
	s.running++
	return s.begun == 1, true
}

func (s *streams) done() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
	if s.over != nil && s.running == 0 {
		close(s.over)
	}
}

func (s *streams) none() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running == 0
}

// end lets none begin any more and waits for those that run: net/http gives up a connection before
// its handlers have returned.
func (s *streams) end() {
	s.mu.Lock()
	s.over = make(chan struct{})
	if s.running == 0 {
		close(s.over)
	}
	s.mu.Unlock()
	<-s.over
}

// stream is one request of an HTTP/2 connection and its answer.
type stream struct {
	client  *client
	w       http.ResponseWriter
	r       *http.Request
	request flow.Request
	x       *flow.Exchange

	mu    sync.Mutex
	begun bool // the final answer has begun: no interim one any more
}

func serveStream(w http.ResponseWriter, r *http.Request) {
	c, ok := r.Context().Value(clientKey{}).(*client)
	if !ok {
		panic(http.ErrAbortHandler) // not one of our connections
	}
	first, ok := c.streams.begin()
	if !ok {
		panic(http.ErrAbortHandler)
	}
	defer c.streams.done()
	switch {
	case r.Method == http.MethodConnect:
		http.Error(w, "A CONNECT inside a connection to the proxy is not taken. Send it to the proxy in the clear.", http.StatusForbidden)
		return
	case c.via == "" && !c.bound.ways.Load().reverse:
		http.Error(w, notReverse, http.StatusForbidden)
		return
	}
	s := c.newStream(w, r)
	s.x.ClientConn.Reused = !first
	s.answer(c.server.options.Handler.Handle(s.x))
}

func (c *client) newStream(w http.ResponseWriter, r *http.Request) *stream {
	s := &stream{client: c, w: w, r: r}
	s.request = flow.Request{
		Method: r.Method, Scheme: c.scheme, Authority: r.Host, Target: r.RequestURI, Proto: r.Proto,
		Header: fromMap(r.Header), Body: flow.NoBody, ContentLength: r.ContentLength,
	}
	door := flow.Reverse
	if c.via != "" {
		door, s.request.Authority = flow.Intercept, c.inside(r.Host)
	}
	if r.ContentLength != 0 {
		s.request.Body = &streamBody{ReadCloser: r.Body, stream: s}
	}
	s.x = flow.NewExchange(r.Context(), door, &s.request)
	s.x.Client, s.x.Trusted, s.x.ClientConn = c.address, c.trusted(), c.facts
	s.x.Interim = s.interim
	return s
}

// fromMap makes an ordered header of net/http's, which has lost the order: by name, in lower case as
// HTTP/2 has it.
func fromMap(m http.Header) flow.Header {
	h := make(flow.Header, 0, len(m))
	for name, values := range m {
		name = strings.ToLower(name)
		for _, v := range values {
			h.Add(name, v)
		}
	}
	slices.SortStableFunc(h, func(a, b flow.Field) int { return strings.Compare(a.Name, b.Name) })
	return h
}

// streamBody fills in the trailer at its end.
type streamBody struct {
	io.ReadCloser
	stream *stream
}

func (b *streamBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF && len(b.stream.r.Trailer) > 0 {
		b.stream.request.Trailer = fromMap(b.stream.r.Trailer)
	}
	return n, err
}

// interim passes a 1xx on. net/http answers an Expect itself, at the body's first read.
func (s *stream) interim(status int, h flow.Header) {
	if status < 102 || status > 199 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begun {
		return
	}
	fillMap(s.w.Header(), h)
	s.w.WriteHeader(status)
	clear(s.w.Header())
}

func fillMap(to http.Header, h flow.Header) {
	for _, f := range h {
		if !hopByHop(f.Name) {
			to.Add(f.Name, f.Value)
		}
	}
}

// answer gives the response to the client and ends the exchange. What cannot be completed is ended by
// a reset of the stream.
func (s *stream) answer(r *flow.Response) {
	x := s.x
	complete := !r.Cut && r.Upgraded == nil && s.r.Context().Err() == nil && s.write(r)
	x.Timing.Done = x.Since()
	if !complete && s.r.Context().Err() != nil && x.Problem == nil {
		x.Problem = whyCancelled(!s.client.wasCut(), &s.request)
	}
	_ = s.r.Body.Close() // what comes late is nobody's
	closeAll(x, r)
	if !complete {
		panic(http.ErrAbortHandler) // net/http's way to reset a stream
	}
}

// write streams the response; false when it is not complete.
func (s *stream) write(r *flow.Response) bool {
	s.mu.Lock()
	s.begun = true
	s.mu.Unlock()
	h := s.w.Header()
	fillMap(h, r.Header)
	empty := s.r.Method == http.MethodHead || r.Status == 204 || r.Status == 304
	switch {
	case r.Status == 204:
		h.Del("Content-Length")
	case empty:
	case r.ContentLength >= 0:
		h.Set("Content-Length", strconv.FormatInt(r.ContentLength, 10))
	default:
		h.Del("Content-Length")
	}
	if len(h["Content-Type"]) == 0 {
		h["Content-Type"] = nil // else one is guessed
	}
	s.w.WriteHeader(r.Status)
	control := http.NewResponseController(s.w)
	if empty {
		return true
	}
	if err := control.Flush(); err != nil {
		return false
	}
	return s.pass(r, control)
}

func (s *stream) pass(r *flow.Response, control *http.ResponseController) bool {
	buf := buffers.Get()
	defer buffers.Put(buf)
	var sent int64
	for {
		n, err := r.Body.Read(buf[:])
		if n > 0 {
			if _, err := s.w.Write(buf[:n]); err != nil {
				return false
			}
			if err := control.Flush(); err != nil {
				return false
			}
			sent += int64(n)
		}
		switch {
		case err == io.EOF && sent < r.ContentLength:
			err = io.ErrUnexpectedEOF
		case err == io.EOF:
			if r.Trailer != nil {
				for _, f := range r.Trailer() {
					s.w.Header().Add(http.TrailerPrefix+f.Name, f.Value)
				}
			}
			return true
		}
		if err != nil {
			if s.x.Problem == nil && s.r.Context().Err() == nil {
				s.x.Problem = whyBroken(&s.request, err, sent)
			}
			return false
		}
	}
}
