package ingress

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/sys/unix"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
	"proxycache/backend/schema"
	"proxycache/backend/socket"
)

// dialSmall connects a client for which the system holds little.
func dialSmall(t *testing.T, address string) net.Conn {
	t.Helper()
	d := net.Dialer{Control: func(_, _ string, raw syscall.RawConn) error {
		return raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 8<<10) })
	}}
	c, err := d.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// smallPair is such a client and its server's end.
func smallPair(t *testing.T) (client, near net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client = dialSmall(t, l.Addr().String())
	if near, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	near = socket.Of(near)
	t.Cleanup(func() { _ = near.Close() })
	return client, near
}

// The slower one side takes its bytes, the longer a piece is on its way: what moves must count before the
// piece has passed.
func TestAHalfThatIsTakenSlowlyIsNotTakenForASilentOne(t *testing.T) {
	t.Parallel()
	a, err := authority()
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := a.Leaf("shop.test")
	if err != nil {
		t.Fatal(err)
	}
	t.Run("by a client", func(t *testing.T) {
		t.Parallel()
		client, near := smallPair(t)
		far, target := tcpPair(t)
		takeSlowly(t, client, target, &joined{Conn: near, raw: near}, &socketTarget{halfConn: ofPool(far)})
	})
	t.Run("by a client inside TLS", func(t *testing.T) {
		t.Parallel()
		client, near := smallPair(t)
		far, target := tcpPair(t)
		over := tls.Server(near, &tls.Config{Certificates: []tls.Certificate{*leaf}})
		takeSlowly(t, tls.Client(client, &tls.Config{InsecureSkipVerify: true}), target, &joined{Conn: over, raw: near}, &socketTarget{halfConn: ofPool(far)})
	})
	t.Run("by a target", func(t *testing.T) {
		t.Parallel()
		client, near := tcpPair(t)
		target, far := smallPair(t)
		near = socket.Of(near)
		takeSlowly(t, target, client, &joined{Conn: near, raw: near}, &socketTarget{halfConn: ofPool(far)})
	})
	t.Run("by a target inside TLS", func(t *testing.T) {
		t.Parallel()
		client, near := tcpPair(t)
		target, far := smallPair(t)
		near = socket.Of(near)
		over := tls.Client(far, &tls.Config{InsecureSkipVerify: true})
		takeSlowly(t, tls.Server(target, &tls.Config{Certificates: []tls.Certificate{*leaf}}), client, &joined{Conn: near, raw: near}, &secureTarget{over, far})
	})
}

// secureTarget is a target below whose TLS the connection is known.
type secureTarget struct {
	*tls.Conn
	below net.Conn
}

func (*secureTarget) Socket() net.Conn  { return nil }
func (s *secureTarget) Below() net.Conn { return s.below }
func (*secureTarget) Ahead() int        { return 0 }
func (*secureTarget) Sent(int64)        {}
func (*secureTarget) Received(int64)    {}

// takeSlowly is the story of one who has said all he will and takes little at a time, then nothing, of what
// the other has to say without end.
func takeSlowly(t *testing.T, taker, talker net.Conn, near *joined, far io.ReadWriteCloser) {
	t.Helper()
	const silence = 400 * time.Millisecond
	go func() { // until the tunnel is cut
		for piece := randomBytes(64 << 10); ; {
			if _, err := talker.Write(piece); err != nil {
				return
			}
		}
	}()
	over := make(chan struct{})
	go func() {
		defer close(over)
		carryWithin(silence, near, far)
	}()
	buf := make([]byte, 4<<10)
	if _, err := taker.Read(buf); err != nil { // TLS has shaken hands
		t.Fatal(err)
	}
	if err := taker.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); time.Since(began) < 6*silence; time.Sleep(silence / 16) {
		if _, err := taker.Read(buf); err != nil {
			t.Fatalf("it was cut after %v, though bytes moved: %v", time.Since(began), err)
		}
	}
	select {
	case <-over:
		t.Fatal("it was cut though bytes moved")
	default:
	}
	receive(t, over, "the end of a tunnel of which nothing is taken any more")
}

// The system waits until much of what it has was taken before it asks for more: a client that takes little
// at a time is none that takes nothing.
func TestAnAnswerThatIsTakenSlowlyArrives(t *testing.T) {
	t.Parallel()
	const patience = time.Second
	over := func(c net.Conn, protocol string) net.Conn {
		return tls.Client(c, &tls.Config{InsecureSkipVerify: true, ServerName: "localhost", NextProtos: []string{protocol}})
	}
	spoken := func(t *testing.T, c net.Conn) {
		client := newTalk(t, c)
		client.say(get)
		client.hear("HTTP/1.1 200 OK\r\n")
	}
	framed := func(t *testing.T, c net.Conn) {
		client := newFrames(t, c, bufio.NewReader(c))
		client.must(client.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1<<31 - 1}))
		client.must(client.WriteWindowUpdate(0, 1<<30))
		client.ask(1, true, shop("GET", "/")...)
		if got := client.next(); !strings.HasPrefix(got, "HEADERS 1 :status=200") {
			t.Fatalf("heard %s", got)
		}
	}
	for name, ask := range map[string]func(*testing.T, net.Conn){
		"HTTP/1":          spoken,
		"HTTP/1 over TLS": func(t *testing.T, c net.Conn) { spoken(t, over(c, "http/1.1")) },
		"HTTP/2":          framed,
		"HTTP/2 over TLS": func(t *testing.T, c net.Conn) { framed(t, over(c, "h2")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			done := make(chan *problem.Problem, 1)
			l := limits(func(l *Limits) { l.WriteTimeout = schema.Duration(patience) })
			h := limited(t, l, 1, func(x *flow.Exchange) *flow.Response {
				r := unknown(rand.NewChaCha8([32]byte{}))
				r.Body = &watched{r.Body, x, done}
				return r
			})
			socket := dialSmall(t, h.address())
			ask(t, socket)
			began := time.Now()
			for buf := make([]byte, 1<<10); time.Since(began) < 4*patience; time.Sleep(patience / 40) {
				if _, err := socket.Read(buf); err != nil {
					t.Fatalf("it was cut after %v: %v", time.Since(began), err)
				}
			}
			select {
			case p := <-done:
				t.Fatalf("it was cut: %v", p)
			default:
			}
			since := time.Now()
			if p := receive(t, done, "the end of an answer of which nothing is taken"); p == nil || p.Kind != problem.ClientLeft || !strings.Contains(p.Message, "took nothing of the answer for 1s") {
				t.Errorf("it ended for %v", p)
			}
			if took := time.Since(since); took < patience/2 {
				t.Errorf("it ended after %v", took)
			}
		})
	}
}

// Where no pipe can be opened, bulk goes on as before.
func TestBulkPassesWithoutDescriptors(t *testing.T) {
	client, near := tcpPair(t)
	target, far := tcpPair(t)
	a, b := ofPool(near), ofPool(far)
	over := make(chan struct{})
	go func() {
		defer close(over)
		carry(&joined{Conn: a, raw: a}, &socketTarget{halfConn: b})
	}()
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	few := was
	few.Cur = 3
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &was) }()
	sent := randomBytes(4 * bulk)
	go func() {
		_, _ = client.Write(sent)
		_ = client.(*net.TCPConn).CloseWrite()
	}()
	if got, err := io.ReadAll(target); !bytes.Equal(got, sent) || err != nil {
		t.Errorf("%d of %d bytes came, %v", len(got), len(sent), err)
	}
	_ = target.Close()
	<-over
}
