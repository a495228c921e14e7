package journey

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"proxycache/backend/config"
	"proxycache/backend/core"
	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// lasting is an origin with all that lasts: an upgrade that echoes, a stream of events, an upload
// that is counted.
type lasting struct {
	*httptest.Server
	accepted atomic.Int64
	events   chan string
}

func openLasting(t *testing.T) *lasting {
	t.Helper()
	o := &lasting{events: make(chan string)}
	o.Server = httptest.NewUnstartedServer(http.HandlerFunc(o.answer))
	o.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			o.accepted.Add(1)
		}
	}
	o.Start()
	t.Cleanup(func() { o.CloseClientConnections(); o.Close() })
	return o
}

func (o *lasting) answer(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/ws":
		c, in, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
		_, _ = io.Copy(c, in) // until the client goes
	case "/events":
		w.Header().Set("Content-Type", "text/event-stream")
		for control := http.NewResponseController(w); control.Flush() == nil; {
			select {
			case e := <-o.events:
				_, _ = io.WriteString(w, "data: "+e+"\n\n") // told by the flush
			case <-r.Context().Done():
				return
			}
		}
	case "/upload":
		n, _ := io.Copy(io.Discard, r.Body) // how far it came is the answer
		_, _ = fmt.Fprintf(w, "%d bytes", n)
	default:
		_, _ = io.WriteString(w, "cell "+r.Header.Get("X-Cell"))
	}
}

// wireTo is a connection to the proxy, with what is said and heard.
type wireTo struct {
	net.Conn
	t  *testing.T
	in *bufio.Reader
}

func dial(t *testing.T, address string) *wireTo {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &wireTo{c, t, bufio.NewReader(c)}
}

func (w *wireTo) say(format string, args ...any) {
	w.t.Helper()
	if _, err := fmt.Fprintf(w.Conn, format, args...); err != nil {
		w.t.Fatal(err)
	}
}

func (w *wireTo) head() *http.Response {
	w.t.Helper()
	r, err := http.ReadResponse(w.in, &http.Request{Method: http.MethodGet})
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

func (w *wireTo) answer() (*http.Response, string) {
	w.t.Helper()
	r := w.head()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return r, string(body)
}

func (w *wireTo) hear(want string) {
	w.t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(w.in, got); err != nil || string(got) != want {
		w.t.Fatalf("heard %q, %v instead of %q", got[:n], err, want)
	}
}

// change puts an edited configuration in force.
func (h *house) change(edit func(*config.Document)) {
	h.t.Helper()
	now, err := h.Config(h.t.Context(), core.Nothing{})
	if err != nil {
		h.t.Fatal(err)
	}
	edit(&now.Document)
	if _, err := h.Apply(h.t.Context(), core.ApplyRequest{Base: now.Revision, Document: now.Document}); err != nil {
		h.t.Fatal(err)
	}
}

const twoRoutes = `
[upstreams.own]
targets = [{ url = %q }]

[upstreams.other]
targets = [{ url = %q }]

[[routes]]
name = "own"
when = "host = own.test"
to = "own"

[[routes.cells]]
use = "headers"
request_set = [{ name = "X-Cell", value = "1" }]

[[routes]]
name = "other"
when = "host = other.test"
to = "other"
`

// openOnes are connections of every kind that lasts.
type openOnes struct {
	ws, events, upload, tunnel, idle *wireTo
	sent                             int
}

func openAll(t *testing.T, address string) *openOnes {
	t.Helper()
	echo := openEcho(t)
	o := &openOnes{dial(t, address), dial(t, address), dial(t, address), dial(t, address), dial(t, address), 0}
	o.ws.say("GET /ws HTTP/1.1\r\nHost: own.test\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	if r := o.ws.head(); r.StatusCode != 101 {
		t.Fatalf("the upgrade is answered %d", r.StatusCode)
	}
	o.events.say("GET /events HTTP/1.1\r\nHost: own.test\r\n\r\n")
	stream := o.events.head()
	o.events.in = bufio.NewReader(stream.Body)
	o.upload.say("POST /upload HTTP/1.1\r\nHost: own.test\r\nTransfer-Encoding: chunked\r\n\r\n")
	o.tunnel.say("CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n\x00", echo, echo)
	o.tunnel.hear("HTTP/1.1 200 Connection established\r\n\r\n\x00")
	o.idle.say("GET / HTTP/1.1\r\nHost: own.test\r\n\r\n")
	o.idle.answer()
	return o
}

// openEcho is a server that says back what it hears.
func openEcho(t *testing.T) string {
	t.Helper()
	return openBare(t, func(c net.Conn, in *bufio.Reader) { _, _ = io.Copy(c, in) }) // until the client goes
}

// work wants every one of them to go on.
func (o *openOnes) work(origin *lasting, cell string) {
	o.ws.say("ping")
	o.ws.hear("ping")
	origin.events <- cell
	o.events.hear("data: " + cell + "\n\n")
	o.upload.say("5\r\nhello\r\n")
	o.sent += 5
	o.tunnel.say("\x00ping")
	o.tunnel.hear("\x00ping")
	o.idle.say("GET / HTTP/1.1\r\nHost: own.test\r\n\r\n")
	if r, body := o.idle.answer(); body != "cell "+cell || r.Close {
		o.idle.t.Errorf("the idle one heard %d %q, closes: %v", r.StatusCode, body, r.Close)
	}
}

func TestAChangeClosesNoConnectionThatItDoesNotConcern(t *testing.T) {
	origin, other := openLasting(t), openLasting(t)
	h := openHouse(t, fmt.Sprintf(twoRoutes, origin.URL, other.URL))
	address := strings.TrimPrefix(h.proxy(), "http://")
	all := openAll(t, address)
	all.work(origin, "1")
	before := origin.accepted.Load()
	for _, c := range []struct {
		name, cell string
		edit       func(*config.Document)
	}{
		{"another route", "1", func(d *config.Document) {
			d.Routes[1].When = "host = elsewhere.test"
			d.Routes[1].Cells = []config.Cell{{ID: "requestid", Use: "requestid"}}
		}},
		{"another pool", "1", func(d *config.Document) {
			d.Upstreams[1].Settings["max_idle"] = int64(3)
		}},
		{"a cell of the route", "2", func(d *config.Document) {
			d.Routes[0].Cells[0].Settings["request_set"] = []any{map[string]any{"name": "X-Cell", "value": "2"}}
		}},
		{"a common cell", "2", func(d *config.Document) {
			d.Cells = append(d.Cells, config.Cell{ID: "requestid", Use: "requestid"})
		}},
		{"another listener", "2", func(d *config.Document) {
			d.Listen = append(d.Listen, config.Listen{Address: "127.0.0.1:0", Accept: []string{"reverse"}})
		}},
		{"limits", "2", func(d *config.Document) {
			d.Sections["limits"] = config.Settings{"keep_alive": "30s", "header_fields": int64(50), "connections_per_client": int64(10), "in_flight": int64(5), "body_timeout": "15s"}
		}},
		{"certificates", "2", func(d *config.Document) { d.Sections["tls"] = config.Settings{"names": []any{"shop.test"}} }},
	} {
		h.change(c.edit)
		all.work(origin, c.cell)
		if n := origin.accepted.Load(); n != before {
			t.Errorf("after a change of %s the origin was connected to %d times more", c.name, n-before)
		}
	}
	all.upload.say("0\r\n\r\n")
	if r, body := all.upload.answer(); r.StatusCode != 200 || body != fmt.Sprintf("%d bytes", all.sent) {
		t.Errorf("the upload is answered %d %q", r.StatusCode, body)
	}
}

func TestTheConnectionsOfAListenerThatGoesEndWithTheirNextAnswer(t *testing.T) {
	origin := openLasting(t)
	h := openHouse(t, fmt.Sprintf(twoRoutes, origin.URL, origin.URL))
	kept := dial(t, strings.TrimPrefix(h.proxy(), "http://"))
	h.change(func(d *config.Document) {
		d.Listen = append(d.Listen, config.Listen{Address: "127.0.0.1:0", Accept: []string{"reverse"}})
	})
	going := openIdle(t, h.status().Listeners[1].Address)
	h.change(func(d *config.Document) { d.Listen = d.Listen[:1] })
	if c, err := net.Dial("tcp", going.RemoteAddr().String()); err == nil {
		_ = c.Close()
		t.Error("it still accepts")
	}
	for _, c := range []struct {
		of     *wireTo
		closes bool
	}{{going, true}, {kept, false}} {
		c.of.say("GET / HTTP/1.1\r\nHost: own.test\r\n\r\n")
		if r, body := c.of.answer(); body != "cell 1" || r.Close != c.closes {
			t.Errorf("heard %q, closes: %v", body, r.Close)
		}
	}
}

// openIdle is a connection that has had one answer.
func openIdle(t *testing.T, address string) *wireTo {
	t.Helper()
	w := dial(t, address)
	w.say("GET / HTTP/1.1\r\nHost: own.test\r\n\r\n")
	w.answer()
	return w
}

// What clients were refused is told as figures and as a warning.
func TestRefusalsAreTold(t *testing.T) {
	origin := openLasting(t)
	h := openHouse(t, fmt.Sprintf(twoRoutes, origin.URL, origin.URL)+"[limits]\nconnections_per_client = 1\n")
	address := strings.TrimPrefix(h.proxy(), "http://")
	openIdle(t, address)
	if r, _ := dial(t, address).answer(); r.StatusCode != 503 {
		t.Errorf("the second is answered %d", r.StatusCode)
	}
	h.eventually("the figures have it", func() bool {
		f, err := h.Figures(t.Context(), core.Nothing{})
		if err != nil {
			t.Fatal(err)
		}
		return f.Doors.OverPerClient == 1 && f.Doors.Accepted == 2 && f.Doors.HTTP1 == 1
	})
	if w := h.status().Warnings; len(w) != 1 || !strings.HasPrefix(w[0], "1 connection was refused (503): over connections_per_client = 1.") {
		t.Errorf("the warnings are %q", w)
	}
}

func TestRequestsMayEndBeforeEverythingDoes(t *testing.T) {
	origin := openLasting(t)
	h := openHouse(t, fmt.Sprintf(twoRoutes, origin.URL, origin.URL)+"[limits]\ndrain = \"12s\"\n")
	if h.DrainTime() != 12*time.Second {
		t.Errorf("the time is %v", h.DrainTime())
	}
	all := openAll(t, strings.TrimPrefix(h.proxy(), "http://"))
	closed := make(chan error, 1)
	go func() { closed <- h.Close(context.Background()) }()
	if rest, err := io.ReadAll(all.idle.in); err != nil || len(rest) > 0 {
		t.Errorf("the idle one heard %q, %v", rest, err)
	}
	if left := h.Left(); left.Requests != 1 || left.Endless != 3 {
		t.Errorf("%+v is left", left)
	}
	all.ws.say("ping")
	all.ws.hear("ping")
	all.upload.say("2\r\nhi\r\n0\r\n\r\n")
	if r, body := all.upload.answer(); body != "2 bytes" || !r.Close {
		t.Errorf("the upload heard %q, closes: %v", body, r.Close)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	for name, w := range map[string]*wireTo{"the upgrade": all.ws, "the tunnel": all.tunnel} {
		if rest, _ := io.ReadAll(w.in); len(rest) > 0 { // it may end with a reset
			t.Errorf("%s heard %q", name, rest)
		}
	}
	h.Core = nil // it is closed
	h.start()
	for _, target := range []string{"/upload", "/ws", "/events"} {
		x := h.finished(fmt.Sprintf("path = %q", target), 1)
		if want := map[string]flow.State{"/upload": flow.Done, "/ws": flow.Done, "/events": flow.Aborted}[target]; x.Row.State != want {
			t.Errorf("%s is kept as %s", target, x.Row.State)
		}
	}
}

func TestAnAddressHeldByAnotherProgramNamesIt(t *testing.T) {
	holder := openChild(t, "")
	held := strings.TrimPrefix(holder.proxy, "http://")
	h := openHouse(t, "")
	h.change(func(d *config.Document) { d.Cells = []config.Cell{{ID: "requestid", Use: "requestid"}} })
	now, err := h.Config(t.Context(), core.Nothing{})
	if err != nil {
		t.Fatal(err)
	}
	now.Document.Listen = append(now.Document.Listen, config.Listen{Address: held, Accept: []string{"reverse"}})
	_, err = h.Apply(t.Context(), core.ApplyRequest{Base: now.Revision, Document: now.Document})
	p := problem.Of(err)
	if owner := fmt.Sprintf("(pid %d)", holder.process.Process.Pid); p == nil || p.Kind != problem.Conflict || p.Where != "listen.2.address" || !strings.Contains(p.Message, owner) {
		t.Errorf("the problem is %v, and %s holds the port", err, owner)
	}
	if s := h.status(); len(s.Listeners) != 1 || s.Listeners[0].Problem != "" {
		t.Errorf("it listens on %+v", s.Listeners)
	}
}
