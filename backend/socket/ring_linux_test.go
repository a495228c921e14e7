//go:build !race

package socket

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What the system says is what it says of the calls one by one.
func TestTheRingMakesWhatItIsGiven(t *testing.T) {
	r := openRing()
	if r == nil {
		t.Skip("the system has no rings to give")
	}
	defer r.close()
	a, b := ours(t)
	gone, far := ours(t)
	_ = far.SetLinger(0)
	_ = far.Close()
	eventually(t, func() bool { _, err := gone.receive(make([]byte, 1)); return err != syscall.EAGAIN })
	for range 3 * len(r.entries) { // around its ends
		_, _ = b.send([]byte("some words"))
		jobs := []*job{
			{fd: a.fd, p: make([]byte, 4)},
			{fd: a.fd, p: make([]byte, 64)},
			{fd: a.fd, p: make([]byte, 64)},
			{fd: a.fd, p: []byte("back"), sends: true},
			{fd: b.fd, p: make([]byte, 64)},
			{fd: gone.fd, p: []byte("lost"), sends: true},
			{fd: 1 << 20, p: make([]byte, 1)},
		}
		if !r.make(jobs) {
			t.Fatal("it is good for nothing")
		}
		got := ""
		for _, j := range jobs {
			text := j.p[:j.n]
			if j.sends {
				text = nil
			}
			got += fmt.Sprintf("%q %v, ", text, j.err)
		}
		if want := `"some" <nil>, " words" <nil>, "" resource temporarily unavailable, "" <nil>, "back" <nil>, "" broken pipe, "" bad file descriptor, `; got != want {
			t.Fatalf("made\n%s and not\n%s", got, want)
		}
	}
}

// A ring that the system takes away, as a sandbox may, costs nothing but itself.
func TestARingThatBreaks(t *testing.T) {
	p := still(t)
	r := <-p.rings
	null, err := syscall.Open(os.DevNull, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	_ = syscall.Close(r.fd)
	r.fd = null
	p.rings <- r
	var said []<-chan heard
	var fars []net.Conn
	for range 5 {
		near, far := p.hears(t, ends)
		said, fars = append(said, reading(near)), append(fars, far)
		near.waits(t)
	}
	for _, far := range fars {
		_, _ = far.Write([]byte("word"))
	}
	p.round()
	for _, s := range said {
		if got := <-s; got != (heard{"word", nil}) {
			t.Error(got)
		}
	}
	if p.makes() || p.listen(uintptr(p.epoll), true) {
		t.Error("it is used again")
	}
	near, far := p.hears(t, ends)
	next := reading(near)
	_, _ = far.Write([]byte("told"))
	for p.listen(uintptr(p.epoll), true); ; p.round() {
		select {
		case got := <-next:
			if got != (heard{"told", nil}) {
				t.Error(got)
			}
			return
		default:
			time.Sleep(time.Millisecond)
		}
	}
}

// While a signal is pending, as those of the runtime often are, a read at urgent bytes finds nothing, though there is.
func TestUrgentBytesAndSignals(t *testing.T) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGURG)
	defer signal.Stop(signals)
	var over atomic.Bool
	var storm, all sync.WaitGroup
	storm.Go(func() {
		for !over.Load() {
			threads, _ := os.ReadDir("/proc/self/task")
			for _, thread := range threads {
				id := 0
				_, _ = fmt.Sscan(thread.Name(), &id)
				_ = syscall.Tgkill(syscall.Getpid(), id, syscall.SIGURG)
			}
			time.Sleep(30 * time.Microsecond)
		}
	})
	until := time.Now().Add(time.Second)
	for range 16 {
		near, far := ours(t)
		all.Go(func() { // says something back for each line
			p := make([]byte, 4096)
			for {
				n, err := near.Read(p)
				if err != nil {
					return
				}
				_, _ = near.Write(bytes.Repeat([]byte("y"), bytes.Count(p[:n], []byte("\n"))))
			}
		})
		all.Go(func() {
			defer near.Close()
			for i := 0; time.Now().Before(until); i++ {
				_, _ = far.Write(bytes.Repeat([]byte("x"), 1+i*37%500))
				_ = far.control(func(fd int) error { return unix.Send(fd, []byte("!"), unix.MSG_OOB|unix.MSG_DONTWAIT) })
				_, _ = far.Write([]byte("ab\n"))
				_ = far.SetReadDeadline(time.Now().Add(5 * time.Second))
				if _, err := io.ReadFull(far, make([]byte, 1)); err != nil {
					t.Error("nobody has heard it:", err)
					return
				}
			}
		})
	}
	all.Wait()
	over.Store(true)
	storm.Wait()
}
