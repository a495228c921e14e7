package ingress

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"proxycache/backend/certs"
	"proxycache/backend/flow"
)

func TestMain(m *testing.M) {
	// Pollers of sockets are the process's, and stay.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("proxycache/backend/socket.(*poller).run"))
}

// authority is shared by the tests: making one is slow, and nothing of it changes.
var authority = sync.OnceValues(func() (*certs.Authority, error) {
	dir, err := os.MkdirTemp("", "ingress-authority-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	return certs.Open(dir)
})

// house is a server on a free port that accepts everything.
type house struct {
	*Server
	t          *testing.T
	distrusted chan string
}

var everything = []string{"reverse", "forward", "connect"}

func open(t *testing.T, handler flow.HandlerFunc) *house {
	t.Helper()
	h := openQuiet(t, handler)
	h.configure(Settings{Listen: []Listener{{Address: "127.0.0.1:0", Accept: everything}}})
	return h
}

// openQuiet makes a server that listens nowhere.
func openQuiet(t *testing.T, handler flow.HandlerFunc) *house {
	t.Helper()
	a, err := authority()
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, distrusted: make(chan string, 10)}
	h.Server = New(Options{
		Handler: notProbed(handler), Authority: a, Log: slog.New(slog.DiscardHandler),
		Owner:      func(string) string { return "node (pid 4711)" },
		Distrusted: func(host, why string) { h.distrusted <- host + ": " + why },
	})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := h.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if n := h.Clients(); n != 0 {
			t.Errorf("%d clients are left after the shutdown", n)
		}
	})
	return h
}

// notProbed keeps out a Proxycache on the same machine that looks for local servers: its own tests do,
// while these run.
func notProbed(handler flow.HandlerFunc) flow.HandlerFunc {
	return func(x *flow.Exchange) *flow.Response {
		if strings.HasPrefix(x.Request.Header.Get("User-Agent"), "Proxycache (looks for") {
			return text(404, "")
		}
		return handler(x)
	}
}

func (h *house) configure(s Settings) {
	h.t.Helper()
	if err := h.Configure(s); err != nil {
		h.t.Fatal(err)
	}
}

func (h *house) address() string { return h.Listeners()[0].Address }

// talk is a client's end of a connection.
type talk struct {
	net.Conn
	t  *testing.T
	in *bufio.Reader
}

func (h *house) dial() *talk {
	h.t.Helper()
	c, err := net.Dial("tcp", h.address())
	if err != nil {
		h.t.Fatal(err)
	}
	return newTalk(h.t, c)
}

func newTalk(t *testing.T, c net.Conn) *talk {
	t.Helper()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &talk{Conn: c, t: t, in: bufio.NewReader(c)}
}

func (c *talk) say(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.Conn, text); err != nil {
		c.t.Fatal(err)
	}
}

// served is the server's end.
func (h *house) served(c *talk) *client {
	h.t.Helper()
	var found *client
	eventually(h.t, "the connection is served", func() bool {
		for _, one := range h.all() {
			if one.facts.Remote == c.LocalAddr().String() {
				found = one
			}
		}
		return found != nil
	})
	return found
}

// hear wants exactly this text next.
func (c *talk) hear(want string) {
	c.t.Helper()
	got := make([]byte, len(want))
	n, err := io.ReadFull(c.in, got)
	if err != nil || string(got) != want {
		c.t.Fatalf("heard %q, %v\nwant  %q", got[:n], err, want)
	}
}

// hearEnd wants the connection to end without another word.
func (c *talk) hearEnd() {
	c.t.Helper()
	if rest, err := io.ReadAll(c.in); err != nil || len(rest) > 0 {
		c.t.Fatalf("heard %q, %v instead of the end", rest, err)
	}
}

// answer reads one response; its body is read and closed.
func (c *talk) answer(method string) (*http.Response, string) {
	c.t.Helper()
	r, err := http.ReadResponse(c.in, &http.Request{Method: method})
	if err != nil {
		c.t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	_ = r.Body.Close()
	return r, string(body)
}

// hearer keeps what it is told of a response: its protocol and its head.
type hearer struct {
	mu   sync.Mutex
	told string
}

func (l *hearer) Begins(proto string, head []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told += proto + " " + string(head)
}

func (l *hearer) head() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.told
}

func ok(x *flow.Exchange) *flow.Response { return text(200, "ok") }

// text is a response with a fixed Date, so that whole answers can be compared.
func text(status int, body string) *flow.Response {
	r := flow.NewResponse(status, "", []byte(body))
	r.Header.Add("Date", "today")
	return r
}

// unknown is a response whose length only its end tells.
func unknown(body io.Reader) *flow.Response {
	r := text(200, "")
	r.Body, r.ContentLength = io.NopCloser(body), -1
	return r
}

// receive waits for a value, not for ever.
func receive[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(10 * time.Second):
		t.Fatalf("never came: %s", what)
		panic("unreachable")
	}
}

// eventually polls until ok holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never happened: %s", what)
}

const get = "GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n"

const okAnswer = "HTTP/1.1 200 OK\r\nDate: today\r\nContent-Length: 2\r\n\r\nok"
