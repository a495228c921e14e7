package socket

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"
)

// pair is both ends of one connection, the near one as a Conn.
func pair(t *testing.T) (near *Conn, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if far, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = c.Close(), far.Close() })
	return Of(c), far
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	near, far := pair(t)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // more than the system holds: both sides wait
	go func() {
		if _, err := near.Write(sent); err != nil {
			t.Error(err)
		}
		_ = near.Below().(*net.TCPConn).CloseWrite()
	}()
	got, err := io.ReadAll(Of(far))
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("read %d of %d bytes, %v", len(got), len(sent), err)
	}
}

func TestADeadlineEndsARead(t *testing.T) {
	near, _ := pair(t)
	if err := near.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, err := near.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read %d, %v", n, err)
	}
}

func TestAClosedConnectionSaysSo(t *testing.T) {
	near, _ := pair(t)
	ended := make(chan error)
	go func() {
		_, err := near.Read(make([]byte, 1))
		ended <- err
	}()
	_ = near.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Errorf("a read that waited says %v", err)
	}
	if _, err := near.Write([]byte("x")); err == nil {
		t.Error("a write says nothing")
	}
}

func TestAResetIsAnError(t *testing.T) {
	near, far := pair(t)
	_ = far.(*net.TCPConn).SetLinger(0)
	_ = far.Close()
	if _, err := near.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("a reset reads as %v", err)
	}
}

func needsAsk(t *testing.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("asking needs a system that tells of readiness: Windows does not")
	}
}

func TestAskSendsAndHears(t *testing.T) {
	needsAsk(t)
	near, far := pair(t)
	go func() {
		b := make([]byte, 8)
		for range 3 {
			n, err := far.Read(b)
			if err != nil {
				return
			}
			_, _ = far.Write(append([]byte("re: "), b[:n]...))
		}
	}()
	for _, question := range []string{"one", "two", "three"} {
		p := make([]byte, 32)
		n, rest, sent, err := near.Ask([]byte(question), p)
		if err != nil || len(rest) > 0 || sent.IsZero() || string(p[:n]) != "re: "+question {
			t.Fatalf("heard %q, rest %q, sent %v, %v", p[:n], rest, sent, err)
		}
	}
}

func TestAskSendsNothingOnAConnectionThatIsNotQuiet(t *testing.T) {
	needsAsk(t)
	for name, disturb := range map[string]func(net.Conn){
		"closed": func(c net.Conn) { _ = c.Close() },
		"speaks": func(c net.Conn) { _, _ = c.Write([]byte("unasked")) },
		"ended":  func(c net.Conn) { _ = c.(*net.TCPConn).CloseWrite() },
		"resets": func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0); _ = c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			near, far := pair(t)
			disturb(far)
			for near.Quiet() { // until it has arrived
				runtime.Gosched()
			}
			n, rest, sent, err := near.Ask([]byte("question"), make([]byte, 8))
			if n != 0 || err != io.EOF || !sent.IsZero() || string(rest) != "question" {
				t.Errorf("n %d, rest %q, sent %v, %v", n, rest, sent, err)
			}
		})
	}
}

func TestAskLeavesWhatTheSocketDoesNotTake(t *testing.T) {
	needsAsk(t)
	near, far := pair(t)
	question := make([]byte, 64<<20)
	n, rest, sent, err := near.Ask(question, make([]byte, 8))
	if n != 0 || err != nil || sent.IsZero() || len(rest) == 0 || len(rest) == len(question) {
		t.Fatalf("n %d, %d bytes are left, sent %v, %v", n, len(rest), sent, err)
	}
	go func() { _, _ = near.Write(rest); _ = near.Close() }()
	if got, err := io.Copy(io.Discard, far); got != int64(len(question)) || err != nil {
		t.Errorf("%d bytes arrived of %d, %v", got, len(question), err)
	}
}

func TestNoSocketBelow(t *testing.T) {
	a, b := net.Pipe()
	near := Of(a)
	go func() { _, _ = near.Write([]byte("hello")); _ = near.Close() }()
	if got, err := io.ReadAll(Of(b)); string(got) != "hello" || err != nil {
		t.Errorf("read %q, %v", got, err)
	}
	if near.Asks() || !near.Quiet() {
		t.Error("a pipe cannot be asked, and is quiet as far as is known")
	}
}

// One message there and back: what is saved against package net.
func BenchmarkRoundTrip(b *testing.B) {
	for name, of := range map[string]func(net.Conn) net.Conn{
		"net":    func(c net.Conn) net.Conn { return c },
		"socket": func(c net.Conn) net.Conn { return Of(c) },
	} {
		b.Run(name, func(b *testing.B) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			go func() {
				c, err := l.Accept()
				if err != nil {
					return
				}
				defer c.Close()
				_, _ = io.Copy(struct{ io.Writer }{of(c)}, struct{ io.Reader }{of(c)})
			}()
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			near, p := of(c), make([]byte, 1024)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := near.Write(p); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(near, p); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
