package journey

import (
	"bytes"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// frame is one of RFC 6455 §5.2, or of what only looks like one.
type frame struct {
	end     bool // FIN
	rsv     byte // the three reserved bits
	kind    byte // opcode
	masked  bool
	payload []byte
}

const (
	wsMore   = 0x0
	wsText   = 0x1
	wsBinary = 0x2
	wsClose  = 0x8
	wsPing   = 0x9
	wsPong   = 0xA
)

// bytes are the frame on the wire.
func (f frame) bytes() []byte {
	first := f.rsv<<4 | f.kind
	if f.end {
		first |= 0x80
	}
	out := []byte{first}
	mask := byte(0)
	if f.masked {
		mask = 0x80
	}
	switch n := len(f.payload); {
	case n < 126:
		out = append(out, mask|byte(n))
	case n < 1<<16:
		out = binary.BigEndian.AppendUint16(append(out, mask|126), uint16(n))
	default:
		out = binary.BigEndian.AppendUint64(append(out, mask|127), uint64(n))
	}
	if !f.masked {
		return append(out, f.payload...)
	}
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	out = append(out, key[:]...)
	for i, b := range f.payload {
		out = append(out, b^key[i%4])
	}
	return out
}

// frames are several, as one side sends them: a client masks (RFC 6455 §5.3).
type frames []frame

func (s frames) from(client bool) []byte {
	var out []byte
	for _, f := range s {
		f.masked = f.masked != client // a frame that says masked does what its side must not
		out = append(out, f.bytes()...)
	}
	return out
}

func text(s string) frame { return frame{end: true, kind: wsText, payload: []byte(s)} }

func control(kind byte, payload string) frame {
	return frame{end: true, kind: kind, payload: []byte(payload)}
}

func closing(code uint16, reason string) frame {
	return control(wsClose, string(binary.BigEndian.AppendUint16(nil, code))+reason)
}

// pattern is a payload in which no two places look alike.
func pattern(n int) []byte {
	out := make([]byte, n)
	x := uint32(n)*2654435761 + 1
	for i := range out {
		x = x*1664525 + 1013904223
		out[i] = byte(x >> 24)
	}
	return out
}

// wsCases are messages that one side sends. Each is sent by both, and must come out as it went in.
func wsCases() map[string]frames {
	cases := map[string]frames{
		"a fragmented text":               {{kind: wsText, payload: []byte("he")}, {kind: wsMore, payload: []byte("ll")}, {end: true, kind: wsMore, payload: []byte("o")}},
		"empty fragments":                 {{kind: wsText}, {kind: wsMore}, {end: true, kind: wsMore}},
		"controls between fragments":      {{kind: wsBinary, payload: pattern(200)}, control(wsPing, "a"), {kind: wsMore, payload: pattern(70_000)}, control(wsPong, "b"), control(wsPing, ""), {end: true, kind: wsMore, payload: pattern(3)}},
		"UTF-8 cut between fragments":     {{kind: wsText, payload: []byte("\xce\xba\xe1")}, {end: true, kind: wsMore, payload: []byte("\xbd\xb9")}},
		"pings":                           {control(wsPing, ""), control(wsPing, "x"), control(wsPing, string(pattern(125)))},
		"pongs that nobody asked for":     {control(wsPong, ""), control(wsPong, "x"), control(wsPong, string(pattern(125)))},
		"a ping that is too long":         {control(wsPing, string(pattern(126)))},
		"a fragmented ping":               {{kind: wsPing, payload: []byte("x")}},
		"a close without a code":          {control(wsClose, "")},
		"a close of one byte":             {control(wsClose, "\x03")},
		"a close with a reason":           {closing(1000, "enough")},
		"a close with the longest reason": {closing(1000, string(pattern(123)))},
		"a close with invalid UTF-8":      {closing(1000, "\xce\xba\xed\xa0\x80")},
		"a close and more behind it":      {closing(1000, ""), text("too late"), control(wsPing, "x")},
		"two closes":                      {closing(1000, ""), closing(1001, "")},
		"invalid UTF-8":                   {text("\xce\xba\xe1\xbd\xb9\xcf\x83\xed\xa0\x80edited")},
		"an overlong UTF-8":               {text("\xc0\xaf")},
		"a continuation of nothing":       {{end: true, kind: wsMore, payload: []byte("x")}},
		"a new message inside another":    {{kind: wsText, payload: []byte("x")}, text("y")},
		"masked by the wrong side":        {{end: true, kind: wsText, masked: true, payload: []byte("hello")}},
		"compressed by permessage-deflate": {{end: true, rsv: 4, kind: wsText, payload: []byte{0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00}},
			{rsv: 4, kind: wsText, payload: []byte{0xf2, 0x48, 0xcd}}, {end: true, kind: wsMore, payload: []byte{0xc9, 0xc9, 0x07, 0x00}}},
	}
	for _, n := range []int{0, 1, 125, 126, 127, 128, 65535, 65536, 1 << 20} {
		cases[fmt.Sprintf("a text of %d", n)] = frames{text(strings.Repeat("*", n))}
		cases[fmt.Sprintf("a binary of %d", n)] = frames{{end: true, kind: wsBinary, payload: pattern(n)}}
	}
	for rsv := byte(1); rsv < 8; rsv++ {
		cases[fmt.Sprintf("reserved bits %03b", rsv)] = frames{{end: true, rsv: rsv, kind: wsText, payload: []byte("x")}}
	}
	for _, kind := range []byte{3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF} {
		cases[fmt.Sprintf("the reserved opcode %X", kind)] = frames{{end: true, kind: kind, payload: []byte("x")}, text("y")}
	}
	for _, code := range []uint16{0, 999, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1015, 1016, 1100, 2000, 2999, 3000, 3999, 4000, 4999, 5000, 65535} {
		cases[fmt.Sprintf("the close code %d", code)] = frames{closing(code, "why")}
	}
	var many frames
	for i := range 1000 {
		many = append(many, text(fmt.Sprint("message ", i)))
	}
	cases["a thousand messages"] = many
	return cases
}

// rawFrames are what the codec does not make.
var rawFrames = map[string][]byte{
	"a length that is longer than needed":  {0x82, 126, 0, 5, 'h', 'e', 'l', 'l', 'o'},
	"a length in eight bytes":              {0x82, 127, 0, 0, 0, 0, 0, 0, 0, 5, 'h', 'e', 'l', 'l', 'o'},
	"the largest length there is":          {0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 'h'},
	"what is no frame":                     []byte("GET /smuggled HTTP/1.1\r\nHost: shop.test\r\n\r\n"),
	"an answer":                            []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
	"a TLS handshake":                      {0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0},
	"half a frame":                         {0x81, 5, 'h', 'e'},
	"HTTP/2's preface":                     []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
	"the byte that ends the old protocol":  {0xff, 0},
	"lines that a reader of HTTP may mind": []byte("\r\n\r\n\r\n0\r\n\r\n"),
}

const wsKey = "dGhlIHNhbXBsZSBub25jZQ=="

// acceptOf is Sec-WebSocket-Accept (RFC 6455 §4.2.2).
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// wsOrigin accepts WebSockets and hands them to the test.
type wsOrigin struct {
	address string
	taken   chan *wsSide
	answer  func(m *spoken) string // nil accepts
}

// wsSide is one end of a connection behind its handshake.
type wsSide struct {
	*rawClient
	handshake *spoken
}

func openWSOrigin(t *testing.T, secure *tls.Config) *wsOrigin {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if secure != nil {
		l = tls.NewListener(l, secure)
	}
	o := &wsOrigin{address: l.Addr().String(), taken: make(chan *wsSide, 8)}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go o.take(t, c)
		}
	}()
	return o
}

func (o *wsOrigin) take(t *testing.T, c net.Conn) {
	side := &wsSide{rawClient: &rawClient{Conn: c}}
	for {
		m, n, err := strict{}.read(side.in, side.ended)
		if err != nil {
			t.Errorf("the origin got bytes that are no HTTP: %v", err)
		}
		if n > 0 {
			side.handshake, side.in = m, side.in[n:]
			break
		}
		if side.ended || err != nil || side.more() != nil || bytes.Contains(side.in, []byte(finder)) {
			_ = c.Close()
			return
		}
	}
	answer := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + acceptOf(side.handshake.value("Sec-WebSocket-Key")) + "\r\n\r\n"
	if o.answer != nil {
		answer = o.answer(side.handshake)
	}
	_, _ = io.WriteString(c, answer) // seen by the client
	o.taken <- side
}

// next is the origin's end of the connection that was made last.
func (o *wsOrigin) next(t *testing.T) *wsSide {
	t.Helper()
	select {
	case side := <-o.taken:
		t.Cleanup(func() { _ = side.Close() })
		return side
	case <-time.After(patience):
		t.Fatal("no handshake reached the origin")
		return nil
	}
}

// upgrade is the opening handshake (RFC 6455 §4.1) with more fields.
func upgrade(more ...string) string {
	return strings.Join(append([]string{"GET {/}ws HTTP/1.1", "Host: {h}", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: " + wsKey, "Sec-WebSocket-Version: 13"}, more...), "\r\n") + "\r\n\r\n"
}

// open shakes hands at a door; behind are bytes sent in the same write.
func (o *wsOrigin) open(t *testing.T, d door, handshake, behind string) (client, origin *wsSide) {
	t.Helper()
	c := d.dial(t)
	if _, err := io.WriteString(c, d.fill(handshake)+behind); err != nil {
		t.Fatal(err)
	}
	m, err := c.next("GET")
	if err != nil || m.status != 101 {
		t.Fatalf("the handshake got %+v, %v", m, err)
	}
	return &wsSide{c, m}, o.next(t)
}

// want reads as many bytes as there are in b and compares.
func (s *wsSide) want(b []byte) error {
	for len(s.in) < len(b) {
		if s.ended {
			return fmt.Errorf("the end after %d of %d bytes (%v)", len(s.in), len(b), s.fault)
		}
		if err := s.more(); err != nil {
			return fmt.Errorf("%d of %d bytes, then %w", len(s.in), len(b), err)
		}
	}
	if !bytes.Equal(s.in[:len(b)], b) {
		return fmt.Errorf("%.100q instead of %.100q", s.in[:len(b)], b)
	}
	s.in = s.in[len(b):]
	return nil
}

// wantEnd reads to the end and finds nothing before it.
func (s *wsSide) wantEnd() error {
	for !s.ended {
		if err := s.more(); err != nil {
			return err
		}
	}
	if len(s.in) > 0 {
		return fmt.Errorf("%.100q before the end", s.in)
	}
	return nil
}

// passes sends both ways at once and compares.
func passes(t *testing.T, client, origin *wsSide, up, down []byte) {
	t.Helper()
	sent := make(chan error, 2)
	got := make(chan error, 2)
	go func() { _, err := client.Write(up); sent <- err }()
	go func() { _, err := origin.Write(down); sent <- err }()
	go func() {
		err := origin.want(up)
		if err != nil {
			err = fmt.Errorf("the origin got %w", err)
		}
		got <- err
	}()
	go func() {
		err := client.want(down)
		if err != nil {
			err = fmt.Errorf("the client got %w", err)
		}
		got <- err
	}()
	for range 2 {
		if err := <-got; err != nil {
			t.Error(err)
			return
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
	}
}

// wsDoors are the ways in, each with an origin behind it.
func wsDoors(t *testing.T) []wsDoor {
	t.Helper()
	o := openWSOrigin(t, nil)
	h := openHouse(t, reverseTo(o.address))
	reverse, forward, inside := doorways(h, &rawOrigin{address: o.address})
	secure := door{"reverse by TLS", "/", "localhost", func(t *testing.T) *rawClient { return dialTLS(t, h, "localhost") }}
	certificate, ca := certificateOf(t)
	far := openWSOrigin(t, &tls.Config{Certificates: []tls.Certificate{certificate}})
	trusting := openHouse(t, fmt.Sprintf("[forward]\nca = %q\n", ca))
	intercept := door{"intercept", "/", far.address, func(t *testing.T) *rawClient { return secureThrough(t, trusting, far.address) }}
	return []wsDoor{{reverse, o}, {forward, o}, {inside, o}, {secure, o}, {intercept, far}}
}

type wsDoor struct {
	door
	origin *wsOrigin
}

// dialTLS speaks TLS with the port itself.
func dialTLS(t *testing.T, h *house, name string) *rawClient {
	t.Helper()
	c := tls.Client(dialRaw(t, h.proxy()).Conn, &tls.Config{RootCAs: h.roots(), ServerName: name, NextProtos: []string{"http/1.1"}})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	return &rawClient{Conn: c}
}

// roots are the house's own authority.
func (h *house) roots() *x509.CertPool {
	h.t.Helper()
	pem, err := os.ReadFile(h.status().Authority.File)
	if err != nil {
		h.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return roots
}

func TestWebSocketFramesPassUntouched(t *testing.T) {
	t.Parallel()
	for i, d := range wsDoors(t) {
		t.Run(d.name, func(t *testing.T) {
			client, origin := d.origin.open(t, d.door, upgrade(), "")
			for name, f := range wsCases() {
				t.Run(name, func(t *testing.T) { passes(t, client, origin, f.from(true), f.from(false)) })
			}
			for name, b := range rawFrames {
				t.Run(name, func(t *testing.T) { passes(t, client, origin, b, b) })
			}
			if i == 0 {
				t.Run("they alternate", func(t *testing.T) { alternate(t, client, origin) })
			}
		})
	}
}

// alternate has each side wait for the other's message a thousand times.
func alternate(t *testing.T, client, origin *wsSide) {
	for i := range 1000 {
		question, answer := frames{text(fmt.Sprint("ping ", i))}.from(true), frames{text(fmt.Sprint("pong ", i))}.from(false)
		if _, err := client.Write(question); err != nil {
			t.Fatal(err)
		}
		if err := origin.want(question); err != nil {
			t.Fatal(err)
		}
		if _, err := origin.Write(answer); err != nil {
			t.Fatal(err)
		}
		if err := client.want(answer); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWebSocketHandshakes(t *testing.T) {
	t.Parallel()
	for _, d := range wsDoors(t) {
		for _, k := range []struct {
			name, send, accept string
			origin             [][2]string // what the origin is told
			client             [][2]string // and the client
		}{
			{name: "plain", send: upgrade(), origin: [][2]string{{"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Key", wsKey}, {"Sec-WebSocket-Version", "13"}},
				client: [][2]string{{"Upgrade", "websocket"}, {"Connection", "Upgrade"}, {"Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}, {"Content-Length", ""}, {"Transfer-Encoding", ""}}},
			{name: "permessage-deflate", send: upgrade("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x-other"), accept: "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover",
				origin: [][2]string{{"Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits, x-other"}}, client: [][2]string{{"Sec-WebSocket-Extensions", "permessage-deflate; server_no_context_takeover"}}},
			{name: "subprotocols", send: upgrade("Sec-WebSocket-Protocol: chat, superchat", "Sec-WebSocket-Protocol: v2"), accept: "Sec-WebSocket-Protocol: superchat",
				origin: [][2]string{{"Sec-WebSocket-Protocol", "chat, superchat, v2"}}, client: [][2]string{{"Sec-WebSocket-Protocol", "superchat"}}},
			{name: "Origin and cookies", send: upgrade("Origin: http://a.test", "Cookie: a=b; c=d", "Authorization: Bearer x"), accept: "Set-Cookie: e=f",
				origin: [][2]string{{"Origin", "http://a.test"}, {"Cookie", "a=b; c=d"}, {"Authorization", "Bearer x"}}, client: [][2]string{{"Set-Cookie", "e=f"}}},
			{name: "keep-alive, Upgrade", send: strings.Replace(upgrade(), "Connection: Upgrade", "Connection: keep-alive, Upgrade", 1), origin: [][2]string{{"Connection", "Upgrade"}, {"Upgrade", "websocket"}}},
			{name: "Connection on two lines", send: strings.Replace(upgrade(), "Connection: Upgrade", "Connection: keep-alive\r\nConnection: X, upgrade", 1), origin: [][2]string{{"Connection", "Upgrade"}}},
			{name: "in other letters", send: strings.Replace(strings.Replace(upgrade(), "Connection: Upgrade", "CONNECTION: UPGRADE", 1), "websocket", "WebSocket", 1), origin: [][2]string{{"Upgrade", "WebSocket"}}},
			{name: "an unknown version", send: strings.Replace(upgrade(), "Version: 13", "Version: 25", 1), origin: [][2]string{{"Sec-WebSocket-Version", "25"}}},
			{name: "POST with a body", send: strings.Replace(strings.Replace(upgrade(), "GET", "POST", 1), "Upgrade: websocket", "Content-Length: 5\r\nUpgrade: websocket", 1) + "hello", origin: [][2]string{{"Upgrade", "websocket"}, {"Content-Length", "5"}}},
			{name: "another protocol", send: strings.Replace(upgrade(), "Upgrade: websocket", "Upgrade: chat/1.0", 1), accept: "X: y", origin: [][2]string{{"Upgrade", "chat/1.0"}}},
			{name: "fields of the connection", send: strings.Replace(upgrade("X-Mine: a", "Keep-Alive: 5"), "Connection: Upgrade", "Connection: Upgrade, X-Mine", 1), origin: [][2]string{{"X-Mine", ""}, {"Keep-Alive", ""}}},
		} {
			t.Run(d.name+"/"+k.name, func(t *testing.T) {
				d.origin.answer = func(m *spoken) string {
					more := ""
					if k.accept != "" {
						more = k.accept + "\r\n"
					}
					return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: " + m.value("Upgrade") + "\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + acceptOf(m.value("Sec-WebSocket-Key")) + "\r\n" + more + "\r\n"
				}
				client, origin := d.origin.open(t, d.door, k.send, "")
				for who, pairs := range map[*wsSide][][2]string{origin: k.origin, client: k.client} {
					for _, p := range pairs {
						if v := who.handshake.value(p[0]); v != p[1] {
							t.Errorf("%s is %q, want %q; in all %q", p[0], v, p[1], who.handshake.fields)
						}
					}
				}
				passes(t, client, origin, frames{text("up")}.from(true), frames{text("down")}.from(false))
			})
		}
	}
}

func TestWebSocketsThatDoNotOpen(t *testing.T) {
	t.Parallel()
	for _, d := range wsDoors(t) {
		for _, k := range []struct{ name, send, answer, want, field, value string }{
			{name: "400", answer: "HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno", want: "400 no"},
			{name: "403 in chunks", answer: "HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n", want: "403 no"},
			{name: "426", answer: "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nContent-Length: 0\r\n\r\n", want: "426 ", field: "Sec-WebSocket-Version", value: "13"},
			{name: "426 names the protocol (RFC 9110 §15.5.22)", answer: "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n", want: "426 ", field: "Upgrade", value: "websocket"},
			{name: "401", answer: "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n", want: "401 ", field: "WWW-Authenticate", value: "Basic realm=\"x\""},
			{name: "302", answer: "HTTP/1.1 302 Found\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n", want: "302 ", field: "Location", value: "/other"},
			{name: "200", answer: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", want: "200 hi"},
			{name: "1.0", send: strings.Replace(upgrade(), "HTTP/1.1", "HTTP/1.0", 1), answer: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", want: "200 hi"},
		} {
			t.Run(d.name+"/"+k.name, func(t *testing.T) {
				d.origin.answer = func(*spoken) string { return k.answer }
				send := k.send
				if send == "" {
					send = upgrade()
				}
				c := d.dial(t)
				if _, err := io.WriteString(c, d.fill(send)); err != nil {
					t.Fatal(err)
				}
				m, err := c.next("GET")
				if err != nil {
					t.Fatal(err)
				}
				if got := fmt.Sprintf("%d %s", m.status, m.body); got != k.want {
					t.Errorf("the client got %q", got)
				}
				if k.field != "" && m.value(k.field) != k.value {
					t.Errorf("%s is %q in %q", k.field, m.value(k.field), m.fields)
				}
				origin := d.origin.next(t)
				if strings.Contains(send, "HTTP/1.0") && origin.handshake.value("Upgrade") != "" {
					t.Error("an upgrade was asked for although HTTP/1.0 has none (RFC 9110 §7.8)")
				}
			})
		}
	}
}

func TestBytesRightBehindAHandshake(t *testing.T) {
	t.Parallel()
	for _, d := range wsDoors(t) {
		t.Run(d.name, func(t *testing.T) {
			messages := wsCases()["a thousand messages"]
			up, down := messages.from(true), messages.from(false)
			accepted := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + acceptOf(wsKey) + "\r\n\r\n"
			d.origin.answer = func(*spoken) string { return accepted + string(down) }
			client, origin := d.origin.open(t, d.door, upgrade(), string(up))
			if err := origin.want(up); err != nil {
				t.Errorf("the origin got %v", err)
			}
			if err := client.want(down); err != nil {
				t.Errorf("the client got %v", err)
			}
			passes(t, client, origin, up, down)
		})
	}
}

func TestHowWebSocketsEnd(t *testing.T) {
	t.Parallel()
	large := frames{{end: true, kind: wsBinary, payload: pattern(1 << 20)}}
	for _, d := range wsDoors(t) {
		ends := map[string]func(t *testing.T, near, far *wsSide){
			"one side ends its half, the other goes on": func(t *testing.T, near, far *wsSide) {
				if err := near.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
					t.Fatal(err)
				}
				if err := far.wantEnd(); err != nil || far.fault != nil {
					t.Fatalf("the other side got %v, %v", err, far.fault)
				}
				b := large.from(false)
				go func() {
					_, _ = far.Write(b)
					_ = far.Conn.(interface{ CloseWrite() error }).CloseWrite()
				}()
				if err := near.want(b); err != nil {
					t.Errorf("the half that is open gave %v", err)
				}
				if err := near.wantEnd(); err != nil || near.fault != nil {
					t.Errorf("then %v, %v", err, near.fault)
				}
			},
			"one side hangs up": func(t *testing.T, near, far *wsSide) {
				b := large.from(false)
				go func() {
					_, _ = near.Write(b)
					_ = near.Close()
				}()
				if err := far.want(b); err != nil {
					t.Errorf("what was sent before the end: %v", err)
				}
				if err := far.wantEnd(); err != nil {
					t.Errorf("the other side got %v", err)
				}
			},
			"one side breaks off": func(t *testing.T, near, far *wsSide) {
				raw := near.Conn
				if secure, ok := raw.(*tls.Conn); ok {
					raw = secure.NetConn()
				}
				if secure, ok := raw.(*tls.Conn); ok {
					raw = secure.NetConn()
				}
				if err := raw.(*net.TCPConn).SetLinger(0); err != nil {
					t.Fatal(err)
				}
				_ = raw.Close()
				if err := far.wantEnd(); err != nil {
					t.Errorf("the other side got %v", err)
				}
			},
		}
		for name, end := range ends {
			t.Run(d.name+"/"+name+"/the client", func(t *testing.T) {
				client, origin := d.origin.open(t, d.door, upgrade(), "")
				end(t, client, origin)
			})
			t.Run(d.name+"/"+name+"/the origin", func(t *testing.T) {
				client, origin := d.origin.open(t, d.door, upgrade(), "")
				end(t, origin, client)
			})
		}
	}
}
