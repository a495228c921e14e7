package ingress

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"

	"proxycache/backend/flow"
	"proxycache/backend/socket"
)

// socketTarget is a target in the clear that counts what passes beside it.
type socketTarget struct {
	halfConn
	ahead          []byte
	written, read  atomic.Int64
	sent, received atomic.Int64
}

func (s *socketTarget) Read(p []byte) (int, error) {
	if len(s.ahead) > 0 {
		n := copy(p, s.ahead)
		s.ahead = s.ahead[n:]
		return n, nil
	}
	n, err := s.halfConn.Read(p)
	s.read.Add(int64(n))
	return n, err
}

func (s *socketTarget) Write(p []byte) (int, error) {
	n, err := s.halfConn.Write(p)
	s.written.Add(int64(n))
	return n, err
}

func (s *socketTarget) Socket() net.Conn { return s.halfConn }
func (s *socketTarget) Below() net.Conn  { return s.halfConn }
func (s *socketTarget) Ahead() int       { return len(s.ahead) }
func (s *socketTarget) Sent(n int64)     { s.sent.Add(n) }
func (s *socketTarget) Received(n int64) { s.received.Add(n) }

// halfConn is a socket as the pool has it.
type halfConn interface {
	net.Conn
	CloseWrite() error
}

func ofPool(c net.Conn) halfConn { return socket.Of(c).(halfConn) }

func TestBulkPassesFromSocketToSocket(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const size = 8 << 20
	up, down := randomBytes(size), randomBytes(size)
	served := make(chan error, 1)
	go func() { // takes all, then gives all
		c, err := l.Accept()
		if err != nil {
			served <- err
			return
		}
		defer c.Close()
		got, err := io.ReadAll(c)
		if err == nil && !bytes.Equal(got, up) {
			err = errors.New("what was sent arrived changed")
		}
		if err == nil {
			_, err = c.Write(down)
		}
		served <- err
	}()
	target := make(chan *socketTarget, 1)
	h := open(t, func(x *flow.Exchange) *flow.Response {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Error(err)
			return text(502, "")
		}
		s := &socketTarget{halfConn: ofPool(c), ahead: []byte("ahead")}
		target <- s
		return &flow.Response{Status: 101, Header: flow.Header{{Name: "Upgrade", Value: "bulk"}}, Body: flow.NoBody, Upgraded: s}
	})
	c := h.dial()
	c.say("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: bulk\r\n\r\n")
	c.hear("HTTP/1.1 101 Switching Protocols\r\nUpgrade: bulk\r\nConnection: Upgrade\r\n\r\nahead")
	go func() {
		_, _ = c.Write(up) // the other side tells what came
		_ = c.Conn.(*net.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil || sha256.Sum256(got) != sha256.Sum256(down) {
		t.Errorf("heard %d bytes, %v: not the %d that were said", len(got), err, size)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
	s := <-target
	if s.sent.Load() == 0 || s.received.Load() == 0 {
		t.Errorf("%d bytes went and %d came beside the target: bulk should", s.sent.Load(), s.received.Load())
	}
	if n := s.written.Load() + s.sent.Load(); n != size {
		t.Errorf("%d bytes sent were counted, not %d", n, size)
	}
	if n := s.read.Load() + s.received.Load(); n != size {
		t.Errorf("%d bytes received were counted, not %d", n, size)
	}
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b) // it never fails
	return b
}
