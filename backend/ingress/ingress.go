// Package ingress is where traffic comes in: one port that speaks reverse, forward and CONNECT, in
// the clear and inside TLS, over HTTP/1 and HTTP/2, and makes every request a flow.Exchange.
package ingress

import (
	"context"
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
	// Folder is where relative paths of certificates begin: the configuration file's.
	Folder string
	// Owner names who listens on an address, "node (pid 4711)", or "" when it cannot be told.
	Owner func(address string) string
	Log   *slog.Logger
	// TurnedAway is told of requests that were answered here, for what they are or ask or because too many are
	// under way, and not given to Handler, with the answer: its RawHead is as it was sent, its Proto the client's, its Body all that was.
	TurnedAway func(x *flow.Exchange, sent *flow.Response)
	// Distrusted is told when a client refused our certificate for a host. It must not block.
	Distrusted func(host, why string)
}

// Server accepts connections and serves them. Its methods may be called at any time by any goroutine.
type Server struct {
	options Options
	rules   atomic.Pointer[rules]
	tls     atomic.Pointer[terminator] // nil until Configure
	connect *goproxy.ProxyHttpServer
	clock   atomic.Pointer[clock]

	configuring sync.Mutex // one Configure at a time

	mu       sync.Mutex
	bound    []*bound // in the order of the settings
	clients  map[*client]struct{}
	draining atomic.Bool
	running  sync.WaitGroup

	limits atomic.Pointer[bounds]
	places places
	gate   gate

	allowance allowance
}

// New makes a server that listens nowhere: Configure tells it where.
func New(o Options) *Server {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Owner == nil {
		o.Owner = func(string) string { return "" }
	}
	if o.TurnedAway == nil {
		o.TurnedAway = func(*flow.Exchange, *flow.Response) {}
	}
	if o.Distrusted == nil {
		o.Distrusted = func(string, string) {}
	}
	s := &Server{options: o, clients: map[*client]struct{}{}}
	s.rules.Store(&rules{})
	s.limit(Limits{})
	s.connect = s.connectProxy()
	return s
}

// Listeners are the addresses as bound, with their real ports, in the order of the settings.
func (s *Server) Listeners() []Listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Listener, len(s.bound))
	for i, b := range s.bound {
		out[i] = b.ways.Load().listener
		out[i].Address = b.listener.Addr().String()
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

// afterLast is how soon after the last exchange what has no end of its own is cut.
const afterLast = 20 * time.Millisecond

// Shutdown stops accepting and closes what is idle. Running exchanges end until ctx does, then they
// are cut. What has no end of its own, as tunnels, upgraded connections and event streams, is cut with
// the last exchange that has one. Left tells how far it is. The server is of no use afterwards. The
// error is a handler that did not heed its context.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stopAccepting()
	for _, c := range s.all() {
		c.dismiss()
	}
	ended := make(chan struct{})
	go func() {
		s.running.Wait()
		close(ended)
	}()
	if s.drained(ctx, ended) {
		return nil
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

// drained waits until all connections ended; false when ctx ends first.
func (s *Server) drained(ctx context.Context, ended <-chan struct{}) bool {
	look := time.NewTicker(afterLast)
	defer look.Stop()
	for {
		if s.Left().Requests == 0 {
			for _, c := range s.all() {
				switch c.stage.Load() {
				case endless:
					c.cut()
				case shared:
					c.streams.cutEndless()
				}
			}
		}
		select {
		case <-ended:
			return true
		case <-ctx.Done():
			return false
		case <-look.C:
		}
	}
}

func (s *Server) stopAccepting() {
	s.configuring.Lock()
	defer s.configuring.Unlock()
	again := s.draining.Swap(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.bound {
		b.close()
	}
	s.bound = nil
	if t := s.tls.Load(); t != nil && !again {
		t.files.Close()
	}
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
