// Package journey tells what people do with Proxycache, with real clients and servers, through core.
package journey

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"proxycache/backend/core"
	"proxycache/backend/upstream"
)

// house is a running core with a folder of its own.
type house struct {
	*core.Core
	t     *testing.T
	dir   string
	names upstream.Resolver // nil for the system's
}

const listenAnywhere = `
[[listen]]
address = "127.0.0.1:0"
accept = ["reverse", "forward", "connect", "socks5"]
`

// openHouse starts a core on a free port. The configuration has no version and no listener of its own.
func openHouse(t *testing.T, config string) *house {
	t.Helper()
	return openHouseWith(t, config, nil)
}

func openHouseWith(t *testing.T, config string, names upstream.Resolver) *house {
	t.Helper()
	dir := t.TempDir()
	text := "version = 1\n" + topOf(config) + listenAnywhere + tablesOf(config)
	if err := os.WriteFile(filepath.Join(dir, "config.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, dir: dir, names: names}
	h.start()
	t.Cleanup(h.stop)
	return h
}

// topOf are the keys before the first table: TOML wants them in front of all tables.
func topOf(config string) string { return config[:firstTable(config)] }

func tablesOf(config string) string { return config[firstTable(config):] }

func firstTable(config string) int {
	at := 0
	for line := range strings.Lines(config) {
		if strings.HasPrefix(strings.TrimSpace(line), "[") {
			return at
		}
		at += len(line)
	}
	return at
}

func (h *house) start() {
	h.t.Helper()
	c, err := core.Open(core.Options{Dir: h.dir, Version: "test", Resolver: h.names})
	if err != nil {
		h.t.Fatal(err)
	}
	h.Core = c
	if s := h.status(); len(s.ConfigProblems) > 0 {
		h.t.Fatalf("the configuration of the journey is wrong: %+v", s.ConfigProblems)
	}
	if err := c.Unbound(); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) stop() {
	if h.Core == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := h.Close(ctx); err != nil {
		h.t.Error(err)
	}
	h.Core = nil
}

func (h *house) status() core.Status {
	h.t.Helper()
	s, err := h.Status(h.t.Context(), core.Nothing{})
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

// proxy is "http://127.0.0.1:PORT".
func (h *house) proxy() string { return h.status().ProxyURL }

// eventually polls until ok holds; what is waited for is told when it never does.
func (h *house) eventually(what string, ok func() bool) {
	h.t.Helper()
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if ok() {
			return
		}
	}
	h.t.Fatalf("never happened: %s", what)
}

// finder names another Proxycache on this machine, or a test of one, that asks every port whether it
// speaks HTTP. What it asks is no part of a journey.
const finder = "looks for local servers"

// rows is the list as the window shows it.
func (h *house) rows(filter string) core.ExchangePage {
	h.t.Helper()
	const others = `not request.header.user-agent *= "` + finder + `"`
	if filter == "" {
		filter = others
	} else {
		filter = "(" + filter + ") and " + others
	}
	page, err := h.Exchanges(h.t.Context(), core.ExchangeQuery{Filter: filter, Limit: 500, Count: true})
	if err != nil {
		h.t.Fatal(err)
	}
	return page
}

// finished waits for the n-th exchange of the filter to be over and returns its detail.
func (h *house) finished(filter string, n int) core.Exchange {
	h.t.Helper()
	var seq int64
	h.eventually(fmt.Sprintf("exchange %d of %q is over", n, filter), func() bool {
		page := h.rows(filter)
		if len(page.Rows) < n || page.Rows[n-1].Micros < 0 {
			return false
		}
		seq = page.Rows[n-1].Seq
		return true
	})
	x, err := h.Exchange(h.t.Context(), seq)
	if err != nil {
		h.t.Fatal(err)
	}
	return x
}

// body reads a kept body as the window does, by its address.
func (h *house) body(seq int64, side string) []byte {
	h.t.Helper()
	w := httptest.NewRecorder()
	h.Content().ServeHTTP(w, httptest.NewRequest(http.MethodGet, fmt.Sprintf("/body/%d/%s", seq, side), nil))
	if w.Code != http.StatusOK {
		h.t.Fatalf("GET /body/%d/%s: %d %s", seq, side, w.Code, w.Body)
	}
	return w.Body.Bytes()
}

// heard is a request as an origin got it.
type heard struct {
	line   string // method, target, protocol
	fields []string
	body   []byte
}

// wire is an origin on bare TCP that keeps the bytes it hears and answers each request with 200.
type wire struct {
	address string
	mu      sync.Mutex
	heard   []heard
}

func openWire(t *testing.T) *wire {
	t.Helper()
	w := new(wire)
	w.address = openBare(t, w.serve)
	return w
}

// openBare is a server on bare TCP: serve is run for each connection, which is closed after it.
func openBare(t *testing.T, serve func(c net.Conn, in *bufio.Reader)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c, bufio.NewReader(c))
			}()
		}
	}()
	return l.Addr().String()
}

func (w *wire) serve(c net.Conn, in *bufio.Reader) {
	for {
		h, err := readRequest(in)
		if err != nil {
			return
		}
		if !strings.Contains(strings.Join(h.fields, "\n"), finder) {
			w.mu.Lock()
			w.heard = append(w.heard, h)
			w.mu.Unlock()
		}
		const answer = `{"heard":true}`
		if _, err := fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(answer), answer); err != nil {
			return
		}
	}
}

// all is what was heard so far.
func (w *wire) all() []heard {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]heard(nil), w.heard...)
}

func readRequest(in *bufio.Reader) (heard, error) {
	var h heard
	length, chunked := int64(0), false
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return h, err
		}
		line = strings.TrimRight(line, "\r\n")
		switch {
		case h.line == "":
			h.line = line
			continue
		case line != "":
			h.fields = append(h.fields, line)
			name, value, _ := strings.Cut(line, ":")
			if strings.EqualFold(name, "Content-Length") {
				if _, err := fmt.Sscan(value, &length); err != nil {
					return h, err
				}
			}
			chunked = chunked || strings.EqualFold(name, "Transfer-Encoding")
			continue
		}
		body := io.LimitReader(in, length)
		if chunked {
			body = newChunks(in)
		}
		h.body, err = io.ReadAll(body)
		return h, err
	}
}

// newChunks undoes chunked coding by the standard library, which is not the code under test.
func newChunks(in *bufio.Reader) io.Reader {
	head := strings.NewReader("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
	r, err := http.ReadResponse(bufio.NewReader(io.MultiReader(head, in)), nil)
	if err != nil {
		return strings.NewReader("")
	}
	return r.Body
}
