package journey

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// shortLimits are times in which a test may see what takes a client's patience.
const shortLimits = `
[limits]
header_timeout = "400ms"
body_timeout = "400ms"
write_timeout = "500ms"
keep_alive = "1s"
`

// soon is by when a limit of shortLimits must have acted, on a machine that is busy.
const soon = 4 * time.Second

func openSlow(t *testing.T) (*house, *rawOrigin, door) {
	t.Helper()
	o := openRawOrigin(t, nil)
	h := openHouse(t, shortLimits+reverseTo(o.address))
	reverse, _, _ := doorways(h, o)
	return h, o, reverse
}

// serves demands an ordinary answer at once.
func (d door) serves(t *testing.T) {
	t.Helper()
	c := d.dial(t)
	defer c.Close()
	began := time.Now()
	if _, got := (hostile{}).after(c, d); len(got) != 1 || got[0] != "after" {
		t.Errorf("meanwhile another client got %q", got)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("meanwhile another client waited %s", took)
	}
}

// drip sends bytes one by one until all are sent or the connection is closed.
func drip(c net.Conn, text string, every time.Duration) {
	for i := range len(text) {
		if _, err := io.WriteString(c, text[i:i+1]); err != nil {
			return
		}
		time.Sleep(every)
	}
}

// TestClientsThatAreSlow has each end in time, by the answer that says why where one is possible.
func TestClientsThatAreSlow(t *testing.T) {
	t.Parallel()
	_, o, d := openSlow(t)
	tls12 := "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" // the beginning of a ClientHello
	var all sync.WaitGroup
	for _, k := range []struct {
		name  string
		at    string // sent at once
		drip  string // then byte by byte
		want  string // statuses; "close" always follows
		least time.Duration
	}{
		{name: "says nothing", want: "", least: 300 * time.Millisecond},
		{name: "stops in the request line", at: "GET /slow", want: "408"},
		{name: "stops in a field", at: "GET /slow HTTP/1.1\r\nHost: a", want: "408"},
		{name: "stops before the blank line", at: "GET /slow HTTP/1.1\r\nHost: a\r\n", want: "408"},
		{name: "drips its head", drip: "GET /slow HTTP/1.1\r\nHost: a.test\r\nX: " + strings.Repeat("x", 1000), want: "408"},
		{name: "drips fields", at: "GET /slow HTTP/1.1\r\nHost: a.test\r\n", drip: strings.Repeat("X: y\r\n", 90), want: "408"},
		{name: "drips empty lines", drip: "\r\n\r\n", want: "(408)"},
		{name: "stops in a body", at: "POST /slow HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nhello", want: "408", least: 300 * time.Millisecond},
		{name: "stops before a body", at: "POST /slow HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\n", want: "408", least: 300 * time.Millisecond},
		{name: "stops in a large body", at: "POST /slow HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("x", 50_000), want: "408", least: 300 * time.Millisecond},
		{name: "stops in a chunk", at: "POST /slow HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", want: "408", least: 300 * time.Millisecond},
		{name: "stops between chunks", at: "POST /slow HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", want: "408", least: 300 * time.Millisecond},
		{name: "stops in a trailer", at: "POST /slow HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: ", want: "408", least: 300 * time.Millisecond},
		{name: "stops in the second request", at: "GET /after HTTP/1.1\r\nHost: a.test\r\n\r\nGET /slow", want: "200 408"},
		{name: "asks nothing more", at: "GET /after HTTP/1.1\r\nHost: a.test\r\n\r\n", want: "200", least: 700 * time.Millisecond},
		{name: "stops in a TLS handshake", at: tls12, want: ""},
		{name: "drips a TLS handshake", at: tls12, drip: strings.Repeat("x", 400), want: ""},
	} {
		all.Go(func() {
			c := d.dial(t)
			defer c.Close()
			began := time.Now()
			_, _ = io.WriteString(c, k.at) // a fault shows below
			go drip(c, k.drip, 40*time.Millisecond)
			tokens := append(strings.Fields(k.want), "close")
			_, got := (hostile{}).listen(c, tokens)
			took := time.Since(began)
			if !matches(tokens, got) {
				t.Errorf("who %s got %q, want %q", k.name, got, tokens)
			}
			if took > soon || took < k.least {
				t.Errorf("who %s was served for %s", k.name, took)
			}
		})
	}
	d.serves(t)
	all.Wait()
	d.serves(t)
	for _, heard := range o.state().heard {
		if heard != "GET /after " {
			t.Errorf("the origin heard %q, which was never complete", heard)
		}
	}
	if s := o.state(); s.open || s.wrong != nil {
		t.Errorf("the origin still waits for %q, %v", s.partial, s.wrong)
	}
}

// TestClientsThatAreSlowButMove are served for as long as they take.
func TestClientsThatAreSlowButMove(t *testing.T) {
	t.Parallel()
	o := openRawOrigin(t, nil)
	d, _, _ := doorways(openHouse(t, "[limits]\nbody_timeout = \"1s\"\n"+reverseTo(o.address)), o)
	for _, k := range []struct{ name, send, want string }{
		{"a length", "POST {/}x HTTP/1.1\r\nHost: {h}\r\nContent-Length: 20\r\n\r\n|hello, hello, hello.", "POST /x hello, hello, hello."},
		{"chunks", "POST {/}x HTTP/1.1\r\nHost: {h}\r\nTransfer-Encoding: chunked\r\n\r\n28\r\n|" + strings.Repeat("0123456789", 4) + "\r\n0\r\n\r\n", "POST /x " + strings.Repeat("0123456789", 4)},
	} {
		c := d.dial(t)
		defer c.Close()
		at, rest, _ := strings.Cut(d.fill(k.send), "|")
		if _, err := io.WriteString(c, at); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		drip(c, rest, 1500*time.Millisecond/time.Duration(len(rest)))
		if m, err := c.next("POST"); err != nil || string(m.body) != k.want || time.Since(began) < time.Second {
			t.Errorf("%s: %+v, %v", k.name, m, err)
		}
	}
}

// flood is an origin whose answer has no end, and which counts what it could send.
func flood(t *testing.T) (address string, sent *atomic.Int64, over chan struct{}) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	sent, over = &atomic.Int64{}, make(chan struct{}, 64)
	serve := func(c net.Conn) {
		defer c.Close()
		buf := make([]byte, 64<<10)
		if n, err := c.Read(buf); err != nil || strings.Contains(string(buf[:n]), finder) {
			return
		} else if strings.HasPrefix(string(buf[:n]), "GET /after") {
			_, _ = io.WriteString(c, ok+"Content-Length: 11\r\nConnection: close\r\n\r\nGET /after ") // seen by the client
			return
		}
		_, err := io.WriteString(c, ok+"Content-Length: 1099511627776\r\n\r\n")
		for err == nil {
			var n int
			n, err = c.Write(buf)
			sent.Add(int64(n))
		}
		over <- struct{}{}
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go serve(c)
		}
	}()
	return l.Addr().String(), sent, over
}

// TestReadersThatStop bounds what is held for a client that does not take its answer, and ends it.
func TestReadersThatStop(t *testing.T) {
	t.Parallel()
	address, sent, over := flood(t)
	h := openHouse(t, shortLimits+reverseTo(address))
	d, _, _ := doorways(h, &rawOrigin{address: address})
	const readers = 20
	for range readers {
		c := d.dial(t)
		if err := c.Conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, "GET /flood HTTP/1.1\r\nHost: a.test\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
	}
	d.serves(t)
	for range readers {
		select {
		case <-over:
		case <-time.After(10 * time.Second):
			t.Fatal("a client that takes nothing still holds its origin")
		}
	}
	// The system's buffers of both connections, and one of ours: 16 MiB would be a proxy that hoards.
	if each := sent.Load() / readers; each > 16<<20 {
		t.Errorf("%d bytes were taken from the origin for each client that reads nothing", each)
	}
	d.serves(t)
}

// TestReadersThatAreSlowButMove get all of it.
func TestReadersThatAreSlowButMove(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("0123456789abcdef", 1<<19) // 8 MiB: more than the system's buffers
	o := openRawOrigin(t, nil)
	o.begin(func(int, *spoken) reply {
		return reply{bytes: fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", ok, len(body), body)}
	}, nil)
	d, _, _ := doorways(openHouse(t, shortLimits+reverseTo(o.address)), o)
	c := d.dial(t)
	if err := c.Conn.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, d.fill(ask("x"))); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); time.Since(began) < 1200*time.Millisecond; time.Sleep(50 * time.Millisecond) {
		if err := c.more(); err != nil {
			t.Fatal(err)
		}
	}
	if m, err := c.next("GET"); err != nil || string(m.body) != body {
		t.Errorf("the client got %d bytes, %v", len(c.in), err)
	}
}

// TestPipelinesThatNobodyReads do not make the proxy hoard answers.
func TestPipelinesThatNobodyReads(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("x", 100_000)
	o := openRawOrigin(t, nil)
	var answers atomic.Int64
	o.begin(func(_ int, m *spoken) reply {
		if m.target == "/after" {
			return reply{bytes: answerTo(m)}
		}
		answers.Add(1)
		return reply{bytes: fmt.Sprintf("%sContent-Length: %d\r\n\r\n%s", ok, len(body), body)}
	}, nil)
	d, _, _ := doorways(openHouse(t, shortLimits+reverseTo(o.address)), o)
	c := d.dial(t)
	if err := c.Conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	requests := strings.Repeat("GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n", 10_000)
	if err := c.SetWriteDeadline(time.Now().Add(8 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, err := io.WriteString(c, requests)
	for err == nil { // it fits into the buffers of the system: then the end comes as well
		_, err = io.WriteString(c, "GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n")
		time.Sleep(time.Millisecond)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("a client that reads nothing is still connected")
	}
	if n := answers.Load(); n > 200 {
		t.Errorf("the origin was asked %d times for a client that reads nothing", n)
	}
	d.serves(t)
}

func TestIdleConnections(t *testing.T) {
	t.Parallel()
	o := openRawOrigin(t, nil)
	d, _, _ := doorways(openHouse(t, reverseTo(o.address)), o)
	var idle []*rawClient
	for i := range 500 {
		c := d.dial(t)
		idle = append(idle, c)
		if i%2 == 0 { // one that has been served, one that has not
			continue
		}
		if _, got := (hostile{}).after(c, d); len(got) != 1 || got[0] != "after" {
			t.Fatalf("connection %d got %q", i, got)
		}
	}
	began := time.Now()
	for range 50 {
		d.serves(t)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("fifty requests beside five hundred idle connections took %s", took)
	}
	for i, c := range idle {
		if _, got := (hostile{}).after(c, d); len(got) != 1 || got[0] != "after" {
			t.Fatalf("then the idle connection %d got %q", i, got)
		}
	}
}

// TestHalfClosedClients still get their answers (RFC 9112 §9.6): the end of what a client sends is not
// its leaving.
func TestHalfClosedClients(t *testing.T) {
	t.Parallel()
	o := openRawOrigin(t, nil)
	reverse, forward, inside := doorways(openHouse(t, reverseTo(o.address)), o)
	for _, d := range []door{reverse, forward, inside} {
		for _, wait := range []time.Duration{0, 5 * time.Millisecond, 60 * time.Millisecond, 300 * time.Millisecond} {
			t.Run(fmt.Sprint(d.name, " ", wait), func(t *testing.T) {
				o.begin(func(_ int, m *spoken) reply {
					time.Sleep(wait) // an origin that thinks
					return reply{bytes: answerTo(m)}
				}, nil)
				c := d.dial(t)
				if _, err := io.WriteString(c, d.fill(post("Content-Length: 5", "hello"))); err != nil {
					t.Fatal(err)
				}
				if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
					t.Fatal(err)
				}
				if m, err := c.next("POST"); err != nil || string(m.body) != "POST /first hello" {
					t.Errorf("the client got %+v, %v", m, err)
				} else if _, err := c.next("GET"); err != io.EOF {
					t.Errorf("then %v", err)
				}
			})
		}
	}
}

// TestClientsThatBreakOff end their exchange at the origin, and nobody else's.
func TestClientsThatBreakOff(t *testing.T) {
	t.Parallel()
	address, _, over := flood(t)
	o := openRawOrigin(t, nil)
	h := openHouse(t, reverseTo(o.address))
	d, _, _ := doorways(h, o)
	breakOff := func(c *rawClient) {
		_ = c.Conn.(*net.TCPConn).SetLinger(0) // it only fails where it is closed
		_ = c.Close()
	}
	for _, at := range []string{"", "GET", "GET /x HTTP/1.1\r\nHost: a.test\r\n", post("Content-Length: 10", "hello"), post("Transfer-Encoding: chunked", "5\r\nhello\r\n"), post("Content-Length: 900000", strings.Repeat("x", 500_000))} {
		for range 10 {
			c := d.dial(t)
			if _, err := io.WriteString(c, d.fill(at)); err != nil {
				t.Fatal(err)
			}
			breakOff(c)
		}
	}
	for range 10 { // inside the answer
		c := d.dial(t)
		if _, err := fmt.Fprintf(c, "GET http://%s/flood HTTP/1.1\r\nHost: a\r\n\r\n", address); err != nil {
			t.Fatal(err)
		}
		for len(c.in) < 100_000 {
			if err := c.more(); err != nil {
				t.Fatal(err)
			}
		}
		breakOff(c)
		select {
		case <-over:
		case <-time.After(patience):
			t.Fatal("the origin of a client that broke off still sends")
		}
	}
	d.serves(t)
	h.eventually("the origin waits for nothing", func() bool { return !o.state().open })
	if s := o.state(); len(s.heard) != 1 || s.wrong != nil {
		t.Errorf("the origin heard %q, %v", s.heard, s.wrong)
	}
}

func TestMoreConnectionsThanOneClientMayHave(t *testing.T) {
	t.Parallel()
	o := openRawOrigin(t, nil)
	d, _, _ := doorways(openHouse(t, "[limits]\nconnections_per_client = 30\n"+reverseTo(o.address)), o)
	var kept []*rawClient
	for range 30 {
		c := d.dial(t)
		if _, got := (hostile{}).after(c, d); len(got) != 1 || got[0] != "after" {
			t.Fatalf("a connection within the limit got %q", got)
		}
		kept = append(kept, c)
	}
	for range 100 {
		c := d.dial(t)
		_, _ = io.WriteString(c, d.fill(ask("x"))) // it may be closed already
		if m, err := c.next("GET"); err != nil || m.status != 503 || m.value("Retry-After") == "" {
			t.Fatalf("a connection beyond the limit got %+v, %v", m, err)
		}
		_ = c.Close()
	}
	if _, got := (hostile{}).after(kept[0], d); len(got) != 1 || got[0] != "after" {
		t.Errorf("then one within the limit got %q", got)
	}
	for _, c := range kept {
		_ = c.Close()
	}
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		c := d.dial(t)
		_, got := (hostile{}).after(c, d)
		_ = c.Close()
		if len(got) == 1 && got[0] == "after" {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("after they are closed a connection gets %q", got)
		}
	}
}

func TestMoreRequestsThanMayRun(t *testing.T) {
	t.Parallel()
	o := openRawOrigin(t, nil)
	h := openHouse(t, "[limits]\nin_flight = 5\n"+reverseTo(o.address))
	d, _, _ := doorways(h, o)
	var held []*rawClient
	for range 5 {
		c := d.dial(t)
		if _, err := io.WriteString(c, d.fill(post("Content-Length: 100000", "hello"))); err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
	}
	h.eventually("five requests are under way", func() bool { return len(h.rows("").Rows) == 5 })
	for range 20 {
		c := d.dial(t)
		_, _ = io.WriteString(c, d.fill(ask("x"))) // a fault shows below
		if m, err := c.next("GET"); err != nil || m.status != 503 || m.value("Retry-After") == "" {
			t.Fatalf("a request beyond the limit got %+v, %v", m, err)
		}
		_ = c.Close()
	}
	for _, c := range held {
		_ = c.Close()
	}
	h.eventually("there is room again", func() bool {
		c := d.dial(t)
		defer c.Close()
		_, got := (hostile{}).after(c, d)
		return len(got) == 1 && got[0] == "after"
	})
}

// TestSlowHandshakesOfMany do not keep others from theirs.
func TestSlowHandshakesOfMany(t *testing.T) {
	t.Parallel()
	h, _, d := openSlow(t)
	for i := range 200 {
		c := d.dial(t)
		start := []string{"", "G", "GET / HTTP/1.1\r\nHost", "\x16\x03\x01", "PRI * HTTP/2.0\r\n"}[i%5]
		if _, err := io.WriteString(c, start); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	c := dialTLS(t, h, "localhost")
	defer c.Close()
	if !c.Conn.(*tls.Conn).ConnectionState().HandshakeComplete || time.Since(began) > 2*time.Second {
		t.Errorf("a handshake beside two hundred slow ones took %s", time.Since(began))
	}
	d.serves(t)
}
