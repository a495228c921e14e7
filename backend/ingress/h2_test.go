package ingress

import (
	"bytes"
	"context"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

// frames is a client's end of a connection on which it speaks HTTP/2 frame by frame.
type frames struct {
	t *testing.T
	*http2.Framer
	conn  net.Conn
	block bytes.Buffer
	enc   *hpack.Encoder
}

// frames opens such a connection in the clear, by prior knowledge.
func (h *house) frames() *frames {
	h.t.Helper()
	c := h.dial()
	f := newFrames(h.t, c.Conn, c.in)
	f.must(f.WriteSettings())
	return f
}

// newFrames says the preface.
func newFrames(t *testing.T, c net.Conn, in io.Reader) *frames {
	t.Helper()
	f := &frames{t: t, Framer: http2.NewFramer(c, in), conn: c}
	f.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	f.enc = hpack.NewEncoder(&f.block)
	_, err := io.WriteString(c, http2.ClientPreface)
	f.must(err)
	return f
}

func (f *frames) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// ask sends a header of "name", "value" and so on.
func (f *frames) ask(stream uint32, end bool, list ...string) {
	f.t.Helper()
	f.block.Reset()
	for i := 0; i < len(list); i += 2 {
		f.must(f.enc.WriteField(hpack.HeaderField{Name: list[i], Value: list[i+1]}))
	}
	f.must(f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: f.block.Bytes(), EndHeaders: true, EndStream: end}))
}

func (f *frames) data(stream uint32, end bool, text string) {
	f.t.Helper()
	f.must(f.WriteData(stream, end, []byte(text)))
}

// hear wants these frames next, in words; those of the connection are passed over.
func (f *frames) hear(want ...string) {
	f.t.Helper()
	for _, w := range want {
		if got := f.next(); got != w {
			f.t.Fatalf("heard %s\nwant  %s", got, w)
		}
	}
}

func (f *frames) next() string {
	f.t.Helper()
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return "the end: " + err.Error()
		}
		end := ""
		if frame.Header().Flags.Has(http2.FlagDataEndStream) {
			end = " end"
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			var text strings.Builder
			for _, h := range frame.Fields {
				fmt.Fprintf(&text, " %s=%s", h.Name, h.Value)
			}
			return fmt.Sprintf("HEADERS %d%s%s", frame.StreamID, text.String(), end)
		case *http2.DataFrame:
			return fmt.Sprintf("DATA %d %q%s", frame.StreamID, frame.Data(), end)
		case *http2.RSTStreamFrame:
			return fmt.Sprintf("RST_STREAM %d %v", frame.StreamID, frame.ErrCode)
		case *http2.GoAwayFrame:
			return fmt.Sprintf("GOAWAY %d %v", frame.LastStreamID, frame.ErrCode)
		}
	}
}

func shop(method, path string, more ...string) []string {
	return append([]string{":method", method, ":scheme", "http", ":authority", "shop.test", ":path", path}, more...)
}

func TestHTTP2KeepsTheOrderOfFields(t *testing.T) {
	seen := make(chan *flow.Exchange, 1)
	h := open(t, func(x *flow.Exchange) *flow.Response {
		seen <- x
		r := text(200, "ok")
		r.Header = flow.Header{{Name: "X-B", Value: "1"}, {Name: "Date", Value: "today"}, {Name: "x-a", Value: "2"}, {Name: "Connection", Value: "x-a"}, {Name: "X-B", Value: "3"}, {Name: "Content-Length", Value: "99"}, {Name: "Last", Value: "4"}}
		return r
	})
	f := h.frames()
	f.ask(1, true, shop("GET", "/a?b", "x-z", "1", "accept", "*/*", "x-a", "2", "x-z", "3")...)
	f.hear("HEADERS 1 :status=200 x-b=1 date=today x-a=2 x-b=3 content-length=2 last=4", `DATA 1 "ok" end`)
	x := receive(t, seen, "the exchange")
	if got := fmt.Sprint(x.Request.Header); got != "[{x-z 1} {accept */*} {x-a 2} {x-z 3}]" || x.Request.URL() != "http://shop.test/a?b" || x.Door != flow.Reverse || x.Request.Proto != "HTTP/2.0" {
		t.Errorf("%s %s: %s", x.Door, x.Request.URL(), got)
	}
}

func TestHTTP2AnswersAsHTTP1Does(t *testing.T) {
	h := open(t, func(x *flow.Exchange) *flow.Response {
		if x.Request.Target == "/asks" {
			if _, err := io.ReadAll(x.Request.Body); err != nil {
				t.Error(err)
			}
		}
		x.Interim(103, flow.Header{{Name: "Link", Value: "<a>"}})
		x.Interim(100, nil) // nobody waits for it
		return text(200, "")
	})
	f := h.frames()
	f.ask(1, true, shop("GET", "/")...)
	f.hear("HEADERS 1 :status=103 link=<a>", "HEADERS 1 :status=200 date=today content-length=0 end")
	f.ask(3, false, shop("POST", "/asks", "expect", "100-continue")...)
	f.hear("HEADERS 3 :status=100")
	f.data(3, true, "body")
	f.hear("HEADERS 3 :status=103 link=<a>", "HEADERS 3 :status=200 date=today content-length=0 end")
	f.ask(5, false, shop("POST", "/")...) // its body is not asked for, and read nevertheless
	f.hear("HEADERS 5 :status=103 link=<a>", "HEADERS 5 :status=200 date=today content-length=0 end")
	f.data(5, true, "body")
	f.ask(7, true, shop("HEAD", "/")...)
	f.hear("HEADERS 7 :status=103 link=<a>", "HEADERS 7 :status=200 date=today end")
}

func TestWhatHTTP2Refuses(t *testing.T) {
	h := open(t, ok)
	h.configure(Settings{Listen: []Listener{{Address: "127.0.0.1:0", Accept: []string{"forward"}}}})
	f := h.frames()
	for i, c := range []struct {
		fields []string
		status string
	}{
		{shop("GET", "/"), "403"},
		{[]string{":method", "CONNECT", ":authority", "db.test:22"}, "403"},
		{[]string{":method", "CONNECT", ":protocol", "connect-udp", ":scheme", "http", ":authority", "shop.test", ":path", "/"}, "501"},
	} {
		stream := uint32(2*i + 1)
		f.ask(stream, true, c.fields...)
		if got := f.next(); !strings.HasPrefix(got, fmt.Sprintf("HEADERS %d :status=%s content-type=text/plain", stream, c.status)) || !strings.Contains(got, "proxy-status=") {
			t.Errorf("%q gets %s", c.fields, got)
		}
		if got := f.next(); !strings.HasSuffix(got, " end") {
			t.Errorf("%q goes on with %s", c.fields, got)
		}
	}
}

func TestAProxyOverHTTP2WantsItsPassword(t *testing.T) {
	tunnel, targets, _ := tunnels(t)
	h := openQuiet(t, tunnel)
	h.configure(Settings{Listen: []Listener{{Address: "127.0.0.1:0", Accept: everything, Username: "me", Password: "secret"}}})
	f := h.frames()
	f.ask(1, true, ":method", "CONNECT", ":authority", "db.test:22")
	if got := f.next(); !strings.HasPrefix(got, "HEADERS 1 :status=407") || !strings.Contains(got, "proxy-authenticate=Basic") {
		t.Errorf("heard %s", got)
	}
	_ = f.next()
	f.ask(3, false, ":method", "CONNECT", ":authority", "db.test:22", "proxy-authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("me:secret")))
	f.hear("HEADERS 3 :status=200")
	_ = receive(t, targets, "the target").Close()
}

func TestATunnelOverHTTP2(t *testing.T) {
	tunnel, targets, seen := tunnels(t)
	h := open(t, tunnel)
	f := h.frames()
	f.ask(1, false, ":method", "CONNECT", ":authority", "db.test:22")
	f.hear("HEADERS 1 :status=200")
	if x := receive(t, seen, "the exchange"); x.Door != flow.Tunnel || x.Request.Authority != "db.test:22" || x.Request.Target != "" || x.Request.Method != "CONNECT" {
		t.Errorf("%s %s to %q", x.Door, x.Request.Method, x.Request.Authority)
	}
	target := newTalk(t, receive(t, targets, "the target"))
	target.say("SSH-2.0\r\n")
	f.hear(`DATA 1 "SSH-2.0\r\n"`)
	f.data(1, true, "SSH-2.0-me\r\n")
	target.hear("SSH-2.0-me\r\n")
	target.hearEnd() // the client's direction is over, ours is not
	target.say("bye")
	f.hear(`DATA 1 "bye"`)
	_ = target.Close()
	f.hear(`DATA 1 "" end`)
}

// accepts is what a server answers to key.
func accepts(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func TestAWebSocketOverHTTP2(t *testing.T) {
	targets, seen, over := make(chan net.Conn, 1), make(chan *flow.Exchange, 1), make(chan *problem.Problem, 1)
	var told hearer
	h := open(t, func(x *flow.Exchange) *flow.Response {
		r := &flow.Response{Status: 101, Proto: "HTTP/1.1", Body: &watched{flow.NoBody, x, over}, Watcher: &told}
		r.Header = flow.Header{{Name: "Upgrade", Value: "websocket"}, {Name: "Sec-WebSocket-Accept", Value: accepts(x.Request.Header.Get("Sec-WebSocket-Key"))}, {Name: "Sec-WebSocket-Protocol", Value: "chat"}}
		near, far := tcpPair(t)
		r.Upgraded = near
		targets <- far
		seen <- x
		return r
	})
	f := h.frames()
	f.ask(1, false, shop("CONNECT", "/ws", "sec-websocket-version", "13", "sec-websocket-protocol", "chat", "origin", "http://shop.test")...)
	f.hear("RST_STREAM 1 PROTOCOL_ERROR") // an ordinary CONNECT has no :path
	f.ask(3, false, append([]string{":protocol", "websocket"}, shop("CONNECT", "/ws", "sec-websocket-version", "13", "sec-websocket-protocol", "chat")...)...)
	f.hear("HEADERS 3 :status=200 sec-websocket-protocol=chat")
	if want := "HTTP/2.0 HTTP/1.1 200 OK\r\nSec-WebSocket-Protocol: chat\r\n\r\n"; told.head() != want {
		t.Errorf("who watches is told %q", told.head())
	}
	x := receive(t, seen, "the exchange")
	r := x.Request
	if r.Method != "GET" || r.Target != "/ws" || r.UpgradeTo() != "websocket" || r.Header.Get("Sec-WebSocket-Version") != "13" || r.ContentLength != 0 {
		t.Errorf("%s %s %v", r.Method, r.Target, r.Header)
	}
	if key, err := base64.StdEncoding.DecodeString(r.Header.Get("Sec-WebSocket-Key")); err != nil || len(key) != 16 {
		t.Errorf("the key is %q", r.Header.Get("Sec-WebSocket-Key"))
	}
	target := newTalk(t, receive(t, targets, "the target"))
	f.data(3, false, "\x81\x85masked")
	target.hear("\x81\x85masked")
	target.say("\x81\x02hi")
	f.hear(`DATA 3 "\x81\x02hi"`)
	f.must(f.WriteRSTStream(3, http2.ErrCodeCancel))
	if rest, _ := io.ReadAll(target.in); len(rest) > 0 {
		t.Errorf("the target heard %q", rest)
	}
	receive(t, over, "the end of the exchange")
}

// Who breaks off is told of as that on the other side, never as who came to the end.
func TestBrokenTunnelsOverHTTP2(t *testing.T) {
	tunnel := []string{":method", "CONNECT", ":authority", "db.test:22"}
	webSocket := append([]string{":protocol", "websocket"}, shop("CONNECT", "/ws")...)
	reset := func(f *frames) { f.must(f.WriteRSTStream(1, http2.ErrCodeCancel)) }
	for _, c := range []struct {
		name   string
		opens  []string
		client func(f *frames) // nil: the target breaks off
		hears  string          // the client; "" where it has left
	}{
		{"the client resets a tunnel", tunnel, reset, ""},
		{"the client resets a WebSocket", webSocket, reset, ""},
		{"the client's connection ends", tunnel, func(f *frames) { _ = f.conn.Close() }, ""},
		{"the client sends HEADERS", tunnel, func(f *frames) { f.ask(1, true, "a", "b") }, "RST_STREAM 1 PROTOCOL_ERROR"},
		{"the target resets a tunnel", tunnel, nil, "RST_STREAM 1 CONNECT_ERROR"},
		{"the target resets a WebSocket", webSocket, nil, "RST_STREAM 1 CANCEL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			targets := make(chan *net.TCPConn, 1)
			h := open(t, func(x *flow.Exchange) *flow.Response {
				near, far := tcpPair(t)
				r := &flow.Response{Status: 200, Body: flow.NoBody, Upgraded: &socketTarget{halfConn: ofPool(near)}}
				if key := x.Request.Header.Get("Sec-WebSocket-Key"); key != "" {
					r.Status, r.Header = 101, flow.Header{{Name: "Sec-WebSocket-Accept", Value: accepts(key)}}
				}
				targets <- far.(*net.TCPConn)
				return r
			})
			f := h.frames()
			f.ask(1, false, c.opens...)
			f.hear("HEADERS 1 :status=200")
			target := receive(t, targets, "the target")
			if c.client == nil {
				f.must(target.SetLinger(0))
				f.must(target.Close())
			} else {
				c.client(f)
				if _, err := target.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("the target hears %v", err)
				}
			}
			if c.hears != "" {
				f.hear(c.hears)
			}
		})
	}
}

func TestAWebSocketThatDoesNotOpen(t *testing.T) {
	over := make(chan *problem.Problem, 1)
	h := open(t, func(x *flow.Exchange) *flow.Response {
		r := text(404, "not here")
		switch x.Request.Target {
		case "/plain":
			r = text(200, "a page")
		case "/wrong":
			r = &flow.Response{Status: 101, Header: flow.Header{{Name: "Sec-WebSocket-Accept", Value: accepts("another")}}}
			near, far := tcpPair(t)
			r.Upgraded, r.Body = near, flow.NoBody
			t.Cleanup(func() { _ = far.Close() })
		}
		r.Body = &watched{r.Body, x, over}
		return r
	})
	f := h.frames()
	for i, c := range []struct {
		target, status string
		fault          problem.Kind
	}{{"/missing", "404", ""}, {"/plain", "502", problem.BadResponse}, {"/wrong", "502", problem.BadResponse}} {
		stream := uint32(2*i + 1)
		f.ask(stream, false, append([]string{":protocol", "websocket"}, shop("CONNECT", c.target)...)...)
		if got := f.next(); !strings.HasPrefix(got, fmt.Sprintf("HEADERS %d :status=%s", stream, c.status)) {
			t.Errorf("%s gets %s", c.target, got)
		}
		if got := f.next(); !strings.HasSuffix(got, " end") {
			t.Errorf("%s goes on with %s", c.target, got)
		}
		f.hear(fmt.Sprintf("RST_STREAM %d NO_ERROR", stream))
		p := receive(t, over, "the end of the exchange")
		if (p == nil) != (c.fault == "") || p != nil && p.Kind != c.fault {
			t.Errorf("%s: the problem is %v", c.target, p)
		}
	}
}

func TestShutdownOfAnHTTP2ConnectionWithAndWithoutEnds(t *testing.T) {
	on := make(chan struct{})
	tunnel, targets, _ := tunnels(t)
	h := open(t, func(x *flow.Exchange) *flow.Response {
		switch {
		case x.Door == flow.Tunnel:
			return tunnel(x)
		case x.Request.Target == "/slow":
			<-on
		}
		return ok(x)
	})
	f := h.frames()
	f.ask(1, false, ":method", "CONNECT", ":authority", "db.test:22")
	f.hear("HEADERS 1 :status=200")
	target := newTalk(t, receive(t, targets, "the target"))
	f.ask(3, true, shop("GET", "/slow")...)
	eventually(t, "both run", func() bool { return h.Left() == Left{Requests: 1, Endless: 1} })
	ended := make(chan error, 1)
	go func() { ended <- h.Shutdown(context.Background()) }()
	f.hear("GOAWAY 2147483647 NO_ERROR")
	target.say("still here")
	f.hear(`DATA 1 "still here"`)
	close(on)
	f.hear("HEADERS 3 :status=200 date=today content-length=2", `DATA 3 "ok" end`)
	f.hear("RST_STREAM 1 CANCEL")
	if got := f.next(); got != "GOAWAY 3 NO_ERROR" {
		t.Errorf("heard %s", got)
	}
	if err := receive(t, ended, "the end of the shutdown"); err != nil {
		t.Error(err)
	}
}

func TestALimitOfRequestsHoldsOverHTTP2(t *testing.T) {
	on := make(chan struct{})
	h := openQuiet(t, func(x *flow.Exchange) *flow.Response { <-on; return ok(x) })
	told := make(chan *flow.Response, 1)
	h.options.TurnedAway = func(_ *flow.Exchange, sent *flow.Response) { told <- sent }
	limits := newBounds(Limits{}).Limits
	limits.InFlight = 1
	h.configure(Settings{Listen: []Listener{{Address: "127.0.0.1:0", Accept: everything}}, Limits: limits})
	f := h.frames()
	f.ask(1, true, shop("GET", "/")...)
	eventually(t, "it runs", func() bool { return h.Figures().InFlight == 1 })
	f.ask(3, true, shop("GET", "/")...)
	if got := f.next(); !strings.HasPrefix(got, "HEADERS 3 :status=503") || !strings.Contains(got, "retry-after=1") {
		t.Errorf("heard %s", got)
	}
	if sent := receive(t, told, "what was turned away"); sent.Status != 503 || !strings.HasPrefix(string(sent.RawHead), "HTTP/1.1 503 ") || sent.Proto != "HTTP/2.0" {
		t.Errorf("told of %d, %q", sent.Status, sent.RawHead)
	}
	close(on)
}

func TestAFaultOfOursEndsOneStream(t *testing.T) {
	h := open(t, func(x *flow.Exchange) *flow.Response {
		if x.Request.Target == "/fault" {
			panic("of ours")
		}
		return ok(x)
	})
	f := h.frames()
	f.ask(1, true, shop("GET", "/fault")...)
	f.hear("RST_STREAM 1 INTERNAL_ERROR")
	f.ask(3, true, shop("GET", "/")...)
	f.hear("HEADERS 3 :status=200 date=today content-length=2", `DATA 3 "ok" end`)
	if n := h.Figures().InFlight; n != 0 {
		eventually(t, "nothing runs", func() bool { return h.Figures().InFlight == 0 })
	}
}

func TestCurlSpeaksHTTP2(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is not installed")
	}
	h := open(t, func(x *flow.Exchange) *flow.Response {
		body, err := io.ReadAll(x.Request.Body)
		if err != nil {
			t.Error(err)
		}
		return text(200, x.Request.Proto+" "+string(x.Door)+" "+string(body))
	})
	roots := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(roots, h.options.Authority.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--http2-prior-knowledge", "http://" + h.address() + "/"}, "HTTP/2.0 reverse hello"},
		{[]string{"--http2", "https://" + h.address() + "/"}, "HTTP/2.0 reverse hello"},
		{[]string{"--http2", "--proxy", "http://" + h.address(), "https://shop.test/"}, "HTTP/2.0 intercept hello"},
	} {
		args := append([]string{"-sS", "--noproxy", "", "--max-time", "10", "--cacert", roots, "-d", "hello"}, c.args...)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		out, err := exec.CommandContext(ctx, curl, args...).CombinedOutput()
		cancel()
		if err != nil || string(out) != c.want {
			t.Errorf("%q: %v, %s", c.args, err, out)
		}
	}
}

func TestAnHTTP2ClientThatTakesNothingIsToldOfAsThat(t *testing.T) {
	over := make(chan *problem.Problem, 1)
	l := limits(func(l *Limits) { l.WriteTimeout = schema.Duration(100 * time.Millisecond) })
	for name, body := range map[string]string{"in the middle": strings.Repeat("x", 1<<20), "at the end": "hello"} {
		t.Run(name, func(t *testing.T) {
			h := limited(t, l, 1, func(x *flow.Exchange) *flow.Response {
				r := text(200, body)
				r.Body = &watched{r.Body, x, over}
				return r
			})
			f := h.frames()
			f.must(f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 2}))
			f.ask(1, true, shop("GET", "/")...)
			if p := receive(t, over, "the end of the exchange"); p == nil || p.Kind != problem.ClientLeft || !strings.Contains(p.Message, "took nothing of the answer for 100ms") {
				t.Errorf("it ended for %v", p)
			}
		})
	}
}

// Over TLS a request for http:// is one for a proxy: Chromium sends it so to a proxy that speaks HTTP/2.
func TestHTTP2ToAForwardProxy(t *testing.T) {
	seen := make(chan *flow.Exchange, 1)
	h := openQuiet(t, func(x *flow.Exchange) *flow.Response { seen <- x; return ok(x) })
	asks := func(accept []string, scheme string, more ...string) string {
		t.Helper()
		l := admitting()
		if l.Accept = accept; accept[0] == "reverse" {
			l.Username, l.Password = "", ""
		}
		h.configure(Settings{Listen: []Listener{l}})
		conn, err := h.shake(&tls.Config{RootCAs: h.roots(), ServerName: "localhost", NextProtos: []string{"h2"}})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		f := newFrames(t, conn, conn)
		f.must(f.WriteSettings())
		f.ask(1, true, append([]string{":method", "GET", ":scheme", scheme, ":authority", "shop.test:8080", ":path", "/a"}, more...)...)
		answer := f.next()
		status, _, _ := strings.Cut(strings.TrimPrefix(answer, "HEADERS 1 :status="), " ")
		if status == "407" && !strings.Contains(answer, "proxy-authenticate=Basic") {
			t.Errorf("the challenge is missing: %s", answer)
		}
		if status != "200" {
			return status
		}
		x := receive(t, seen, "the exchange")
		return string(x.Door) + " " + x.Request.URL()
	}
	guarded := []string{"forward", "reverse"} // with a login, see asks
	for _, c := range []struct {
		accept       []string
		scheme, want string
		more         []string
	}{
		{guarded, "http", "407", nil},
		{guarded, "http", "407", []string{"proxy-authorization", "Basic bWU6V29yZA=="}},
		{guarded, "http", "forward http://shop.test:8080/a", []string{"proxy-authorization", "Basic bWU6d29yZA=="}},
		{guarded, "https", "reverse https://shop.test:8080/a", nil},
		{guarded, "ftp", "400", nil},
		{[]string{"reverse", "forward"}, "HTTP", "forward http://shop.test:8080/a", nil},
		{[]string{"connect"}, "http", "403", nil},
		{[]string{"reverse"}, "http", "reverse https://shop.test:8080/a", nil}, // as proxies in front of servers say it
	} {
		if got := asks(c.accept, c.scheme, c.more...); got != c.want {
			t.Errorf("%v asked for %s: %s, want %s", c.accept, c.scheme, got, c.want)
		}
	}
	f := h.frames() // by prior knowledge
	f.ask(1, true, ":method", "GET", ":scheme", "https", ":authority", "shop.test", ":path", "/")
	if got := f.next(); !strings.HasPrefix(got, "HEADERS 1 :status=200") {
		t.Errorf("https by prior knowledge gets %s", got)
	}
	if x := receive(t, seen, "the exchange"); x.Door != flow.Reverse || x.Request.URL() != "http://shop.test/" {
		t.Errorf("%s %s", x.Door, x.Request.URL())
	}
}
