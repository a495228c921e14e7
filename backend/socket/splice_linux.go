package socket

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// pipeful is how much a pipe is asked to hold: with more, it costs no less, and keeps more in the system for a
// peer that takes nothing.
const pipeful = 64 << 10

// A Pipe is what bytes go through from socket to socket in the system, without coming to us (splice(2)).
type Pipe struct {
	to, from *conn
	in, out  int // ends
	holds    int // bytes that have not come out
}

// pipes are the open ones. Connections come first where descriptors are few, and the system gives all
// programs of a user the pages of 1024 pipes together (see pipe(7)).
var pipes atomic.Int64

var mostPipes = sync.OnceValue(func() int64 {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil {
		return 0
	}
	return int64(min(512, l.Cur/16))
})

// NewPipe leads from one connection to another, which Of has taken over; else, and where too many are open, the
// error is ErrUnsupported. It is to be closed, once; it closes neither of them.
func NewPipe(to, from net.Conn) (*Pipe, error) {
	a, sinks := to.(*conn)
	b, gives := from.(*conn)
	if !sinks || !gives {
		return nil, errors.ErrUnsupported
	}
	if pipes.Add(1) > mostPipes() {
		pipes.Add(-1)
		return nil, errors.ErrUnsupported
	}
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		pipes.Add(-1)
		return nil, err
	}
	return &Pipe{to: a, from: b, in: ends[1], out: ends[0]}, nil
}

// Close loses what has not come out.
func (p *Pipe) Close() {
	_ = syscall.Close(p.in) // nobody else knows them
	_ = syscall.Close(p.out)
	pipes.Add(-1)
}

// Fill is a Read of at most so many bytes into the pipe, in which nothing may be. Where the error is
// ErrUnsupported, Read is to be asked: bytes have come that cannot pass, as those behind urgent ones, or the
// system lets none pass.
func (p *Pipe) Fill(most int64) (int, error) {
	var n int64
	var err error
	failed := (*raw)(p.from).Read(func(fd uintptr) (done bool) {
		n, err = splice(int(fd), p.in, int(min(most, pipeful)))
		switch {
		case n > 0:
		case err == nil && bytesWait(int(fd)), // urgent ones, and the end behind them
			err == unix.EAGAIN && p.from.urgent.Load() && readableNow(int(fd)),
			err == unix.EINVAL, err == unix.EPERM, err == unix.ENOMEM: // not from this socket, not here, not now
			err = errors.ErrUnsupported
		}
		return err != unix.EAGAIN
	})
	switch {
	case failed != nil:
		return 0, failed
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	p.holds = int(n)
	return p.holds, nil
}

// Empty writes all that the pipe holds, or returns why not; it can go on behind a deadline.
func (p *Pipe) Empty() (moved int, err error) {
	failed := (*raw)(p.to).Write(func(fd uintptr) (done bool) {
		for p.holds > 0 {
			var n int64
			if n, err = splice(p.out, int(fd), p.holds); err != nil {
				return err != unix.EAGAIN
			}
			p.holds -= int(n)
			moved += int(n)
		}
		return true
	})
	if failed != nil {
		err = failed
	}
	return moved, err
}

// bytesWait tells that there is something to read where a splice has found the end: it finds that at urgent
// bytes, too.
func bytesWait(fd int) bool {
	n, _, err := unix.Recvfrom(fd, make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
	return n > 0 && err == nil
}

func splice(from, to, most int) (int64, error) {
	for {
		n, err := unix.Splice(from, nil, to, nil, most, unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
		if err != unix.EINTR {
			return max(0, int64(n)), err
		}
	}
}
