// Package ingress is where traffic comes in: one port that speaks reverse, forward and CONNECT, in
// the clear and inside TLS, over HTTP/1 and HTTP/2, and makes every request a flow.Exchange.
package ingress

import (
	"context"
	"crypto/tls"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/elazarl/goproxy"

	"proxycache/backend/certs"
	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// Options are what a Server needs of its surroundings.
type Options struct {
	Handler   flow.Handler
	Authority *certs.Authority
	// Owner names who listens on an address, "node (pid 4711)", or "" when it cannot be told.
	Owner func(address string) string
	Log   *slog.Logger
	// Distrusted is told when a client refused our certificate for a host. It must not block.
	Distrusted func(host, why string)
}

// Server accepts connections and serves them. Its methods may be called at any time by any goroutine.
type Server struct {
	options Options
	rules   atomic.Pointer[rules]
	tls     *tls.Config
	connect *goproxy.ProxyHttpServer
	h2      *h2
	clock   atomic.Pointer[clock]

	configuring sync.Mutex // one Configure at a time

	mu       sync.Mutex
	bound    []*bound // in the order of the settings
	clients  map[*client]struct{}
	draining atomic.Bool
	slots    chan struct{} // one for each connection
	running  sync.WaitGroup
}

// maxClients bounds the open connections; further ones wait in the system's queue. Each may need two
// file descriptors.
const maxClients = 4096

// New makes a server that listens nowhere: Configure tells it where.
func New(o Options) *Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Owner == nil {
		o.Owner = func(string) string { return "" }
	}
	if o.Distrusted == nil {
		o.Distrusted = func(string, string) {}
	}
	s := &Server{options: o, clients: map[*client]struct{}{}, slots: make(chan struct{}, maxClients)}
	s.rules.Store(&rules{})
	s.tls = s.tlsConfig()
	s.connect = s.connectProxy()
	s.h2 = newH2(o.Log)
	return s
}

// Listeners are the addresses as bound, with their real ports, in the order of the settings.
func (s *Server) Listeners() []Listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Listener, len(s.bound))
	for i, b := range s.bound {
		out[i] = Listener{Address: b.listener.Addr().String(), Accept: b.ways.Load().names}
	}
	return out
}

// Clients is the number of open connections.
func (s *Server) Clients() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.clients)
}

// afterCut is how long the goroutines of connections that were cut may take to end.
const afterCut = 5 * time.Second

// Shutdown stops accepting and closes what is idle. Running exchanges end until ctx does, then they
// are cut; tunnels and upgraded connections, which have no end of their own, are cut at once. The
// server is of no use afterwards. The error is a handler that did not heed its context.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stopAccepting()
	for _, c := range s.all() {
		c.dismiss()
	}
	leaving, done := context.WithCancel(ctx)
	told := make(chan struct{})
	go func() { // says GOAWAY at once, and then waits for what running knows better
		_ = s.h2.server.Shutdown(leaving)
		close(told)
	}()
	defer func() {
		done()
		<-told
	}()
	ended := make(chan struct{})
	go func() {
		s.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
	}
	for _, c := range s.all() {
		c.cut()
	}
	select {
	case <-ended:
		return nil
	case <-time.After(afterCut):
		return problem.New(problem.Internal, "Closing the proxy: %d connections did not end although they were cut.", s.Clients())
	}
}

func (s *Server) stopAccepting() {
	s.configuring.Lock()
	defer s.configuring.Unlock()
	s.draining.Store(true)
	s.h2.stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.bound {
		b.close()
	}
	s.bound = nil
}

func (s *Server) all() []*client {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]*client, 0, len(s.clients))
	for c := range s.clients {
		out = append(out, c)
	}
	return out
}
