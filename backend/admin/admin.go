// Package admin is the door for browsers and programs: the interface, and the API it uses, over HTTP
// with a key.
package admin

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"proxycache/backend/core"
	"proxycache/backend/problem"
)

// Options are what the door needs of its surroundings.
type Options struct {
	Core    *core.Core
	Assets  fs.FS // the built interface: index.html at its root
	Address string
	KeyFile string // made at the first start, for its owner alone
	Log     *slog.Logger
}

// Server is the open door.
type Server struct {
	core     *core.Core
	assets   fs.FS
	key      string
	address  netip.AddrPort
	calls    map[string]call
	server   *http.Server
	listener net.Listener
	closing  chan struct{} // ends the event streams, which would else hold up Shutdown
}

// Open binds the address and serves. The proxy is told never to dial it, so that the API is not
// reachable through the proxy itself.
func Open(o Options) (*Server, error) {
	key, err := readKey(o.KeyFile)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", o.Address)
	if err != nil {
		return nil, problem.Wrap(problem.Unavailable, err, "Serving the interface on %s: %v. Choose another address with --ui.", o.Address, err)
	}
	address, err := netip.ParseAddrPort(l.Addr().String())
	if err != nil {
		_ = l.Close()
		return nil, problem.Wrap(problem.Internal, err, "Serving the interface on %s: %v.", o.Address, err)
	}
	o.Core.Refuse(address)
	s := &Server{
		core: o.Core, assets: o.Assets, key: key, address: address, calls: calls(o.Core),
		listener: l, closing: make(chan struct{}),
	}
	s.server = &http.Server{
		Handler: s.guard(s.routes()), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelWarn),
	}
	return s, nil
}

// Serve answers until Close.
func (s *Server) Serve() error {
	if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return problem.Wrap(problem.Unavailable, err, "Serving the interface on %s: %v.", s.address, err)
	}
	return nil
}

// URL opens the interface, with the key.
func (s *Server) URL() string { return "http://" + s.address.String() + "/?key=" + s.key }

// Close lets running calls end until ctx does; those that have not by then are cut, and the error says so.
func (s *Server) Close(ctx context.Context) error {
	close(s.closing)
	err := s.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.server.Close())
	}
	return err
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	content := s.core.Content()
	mux.Handle("GET /body/", content)
	mux.Handle("GET /raw/", content)
	mux.Handle("GET /ca.pem", content)
	mux.Handle("GET /metrics", s.metrics())
	mux.HandleFunc("POST /api/call/{name}", s.call)
	mux.HandleFunc("GET /api/news", s.news)
	mux.HandleFunc("POST /api/export", s.export)
	mux.Handle("GET /", s.interfaceFiles())
	return mux
}

// interfaceFiles serves the built interface; nothing from elsewhere may be loaded into it.
func (s *Server) interfaceFiles() http.Handler {
	files := http.FileServerFS(s.assets)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; "+
			"object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		files.ServeHTTP(w, r)
	})
}
