package socket

import (
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// brought is a body that comes by a connection.
type brought struct {
	from  net.Conn
	left  int64
	fails error
}

func (b *brought) Read([]byte) (int, error)  { return 0, io.ErrNoProgress }
func (b *brought) Beside() (net.Conn, int64) { return b.from, b.left }

func (b *brought) Fill(p *Pipe, most int64) (int, error) {
	if b.fails != nil {
		return 0, b.fails
	}
	return p.Fill(most)
}

func TestWhereABypassOpens(t *testing.T) {
	from, _ := ours(t)
	to, _ := ours(t)
	foreign, _ := net.Pipe()
	for _, c := range []struct {
		name   string
		body   io.Reader
		to     net.Conn
		wanted int64
		want   bool
	}{
		{"much is left", &brought{from: from, left: worthwhile}, to, worthwhile, true},
		{"little is left", &brought{from: from, left: worthwhile - 1}, to, worthwhile, false},
		{"little is wanted", &brought{from: from, left: worthwhile}, to, worthwhile - 1, false},
		{"nothing is wanted", &brought{from: from, left: worthwhile}, to, 0, false},
		{"only Read has the bytes", &brought{}, to, worthwhile, false},
		{"the body is no source", strings.NewReader(""), to, worthwhile, false},
		{"it comes by what is no socket", &brought{from: foreign, left: worthwhile}, to, worthwhile, false},
		{"it goes to what is no socket", &brought{from: from, left: worthwhile}, foreign, worthwhile, false},
	} {
		b := NewBypass(c.body, c.to)
		for range 2 {
			if got := b.Open(c.wanted); got != c.want {
				t.Errorf("%s: %v", c.name, got)
			}
		}
		b.Close()
		if b.Open(c.wanted) {
			t.Errorf("%s: it opens after its end", c.name)
		}
	}
}

// TestABypassThatEnds leaves the rest to Read, and no descriptors behind.
func TestABypassThatEnds(t *testing.T) {
	from, _ := ours(t)
	to, _ := ours(t)
	b := NewBypass(&brought{from: from, left: 1 << 20, fails: errors.ErrUnsupported}, to)
	if !b.Open(1 << 20) {
		t.Fatal("it does not open")
	}
	in, out := b.pipe.in, b.pipe.out
	if n, err := b.Fill(1 << 20); n != 0 || err != nil {
		t.Errorf("it has %d bytes, %v", n, err)
	}
	if b.Open(1 << 20) {
		t.Error("it opens again")
	}
	for _, fd := range []int{in, out} {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != unix.EBADF {
			t.Errorf("descriptor %d is left: %v", fd, err)
		}
	}
}

// TestABypassWithoutDescriptors is none.
func TestABypassWithoutDescriptors(t *testing.T) {
	from, _ := ours(t)
	to, _ := ours(t)
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
	b := NewBypass(&brought{from: from, left: 1 << 20}, to)
	if b.Open(1 << 20) {
		t.Error("it opens")
	}
}

// TestOnlySoManyPipesAreOpen, and each that is closed makes room for another.
func TestOnlySoManyPipesAreOpen(t *testing.T) {
	from, _ := ours(t)
	to, _ := ours(t)
	before := pipes.Load()
	var open []*Pipe
	for {
		p, err := NewPipe(to, from)
		if errors.Is(err, errors.ErrUnsupported) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, p)
	}
	if n := before + int64(len(open)); n != mostPipes() {
		t.Errorf("%d are open, not %d", n, mostPipes())
	}
	for _, p := range open {
		p.Close()
	}
	if n := pipes.Load(); n != before {
		t.Errorf("%d are open after all were closed, not %d", n, before)
	}
}
