package socket

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// ours is both ends of one connection, both taken over.
func ours(t testing.TB) (near, far *conn) {
	t.Helper()
	n, f := pair(t)
	near, isOurs := n.(*conn)
	if !isOurs {
		t.Fatal("it was not taken over")
	}
	far = Of(f).(*conn)
	t.Cleanup(func() { _ = far.Close() })
	return near, far
}

// Whoever waits is woken, however writes, short reads and deadlines fall: a wake-up that is lost hangs here.
func TestNothingSleepsThroughWhatComes(t *testing.T) {
	const talks, words = 48, 300
	var all sync.WaitGroup
	for i := range talks {
		near, far := ours(t)
		seed := uint64(i)
		all.Go(func() { // says a word back for each
			r := rand.New(rand.NewPCG(seed, 1))
			p := make([]byte, 64)
			for {
				n, err := far.Read(p[:1+r.IntN(len(p)-1)])
				if err != nil {
					if err != io.EOF {
						t.Error(err)
					}
					_ = far.Close()
					return
				}
				if _, err := far.Write(p[:n]); err != nil {
					t.Error(err)
					return
				}
			}
		})
		all.Go(func() {
			r := rand.New(rand.NewPCG(seed, 2))
			p := make([]byte, 64)
			for range words {
				word := bytes.Repeat([]byte{byte(r.IntN(256))}, 1+r.IntN(len(p)))
				if r.IntN(4) == 0 {
					_ = near.SetReadDeadline(time.Now().Add(time.Minute + time.Duration(r.IntN(1000))))
				}
				if _, err := near.Write(word); err != nil {
					t.Error(err)
					return
				}
				if _, err := io.ReadFull(near, p[:len(word)]); err != nil || !bytes.Equal(p[:len(word)], word) {
					t.Errorf("said %x, heard %x, %v", word, p[:len(word)], err)
					return
				}
			}
			_ = near.Close()
		})
	}
	all.Wait()
}

// The end may be told together with the last bytes, or after them.
func TestTheEndIsHeardBehindTheLastBytes(t *testing.T) {
	for i := range 400 {
		near, far := ours(t)
		go func() {
			_, _ = far.Write([]byte("last"))
			if i%2 == 0 {
				time.Sleep(time.Duration(i) * time.Microsecond / 4)
			}
			_ = far.CloseWrite()
		}()
		if i%3 == 0 {
			time.Sleep(time.Duration(i) * time.Microsecond)
		}
		got, err := io.ReadAll(near)
		if string(got) != "last" || err != nil {
			t.Fatalf("heard %q, %v", got, err)
		}
		if _, err := near.Write([]byte("x")); err != nil {
			t.Fatalf("our side is open, but: %v", err)
		}
		_, _ = near.Close(), far.Close()
	}
}

func TestDeadlines(t *testing.T) {
	near, far := ours(t)
	p := make([]byte, 1)
	mustRead := func() {
		t.Helper()
		if _, err := far.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if n, err := near.Read(p); n != 1 || err != nil {
			t.Fatalf("read %d, %v", n, err)
		}
	}
	late := func(doing string, err error) {
		t.Helper()
		if timeout, ok := err.(net.Error); !errors.Is(err, os.ErrDeadlineExceeded) || !ok || !timeout.Timeout() {
			t.Fatalf("%s ends with %v", doing, err)
		}
	}
	_ = near.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := near.Read(p)
	late("a wait whose deadline passes", err)
	_, err = far.Write([]byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = near.Read(p)
	late("a read behind its deadline, though something has come,", err)
	_ = near.SetReadDeadline(time.Time{})
	if n, err := near.Read(p); n != 1 || err != nil {
		t.Fatalf("without a deadline: %d, %v", n, err)
	}

	_ = near.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	_ = near.SetReadDeadline(time.Now().Add(time.Hour))
	time.AfterFunc(40*time.Millisecond, func() { _, _ = far.Write([]byte("y")) })
	if n, err := near.Read(p); n != 1 || err != nil {
		t.Fatalf("with a deadline that was moved: %d, %v", n, err)
	}

	time.AfterFunc(10*time.Millisecond, func() { _ = near.SetReadDeadline(time.Unix(1, 0)) })
	_, err = near.Read(p)
	late("a wait that another ends", err)
	_ = near.SetReadDeadline(time.Time{})
	mustRead()

	much := make([]byte, 64<<20)
	_ = near.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	n, err := near.Write(much)
	late("a write that is not taken", err)
	if n == 0 {
		t.Error("it wrote nothing")
	}
	mustRead() // of which reads know nothing
	_, err = near.Write(p)
	late("a write behind its deadline", err)
}

func TestCloseEndsWhoWaits(t *testing.T) {
	near, _ := ours(t)
	errs := make(chan error, 2)
	go func() {
		_, err := near.Read(make([]byte, 1))
		errs <- err
	}()
	go func() {
		_, err := near.Write(make([]byte, 64<<20))
		errs <- err
	}()
	time.Sleep(5 * time.Millisecond)
	if err := near.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := <-errs; !errors.Is(err, net.ErrClosed) {
			t.Errorf("it ends with %v", err)
		}
	}
	for name, err := range map[string]error{
		"closing again": near.Close(), "a deadline": near.SetDeadline(time.Now().Add(time.Hour)), "ending our side": near.CloseWrite(), "lingering": near.SetLinger(0),
	} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s says %v", name, err)
		}
	}
	if Quiet(near) {
		t.Error("a closed connection is not quiet")
	}
}

// The number of a socket that was closed is the next one's: what is said of the one is not heard by the other.
func TestADescriptorsNextOwner(t *testing.T) {
	before := descriptors(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range 60 {
				c, err := net.Dial("tcp", l.Addr().String())
				if err != nil {
					t.Error(err)
					return
				}
				c = Of(c)
				word := fmt.Appendf(nil, "%d of %d", i, worker)
				go func() { // what is closed under who reads is told nobody else
					if i%3 == 0 {
						_ = c.Close()
					}
				}()
				_, err = c.Write(word)
				got := make([]byte, 32)
				if err == nil {
					var n int
					n, err = io.ReadFull(c, got[:len(word)])
					got = got[:n]
				}
				if i%3 != 0 && (err != nil || !bytes.Equal(got, word)) {
					t.Errorf("said %q, heard %q, %v", word, got, err)
				}
				_ = c.Close()
			}
		})
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				c := Of(c)
				defer c.Close()
				_, _ = io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c})
			}()
		}
	}()
	all.Wait()
	_ = l.Close()
	for range 500 {
		if descriptors(t) <= before+4 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d descriptors are open, %d were before", descriptors(t), before)
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestAUnixSocket(t *testing.T) {
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		c = Of(c)
		_, _ = c.Write([]byte("hello"))
		_ = c.Close()
	}()
	c, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	near := Of(c)
	defer near.Close()
	if _, ok := near.(*conn); !ok || near.RemoteAddr().String() != l.Addr().String() {
		t.Errorf("%T at %v", near, near.RemoteAddr())
	}
	if got, err := io.ReadAll(near); string(got) != "hello" || err != nil {
		t.Errorf("heard %q, %v", got, err)
	}
}

func TestWhatWasClosedIsNotTakenOver(t *testing.T) {
	c, err := net.Dial("tcp", listening(t))
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if Of(c) != c {
		t.Error("it stands for something else")
	}
}

func listening(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

// What waits without reading leaves what it saw to who reads.
func TestTheSocketItself(t *testing.T) {
	near, far := ours(t)
	raw, err := near.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	looked := false
	err = raw.Read(func(uintptr) (done bool) {
		if !looked {
			looked = true
			_, _ = far.Write([]byte("early"))
			return false
		}
		return !Quiet(near)
	})
	if err != nil {
		t.Fatal(err)
	}
	p := make([]byte, 8)
	if n, err := near.Read(p); string(p[:n]) != "early" || err != nil {
		t.Errorf("read %q, %v", p[:n], err)
	}
	_ = near.SetReadDeadline(time.Now().Add(time.Millisecond))
	if err := raw.Read(func(uintptr) bool { return false }); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a wait behind its deadline: %v", err)
	}
	if several, err := near.MultipathTCP(); several || err != nil {
		t.Errorf("several paths: %t, %v", several, err)
	}
	_ = near.Close()
	if err := raw.Control(func(uintptr) { t.Error("what is closed has no number") }); !errors.Is(err, net.ErrClosed) {
		t.Errorf("of a closed one: %v", err)
	}
}

func TestAnAskedOneThatSpeaksUnasked(t *testing.T) {
	near, far := ours(t)
	go func() {
		p := make([]byte, 8)
		_, _ = far.Read(p)
		_, _ = far.Write([]byte("answer"))
		_, _ = far.Read(p)
		_, _ = far.Write([]byte("more"))
	}()
	p := make([]byte, 32)
	if n, _, _, err := near.Ask([]byte("one"), p); string(p[:n]) != "answer" || err != nil {
		t.Fatalf("heard %q, %v", p[:n], err)
	}
	if near.Silent() {
		t.Error("nobody has listened since the answer")
	}
	other, _ := ours(t) // of which there is something to tell
	defer other.Close()
	for !near.Silent() {
		runtime.Gosched()
	}
	_, _ = near.Write([]byte("go"))
	for len(near.in.news) == 0 {
		runtime.Gosched()
	}
	n, rest, sent, err := near.Ask([]byte("two"), p)
	if n != 0 || err != io.EOF || !sent.IsZero() || string(rest) != "two" {
		t.Errorf("n %d, rest %q, sent %v, %v", n, rest, sent, err)
	}
}

func TestBytesPassInTheSystem(t *testing.T) {
	source, from := ours(t)
	to, sink := ours(t)
	if _, err := NewPipe(to, listenless(t)); !errors.Is(err, errors.ErrUnsupported) {
		t.Fatalf("from what is no socket: %v", err)
	}
	pipe, err := NewPipe(to, from)
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	said := make([]byte, 3<<20)
	for i := range said {
		said[i] = byte(i * 7 >> 3)
	}
	heard := make(chan []byte)
	go func() {
		time.Sleep(10 * time.Millisecond) // the way is full by then
		all, _ := io.ReadAll(sink)
		heard <- all
	}()
	_ = from.SetReadDeadline(time.Now().Add(time.Millisecond))
	if n, err := move(pipe, 1<<20); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("nothing has come, but %d moved, %v", n, err)
	}
	_ = from.SetReadDeadline(time.Time{})
	go func() {
		_, _ = source.Write(said)
		_ = source.CloseWrite()
	}()
	var moved int64
	for {
		n, err := move(pipe, 100<<10)
		moved += n
		if err == io.EOF {
			break
		}
		if err != nil || n != 100<<10 {
			t.Fatalf("%d moved, %v", n, err)
		}
	}
	_ = to.CloseWrite()
	if got := <-heard; moved != int64(len(said)) || !bytes.Equal(got, said) {
		t.Errorf("%d bytes moved, %d of %d were heard", moved, len(got), len(said))
	}
}

// move moves bytes until it were most, or until there is an error.
func move(p *Pipe, most int64) (moved int64, err error) {
	for moved < most && err == nil {
		if p.holds == 0 {
			_, err = p.Fill(most - moved)
		}
		n, failed := p.Empty()
		moved += int64(n)
		err = cmp.Or(err, failed)
	}
	return moved, err
}

func listenless(t *testing.T) net.Conn {
	t.Helper()
	a, b := net.Pipe()
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	return a
}

func TestASpliceThatBreaksSaysWhy(t *testing.T) {
	source, from := ours(t)
	to, sink := ours(t)
	pipe, err := NewPipe(to, from)
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	_ = sink.SetLinger(0)
	_ = sink.Close()
	go func() {
		for {
			if _, err := source.Write(make([]byte, 1<<10)); err != nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	defer source.Close()
	for {
		if _, err = move(pipe, 1<<10); err != nil {
			break
		}
	}
	if !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("it ends with %v", err)
	}
}

func TestTheTableFindsWhatItWasGiven(t *testing.T) {
	var table table
	numbers := []int{0, 1, len(row{}) - 1, len(row{}), 5000}
	for _, fd := range numbers {
		if table.at(fd) != nil {
			t.Fatalf("%d is known", fd)
		}
	}
	var all sync.WaitGroup
	for _, fd := range numbers {
		all.Go(func() { table.put(fd, &conn{fd: fd}) })
	}
	all.Wait()
	for _, fd := range numbers {
		if c := table.at(fd); c == nil || c.fd != fd {
			t.Errorf("%d finds %v", fd, c)
		}
		table.put(fd, nil)
		if table.at(fd) != nil {
			t.Errorf("%d was not forgotten", fd)
		}
	}
}

// A wait takes the news that wakes it: where its deadline has passed as well, the bytes are for the next read.
func TestNewsOutliveADeadline(t *testing.T) {
	near, far := ours(t)
	p := make([]byte, longest+1) // more than the poller reads itself
	_, _ = far.Write([]byte("a"))
	if n, err := near.Read(p); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	waited := make(chan error)
	go func() {
		_, err := near.Read(p)
		waited <- err
	}()
	time.Sleep(5 * time.Millisecond) // else it ends at once, and takes nothing
	near.in.late.Store(true)
	_, _ = far.Write([]byte("b"))
	if err := <-waited; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	_ = near.SetReadDeadline(time.Now().Add(5 * time.Second))
	if n, err := near.Read(p); string(p[:n]) != "b" || err != nil {
		t.Errorf("read %q, %v", p[:n], err)
	}
}

// A read ends before urgent bytes, with others behind them that nothing tells of again.
func TestUrgentBytesHideNone(t *testing.T) {
	near, far := ours(t)
	option := func(cork int) {
		if err := unix.SetsockoptInt(far.fd, unix.IPPROTO_TCP, unix.TCP_CORK, cork); err != nil {
			t.Fatal(err)
		}
	}
	_ = near.SetReadDeadline(time.Now().Add(10 * time.Second))
	p := make([]byte, 64)
	for range 50 {
		option(1)
		_ = unix.Send(far.fd, []byte("abc"), 0)
		_ = unix.Send(far.fd, []byte("X"), unix.MSG_OOB)
		_ = unix.Send(far.fd, []byte("def"), 0)
		option(0)
		if n, err := io.ReadFull(near, p[:6]); string(p[:n]) != "abcdef" {
			t.Fatalf("heard %q, %v", p[:n], err)
		}
	}
}

// Nothing passes in the system behind urgent bytes: whoever reads has what a pipe cannot have, and then the end.
func TestUrgentBytesDoNotPassThroughAPipe(t *testing.T) {
	for range 50 {
		from, far := ours(t)
		to, heard := ours(t)
		pipe, err := NewPipe(to, from)
		if err != nil {
			t.Fatal(err)
		}
		_ = from.SetReadDeadline(time.Now().Add(10 * time.Second))
		_ = heard.SetReadDeadline(time.Now().Add(10 * time.Second))
		_ = unix.Send(far.fd, []byte("abc"), 0)
		_ = unix.Send(far.fd, []byte("X"), unix.MSG_OOB)
		_ = unix.Send(far.fd, []byte("def"), 0)
		_ = far.CloseWrite()
		for p := make([]byte, 64); err != io.EOF; {
			_, err = move(pipe, 1<<20)
			if errors.Is(err, errors.ErrUnsupported) {
				var n int
				n, err = from.Read(p)
				_, _ = to.Write(p[:n])
			}
			if err != nil && err != io.EOF {
				t.Fatal(err)
			}
		}
		pipe.Close()
		_ = to.CloseWrite()
		if got, err := io.ReadAll(heard); string(got) != "abcdef" {
			t.Fatalf("heard %q, %v", got, err)
		}
	}
}

func TestCloseIsTheReasonThatIsTold(t *testing.T) {
	t.Run("of a deadline that has passed too", func(t *testing.T) {
		near, _ := ours(t)
		_ = near.SetDeadline(time.Unix(1, 0))
		_ = near.Close()
		if _, err := near.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("reading says %v", err)
		}
		if _, err := near.Write(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("writing says %v", err)
		}
	})
	t.Run("of the socket itself", func(t *testing.T) {
		near, _ := ours(t)
		time.AfterFunc(5*time.Millisecond, func() { _ = near.Close() })
		if err := (*raw)(near).Read(func(uintptr) bool { return false }); !errors.Is(err, net.ErrClosed) {
			t.Errorf("waiting says %v", err)
		}
	})
	t.Run("of a splice", func(t *testing.T) {
		_, from := ours(t)
		to, _ := ours(t)
		pipe, err := NewPipe(to, from)
		if err != nil {
			t.Fatal(err)
		}
		defer pipe.Close()
		time.AfterFunc(5*time.Millisecond, func() { _ = from.Close() })
		if _, err := move(pipe, 1); !errors.Is(err, net.ErrClosed) {
			t.Errorf("moving says %v", err)
		}
	})
}
