package journey

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pipesOpen are the ends of pipes that this process has.
func pipesOpen(t *testing.T) (n int) {
	t.Helper()
	all, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range all {
		if to, err := os.Readlink(fd); err == nil && strings.HasPrefix(to, "pipe:") { // some are closed by now
			n++
		}
	}
	return n
}

// headOf reads a head; "" at the end.
func headOf(in *bufio.Reader) string {
	head := ""
	for !strings.HasSuffix(head, "\r\n\r\n") {
		line, err := in.ReadString('\n')
		if err != nil {
			return ""
		}
		head += line
	}
	return head
}

// TestBodiesPassInTheSystem as long as nobody keeps them, in both directions, and leave no pipe behind. It does
// not run beside others, whose pipes it would count.
func TestBodiesPassInTheSystem(t *testing.T) {
	const size = 64 << 20 // more than the system holds on the way
	goOn := make(chan bool, 4)
	address := openBare(t, func(c net.Conn, in *bufio.Reader) {
		for {
			head := headOf(in)
			if head == "" {
				return
			}
			if strings.HasPrefix(head, "POST") {
				<-goOn
				_, _ = io.CopyN(io.Discard, in, size)
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				continue
			}
			_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size)
			_, _ = io.CopyN(c, zeros{}, size)
		}
	})
	h := openHouse(t, reverseTo(address))
	for _, c := range []struct {
		recording bool
		pipes     int // ends of those that a body has
	}{{false, 2}, {true, 0}} {
		if _, err := h.SetRecording(t.Context(), c.recording); err != nil {
			t.Fatal(err)
		}
		conn := dialRaw(t, h.proxy())
		in := bufio.NewReader(conn)
		before := pipesOpen(t)
		for range 20 {
			_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n")
			if c.recording {
				headOf(in)
			} else {
				h.eventually("the answer passes in the system", func() bool { return pipesOpen(t) == before+c.pipes })
				headOf(in)
			}
			if n, err := io.CopyN(io.Discard, in, size); err != nil {
				t.Fatalf("%d bytes came, %v", n, err)
			}
			h.eventually("no pipe is left", func() bool { return pipesOpen(t) == before })
			if c.recording {
				break
			}
		}
		sent := make(chan error, 1)
		go func() {
			_, _ = fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: %d\r\n\r\n", size)
			_, err := io.CopyN(conn, zeros{}, size)
			sent <- err
		}()
		if c.recording {
			time.Sleep(100 * time.Millisecond) // until it waits for the target
			if n := pipesOpen(t); n != before {
				t.Errorf("%d pipes are open while capture is on", n-before)
			}
		} else {
			h.eventually("the request passes in the system", func() bool { return pipesOpen(t) == before+c.pipes })
		}
		goOn <- true
		if err := <-sent; err != nil || !strings.HasPrefix(headOf(in), "HTTP/1.1 200 ") {
			t.Fatalf("the request was not taken: %v", err)
		}
		h.eventually("no pipe is left", func() bool { return pipesOpen(t) == before })
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// shout sends an urgent byte.
func shout(c net.Conn) {
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err == nil {
		_ = raw.Control(func(fd uintptr) { _ = unix.Send(int(fd), []byte("!"), unix.MSG_OOB) })
	}
}

// TestUrgentBytesInBulk hide nothing that comes behind them, also where the end does: in answers, in requests,
// and in tunnels.
func TestUrgentBytesInBulk(t *testing.T) {
	const half = 1 << 20
	sent := append(bytes.Repeat([]byte("a"), half), bytes.Repeat([]byte("b"), half/3)...)
	say := func(c net.Conn) {
		_, _ = c.Write(sent[:half])
		shout(c)
		_, _ = c.Write(sent[half:])
	}
	heard := make(chan []byte, 1)
	address := openBare(t, func(c net.Conn, in *bufio.Reader) {
		switch first, _ := in.Peek(1); string(first) {
		case "G":
			headOf(in)
			_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n", len(sent))
			say(c)
		case "P":
			headOf(in)
			got := make([]byte, len(sent))
			n, _ := io.ReadFull(in, got)
			heard <- got[:n]
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
		default: // of a tunnel
			got, _ := io.ReadAll(in)
			heard <- got[1:]
			say(c)
		}
	})
	h := openHouse(t, "pass_through = [\"127.0.0.1\"]\n"+reverseTo(address))
	if _, err := h.SetRecording(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		c := dialRaw(t, h.proxy())
		in := bufio.NewReader(c)
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n")
		headOf(in)
		got := make([]byte, len(sent))
		if n, err := io.ReadFull(in, got); err != nil || !bytes.Equal(got, sent) {
			t.Fatalf("of an answer %d bytes came, %v", n, err)
		}

		c = dialRaw(t, h.proxy())
		in = bufio.NewReader(c)
		_, _ = fmt.Fprintf(c, "PUT / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: %d\r\n\r\n", len(sent))
		say(c.Conn)
		if got := <-heard; !bytes.Equal(got, sent) {
			t.Fatalf("of a request %d bytes came", len(got))
		}
		if got := headOf(in); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
			t.Fatalf("it was answered %q", got)
		}

		c = dialThrough(t, h.proxy(), address)
		_, _ = io.WriteString(c, "\x00") // no protocol that is opened
		say(c.Conn)
		_ = c.Conn.(*net.TCPConn).CloseWrite()
		if got := <-heard; !bytes.Equal(got, sent) {
			t.Fatalf("through a tunnel %d bytes went", len(got))
		}
		if got, err := io.ReadAll(c.Conn); err != nil || !bytes.Equal(got, sent) {
			t.Fatalf("through a tunnel %d bytes came, %v", len(got), err)
		}
	}
}
