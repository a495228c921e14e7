package journey

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2client speaks HTTP/2 frame by frame, right or wrong.
type h2client struct {
	net.Conn
	t      *testing.T
	names  bytes.Buffer
	packer *hpack.Encoder
	events chan string
	seen   []string // taken from events
	next   uint32   // the id of the next stream

	settings map[http2.SettingID]uint32 // the server's
}

// dialH2 opens TLS for h2 and sends the preface, but no frame.
func dialH2(t *testing.T, h *house) *h2client {
	t.Helper()
	c := tls.Client(dialRaw(t, h.proxy()).Conn, &tls.Config{RootCAs: h.roots(), ServerName: "localhost", NextProtos: []string{"h2"}})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	if p := c.ConnectionState().NegotiatedProtocol; p != "h2" {
		t.Fatalf("TLS agreed on %q", p)
	}
	return newH2(t, c)
}

func newH2(t *testing.T, conn net.Conn) *h2client {
	c := &h2client{Conn: conn, t: t, next: 1, events: make(chan string, 1<<16), settings: map[http2.SettingID]uint32{}}
	c.packer = hpack.NewEncoder(&c.names)
	return c
}

// open is a connection on which both have sent their settings.
func openH2(t *testing.T, h *house, settings ...http2.Setting) *h2client {
	t.Helper()
	c := dialH2(t, h)
	c.begin(settings...)
	return c
}

func (c *h2client) begin(settings ...http2.Setting) {
	c.t.Helper()
	c.send(http2.ClientPreface)
	c.frame(http2.FrameSettings, 0, 0, settingsOf(settings...))
	c.listen()
	if got := c.until("SETTINGS ACK"); got != "SETTINGS ACK" {
		c.t.Fatalf("the settings got %q", c.seen)
	}
}

func settingsOf(settings ...http2.Setting) string {
	var b []byte
	for _, s := range settings {
		b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(b, uint16(s.ID)), s.Val)
	}
	return string(b)
}

// send writes bytes. The server may have hung up: what it said of that is among the events.
func (c *h2client) send(text string) {
	_ = c.SetWriteDeadline(time.Now().Add(patience))
	_, _ = c.Write([]byte(text))
}

// raw is a frame on the wire.
func raw(kind http2.FrameType, flags http2.Flags, stream uint32, payload string) string {
	n := len(payload)
	b := []byte{byte(n >> 16), byte(n >> 8), byte(n), byte(kind), byte(flags)}
	return string(binary.BigEndian.AppendUint32(b, stream)) + payload
}

func (c *h2client) frame(kind http2.FrameType, flags http2.Flags, stream uint32, payload string) {
	c.send(raw(kind, flags, stream, payload))
}

// block packs fields given as "name: value"; a name may begin with a colon.
func (c *h2client) block(fields ...string) string {
	c.names.Reset()
	for _, f := range fields {
		at := strings.Index(f[1:], ":") + 1
		name, value := f, ""
		if at > 0 {
			name, value = f[:at], strings.TrimPrefix(f[at+1:], " ")
		}
		_ = c.packer.WriteField(hpack.HeaderField{Name: name, Value: value}) // into memory
	}
	return c.names.String()
}

// request is a GET's fields and more.
func request(more ...string) []string {
	return append([]string{":method: GET", ":scheme: https", ":authority: localhost", ":path: /x"}, more...)
}

func posting(more ...string) []string {
	return append([]string{":method: POST", ":scheme: https", ":authority: localhost", ":path: /x"}, more...)
}

const (
	endStream  = http2.FlagHeadersEndStream
	endHeaders = http2.FlagHeadersEndHeaders
	padded     = http2.FlagHeadersPadded
	prioritary = http2.FlagHeadersPriority
	ack        = http2.FlagPingAck
)

// headers opens or ends a stream.
func (c *h2client) headers(stream uint32, flags http2.Flags, fields ...string) {
	c.frame(http2.FrameHeaders, flags|endHeaders, stream, c.block(fields...))
}

// get asks on a new stream.
func (c *h2client) get(path string) (stream uint32) {
	stream = c.next
	c.next += 2
	c.headers(stream, endStream, ":method: GET", ":scheme: https", ":authority: localhost", ":path: "+path)
	return stream
}

// opened is a new stream whose request goes on.
func (c *h2client) opened(path string) (stream uint32) {
	stream = c.next
	c.next += 2
	c.headers(stream, 0, ":method: POST", ":scheme: https", ":authority: localhost", ":path: "+path)
	return stream
}

// listen reads in the background: a server that hangs up on a writer takes its last words with it else.
func (c *h2client) listen() {
	framer := http2.NewFramer(nil, c.Conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	framer.SetMaxReadFrameSize(1<<24 - 1)
	go func() {
		defer close(c.events)
		for {
			f, err := framer.ReadFrame()
			if err != nil {
				c.events <- "CLOSED"
				return
			}
			select {
			case c.events <- c.tell(f):
			default: // more than any test wants to know
			}
		}
	}()
}

// tell is a frame in a line.
func (c *h2client) tell(f http2.Frame) string {
	end := ""
	if f.Header().Flags.Has(http2.FlagDataEndStream) {
		end = " END"
	}
	id := f.Header().StreamID
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if f.IsAck() {
			return "SETTINGS ACK"
		}
		_ = f.ForeachSetting(func(s http2.Setting) error { c.settings[s.ID] = s.Val; return nil }) // it never fails
		return "SETTINGS"
	case *http2.MetaHeadersFrame:
		status := f.PseudoValue("status")
		if status == "" {
			return fmt.Sprintf("TRAILER %d%s", id, end)
		}
		return fmt.Sprintf("HEADERS %d %s%s", id, status, end)
	case *http2.DataFrame:
		return fmt.Sprintf("DATA %d %s%s", id, short(f.Data()), end)
	case *http2.RSTStreamFrame:
		return fmt.Sprintf("RST %d %v", id, f.ErrCode)
	case *http2.GoAwayFrame:
		return fmt.Sprintf("GOAWAY %v", f.ErrCode)
	case *http2.PingFrame:
		if f.IsAck() {
			return fmt.Sprintf("PONG %s", f.Data[:])
		}
	}
	return fmt.Sprintf("%v %d", f.Header().Type, id)
}

// until takes events up to one that begins with one of those wanted, or up to the connection's end;
// "" when nothing more comes.
func (c *h2client) until(wanted ...string) string {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	for {
		select {
		case e, more := <-c.events:
			if !more {
				return "CLOSED"
			}
			c.seen = append(c.seen, e)
			if slices.ContainsFunc(wanted, func(w string) bool { return strings.HasPrefix(e, w) }) {
				return e
			}
			if e == "CLOSED" {
				return e
			}
		case <-timer.C:
			return ""
		}
	}
}

// alive asks once more and wants the answer.
func (c *h2client) alive() error {
	want := fmt.Sprintf("HEADERS %d 200", c.get("/alive"))
	if got := c.until(want, "GOAWAY"); got != want {
		return fmt.Errorf("asked once more the server said %q; in all %q", got, c.seen)
	}
	return nil
}
