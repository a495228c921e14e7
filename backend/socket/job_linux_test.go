package socket

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// still is a poller that hears and does nothing but when a test has it listen.
func still(t testing.TB) *poller {
	t.Helper()
	p, err := openPoller()
	if err != nil {
		t.Fatal(err)
	}
	if p.rings == nil {
		t.Skip("the system has no rings to give: io_uring is turned off, or older than Linux 5.18")
	}
	return p
}

// hears is a connection of p's, of which what had come first has been told and read; far is its other end.
func (p *poller) hears(t testing.TB, ends func(testing.TB) (near, far net.Conn)) (near *conn, far net.Conn) {
	t.Helper()
	n, far := ends(t)
	near = p.take(n).(*conn)
	t.Cleanup(func() { _, _ = near.Close(), far.Close() })
	p.listen(uintptr(p.epoll), false) // of the new connection itself
	_ = near.SetReadDeadline(time.Unix(1, 0))
	_ = near.SetReadDeadline(time.Time{})
	select {
	case <-near.in.news:
	default:
	}
	if _, err := near.receive(make([]byte, 1)); err != syscall.EAGAIN {
		t.Fatal(err)
	}
	return near, far
}

func (p *poller) round() { p.listen(uintptr(p.epoll), true) }

// left waits until so many jobs lie at the desk.
func (p *poller) left(t testing.TB, jobs int) {
	t.Helper()
	eventually(t, func() bool {
		p.desk.mu.Lock()
		defer p.desk.mu.Unlock()
		return len(p.desk.jobs) == jobs
	})
}

func eventually(t testing.TB, is func() bool) {
	t.Helper()
	for until := time.Now().Add(10 * time.Second); !is(); time.Sleep(50 * time.Microsecond) {
		if time.Now().After(until) {
			t.Fatal("it never is")
		}
	}
}

// waits waits until a read is lent.
func (c *conn) waits(t testing.TB) {
	t.Helper()
	eventually(t, func() bool { return c.in.job.state.Load() == lent })
}

// heard is what a call came to.
type heard struct {
	text string
	err  error
}

func reading(c net.Conn) <-chan heard {
	out := make(chan heard, 1)
	go func() {
		p := make([]byte, 64)
		n, err := c.Read(p)
		out <- heard{string(p[:n]), err}
	}()
	return out
}

// answered is what came of a request.
type answered struct {
	heard
	rest int
	sent bool
}

func asking(c *conn, request []byte) <-chan answered {
	out := make(chan answered, 1)
	go func() {
		p := make([]byte, 64)
		n, rest, sent, err := c.Ask(request, p)
		out <- answered{heard{string(p[:n]), err}, len(rest), !sent.IsZero()}
	}()
	return out
}

// leave has a request left at the desk.
func (p *poller) leave(t testing.TB, c *conn, request []byte) <-chan answered {
	t.Helper()
	p.desk.open.Store(true)
	a := asking(c, request)
	p.left(t, 1)
	return a
}

func TestManyReadsAreMadeInOneRound(t *testing.T) {
	p := still(t)
	const many = 600 // more than are heard of at once, and than are made at once
	var nears []*conn
	var said []<-chan heard
	for i := range many {
		near, far := p.hears(t, ends)
		nears, said = append(nears, near), append(said, reading(near))
		near.waits(t)
		switch i % 5 {
		case 3:
			_ = far.Close()
		case 4:
			_ = far.(*net.TCPConn).SetLinger(0)
			_ = far.Close()
		default:
			_, _ = fmt.Fprint(far, "word ", i)
		}
	}
	p.round()
	for i, s := range said {
		want := heard{fmt.Sprint("word ", i), nil}
		switch got := <-s; i % 5 {
		case 3:
			want = heard{"", io.EOF}
			fallthrough
		default:
			if got != want {
				t.Errorf("%d heard %v", i, got)
			}
		case 4:
			if !errors.Is(got.err, syscall.ECONNRESET) {
				t.Errorf("%d, which was reset, heard %v", i, got)
			}
		}
	}
	if !nears[0].dry || nears[0].heard == 0 {
		t.Error("after a short read it is known that nothing is left")
	}
}

func TestALentReadEndsByOtherThings(t *testing.T) {
	p := still(t)
	near, _ := p.hears(t, ends)
	r := reading(near)
	near.waits(t)
	_ = near.SetReadDeadline(time.Now().Add(time.Millisecond))
	if got := <-r; !errors.Is(got.err, os.ErrDeadlineExceeded) {
		t.Error("a deadline:", got)
	}
	_ = near.SetReadDeadline(time.Time{})
	r = reading(near)
	near.waits(t)
	_ = near.Close()
	if got := <-r; !errors.Is(got.err, net.ErrClosed) {
		t.Error("a close:", got)
	}
	if n, err := near.Read(make([]byte, 1)); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Error("closed:", n, err)
	}
}

// What has been told before a read is lent is told to nobody again.
func TestNewsBeforeALentReadAreHeard(t *testing.T) {
	p := still(t)
	near, far := p.hears(t, ends)
	_, _ = far.Write([]byte("early"))
	p.round()
	if got := <-reading(near); got != (heard{"early", nil}) {
		t.Error(got)
	}
}

func TestWritesAreLeftWhileTheDeskIsOpen(t *testing.T) {
	p := still(t)
	var nears, gone []*conn
	var fars []net.Conn
	for range 40 {
		near, far := p.hears(t, ends)
		nears, fars = append(nears, near), append(fars, far)
	}
	for range 3 {
		near, far := p.hears(t, ends)
		_ = far.(*net.TCPConn).SetLinger(0)
		_ = far.Close()
		eventually(t, func() bool { _, err := near.receive(make([]byte, 1)); return err != syscall.EAGAIN })
		gone = append(gone, near)
	}
	p.desk.open.Store(true)
	var all sync.WaitGroup
	write := func(c *conn, text string, wants error) {
		share(c)
		all.Go(func() {
			if n, err := c.Write([]byte(text)); !errors.Is(err, wants) || wants == nil && n != len(text) {
				t.Errorf("wrote %d of %q, %v", n, text, err)
			}
		})
	}
	for i, c := range nears {
		write(c, fmt.Sprint("word ", i), nil)
	}
	for _, c := range gone {
		write(c, "lost", syscall.EPIPE)
	}
	p.left(t, len(nears)+len(gone))
	p.round()
	all.Wait()
	buf := make([]byte, 64)
	for i, f := range fars {
		if n, err := f.Read(buf); string(buf[:n]) != fmt.Sprint("word ", i) || err != nil {
			t.Errorf("%d: %q, %v", i, buf[:n], err)
		}
	}
	p.round() // nothing was woken: the desk closes
	if n, err := nears[0].Write([]byte("at once")); n != 7 || err != nil || p.desk.open.Load() {
		t.Error("when the round is over, writes are made at once:", n, err)
	}
}

func TestARequestIsLeftAndItsAnswerLent(t *testing.T) {
	p := still(t)
	near, far := p.hears(t, ends)
	buf := make([]byte, 64)
	for range 3 {
		a := p.leave(t, near, []byte("question"))
		p.round()
		if n, err := far.Read(buf); string(buf[:n]) != "question" || err != nil {
			t.Fatal(string(buf[:n]), err)
		}
		_, _ = far.Write([]byte("answer"))
		p.round()
		if got := <-a; got != (answered{heard{"answer", nil}, 0, true}) {
			t.Fatal(got)
		}
	}
}

// Between the look of who asks and the sending, the poller listens.
func TestNothingIsSentToAPeerThatHasSpoken(t *testing.T) {
	for name, speak := range map[string]func(far net.Conn){
		"bytes":   func(far net.Conn) { _, _ = far.Write([]byte("unasked")) },
		"an end":  func(far net.Conn) { _ = far.(*net.TCPConn).CloseWrite() },
		"a reset": func(far net.Conn) { _ = far.(*net.TCPConn).SetLinger(0); _ = far.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			p := still(t)
			near, far := p.hears(t, ends)
			other, further := p.hears(t, ends) // in the same round
			p.desk.open.Store(true)
			a, b := asking(near, []byte("question")), asking(other, []byte("question"))
			p.left(t, 2)
			speak(far)
			p.round()
			if got := <-a; got != (answered{heard{"", io.EOF}, 8, false}) {
				t.Error(got)
			}
			buf := make([]byte, 64)
			if n, err := further.Read(buf); string(buf[:n]) != "question" || err != nil {
				t.Error(string(buf[:n]), err)
			}
			_, _ = further.Write([]byte("answer"))
			p.round()
			if got := <-b; got.text != "answer" {
				t.Error(got)
			}
			_ = far.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
			if n, err := far.Read(buf); n > 0 {
				t.Error("it was sent", string(buf[:n]), err)
			}
		})
	}
}

func TestARequestThatTheSocketDoesNotTake(t *testing.T) {
	p := still(t)
	near, _ := p.hears(t, unixEnds)
	near.unsure.Store(false) // it is no TCP connection, which would take more or less of it as it pleases
	_ = near.control(func(fd int) error { return syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_SNDBUF, 1) })
	request := bytes.Repeat([]byte("x"), longest)
	ask := func() answered {
		a := p.leave(t, near, request)
		p.round()
		return <-a
	}
	if got := ask(); got.err != nil || got.rest == 0 || got.rest == longest || !got.sent {
		t.Error("of one with a little room:", got.err, got.rest, got.sent)
	}
	if got := ask(); got != (answered{heard{}, longest, false}) {
		t.Error("of a full socket:", got.err, got.rest, got.sent)
	}
}

func TestARequestThatIsLeftEndsByOtherThings(t *testing.T) {
	p := still(t)
	near, far := p.hears(t, ends)
	a := p.leave(t, near, []byte("question"))
	_ = near.SetReadDeadline(time.Unix(1, 0))
	p.round()
	if got := <-a; !errors.Is(got.err, os.ErrDeadlineExceeded) || !got.sent {
		t.Error("a deadline:", got)
	}
	buf := make([]byte, 64)
	if n, _ := far.Read(buf); string(buf[:n]) != "question" {
		t.Error("it lay at the desk already, and is sent:", string(buf[:n]))
	}
	near, _ = p.hears(t, ends)
	a = p.leave(t, near, []byte("question"))
	_ = near.Close()
	p.round()
	if got := <-a; !errors.Is(got.err, net.ErrClosed) {
		t.Error("a close:", got)
	}
	if n := near.uses.Load(); n != closed {
		t.Errorf("%d calls hold the descriptor", n-closed)
	}
	if got := <-asking(near, []byte("question")); !errors.Is(got.err, net.ErrClosed) {
		t.Error("closed:", got)
	}
}

// Who asks is woken by a deadline while the question lies at the desk; it is not sent then to a peer that has
// spoken either.
func TestADeadlineDoesNotHideThatThePeerHasSpoken(t *testing.T) {
	p := still(t)
	near, far := p.hears(t, ends)
	a := p.leave(t, near, []byte("question"))
	_ = near.SetReadDeadline(time.Unix(1, 0))
	eventually(t, func() bool { return near.out.job.state.Load() == taken })
	_ = near.SetReadDeadline(time.Time{})
	_, _ = far.Write([]byte("unasked"))
	p.round()
	if got := <-a; got != (answered{heard{"", io.EOF}, 8, false}) {
		t.Error(got)
	}
}

// Of more questions than are sent at once, too, none is sent by another goroutine: the poller would hear of the
// next things while it is under way.
func TestAllQuestionsAreSentBeforeThePollerHearsMore(t *testing.T) {
	p := still(t)
	var asked []<-chan answered
	var fars []net.Conn
	var nears []*conn
	for range 3*ringful + 5 {
		near, far := p.hears(t, ends)
		nears, fars = append(nears, near), append(fars, far)
	}
	p.desk.open.Store(true)
	for _, near := range nears {
		asked = append(asked, asking(near, []byte("question")))
	}
	p.left(t, len(asked))
	p.listen(uintptr(p.epoll), false)
	for i, far := range fars {
		waiting := -1
		raw, _ := far.(*net.TCPConn).SyscallConn()
		_ = raw.Control(func(fd uintptr) { waiting, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
		if waiting != len("question") {
			t.Fatalf("at %d wait %d bytes", i, waiting)
		}
		_, _ = far.Write([]byte("answer"))
	}
	p.round()
	for _, a := range asked {
		if got := <-a; got != (answered{heard{"answer", nil}, 0, true}) {
			t.Error(got)
		}
	}
}

func TestAReadIsNotFollowedByARoundThatBeganBefore(t *testing.T) {
	p := still(t)
	near, far := p.hears(t, ends)
	r := reading(near)
	near.waits(t)
	_, _ = far.Write([]byte("answer"))
	p.round()
	if <-r; near.Silent() {
		t.Error("the poller has not listened since the read")
	}
	p.round()
	if !near.Silent() {
		t.Error("it has")
	}
}

// Where those who were woken keep the processors long, nobody waits for the poller's next turn.
func TestTheDeskStaysClosedWhereTurnsAreLong(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	p := still(t)
	turn := func(long time.Duration) (open bool) {
		var all sync.WaitGroup
		var fars []net.Conn
		for range 2 {
			near, far := p.hears(t, ends)
			fars = append(fars, far)
			all.Go(func() {
				_, _ = near.Read(make([]byte, 64))
				for since := time.Now(); time.Since(since) < long; {
				}
			})
			near.waits(t)
		}
		for _, far := range fars {
			_, _ = far.Write([]byte("word"))
		}
		open = p.listen(uintptr(p.epoll), true)
		all.Wait()
		return open
	}
	for !p.slow { // now and then the scheduler takes the poller's turn first
		turn(2 * longTurn)
	}
	if turn(0) {
		t.Error("behind a long turn it is open")
	}
	for range 100 { // the machine may take a long turn itself
		if turn(0) {
			return
		}
	}
	t.Error("it never opens again")
}

// A desk that closes between the look and the leaving, and a poller that has no rings.
func TestWithoutTheDeskARequestIsSentAtOnce(t *testing.T) {
	p := still(t)
	near, far := p.hears(t, ends)
	near.poller.told.Add(5) // it has listened
	a := asking(near, []byte("question"))
	buf := make([]byte, 64)
	if n, _ := far.Read(buf); string(buf[:n]) != "question" {
		t.Error(string(buf[:n]))
	}
	near.waits(t)
	_, _ = far.Write([]byte("answer"))
	p.round()
	if got := <-a; got != (answered{heard{"answer", nil}, 0, true}) {
		t.Error(got)
	}
}

// Talks of many at once, with and without rings, with requests and with plain writes.
func TestManyTalksAtOnce(t *testing.T) {
	for _, ringless := range []bool{false, true} {
		t.Run(fmt.Sprint("ringless ", ringless), func(t *testing.T) {
			p := still(t)
			if ringless {
				p.rings = nil
			}
			var over atomic.Bool
			var all, poller sync.WaitGroup
			poller.Go(func() {
				for !over.Load() {
					for round := 1; p.listen(uintptr(p.epoll), round < inARow); round++ {
					}
					time.Sleep(20 * time.Microsecond)
				}
			})
			for i := range 64 {
				n, f := ends(t)
				near, far := p.take(n).(*conn), p.take(f).(*conn)
				all.Go(func() { // gives back what it hears
					_, _ = io.Copy(struct{ io.Writer }{far}, struct{ io.Reader }{far})
					_ = far.Close()
				})
				all.Go(func() {
					defer near.Close()
					buf := make([]byte, 8<<10)
					for k := range 200 {
						word := bytes.Repeat([]byte{byte(i + k)}, 1+(i*131+k*977)%(4<<10))
						var got []byte
						if k%3 > 0 {
							n, rest, _, err := near.Ask(word, buf)
							if err != nil {
								t.Errorf("%d asks: %v", i, err)
								return
							}
							got = slices.Clone(buf[:n])
							if len(rest) > 0 {
								_, _ = near.Write(rest)
							}
						} else if _, err := near.Write(word); err != nil {
							t.Errorf("%d writes: %v", i, err)
							return
						}
						for len(got) < len(word) {
							n, err := near.Read(buf)
							if err != nil {
								t.Errorf("%d reads: %v", i, err)
								return
							}
							got = append(got, buf[:n]...)
						}
						if !bytes.Equal(got, word) {
							t.Errorf("%d heard something else in its word %d", i, k)
							return
						}
					}
				})
			}
			all.Wait()
			over.Store(true)
			poller.Wait()
		})
	}
}
