package socket

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// pair is both ends of one connection, the near one taken over.
func pair(t testing.TB) (near, far net.Conn) {
	t.Helper()
	c, far := ends(t)
	near = Of(c)
	t.Cleanup(func() { _, _ = near.Close(), far.Close() })
	return near, far
}

// ends is both ends of one connection, as package net has them.
func ends(t testing.TB) (near, far net.Conn) { return connected(t, "tcp", "127.0.0.1:0") }

func unixEnds(t testing.TB) (near, far net.Conn) {
	return connected(t, "unix", filepath.Join(t.TempDir(), "s"))
}

func connected(t testing.TB, network, address string) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if near, err = net.Dial(network, l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if far, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return near, far
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	near, far := pair(t)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // more than the system holds: both sides wait
	go func() {
		if _, err := near.Write(sent); err != nil {
			t.Error(err)
		}
		_ = near.(interface{ CloseWrite() error }).CloseWrite()
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

// askable is near, which can be asked.
func askable(t *testing.T, near net.Conn) Asker {
	t.Helper()
	a, ok := near.(Asker)
	if !ok && runtime.GOOS == "linux" {
		t.Fatal("it cannot be asked")
	}
	if !ok {
		t.Skip("on this system no connection can be asked")
	}
	return a
}

func TestAskSendsAndHears(t *testing.T) {
	near, far := pair(t)
	asked := askable(t, near)
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
		n, rest, sent, err := asked.Ask([]byte(question), p)
		if err != nil || len(rest) > 0 || sent.IsZero() || string(p[:n]) != "re: "+question {
			t.Fatalf("heard %q, rest %q, sent %v, %v", p[:n], rest, sent, err)
		}
	}
}

func TestAskSendsNothingOnAConnectionThatIsNotQuiet(t *testing.T) {
	for name, disturb := range map[string]func(net.Conn){
		"closed": func(c net.Conn) { _ = c.Close() },
		"speaks": func(c net.Conn) { _, _ = c.Write([]byte("unasked")) },
		"ended":  func(c net.Conn) { _ = c.(*net.TCPConn).CloseWrite() },
		"resets": func(c net.Conn) { _ = c.(*net.TCPConn).SetLinger(0); _ = c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			near, far := pair(t)
			asked := askable(t, near)
			disturb(far)
			for Quiet(near) { // until it has arrived
				runtime.Gosched()
			}
			n, rest, sent, err := asked.Ask([]byte("question"), make([]byte, 8))
			if n != 0 || err != io.EOF || !sent.IsZero() || string(rest) != "question" {
				t.Errorf("n %d, rest %q, sent %v, %v", n, rest, sent, err)
			}
		})
	}
}

func TestAskLeavesWhatTheSocketDoesNotTake(t *testing.T) {
	near, far := pair(t)
	asked := askable(t, near)
	question := make([]byte, 64<<20)
	n, rest, sent, err := asked.Ask(question, make([]byte, 8))
	if n != 0 || err != nil || sent.IsZero() || len(rest) == 0 || len(rest) == len(question) {
		t.Fatalf("n %d, %d bytes are left, sent %v, %v", n, len(rest), sent, err)
	}
	go func() { _, _ = near.Write(rest); _ = near.Close() }()
	if got, err := io.Copy(io.Discard, far); got != int64(len(question)) || err != nil {
		t.Errorf("%d bytes arrived of %d, %v", got, len(question), err)
	}
}

func TestWhatIsNoSocketStaysWhatItIs(t *testing.T) {
	a, _ := net.Pipe()
	if Of(a) != a || !Quiet(a) {
		t.Error("a pipe is none of ours, and quiet as far as is known")
	}
}

// One message there and back: what is saved against package net.
func BenchmarkRoundTrip(b *testing.B) {
	for name, of := range map[string]func(net.Conn) net.Conn{
		"net":    func(c net.Conn) net.Conn { return c },
		"socket": Of,
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
				c = of(c)
				defer c.Close()
				_, _ = io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c})
			}()
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			near, p := of(c), make([]byte, 1024)
			defer near.Close()
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
