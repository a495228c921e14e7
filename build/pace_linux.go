package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pace sends so many requests a second for d, however slowly they are answered, and tells how long
// each took from when it was due: a request that waits because others are late has waited, too. One
// thread waits for the clock and the connections together, because Go's own timers are a millisecond
// coarse in a program that is otherwise idle.
func pace(ctx context.Context, address, path string, rate float64, connections int, d time.Duration) ([]time.Duration, error) {
	type outcome struct {
		took []time.Duration
		err  error
	}
	done := make(chan outcome)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread, with what it asks for, ends with this goroutine
		took, err := paceHere(ctx, address, path, rate, connections, d)
		done <- outcome{took, err}
	}()
	o := <-done
	return o.took, o.err
}

func paceHere(ctx context.Context, address, path string, rate float64, connections int, d time.Duration) ([]time.Duration, error) {
	var mine, before unix.CPUSet
	mine.Set(loadProcessor)
	if err := errors.Join(unix.SchedGetaffinity(0, &before), unix.SchedSetaffinity(0, &mine)); err != nil {
		return nil, fmt.Errorf("asking for a processor: %w", err)
	}
	defer func() { _ = unix.SchedSetaffinity(0, &before) }() // the program's first thread never ends
	// By default the kernel may wake a thread 50 µs late to wake several at once.
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("asking for exact timers: %w", err)
	}
	p := pacer{
		request:  []byte("GET " + path + " HTTP/1.1\r\nHost: " + address + "\r\n\r\n"),
		interval: time.Duration(float64(time.Second) / rate),
		total:    int(rate * d.Seconds()),
		buffer:   make([]byte, 64<<10),
	}
	p.took = make([]time.Duration, 0, p.total)
	defer p.close()
	if err := p.open(address, connections); err != nil {
		return nil, err
	}
	if err := p.run(ctx); err != nil {
		return nil, err
	}
	return p.took, nil
}

type pacer struct {
	request  []byte
	interval time.Duration
	total    int

	poll, timer int
	clients     []*pacedClient
	idle        []*pacedClient // the one that has been idle longest comes first
	start       time.Time
	sent        int // of total, in the order in which they are due
	took        []time.Duration
	buffer      []byte
}

// pacedClient is a connection with at most one request under way.
type pacedClient struct {
	fd   int
	due  time.Duration // of the request under way, since the start
	head []byte        // of the answer, until it is complete
	left int           // bytes of the answer's body to come
}

func (p *pacer) open(address string, connections int) (err error) {
	if p.poll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	if p.timer, err = unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC); err != nil {
		return err
	}
	if err := p.watch(p.timer, unix.EPOLLIN); err != nil {
		return err
	}
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	for range connections {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		c := &pacedClient{fd: fd}
		p.clients, p.idle = append(p.clients, c), append(p.idle, c)
		err = errors.Join(
			unix.Connect(fd, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}),
			unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1),
			unix.SetNonblock(fd, true),
			p.watch(fd, unix.EPOLLIN),
		)
		if err != nil {
			return fmt.Errorf("connecting to %s: %w", address, err)
		}
	}
	return nil
}

func (p *pacer) watch(fd int, events uint32) error {
	return unix.EpollCtl(p.poll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(fd)})
}

func (p *pacer) close() {
	for _, c := range p.clients {
		_ = unix.Close(c.fd)
	}
	_ = unix.Close(p.timer)
	_ = unix.Close(p.poll)
}

// late is how long after the last request was due answers are waited for.
const late = 5 * time.Second

func (p *pacer) run(ctx context.Context) error {
	tick := unix.NsecToTimespec(p.interval.Nanoseconds())
	if err := unix.TimerfdSettime(p.timer, 0, &unix.ItimerSpec{Interval: tick, Value: tick}, nil); err != nil {
		return err
	}
	byFD := map[int32]*pacedClient{}
	for _, c := range p.clients {
		byFD[int32(c.fd)] = c
	}
	p.start = time.Now()
	end := p.interval*time.Duration(p.total) + late
	events := make([]unix.EpollEvent, 128)
	for len(p.took) < p.total {
		if time.Since(p.start) > end {
			return fmt.Errorf("%d of %d requests were not answered within %s", p.total-len(p.took), p.total, late)
		}
		if err := p.send(); err != nil {
			return err
		}
		n, err := rawWait(p.poll, events)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		for _, e := range events[:max(n, 0)] {
			if err := p.happened(byFD[e.Fd]); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// happened handles an event of a connection, or of the timer, which is nil: it starts again when it is
// read.
func (p *pacer) happened(c *pacedClient) error {
	if c != nil {
		return p.receive(c)
	}
	_, err := rawRead(p.timer, p.buffer)
	if errors.Is(err, unix.EAGAIN) {
		return nil
	}
	return err
}

// send sends what is due, as far as connections are free.
func (p *pacer) send() error {
	for p.sent < p.total && len(p.idle) > 0 {
		due := time.Duration(p.sent) * p.interval
		if due > time.Since(p.start) {
			return nil
		}
		c := p.idle[0]
		p.idle = p.idle[1:]
		c.due = due
		p.sent++
		if n, err := rawWrite(c.fd, p.request); err != nil || n != len(p.request) {
			return fmt.Errorf("sending a request: %d bytes went out: %w", n, err)
		}
	}
	return nil
}

var endOfHead = []byte("\r\n\r\n")

// receive reads of an answer what is there.
func (p *pacer) receive(c *pacedClient) error {
	n, err := rawRead(c.fd, p.buffer)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) {
		return nil
	}
	if err != nil || n == 0 {
		return fmt.Errorf("the connection ended before its answer: %w", err)
	}
	if c.left > 0 {
		c.left -= n
	} else {
		c.head = append(c.head, p.buffer[:n]...)
		end := bytes.Index(c.head, endOfHead)
		if end < 0 {
			return nil
		}
		length, err := bodyLength(c.head[:end+2])
		if err != nil {
			return err
		}
		c.left = length - (len(c.head) - end - len(endOfHead))
		c.head = c.head[:0]
	}
	if c.left == 0 {
		p.took = append(p.took, time.Since(p.start)-c.due)
		p.idle = append(p.idle, c)
	}
	return nil
}

// bodyLength reads a 200's Content-Length.
func bodyLength(head []byte) (int, error) {
	const field = "\r\ncontent-length:"
	i := bytes.Index(bytes.ToLower(head), []byte(field))
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 200 ")) || i < 0 {
		return 0, fmt.Errorf("not an answer of the origin: %q", head)
	}
	value, _, _ := bytes.Cut(head[i+len(field):], []byte("\r\n"))
	return strconv.Atoi(string(bytes.TrimSpace(value)))
}

// Go's runtime is not told of these calls: a thread of it would look many thousand times a second how long
// each takes already, on a processor that somebody needs.

func rawWait(poll int, events []unix.EpollEvent) (int, error) {
	const most = 100 // ms
	return rawCall(unix.SYS_EPOLL_PWAIT, poll, unsafe.Pointer(unsafe.SliceData(events)), len(events), most)
}

func rawRead(fd int, b []byte) (int, error) {
	return rawCall(unix.SYS_READ, fd, unsafe.Pointer(unsafe.SliceData(b)), len(b), 0)
}

func rawWrite(fd int, b []byte) (int, error) {
	return rawCall(unix.SYS_WRITE, fd, unsafe.Pointer(unsafe.SliceData(b)), len(b), 0)
}

func rawCall(number uintptr, fd int, at unsafe.Pointer, n, further int) (int, error) {
	done, _, errno := unix.RawSyscall6(number, uintptr(fd), uintptr(at), uintptr(n), uintptr(further), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(done), nil
}
