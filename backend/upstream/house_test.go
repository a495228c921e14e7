package upstream

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

func TestMain(m *testing.M) {
	// Pollers of sockets are the process's, and stay.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("proxycache/backend/socket.(*poller).run"))
}

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// peer is one connection as a bare origin sees it.
type peer struct {
	net.Conn
	in *bufio.Reader
	n  int // 1 for the first connection
	t  *testing.T
}

// serve is an origin on bare TCP: do is run for each connection, which is closed after it.
func serve(t *testing.T, do func(p *peer)) string {
	t.Helper()
	return serveOn(t, "127.0.0.1:0", do)
}

func serveOn(t *testing.T, address string, do func(p *peer)) string {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	serveListener(t, l, do)
	return l.Addr().String()
}

func serveListener(t *testing.T, l net.Listener, do func(p *peer)) {
	t.Helper()
	var open sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	open.Go(func() {
		for n := 1; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			open.Go(func() {
				defer c.Close()
				do(&peer{c, bufio.NewReader(c), n, t})
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		open.Wait()
	})
}

// head reads a request's head as it is on the wire; "" when the connection ended.
func (p *peer) head() string {
	var b strings.Builder
	for {
		line, err := p.in.ReadString('\n')
		if err != nil {
			return ""
		}
		b.WriteString(line)
		if line == "\r\n" {
			return b.String()
		}
	}
}

func (p *peer) say(format string, args ...any) {
	_, _ = fmt.Fprintf(p, format, args...) // a client that left is what some tests are about
}

// ok answers 200 with the body.
func (p *peer) ok(body string) {
	p.say("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// take reads n bytes of a body.
func (p *peer) take(n int) string {
	b := make([]byte, n)
	m, _ := io.ReadFull(p.in, b)
	return string(b[:m])
}

// rest reads until the client closes.
func (p *peer) rest() string {
	b, _ := io.ReadAll(p.in)
	return string(b)
}

// answering answers every request with what it heard: the head, and of the body what Content-Length says.
func answering(p *peer) {
	for {
		head := p.head()
		if head == "" {
			return
		}
		p.ok(head)
	}
}

func settings(urls ...string) Settings {
	var s Settings
	schema.Defaults(&s)
	for _, u := range urls {
		s.Targets = append(s.Targets, Target{URL: u, Weight: 1})
	}
	return s
}

func open(t *testing.T, s Settings, o Options) *Pool {
	t.Helper()
	p, err := New("shop", s, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// openTo is a pool with default settings and one target.
func openTo(t *testing.T, url string) *Pool {
	t.Helper()
	return open(t, settings(url), Options{})
}

func openForward(t *testing.T, change func(f *Forward), o Options) *Pool {
	t.Helper()
	var f Forward
	schema.Defaults(&f)
	if change != nil {
		change(&f)
	}
	p, err := NewForward(f, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// ask is an exchange of the reverse door. Fields are "Name: value".
func ask(t *testing.T, method, target string, fields ...string) *flow.Exchange {
	t.Helper()
	return askIn(t.Context(), flow.Reverse, method, "http://shop.localhost"+target, fields...)
}

func askIn(ctx context.Context, door flow.Door, method, url string, fields ...string) *flow.Exchange {
	scheme, rest, _ := strings.Cut(url, "://")
	authority, path, _ := strings.Cut(rest, "/")
	r := &flow.Request{Method: method, Scheme: scheme, Authority: authority, Target: "/" + path, Proto: "HTTP/1.1", Body: flow.NoBody}
	r.Header.Add("Host", authority)
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ":")
		r.Header.Add(name, strings.TrimSpace(value))
	}
	x := flow.NewExchange(ctx, door, r)
	x.Client = netip.MustParseAddrPort("192.0.2.7:4711")
	x.Enter("upstream/shop", "upstream")
	return x
}

// withBody gives x a body; a negative length is sent in chunks.
func withBody(x *flow.Exchange, body io.Reader, length int64) *flow.Exchange {
	x.Request.Body, x.Request.ContentLength = io.NopCloser(body), length
	return x
}

func send(t *testing.T, p *Pool, x *flow.Exchange) *flow.Response {
	t.Helper()
	r, err := p.Send(x)
	if err != nil {
		t.Fatalf("%s %s: %v", x.Request.Method, x.Request.URL(), err)
	}
	return r
}

func read(t *testing.T, r *flow.Response) string {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err := errors.Join(err, r.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func get(t *testing.T, p *Pool, target string) string {
	t.Helper()
	return read(t, send(t, p, ask(t, "GET", target)))
}

// refused sends x, wants it to fail with the kind, and returns the message.
func refused(t *testing.T, p *Pool, x *flow.Exchange, kind problem.Kind) string {
	t.Helper()
	r, err := p.Send(x)
	if err == nil {
		_ = r.Body.Close()
		t.Fatalf("answered %d, want %s", r.Status, kind)
	}
	if problem.KindOf(err) != kind {
		t.Fatalf("the problem is %s (%v), want %s", problem.KindOf(err), err, kind)
	}
	return err.Error()
}

// within waits for what must happen.
func within[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("never happened: %s", what)
		panic("unreachable")
	}
}

func fact(x *flow.Exchange, name string) string {
	value := ""
	for _, f := range x.Trail[len(x.Trail)-1].Facts {
		if f.Name == name {
			value = f.Value
		}
	}
	return value
}

// idleCount is how many connections wait.
func idleCount(p *Pool) int {
	p.lines.mu.Lock()
	defer p.lines.mu.Unlock()
	return p.lines.total
}

// unquiet waits until something has arrived on the one idle connection.
func unquiet(t *testing.T, p *Pool) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		p.lines.mu.Lock()
		quiet := false
		for _, s := range p.lines.sites {
			for _, c := range s.idle {
				quiet = quiet || c.quiet()
			}
		}
		p.lines.mu.Unlock()
		if !quiet {
			return
		}
	}
	t.Fatal("nothing arrived on the idle connection")
}
