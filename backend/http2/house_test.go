package http2

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/http2/hpack"

	"proxycache/backend/flow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type handlerFunc func(*Stream)

func (f handlerFunc) ServeStream(s *Stream) { f(s) }

// talk is a client that says frames, and writes down what it hears.
type talk struct {
	t    *testing.T
	conn net.Conn
	*Conn
	block   bytes.Buffer
	encoder *hpack.Encoder
	decoder *hpack.Decoder
	calls   atomic.Int64  // of the handler
	served  chan error    // what Serve returned
	reading chan struct{} // holds one thing; who takes it keeps the client from reading
	quit    chan struct{} // closed when the client's end is

	mu    sync.Mutex
	heard []string
}

// converse tells a story in a bubble, where time passes when everybody waits.
func converse(t *testing.T, handler handlerFunc, o Options, story func(c *talk)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := connect(t, handler, o)
		c.say(preface)
		c.frame(kindSettings, 0, 0, nil)
		c.frame(kindSettings, flagAck, 0, nil)
		c.hear("SETTINGS", fmt.Sprint("WINDOW_UPDATE 0 ", connWindow(cmp.Or(o.Streams, Defaults.Streams))-initialWindow), "SETTINGS ack")
		story(c)
	})
}

func connect(t *testing.T, handler handlerFunc, o Options) *talk {
	t.Helper()
	near, far := net.Pipe()
	c := &talk{t: t, conn: near, served: make(chan error, 1), reading: make(chan struct{}, 1), quit: make(chan struct{})}
	c.reading <- struct{}{}
	c.encoder, c.decoder = hpack.NewEncoder(&c.block), hpack.NewDecoder(4096, nil)
	c.Conn = New(impatient{far}, handlerFunc(func(s *Stream) { c.calls.Add(1); handler(s) }), o)
	go func() { c.served <- c.Serve() }()
	go c.listen()
	t.Cleanup(func() {
		_ = near.Close()
		<-c.quit
		select {
		case <-c.served:
		case <-time.After(time.Minute):
			t.Error("Serve does not return")
		}
	})
	return c
}

// impatient is a connection whose writes end when the other end reads nothing, as New wants.
type impatient struct{ net.Conn }

func (c impatient) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(Defaults.WriteTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// listen writes down frame after frame.
func (c *talk) listen() {
	defer close(c.quit)
	for {
		c.reading <- <-c.reading
		head := make([]byte, frameHeader)
		if _, err := io.ReadFull(c.conn, head); err != nil {
			c.note("end")
			return
		}
		f, length := readHeader(head)
		f.payload = make([]byte, length)
		if _, err := io.ReadFull(c.conn, f.payload); err != nil {
			c.note("a torn frame")
			return
		}
		c.note(c.tell(f))
	}
}

func (c *talk) note(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = append(c.heard, text)
}

// tell puts a frame into words.
func (c *talk) tell(f frame) string {
	end := ""
	if f.has(flagEndStream) {
		end = " end"
	}
	switch f.kind {
	case kindData:
		return fmt.Sprintf("DATA %d %s%s", f.stream, short(f.payload), end)
	case kindHeaders:
		fields, err := c.decoder.DecodeFull(f.payload)
		if err != nil {
			return "HEADERS that cannot be decoded: " + err.Error()
		}
		var text strings.Builder
		for _, h := range fields {
			fmt.Fprintf(&text, " %s=%s", strings.TrimPrefix(h.Name, ":"), h.Value)
		}
		return fmt.Sprintf("HEADERS %d%s%s", f.stream, text.String(), end)
	case kindReset:
		return fmt.Sprintf("RST_STREAM %d %s", f.stream, Code(binary.BigEndian.Uint32(f.payload)))
	case kindSettings:
		if f.has(flagAck) {
			return "SETTINGS ack"
		}
		return "SETTINGS"
	case kindPing:
		if f.has(flagAck) {
			return "PING ack " + string(f.payload)
		}
		return "PING"
	case kindGoAway:
		return fmt.Sprintf("GOAWAY %d %s", binary.BigEndian.Uint32(f.payload), Code(binary.BigEndian.Uint32(f.payload[4:])))
	case kindWindow:
		return fmt.Sprintf("WINDOW_UPDATE %d %d", f.stream, binary.BigEndian.Uint32(f.payload))
	}
	return fmt.Sprintf("frame %d", f.kind)
}

func short(p []byte) string {
	if len(p) <= 20 {
		return fmt.Sprintf("%q", p)
	}
	return fmt.Sprintf("%d bytes", len(p))
}

// say writes bytes. A connection that is closed has been found out by hear.
func (c *talk) say(text string) { _, _ = io.WriteString(c.conn, text) }

func (c *talk) frame(k kind, flags uint8, stream uint32, payload []byte) {
	c.say(string(append(appendHeader(nil, k, flags, stream, len(payload)), payload...)))
}

// encode makes a header block of "name", "value" and so on.
func (c *talk) encode(fields ...string) []byte {
	c.block.Reset()
	for i := 0; i < len(fields); i += 2 {
		if err := c.encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}); err != nil {
			c.t.Fatal(err)
		}
	}
	return append([]byte{}, c.block.Bytes()...)
}

func request(method, path string, more ...string) []string {
	return append([]string{":method", method, ":scheme", "https", ":path", path, ":authority", "shop.test"}, more...)
}

// get asks for path on stream.
func (c *talk) get(stream uint32, path string, more ...string) {
	c.frame(kindHeaders, flagEndHeaders|flagEndStream, stream, c.encode(request("GET", path, more...)...))
}

// post begins a request with a body.
func (c *talk) post(stream uint32, path string, more ...string) {
	c.frame(kindHeaders, flagEndHeaders, stream, c.encode(request("POST", path, more...)...))
}

func (c *talk) data(stream uint32, text string) { c.frame(kindData, 0, stream, []byte(text)) }
func (c *talk) last(stream uint32, text string) {
	c.frame(kindData, flagEndStream, stream, []byte(text))
}

func (c *talk) update(stream, by uint32) {
	c.frame(kindWindow, 0, stream, binary.BigEndian.AppendUint32(nil, by))
}

func (c *talk) rst(stream uint32, code Code) {
	c.frame(kindReset, 0, stream, binary.BigEndian.AppendUint32(nil, uint32(code)))
}

func (c *talk) set(s setting, value uint32) {
	c.frame(kindSettings, 0, 0, appendSetting(nil, s, value))
}

// all is what was heard until everybody waits, and forgets it.
func (c *talk) all() []string {
	synctest.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	heard := c.heard
	c.heard = nil
	return heard
}

// hear wants to have heard exactly this since the last time.
func (c *talk) hear(want ...string) {
	c.t.Helper()
	got := c.all()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		c.t.Errorf("heard %q\nwant  %q", got, want)
	}
}

// ended wants the connection to have ended with this GOAWAY, whatever was said before.
func (c *talk) ended(code Code) {
	c.t.Helper()
	time.Sleep(2 * lingerTime)
	got := c.all()
	if len(got) < 2 || got[len(got)-1] != "end" || !strings.HasPrefix(got[len(got)-2], "GOAWAY") || !strings.HasSuffix(got[len(got)-2], " "+code.String()) {
		c.t.Errorf("heard %q, want GOAWAY %s and the end", got[max(0, len(got)-5):], code)
	}
}

// answer is what most streams get: the body is read, and told of.
func answer(s *Stream) {
	switch s.Request.Path {
	case "/hold":
		gone := make(chan struct{})
		s.OnGone(func() { close(gone) })
		<-gone
		return
	case "/big":
		_ = s.Begin(200, nil)
		if _, err := s.Write(make([]byte, 1<<20)); err == nil {
			_ = s.Finish(nil, nil)
		}
		return
	case "/unread":
		_ = s.Answer(204, nil)
		return
	}
	body, err := io.ReadAll(s)
	if err != nil {
		return
	}
	h := flow.Header{{Name: "Content-Type", Value: "text/plain"}}
	if len(body) == 0 && len(s.Trailer()) == 0 {
		_ = s.Answer(200, h)
		return
	}
	_ = s.Begin(200, h)
	_ = s.Finish(body, s.Trailer())
}

const okHead = " status=200 content-type=text/plain"

// fields makes a header of "name", "value" and so on.
func fields(list ...string) (h flow.Header) {
	for i := 0; i < len(list); i += 2 {
		h.Add(list[i], list[i+1])
	}
	return h
}

func same(a, b Request) bool { return reflect.DeepEqual(a, b) }

// bubble is converse without the client's part of the greeting.
func bubble(t *testing.T, story func(c *talk)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { story(connect(t, answer, Options{})) })
}

// greetingOf is the first frame that a server says.
func greetingOf(t *testing.T, o Options) frame {
	t.Helper()
	near, far := net.Pipe()
	served := make(chan error)
	go func() { served <- New(far, handlerFunc(answer), o).Serve() }()
	head := make([]byte, frameHeader)
	if _, err := io.ReadFull(near, head); err != nil {
		t.Fatal(err)
	}
	f, length := readHeader(head)
	f.payload = make([]byte, length)
	if _, err := io.ReadFull(near, f.payload); err != nil {
		t.Fatal(err)
	}
	_ = near.Close()
	<-served
	return f
}
