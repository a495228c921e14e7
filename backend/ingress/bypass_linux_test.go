package ingress

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
	"proxycache/backend/schema"
	"proxycache/backend/socket"
)

// distant is a body that a socket brings, as the pool has it, and counts how it is taken.
type distant struct {
	conn         net.Conn
	left         int64
	read, beside atomic.Int64
}

// far is such a body of size bytes, which whoever gets its other end sends.
func far(t *testing.T, size int64) (*distant, net.Conn) {
	t.Helper()
	near, other := tcpPair(t)
	d := &distant{conn: ofPool(near), left: size}
	t.Cleanup(func() { _ = d.conn.Close() })
	return d, other
}

func (d *distant) Read(p []byte) (int, error) {
	n, err := d.conn.Read(p[:min(int64(len(p)), d.left)])
	d.read.Add(int64(n))
	return n, d.took(n, err)
}

func (d *distant) Beside() (net.Conn, int64) { return d.conn, d.left }

func (d *distant) Fill(p *socket.Pipe, most int64) (int, error) {
	n, err := p.Fill(min(most, d.left))
	d.beside.Add(int64(n))
	return n, d.took(n, err)
}

func (d *distant) took(n int, err error) error {
	d.left -= int64(n)
	switch {
	case d.left == 0:
		return io.EOF
	case err == io.EOF:
		return io.ErrUnexpectedEOF
	}
	return err
}

func (d *distant) Close() error { return nil }

// answering is a response with that body, which says of it that it is as long as length.
func (d *distant) answering(length int64) *flow.Response {
	r := text(200, "")
	r.Body, r.ContentLength = d, length
	return r
}

// around is a body whose bytes somebody looks at, and bystander one around which somebody only waits for
// its end.
type around struct{ io.ReadCloser }

type bystander struct{ io.ReadCloser }

func (b bystander) Inside() io.ReadCloser { return b.ReadCloser }

const bodySize = 3 << 20

// TestABodyPassesBesideUs has all bytes arrive whichever way they take, and the connection go on after them.
func TestABodyPassesBesideUs(t *testing.T) {
	sent := randomBytes(bodySize)
	for _, c := range []struct {
		name   string
		of     func(d *distant) io.ReadCloser
		secure bool
		beside bool
	}{
		{"alone", func(d *distant) io.ReadCloser { return d }, false, true},
		{"in others that care for its end", func(d *distant) io.ReadCloser { return bystander{bystander{d}} }, false, true},
		{"in one that looks at it", func(d *distant) io.ReadCloser { return around{d} }, false, false},
		{"in one that looks at it, behind others", func(d *distant) io.ReadCloser { return bystander{around{d}} }, false, false},
		{"to a client with TLS", func(d *distant) io.ReadCloser { return d }, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			bodies := make(chan *distant, 2)
			h := open(t, func(x *flow.Exchange) *flow.Response {
				d, other := far(t, bodySize)
				bodies <- d
				go func() { _, _ = other.Write(sent) }() // a fault shows below
				r := d.answering(bodySize)
				r.Body = c.of(d)
				return r
			})
			client := h.dial()
			if c.secure {
				client = newTalk(t, tls.Client(client.Conn, &tls.Config{InsecureSkipVerify: true, ServerName: "localhost"}))
			}
			for range 2 {
				client.say(get)
				if _, got := client.answer("GET"); got != string(sent) {
					t.Fatalf("%d bytes came, or others", len(got))
				}
				d := receive(t, bodies, "the body")
				if read, beside := d.read.Load(), d.beside.Load(); read+beside != bodySize || (beside > 0) != c.beside {
					t.Errorf("%d bytes were read, and %d passed beside", read, beside)
				}
			}
		})
	}
}

// TestASmallRestIsRead: a pipe would cost more than it spares.
func TestASmallRestIsRead(t *testing.T) {
	const size = 30 << 10
	sent := randomBytes(size)
	d, other := far(t, size)
	_, _ = other.Write(sent)
	client := open(t, func(*flow.Exchange) *flow.Response { return d.answering(size) }).dial()
	client.say(get)
	if _, got := client.answer("GET"); got != string(sent) || d.beside.Load() > 0 {
		t.Errorf("%d bytes came, %d of them passed beside", len(got), d.beside.Load())
	}
}

// TestABodyBesideUsThatEndsOtherwise is told of as one that we read.
func TestABodyBesideUsThatEndsOtherwise(t *testing.T) {
	const part = 1 << 20
	for _, c := range []struct {
		name     string
		promised int64 // by the head
		target   func(other net.Conn)
		client   func(c *talk)
		kind     problem.Kind
		detail   string
		heard    int // of the body; -1 for any number
	}{
		{
			name: "the target ends it early", promised: bodySize,
			target: func(other net.Conn) { _, _ = other.Write(make([]byte, part)); _ = other.Close() },
			kind:   problem.Terminated, detail: "it broke off after 1048576 bytes: unexpected EOF", heard: part,
		},
		{
			name: "the target resets it", promised: bodySize,
			target: func(other net.Conn) {
				_, _ = other.Write(make([]byte, part))
				time.Sleep(50 * time.Millisecond) // a reset takes back what was not read yet
				_ = other.(*net.TCPConn).SetLinger(0)
				_ = other.Close()
			},
			kind: problem.Terminated, detail: "reset", heard: part,
		},
		{
			name: "it is longer than the head says", promised: part,
			target: func(other net.Conn) { _, _ = other.Write(make([]byte, bodySize)) },
			kind:   problem.Terminated, detail: "longer than its Content-Length", heard: part,
		},
		{
			name: "the client leaves", promised: bodySize,
			target: func(other net.Conn) { _, _ = other.Write(make([]byte, part)) },
			client: func(c *talk) { _, _ = io.CopyN(io.Discard, c.in, part/2); _ = c.Close() },
			kind:   problem.ClientLeft, detail: "the client left", heard: -1,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, other := far(t, bodySize)
			done := make(chan *problem.Problem, 1)
			h := open(t, func(x *flow.Exchange) *flow.Response {
				x.Context().(interface {
					AfterFunc(func()) func() bool
				}).AfterFunc(func() { _ = d.conn.Close() }) // as the pool does
				go c.target(other)
				r := d.answering(c.promised)
				r.Body = bystander{&watched{d, x, done}}
				return r
			})
			client := h.dial()
			client.say(get)
			client.hear("HTTP/1.1 200 OK\r\nDate: today\r\nContent-Length: " + fmt.Sprint(c.promised) + "\r\n\r\n")
			if c.client != nil {
				c.client(client)
			} else if got, _ := io.ReadAll(client.in); len(got) != c.heard {
				t.Errorf("heard %d bytes", len(got))
			}
			if p := receive(t, done, "the end of the answer"); p == nil || p.Kind != c.kind || !strings.Contains(p.Message, c.detail) {
				t.Errorf("it ended for %v", p)
			}
			if d.beside.Load() == 0 {
				t.Error("nothing passed beside")
			}
		})
	}
}

// Inside lets what is around a watched body be taken away, for the watch is only over its end.
func (w *watched) Inside() io.ReadCloser { return w.ReadCloser }

// TestABodyBesideUsIsTakenSlowly: as any answer, for as long as the client takes something.
func TestABodyBesideUsIsTakenSlowly(t *testing.T) {
	t.Parallel()
	const patience = time.Second
	d, other := far(t, 1<<40)
	go func() {
		for piece := make([]byte, 64<<10); ; {
			if _, err := other.Write(piece); err != nil {
				return
			}
		}
	}()
	done := make(chan *problem.Problem, 1)
	l := limits(func(l *Limits) { l.WriteTimeout = schema.Duration(patience) })
	h := limited(t, l, 1, func(x *flow.Exchange) *flow.Response {
		r := d.answering(1 << 40)
		r.Body = &watched{d, x, done}
		return r
	})
	client := dialSmall(t, h.address())
	if _, err := io.WriteString(client, get); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for buf := make([]byte, 1<<10); time.Since(began) < 4*patience; time.Sleep(patience / 40) {
		if _, err := client.Read(buf); err != nil {
			t.Fatalf("it was cut after %v: %v", time.Since(began), err)
		}
	}
	select {
	case p := <-done:
		t.Fatalf("it was cut: %v", p)
	default:
	}
	if p := receive(t, done, "the end of an answer of which nothing is taken"); p == nil || p.Kind != problem.ClientLeft || !strings.Contains(p.Message, "took nothing of the answer for 1s") {
		t.Errorf("it ended for %v", p)
	}
	if d.beside.Load() == 0 {
		t.Error("nothing passed beside")
	}
}

// TestUrgentBytesInABody leave the rest of it to be read.
func TestUrgentBytesInABody(t *testing.T) {
	sent := randomBytes(bodySize)
	d, other := far(t, bodySize)
	go func() {
		_, _ = other.Write(sent[:bodySize/2])
		raw, _ := other.(*net.TCPConn).SyscallConn()
		_ = raw.Control(func(fd uintptr) { _ = unix.Send(int(fd), []byte("!"), unix.MSG_OOB) })
		_, _ = other.Write(sent[bodySize/2:])
	}()
	client := open(t, func(*flow.Exchange) *flow.Response { return d.answering(bodySize) }).dial()
	client.say(get)
	if _, got := client.answer("GET"); got != string(sent) {
		t.Errorf("%d bytes came, or others", len(got))
	}
	if d.beside.Load() == 0 || d.read.Load() == 0 {
		t.Errorf("%d bytes passed beside, and %d were read", d.beside.Load(), d.read.Load())
	}
}

// sink is a target that takes a request's body, past us where that is possible.
type sink struct {
	net.Conn
	beside int64
}

// openSink is one, and its other end, which hears what it takes.
func openSink(t *testing.T) (s *sink, other net.Conn) {
	t.Helper()
	near, other := tcpPair(t)
	s = &sink{Conn: ofPool(near)}
	t.Cleanup(func() { _ = s.Conn.Close() })
	return s, other
}

func (s *sink) take(body io.ReadCloser, length int64) error {
	b := socket.NewBypass(flow.Inside(body), s.Conn)
	defer b.Close()
	buf := make([]byte, 16<<10)
	for taken := int64(0); ; {
		var n int
		var err error
		if b.Open(length - taken) {
			if n, err = b.Fill(length - taken); n > 0 {
				_, _ = b.Empty() // the other end tells what came
			}
			s.beside += int64(n)
		} else if n, err = body.Read(buf); n > 0 {
			_, _ = s.Write(buf[:n])
		}
		taken += int64(n)
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

func TestARequestsBodyPassesBesideUs(t *testing.T) {
	sent := randomBytes(bodySize)
	s, other := openSink(t)
	h := open(t, func(x *flow.Exchange) *flow.Response {
		if err := s.take(x.Request.Body, x.Request.ContentLength); err != nil {
			return text(500, err.Error())
		}
		return text(200, "ok")
	})
	client := h.dial()
	for i := range 3 { // the next request may come with the last bytes
		s.beside = 0
		go func() {
			_, _ = fmt.Fprintf(client.Conn, "POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: %d\r\n\r\n%s%s", bodySize, sent, get[:i])
		}()
		got := make([]byte, bodySize)
		if _, err := io.ReadFull(other, got); err != nil || !bytes.Equal(got, sent) {
			t.Fatalf("%v, or other bytes came", err)
		}
		client.hear(okAnswer)
		if s.beside == 0 {
			t.Error("nothing passed beside")
		}
		if i > 0 {
			client.say(strings.Replace(get, "GET", "PUT", 1)[i:])
			client.hear(okAnswer)
		}
	}
}

// TestARequestsBodyBesideUsThatDoesNotEnd is told of as one that is read.
func TestARequestsBodyBesideUsThatDoesNotEnd(t *testing.T) {
	const limit = 300 * time.Millisecond
	for _, c := range []struct {
		name string
		then func(c *talk)
		kind problem.Kind
	}{
		{"its client says nothing more", func(*talk) {}, problem.SlowClient},
		{"its client leaves", func(c *talk) { _ = c.Close() }, problem.ClientLeft},
		{"its client ends its side", func(c *talk) { _ = c.Conn.(*net.TCPConn).CloseWrite() }, problem.ClientLeft},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, other := openSink(t)
			ended := make(chan error, 1)
			h := limited(t, limits(func(l *Limits) { l.BodyTimeout = schema.Duration(limit) }), 1, func(x *flow.Exchange) *flow.Response {
				ended <- s.take(x.Request.Body, x.Request.ContentLength)
				return text(200, "ok")
			})
			client := h.dial()
			client.say(fmt.Sprintf("POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: %d\r\n\r\n", bodySize))
			go func() {
				_, _ = client.Write(randomBytes(1 << 20))
				c.then(client)
			}()
			if n, err := io.CopyN(io.Discard, other, 1<<20); err != nil {
				t.Fatalf("%d bytes came, %v", n, err)
			}
			if err := receive(t, ended, "the end of the body"); problem.KindOf(err) != c.kind {
				t.Errorf("it ended with %v", err)
			}
			if s.beside == 0 {
				t.Error("nothing passed beside")
			}
		})
	}
}

// TestARequestsBodyBesideUsIsClosed while its target still waits for more, because the answer is there.
func TestARequestsBodyBesideUsIsClosed(t *testing.T) {
	s, other := openSink(t)
	ended := make(chan error, 1)
	h := open(t, func(x *flow.Exchange) *flow.Response {
		body := x.Request.Body
		go func() { ended <- s.take(body, bodySize) }()
		_, _ = io.CopyN(io.Discard, other, 1<<20)
		return text(200, "ok")
	})
	client := h.dial()
	client.say(fmt.Sprintf("POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: %d\r\n\r\n", bodySize))
	go func() { _, _ = client.Write(randomBytes(1 << 20)) }()
	client.hear("HTTP/1.1 200 OK\r\nDate: today\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
	if err := receive(t, ended, "the end of the body"); !errors.Is(err, errBodyOver) {
		t.Errorf("it ended with %v", err)
	}
}

// TestBodiesBesideUsOfAllSizes have pauses anywhere, and follow one another on connections that are kept.
func TestBodiesBesideUsOfAllSizes(t *testing.T) {
	all := randomBytes(1 << 20)
	h := open(t, func(x *flow.Exchange) *flow.Response {
		var size, seed int
		_, _ = fmt.Sscanf(x.Request.Target, "/%d/%d", &size, &seed)
		d, other := far(t, int64(size))
		go func() {
			r := rand.New(rand.NewPCG(uint64(seed), 2))
			for at := 0; at < size; {
				n := min(size-at, 1+r.IntN(1<<(8+r.IntN(12))))
				_, _ = other.Write(all[at : at+n])
				if at += n; r.IntN(3) == 0 {
					time.Sleep(time.Duration(r.IntN(300)) * time.Microsecond)
				}
			}
		}()
		return d.answering(int64(size))
	})
	for i := range 8 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(uint64(i), 1))
			client := h.dial()
			for range 40 {
				size := 1 + r.IntN(len(all))
				client.say(fmt.Sprintf("GET /%d/%d HTTP/1.1\r\nHost: shop.test\r\n\r\n", size, r.IntN(1<<30)))
				if _, got := client.answer("GET"); got != string(all[:size]) {
					t.Fatalf("%d bytes came of %d, or others", len(got), size)
				}
			}
		})
	}
}

// TestABodyThatCameEarly was read in part by the watch over the client, while the request before it ran.
func TestABodyThatCameEarly(t *testing.T) {
	sent := randomBytes(bodySize)
	s, other := openSink(t)
	h := open(t, func(x *flow.Exchange) *flow.Response {
		if x.Request.Method == "GET" {
			time.Sleep(10 * watchDelay)
			return text(200, "ok")
		}
		if err := s.take(x.Request.Body, x.Request.ContentLength); err != nil {
			return text(500, err.Error())
		}
		return text(200, "ok")
	})
	client := h.dial()
	go func() {
		_, _ = fmt.Fprintf(client.Conn, "%sPOST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: %d\r\n\r\n%s", get, bodySize, sent)
	}()
	client.hear(okAnswer)
	got := make([]byte, bodySize)
	if n, err := io.ReadFull(other, got); err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("%d bytes came, or others: %v", n, err)
	}
	client.hear(okAnswer)
	if s.beside == 0 {
		t.Error("nothing passed beside")
	}
}

// TestABodyMayWaitWhileTheAnswerMovesBesideUs: who listens may have nothing to say, whichever way he is told.
func TestABodyMayWaitWhileTheAnswerMovesBesideUs(t *testing.T) {
	t.Parallel()
	const limit = time.Second
	d, other := far(t, 1<<40)
	ended := make(chan time.Duration, 1)
	h := limited(t, limits(func(l *Limits) { l.BodyTimeout = schema.Duration(limit) }), 1, func(x *flow.Exchange) *flow.Response {
		began := time.Now()
		go func() {
			_, err := io.Copy(io.Discard, x.Request.Body)
			if problem.KindOf(err) != problem.SlowClient {
				t.Errorf("the body ended with %v", err)
			}
			ended <- time.Since(began)
		}()
		go func() {
			for range 6 {
				_, _ = other.Write(make([]byte, 1<<10))
				time.Sleep(limit / 2)
			}
		}()
		return d.answering(1 << 40)
	})
	client := h.dial()
	client.say("POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n")
	go func() { _, _ = io.Copy(io.Discard, client.in) }()
	if after := receive(t, ended, "the end of the body"); after < 3*limit || after > 6*limit {
		t.Errorf("it ended after %v", after)
	}
	if d.beside.Load() == 0 {
		t.Error("nothing passed beside")
	}
	_ = other.Close()
}
