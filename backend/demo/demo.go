// Package demo is a small API to look at traffic with: it runs in the process, on loopback, and does
// what real servers do.
package demo

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"proxycache/backend/problem"
)

// Server is a running demo API. It keeps its items in memory; they are as at first after a restart.
type Server struct {
	listener net.Listener
	http     http.Server
	items    items

	background context.Context // ends with Close: nothing long outlives the server
	stop       context.CancelFunc

	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup // handlers, those of hijacked connections too, and the accepting loop
}

// Start listens on a free port of 127.0.0.1 and serves until Close.
func Start(log *slog.Logger) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, problem.Wrap(problem.Unavailable, err, "Starting the demo API: %v. Allow this program to listen on 127.0.0.1.", err)
	}
	s := &Server{listener: l}
	s.items.seed()
	s.background, s.stop = context.WithCancel(context.Background())
	s.http = http.Server{
		Handler:           s.counted(s.routes()),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		BaseContext:       func(net.Listener) context.Context { return s.background },
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	s.running.Go(func() {
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("the demo API stopped", "error", err)
		}
	})
	return s, nil
}

// Addr is the address it listens on, "127.0.0.1:40123".
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Close ends all connections at once and returns when every handler has.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	err := s.http.Close()
	s.running.Wait()
	return err
}

// counted lets Close wait for h.
func (s *Server) counted(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			fail(w, http.StatusServiceUnavailable, "The demo API is closing.")
			return
		}
		s.running.Add(1)
		s.mu.Unlock()
		defer s.running.Done()
		h.ServeHTTP(w, r)
	})
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	for pattern, handle := range map[string]http.HandlerFunc{
		"GET /{$}": page,

		"GET /v1/items":         s.items.list,
		"POST /v1/items":        s.items.create,
		"GET /v1/items/{id}":    s.items.read,
		"PUT /v1/items/{id}":    s.items.replace,
		"PATCH /v1/items/{id}":  s.items.patch,
		"DELETE /v1/items/{id}": s.items.remove,

		"GET /slow":       slow,
		"/status/{code}":  status,
		"GET /error":      failure,
		"GET /redirect":   redirect,
		"GET /cookies":    cookies,
		"/headers":        headers,
		"GET /gzip":       gzipped,
		"GET /chunked":    chunked,
		"GET /bytes/{n}":  noisy,
		"GET /image.png":  pngImage,
		"GET /image.svg":  svgImage,
		"POST /upload":    upload,
		"PUT /upload":     upload,
		"GET /events":     events,
		"GET /ws":         echo,
		"GET /robots.txt": robots,
	} {
		mux.HandleFunc(pattern, handle)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern == "" {
			w = &refusal{ResponseWriter: w}
		}
		mux.ServeHTTP(w, r)
	})
}

// refusal turns the plain text of ServeMux's own 404 and 405 into a problem document.
type refusal struct {
	http.ResponseWriter
	told bool
}

func (f *refusal) WriteHeader(status int) {
	f.told = true
	switch status {
	case http.StatusNotFound:
		fail(f.ResponseWriter, status, "There is nothing here. GET / lists what there is.")
	case http.StatusMethodNotAllowed:
		fail(f.ResponseWriter, status, "This is not done here. Allow says what is.")
	default: // a redirect to the cleaned path
		f.ResponseWriter.WriteHeader(status)
	}
}

func (f *refusal) Write(b []byte) (int, error) {
	if f.told {
		return len(b), nil // the problem document stands for it
	}
	return f.ResponseWriter.Write(b)
}

// fail answers with a problem document (RFC 9457).
func fail(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	write(w, struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}{"about:blank", http.StatusText(status), status, detail})
}

// answer sends v as JSON.
func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	write(w, v)
}

// write does not report what fails: nobody is left to hear it when the client is gone.
func write(w http.ResponseWriter, v any) {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	_ = e.Encode(v)
}

// number is a whole number of the query; fallback where it has none. What is no number or out of
// range is answered, and ok is false.
func number(w http.ResponseWriter, r *http.Request, name string, fallback, least, most int) (n int, ok bool) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return fallback, true
	}
	return bounded(w, name, text, least, most)
}

func bounded(w http.ResponseWriter, name, text string, least, most int) (n int, ok bool) {
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		fail(w, http.StatusBadRequest, name+" goes from "+strconv.Itoa(least)+" to "+strconv.Itoa(most)+".")
		return 0, false
	}
	return n, true
}

// rest waits, and tells whether the client is still there.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
