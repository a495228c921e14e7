package journey

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2wire is an HTTP/2 connection that carries tunnels: extended CONNECTs (RFC 8441).
type h2wire struct {
	net.Conn
	framer *http2.Framer // its writes under mu

	mu       sync.Mutex
	changed  *sync.Cond
	window   int64 // of the connection, for what we send
	initial  int64 // of a stream
	extended bool  // SETTINGS_ENABLE_CONNECT_PROTOCOL
	ready    bool
	dead     bool
	tunnels  map[uint32]*h2tunnel
	next     uint32
}

// h2tunnel is one stream of it, as a connection.
type h2tunnel struct {
	*h2wire
	id     uint32
	status string
	fields []hpack.HeaderField
	window int64
	in     bytes.Buffer
	over   bool  // END_STREAM came
	reset  error // RST_STREAM came
	until  time.Time
}

func dialWire(t *testing.T, h *house) *h2wire {
	t.Helper()
	c := tls.Client(dialRaw(t, h.proxy()).Conn, &tls.Config{RootCAs: h.roots(), ServerName: "localhost", NextProtos: []string{"h2"}})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	w := &h2wire{Conn: c, framer: http2.NewFramer(c, c), window: 65535, initial: 65535, tunnels: map[uint32]*h2tunnel{}, next: 1}
	w.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	w.changed = sync.NewCond(&w.mu)
	_, err := io.WriteString(c, http2.ClientPreface)
	// Windows so large that nothing needs to be given back.
	err = errors.Join(err, w.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30}), w.framer.WriteWindowUpdate(0, 1<<30))
	if err != nil {
		t.Fatal(err)
	}
	go w.read()
	w.mu.Lock()
	defer w.mu.Unlock()
	for !w.ready && !w.dead {
		w.changed.Wait()
	}
	if !w.extended {
		t.Fatal("the server does not announce SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441 §3)")
	}
	return w
}

func (w *h2wire) read() {
	for {
		f, err := w.framer.ReadFrame()
		w.mu.Lock()
		if err != nil {
			w.dead = true
			w.changed.Broadcast()
			w.mu.Unlock()
			return
		}
		w.take(f)
		w.changed.Broadcast()
		w.mu.Unlock()
	}
}

// take is called under mu. Faults of writing show in what is read.
func (w *h2wire) take(f http2.Frame) {
	t := w.tunnels[f.Header().StreamID]
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if f.IsAck() {
			return
		}
		if v, ok := f.Value(http2.SettingInitialWindowSize); ok {
			w.initial = int64(v)
		}
		v, _ := f.Value(http2.SettingEnableConnectProtocol)
		w.extended, w.ready = v == 1, true
		_ = w.framer.WriteSettingsAck()
	case *http2.PingFrame:
		if !f.IsAck() {
			_ = w.framer.WritePing(true, f.Data)
		}
	case *http2.WindowUpdateFrame:
		if t != nil {
			t.window += int64(f.Increment)
		} else {
			w.window += int64(f.Increment)
		}
	case *http2.MetaHeadersFrame:
		if t != nil {
			t.status, t.fields, t.over = f.PseudoValue("status"), f.RegularFields(), f.StreamEnded()
		}
	case *http2.DataFrame:
		if t != nil {
			t.in.Write(f.Data())
			t.over = f.StreamEnded()
		}
	case *http2.RSTStreamFrame:
		if t != nil {
			t.reset = fmt.Errorf("RST_STREAM %v", f.ErrCode)
		}
	}
}

// connect opens a tunnel for WebSocket; behind are bytes sent right with it.
func (w *h2wire) connect(t *testing.T, behind string, more ...string) *h2tunnel {
	t.Helper()
	var block bytes.Buffer
	packer := hpack.NewEncoder(&block)
	for _, f := range append([]string{":method: CONNECT", ":protocol: websocket", ":scheme: https", ":authority: localhost", ":path: /ws", "sec-websocket-version: 13"}, more...) {
		name, value, _ := strings.Cut(f, ": ")
		_ = packer.WriteField(hpack.HeaderField{Name: name, Value: value}) // into memory
	}
	w.mu.Lock()
	tunnel := &h2tunnel{h2wire: w, id: w.next, window: w.initial}
	w.next += 2
	w.tunnels[tunnel.id] = tunnel
	err := w.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: tunnel.id, BlockFragment: block.Bytes(), EndHeaders: true})
	w.mu.Unlock()
	if err == nil {
		_, err = tunnel.Write([]byte(behind))
	}
	if err != nil {
		t.Fatal(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	late := time.AfterFunc(patience, w.changed.Broadcast)
	defer late.Stop()
	for end := time.Now().Add(patience); tunnel.status == "" && tunnel.reset == nil && !w.dead && time.Now().Before(end); {
		w.changed.Wait()
	}
	return tunnel
}

func (t *h2tunnel) field(name string) (value string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range t.fields {
		if f.Name == name {
			value += f.Value
		}
	}
	return value
}

// Write sends DATA as the windows allow.
func (t *h2tunnel) Write(p []byte) (n int, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for n < len(p) {
		for min(t.window, t.h2wire.window) <= 0 && t.reset == nil && !t.dead {
			t.changed.Wait()
		}
		if t.reset != nil || t.dead {
			return n, errors.Join(t.reset, net.ErrClosed)
		}
		piece := p[n:min(len(p), n+int(min(t.window, t.h2wire.window, 16384)))]
		if err := t.framer.WriteData(t.id, false, piece); err != nil {
			return n, err
		}
		n += len(piece)
		t.window -= int64(len(piece))
		t.h2wire.window -= int64(len(piece))
	}
	return n, nil
}

func (t *h2tunnel) SetReadDeadline(until time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.until = until
	return nil
}

func (t *h2tunnel) Read(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	late := time.AfterFunc(time.Until(t.until), t.changed.Broadcast)
	defer late.Stop()
	for {
		switch {
		case t.in.Len() > 0:
			return t.in.Read(p)
		case t.over: // a reset that follows only says that no more of ours is wanted
			return 0, io.EOF
		case t.reset != nil:
			return 0, t.reset
		case t.dead:
			return 0, net.ErrClosed
		case !time.Now().Before(t.until):
			return 0, os.ErrDeadlineExceeded
		}
		t.changed.Wait()
	}
}

// CloseWrite ends our side.
func (t *h2tunnel) CloseWrite() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.framer.WriteData(t.id, true, nil)
}

// Close ends our side; the stream goes when the other one has ended, too.
func (t *h2tunnel) Close() error { return t.CloseWrite() }

// breakOff resets the stream.
func (t *h2tunnel) breakOff() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.framer.WriteRSTStream(t.id, http2.ErrCodeCancel)
}

func TestWebSocketsOverHTTP2(t *testing.T) {
	t.Parallel()
	o := openWSOrigin(t, nil)
	h := openHouse(t, reverseTo(o.address))
	wire := dialWire(t, h)
	open := func(t *testing.T, behind string, more ...string) (client, origin *wsSide) {
		t.Helper()
		tunnel := wire.connect(t, behind, more...)
		if tunnel.status != "200" {
			t.Fatalf("the tunnel got %q, %v", tunnel.status, tunnel.reset)
		}
		return &wsSide{rawClient: &rawClient{Conn: tunnel}}, o.next(t)
	}
	t.Run("frames pass untouched", func(t *testing.T) {
		client, origin := open(t, "")
		for name, f := range wsCases() {
			t.Run(name, func(t *testing.T) { passes(t, client, origin, f.from(true), f.from(false)) })
		}
		for name, b := range rawFrames {
			t.Run(name, func(t *testing.T) { passes(t, client, origin, b, b) })
		}
		t.Run("they alternate", func(t *testing.T) { alternate(t, client, origin) })
	})
	t.Run("bytes right behind the request", func(t *testing.T) {
		up := wsCases()["a thousand messages"].from(true)
		client, origin := open(t, string(up))
		if err := origin.want(up); err != nil {
			t.Errorf("the origin got %v", err)
		}
		passes(t, client, origin, up, up)
	})
	t.Run("the handshake is translated (RFC 8441 §5)", func(t *testing.T) {
		o.answer = func(m *spoken) string {
			return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + acceptOf(m.value("Sec-WebSocket-Key")) + "\r\nSec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
		}
		defer func() { o.answer = nil }()
		client, origin := open(t, "", "sec-websocket-protocol: chat, other", "sec-websocket-extensions: permessage-deflate; client_max_window_bits", "origin: https://a.test", "cookie: a=b", "cookie: c=d")
		m := origin.handshake
		for name, want := range map[string]string{
			"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Protocol": "chat, other", "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
			"Origin": "https://a.test", "Cookie": "a=b; c=d", "Host": "localhost", "Content-Length": "", "Transfer-Encoding": "",
		} {
			if v := m.value(name); v != want {
				t.Errorf("the origin was told %s: %q, want %q", name, v, want)
			}
		}
		if m.line != "GET /ws HTTP/1.1" || len(m.value("Sec-WebSocket-Key")) != 24 {
			t.Errorf("the origin heard %q with the key %q", m.line, m.value("Sec-WebSocket-Key"))
		}
		tunnel := client.Conn.(*h2tunnel)
		for name, want := range map[string]string{"sec-websocket-protocol": "chat", "sec-websocket-extensions": "permessage-deflate", "upgrade": "", "connection": "", "sec-websocket-accept": "", "content-length": ""} {
			if v := tunnel.field(name); v != want {
				t.Errorf("the client was told %s: %q, want %q", name, v, want)
			}
		}
	})
	for _, k := range []struct{ name, answer, status, body string }{
		{"403", "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno", "403", "no"},
		{"426", "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n", "426", ""},
		{"302", "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", "302", ""},
		{"200, which would open the tunnel", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "502", "any"},
		{"a wrong Sec-WebSocket-Accept", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n", "502", "any"},
	} {
		t.Run("not opened: "+k.name, func(t *testing.T) {
			o.answer = func(*spoken) string { return k.answer }
			defer func() { o.answer = nil }()
			tunnel := wire.connect(t, "")
			o.next(t)
			if tunnel.status != k.status {
				t.Fatalf("the client got %q, %v", tunnel.status, tunnel.reset)
			}
			_ = tunnel.SetReadDeadline(time.Now().Add(patience)) // it never fails
			if body, err := io.ReadAll(tunnel); err != nil || k.body != "any" && string(body) != k.body {
				t.Errorf("and %q, %v", body, err)
			}
		})
	}
	large := frames{{end: true, kind: wsBinary, payload: pattern(1 << 20)}}.from(false)
	t.Run("the client ends its half", func(t *testing.T) {
		client, origin := open(t, "")
		if err := client.Conn.(*h2tunnel).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if err := origin.wantEnd(); err != nil || origin.fault != nil {
			t.Fatalf("the origin got %v, %v", err, origin.fault)
		}
		go func() { _, _ = origin.Write(large); _ = origin.Close() }()
		if err := errors.Join(client.want(large), client.wantEnd(), client.fault); err != nil {
			t.Error(err)
		}
	})
	t.Run("the origin ends its half", func(t *testing.T) {
		client, origin := open(t, "")
		if err := origin.Conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(client.wantEnd(), client.fault); err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = client.Write(large); _ = client.Close() }()
		if err := errors.Join(origin.want(large), origin.wantEnd(), origin.fault); err != nil {
			t.Error(err)
		}
	})
	t.Run("the client breaks off", func(t *testing.T) {
		client, origin := open(t, "")
		if err := client.Conn.(*h2tunnel).breakOff(); err != nil {
			t.Fatal(err)
		}
		if err := origin.wantEnd(); err != nil {
			t.Error(err)
		}
	})
	t.Run("the origin breaks off", func(t *testing.T) {
		client, origin := open(t, "")
		_ = origin.Conn.(*net.TCPConn).SetLinger(0) // it only fails where it is closed
		_ = origin.Close()
		if err := client.wantEnd(); err != nil {
			t.Error(err)
		}
	})
	t.Run("twenty on one connection", func(t *testing.T) {
		var all sync.WaitGroup
		for i := range 20 {
			client, origin := open(t, "")
			b := frames{{end: true, kind: wsBinary, payload: pattern(100_000 + i)}}
			all.Go(func() { passes(t, client, origin, b.from(true), b.from(false)) })
		}
		all.Wait()
	})
}
