package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
	"proxycache/backend/socket"
)

// ends are those of one connection, the near one as clients' are.
func ends(t *testing.T) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if far, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if near, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	near = socket.Accepted(near)
	t.Cleanup(func() { _, _ = near.Close(), far.Close() })
	return near, far
}

// uploaded is a body that passes beside whoever would read it.
type uploaded struct {
	from net.Conn
	left int64
}

// clientBody is such a body, which whoever gets the other end sends.
func clientBody(t *testing.T, size int64) (*uploaded, net.Conn) {
	t.Helper()
	near, far := ends(t)
	return &uploaded{near, size}, far
}

func (u *uploaded) Read([]byte) (int, error) {
	return 0, errors.New("it was read, though it can pass beside")
}

func (u *uploaded) Beside() (net.Conn, int64) { return u.from, u.left }

func (u *uploaded) Fill(p *socket.Pipe, most int64) (int, error) {
	n, err := p.Fill(min(most, u.left))
	if u.left -= int64(n); u.left == 0 {
		err = io.EOF
	}
	return n, err
}

func (u *uploaded) Close() error { return nil }

// past takes an answer as a client's connection does, and tells what passed beside.
func past(t *testing.T, r *flow.Response) (body []byte, beside int64, err error) {
	t.Helper()
	near, far := ends(t)
	got := make(chan []byte, 1)
	go func() {
		b, _ := io.ReadAll(far)
		got <- b
	}()
	defer r.Body.Close()
	b := socket.NewBypass(r.Body, near)
	defer b.Close()
	buf := make([]byte, 16<<10)
	for taken := int64(0); err == nil; {
		var n int
		if b.Open(r.ContentLength - taken) {
			if n, err = b.Fill(r.ContentLength - taken); n > 0 {
				_, _ = b.Empty() // the other end tells what came
			}
			beside += int64(n)
		} else if n, err = r.Body.Read(buf); n > 0 {
			_, _ = near.Write(buf[:n])
		}
		taken += int64(n)
	}
	_ = near.Close()
	if err == io.EOF {
		err = nil
	}
	return within(t, got, "the end of the answer"), beside, err
}

func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{2})
	_, _ = r.Read(b) // it never fails
	return b
}

const bulk = 3 << 20

func TestAnAnswerPassesBesideUs(t *testing.T) {
	sent := noise(bulk)
	framed := func(behind string) func(p *peer) {
		return func(p *peer) {
			for p.head() != "" {
				p.say("HTTP/1.1 200 OK\r\nX-Conn: %d\r\nContent-Length: %d\r\n\r\n%s%s", p.n, bulk, sent, behind)
			}
		}
	}
	chunked := func(p *peer) {
		for p.head() != "" {
			p.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", bulk, sent)
		}
	}
	closing := func(p *peer) {
		p.head()
		p.say("HTTP/1.1 200 OK\r\n\r\n%s", sent)
	}
	for _, c := range []struct {
		name   string
		pool   func(t *testing.T) *Pool
		beside bool
		kept   int
	}{
		{"a length", func(t *testing.T) *Pool { return openTo(t, "http://"+serve(t, framed(""))) }, true, 1},
		{"a length, and more behind it", func(t *testing.T) *Pool { return openTo(t, "http://"+serve(t, framed("HTTP/1.1 200 OK\r\n"))) }, true, 1},
		{"a length by TLS", func(t *testing.T) *Pool { return layerTo(t, framed("")) }, false, 1},
		{"chunks", func(t *testing.T) *Pool { return openTo(t, "http://"+serve(t, chunked)) }, false, 1},
		{"until the end", func(t *testing.T) *Pool { return openTo(t, "http://"+serve(t, closing)) }, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := c.pool(t)
			for range 2 {
				got, beside, err := past(t, send(t, p, ask(t, "GET", "/")))
				if err != nil || !bytes.Equal(got, sent) || (beside > 0) != c.beside {
					t.Errorf("%d bytes came, %d of them beside, %v", len(got), beside, err)
				}
				if n := idleCount(p); n != c.kept {
					t.Errorf("%d connections are kept", n)
				}
			}
		})
	}
}

// TestAConnectionIsKeptBehindABodyBesideUs, unless something came on it that nobody asked for.
func TestAConnectionIsKeptBehindABodyBesideUs(t *testing.T) {
	sent := noise(bulk)
	for name, c := range map[string]struct {
		behind string
		want   int // the connection of the second answer
	}{
		"nothing":                    {"", 1},
		"an answer that nobody asks": {"HTTP/1.1 200 OK\r\nX-Conn: forged\r\nContent-Length: 0\r\n\r\n", 2},
	} {
		t.Run(name, func(t *testing.T) {
			said := make(chan bool, 2)
			p := openTo(t, "http://"+serve(t, func(p *peer) {
				for p.head() != "" {
					p.say("HTTP/1.1 200 OK\r\nX-Conn: %d\r\nContent-Length: %d\r\n\r\n%s%s", p.n, bulk, sent, c.behind)
					said <- true
				}
			}))
			if _, beside, err := past(t, send(t, p, ask(t, "GET", "/"))); beside == 0 || err != nil {
				t.Fatalf("%d bytes passed beside, %v", beside, err)
			}
			<-said
			r := send(t, p, ask(t, "GET", "/"))
			if got := r.Header.Get("X-Conn"); got != fmt.Sprint(c.want) {
				t.Errorf("the second answer is of connection %s", got)
			}
			if got := read(t, r); got != string(sent) {
				t.Errorf("its body has %d bytes", len(got))
			}
		})
	}
}

// TestAnAnswerBesideUsThatBreaksOff is told of as one that is read.
func TestAnAnswerBesideUsThatBreaksOff(t *testing.T) {
	part := noise(1 << 20)
	for _, c := range []struct {
		name string
		then func(leave, hold func())
		kind problem.Kind
	}{
		{"its target ends", func(_, _ func()) {}, problem.Terminated},
		{"its client leaves", func(leave, hold func()) { time.Sleep(50 * time.Millisecond); leave(); hold() }, problem.ClientLeft},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			hold := untilEnd(t)
			p := openTo(t, "http://"+serve(t, func(p *peer) {
				p.head()
				p.say("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", bulk, part)
				c.then(leave, hold)
			}))
			got, beside, err := past(t, send(t, p, askIn(ctx, flow.Reverse, "GET", "http://shop.localhost/")))
			if problem.KindOf(err) != c.kind || beside == 0 || !bytes.HasPrefix(part, got) || idleCount(p) != 0 {
				t.Errorf("%d bytes came, %d beside, %v, %d connections are kept", len(got), beside, err, idleCount(p))
			}
		})
	}
}

// TestARequestPassesBesideUs to a target in the clear, also where its answer comes at the same time.
func TestARequestPassesBesideUs(t *testing.T) {
	sent := noise(bulk)
	p := openTo(t, "http://"+serve(t, func(p *peer) {
		for p.head() != "" {
			p.say("HTTP/1.1 200 OK\r\nX-Conn: %d\r\nContent-Length: %d\r\n\r\n", p.n, bulk)
			_, _ = io.CopyN(p, p.in, bulk)
		}
	}))
	for range 2 {
		body, client := clientBody(t, bulk)
		go func() { _, _ = client.Write(sent) }() // a fault shows below
		x := ask(t, "POST", "/")
		x.Request.Body, x.Request.ContentLength = body, bulk
		r := send(t, p, x)
		if got, _, err := past(t, r); err != nil || !bytes.Equal(got, sent) || r.Header.Get("X-Conn") != "1" {
			t.Errorf("%d bytes came back, %v, of connection %s", len(got), err, r.Header.Get("X-Conn"))
		}
	}
}

// TestARequestBesideUsThatBreaksOff is not taken for a complete one.
func TestARequestBesideUsThatBreaksOff(t *testing.T) {
	heard := make(chan string, 1)
	p := openTo(t, "http://"+serve(t, func(p *peer) {
		p.head()
		heard <- p.rest()
	}))
	body, client := clientBody(t, bulk)
	go func() {
		_, _ = client.Write(make([]byte, 1<<20))
		_ = client.Close()
	}()
	x := ask(t, "POST", "/")
	x.Request.Body, x.Request.ContentLength = body, bulk
	refused(t, p, x, problem.ClientLeft)
	if got := within(t, heard, "the end at the target"); len(got) > 1<<20 {
		t.Errorf("the target heard %d bytes", len(got))
	}
}

// TestATargetThatTakesNothingBesideUs is given up as any, and one that takes little is not.
func TestATargetThatTakesNothingBesideUs(t *testing.T) {
	t.Parallel()
	hold := untilEnd(t)
	taken := make(chan time.Duration, 1)
	l := smallListener(t)
	serveListener(t, l, func(p *peer) {
		began := time.Now()
		for buf := make([]byte, 1<<10); time.Since(began) < 3*stalling; time.Sleep(stalling / 25) {
			if _, err := p.Conn.Read(buf); err != nil {
				break
			}
		}
		taken <- time.Since(began)
		hold()
	})
	p := hasty(openTo(t, "http://"+l.Addr().String()))
	body, client := clientBody(t, 1<<40)
	go func() {
		for piece := make([]byte, 64<<10); ; {
			if _, err := client.Write(piece); err != nil {
				return
			}
		}
	}()
	x, since := ask(t, "POST", "/"), time.Now()
	x.Request.Body, x.Request.ContentLength = body, 1<<40
	refused(t, p, x, problem.ReadTimeout)
	if took := time.Since(since); took < 3*stalling {
		t.Errorf("it was given up after %v", took)
	}
	if took := <-taken; took < 3*stalling {
		t.Errorf("it took something for %v", took)
	}
}

// TestATargetThatAnswersMuchAndTakesNothing: while it is sent something, what it says is read, which tells that
// it is busy.
func TestATargetThatAnswersMuchAndTakesNothing(t *testing.T) {
	t.Parallel()
	hold := untilEnd(t)
	p := hasty(openTo(t, "http://"+serve(t, func(p *peer) {
		p.head()
		p.say("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", bulk, noise(1<<20))
		hold()
	})))
	since := time.Now()
	got, beside, err := past(t, send(t, p, withBody(ask(t, "POST", "/"), zeros{}, 1<<40)))
	if problem.KindOf(err) != problem.ReadTimeout || len(got) != 1<<20 || beside > 0 {
		t.Errorf("%d bytes came, %d beside, and then %v", len(got), beside, err)
	}
	if took := time.Since(since); took < stalling || took > 5*stalling {
		t.Errorf("it was given up after %v", took)
	}
}
