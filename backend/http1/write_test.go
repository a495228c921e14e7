package http1

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"proxycache/backend/flow"
)

// writes remembers each Write of its own.
type writes struct{ got []string }

func (w *writes) Write(p []byte) (int, error) {
	w.got = append(w.got, string(p))
	return len(p), nil
}

func TestEachWriteIsOneChunkInOneWrite(t *testing.T) {
	var w writes
	b := NewBodyWriter(&w, Chunked)
	largest := strings.Repeat("x", large)
	for _, part := range []string{"hello", "", "0123456789abcdef", largest} {
		if n, err := b.Write([]byte(part)); n != len(part) || err != nil {
			t.Fatalf("wrote %d, %v", n, err)
		}
	}
	if err := b.Close(flow.Header{{Name: "X-Sum", Value: "1\r\n2"}, {Name: "Content-Length", Value: "5"}, {Name: "no name", Value: "1"}}); err != nil {
		t.Fatal(err)
	}
	want := []string{"5\r\nhello\r\n", "10\r\n0123456789abcdef\r\n", "8000\r\n" + largest + "\r\n", "0\r\nX-Sum: 1  2\r\n\r\n"}
	if len(w.got) != len(want) {
		t.Fatalf("%d writes: %.200q", len(w.got), w.got)
	}
	for i := range want {
		if w.got[i] != want[i] {
			t.Errorf("write %d is %.40q, want %.40q", i, w.got[i], want[i])
		}
	}
}

func TestChunksOfAnySizeAreReadBack(t *testing.T) {
	for _, size := range []int{1, 15, 16, large - 1, large, large + 1, 3 * large} {
		data := bytes.Repeat([]byte("y"), size)
		var w bytes.Buffer
		b := NewBodyWriter(&w, Chunked)
		for range 2 {
			if n, err := b.Write(data); n != size || err != nil {
				t.Fatalf("%d bytes: wrote %d, %v", size, n, err)
			}
		}
		if err := b.Close(nil); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(NewReader(&w, Limits{}).Body(&Head{Length: Chunked}))
		if err != nil || !bytes.Equal(got, append(data, data...)) {
			t.Errorf("%d bytes twice: read %d, %v", size, len(got), err)
		}
	}
}

func TestALargeChunkCrossesASocketWhole(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	data := bytes.Repeat([]byte("0123456789"), 50_000)
	failed := make(chan error, 1)
	go func() {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			failed <- err
			return
		}
		defer c.Close()
		b := NewBodyWriter(c, Chunked)
		if _, err := b.Write(data); err != nil {
			failed <- err
			return
		}
		failed <- b.Close(nil)
	}()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got, err := io.ReadAll(NewReader(c, Limits{}).Body(&Head{Length: Chunked}))
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("read %d bytes, %v", len(got), err)
	}
	if err := <-failed; err != nil {
		t.Error(err)
	}
}

func TestAPromisedLengthIsKept(t *testing.T) {
	var w writes
	b := NewBodyWriter(&w, 10)
	for _, part := range []string{"hello", "world"} {
		if n, err := b.Write([]byte(part)); n != 5 || err != nil {
			t.Fatalf("wrote %d, %v", n, err)
		}
	}
	if n, err := b.Write([]byte("!")); n != 0 || err != ErrTooLong {
		t.Errorf("more: wrote %d, %v", n, err)
	}
	if strings.Join(w.got, "|") != "hello|world" {
		t.Errorf("sent %q", w.got)
	}
	b = NewBodyWriter(&w, 10)
	if _, err := b.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(nil); err != ErrTooShort {
		t.Errorf("less: %v", err)
	}
	b = NewBodyWriter(&w, 5)
	if _, err := b.Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(flow.Header{{Name: "X", Value: "no place for it"}}); err != nil {
		t.Errorf("as promised: %v", err)
	}
	if n, err := b.Write([]byte("!")); n != 0 || err == nil {
		t.Errorf("after the end: wrote %d, %v", n, err)
	}
}

func TestABodyUntilCloseIsWrittenBare(t *testing.T) {
	var w writes
	b := NewBodyWriter(&w, UntilClose)
	for _, part := range []string{"hello", "world"} {
		if n, err := b.Write([]byte(part)); n != 5 || err != nil {
			t.Fatalf("wrote %d, %v", n, err)
		}
	}
	if err := b.Close(nil); err != nil || strings.Join(w.got, "|") != "hello|world" {
		t.Errorf("sent %q, %v", w.got, err)
	}
}

// A chunked body that failed must not get its last chunk: the peer would take it for complete.
func TestABrokenBodyIsNotEnded(t *testing.T) {
	for _, size := range []int{100, 2 * large} {
		data := make([]byte, size)
		for _, after := range []int{0, 1, 50, size + 3} {
			w := &failing{after}
			b := NewBodyWriter(w, Chunked)
			n, err := b.Write(data)
			head := len(fmt.Sprintf("%x\r\n", size))
			if err != errFull || n != min(max(0, after-head), size) {
				t.Errorf("%d of %d bytes: wrote %d, %v", after, size, n, err)
			}
			w.after = 1 << 20
			if err := b.Close(nil); err != errFull || w.after != 1<<20 {
				t.Errorf("%d of %d bytes: closed with %v, %d bytes followed", after, size, err, 1<<20-w.after)
			}
			if _, err := b.Write(data); err != errFull {
				t.Errorf("%d of %d bytes: then %v", after, size, err)
			}
		}
	}
}

// failing takes so many bytes and no more.
type failing struct{ after int }

var errFull = errors.New("full")

func (f *failing) Write(p []byte) (int, error) {
	n := min(len(p), f.after)
	f.after -= n
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

// What was written past the writer counts as written.
func TestABodyThatIsWrittenPastTheWriter(t *testing.T) {
	var to bytes.Buffer
	b := NewBodyWriter(&to, 10)
	_, _ = b.Write([]byte("abc"))
	b.Passed(5, nil)
	if b.Left() != 2 {
		t.Errorf("%d are left", b.Left())
	}
	if err := NewBodyWriter(&to, 10).Close(nil); err != ErrTooShort {
		t.Errorf("short of it: %v", err)
	}
	if _, err := b.Write([]byte("de")); err != nil || b.Left() != 0 {
		t.Errorf("%v, %d are left", err, b.Left())
	}
	if err := b.Close(nil); err != nil || to.String() != "abcde" {
		t.Errorf("%v, %q", err, to.String())
	}
	broken := errors.New("reset")
	b = NewBodyWriter(&to, 10)
	b.Passed(5, broken)
	if _, err := b.Write([]byte("x")); err != broken || b.Left() != 0 || b.Close(nil) != broken {
		t.Errorf("after an error: %v, %d are left", err, b.Left())
	}
	for _, framing := range []int64{Chunked, UntilClose} {
		if n := NewBodyWriter(&to, framing).Left(); n != 0 {
			t.Errorf("%d are left of a body of length %d", n, framing)
		}
	}
}
