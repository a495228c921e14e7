package socket

import (
	"errors"
	"io"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// pipeful is how much is asked to go through a pipe at once; it takes what it has room for.
const pipeful = 1 << 20

// A Pipe is what bytes go through from socket to socket in the system, without coming to us (splice(2)).
type Pipe struct {
	to, from *conn
	in, out  int // ends
	holds    int // bytes that have not come out
}

// NewPipe leads from one connection to another, which Of has taken over; else the error is ErrUnsupported. It
// is to be closed; it closes neither of them.
func NewPipe(to, from net.Conn) (*Pipe, error) {
	a, sinks := to.(*conn)
	b, gives := from.(*conn)
	if !sinks || !gives {
		return nil, errors.ErrUnsupported
	}
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, err
	}
	return &Pipe{to: a, from: b, in: ends[1], out: ends[0]}, nil
}

// Close loses what has not come out.
func (p *Pipe) Close() {
	_ = syscall.Close(p.in) // nobody else knows them
	_ = syscall.Close(p.out)
}

// Move moves bytes until it were most, or those that come end, which is io.EOF. It meets the deadlines of
// both connections, and can go on behind them.
func (p *Pipe) Move(most int64) (moved int64, err error) {
	for moved < most {
		if p.holds == 0 {
			if err := p.fill(int(min(most-moved, pipeful))); err != nil {
				return moved, err
			}
		}
		n, err := p.empty()
		moved += n
		if err != nil {
			return moved, err
		}
	}
	return moved, nil
}

// fill waits for bytes.
func (p *Pipe) fill(most int) error {
	var n int64
	var errno error
	err := (*raw)(p.from).Read(func(fd uintptr) (done bool) {
		n, errno = splice(int(fd), p.in, most)
		return errno != unix.EAGAIN
	})
	switch {
	case err != nil:
		return err
	case errno != nil:
		return errno
	case n == 0:
		return io.EOF
	}
	p.holds = int(n)
	return nil
}

// empty has all come out.
func (p *Pipe) empty() (moved int64, err error) {
	var errno error
	err = (*raw)(p.to).Write(func(fd uintptr) (done bool) {
		for p.holds > 0 {
			var n int64
			if n, errno = splice(p.out, int(fd), p.holds); errno != nil {
				return errno != unix.EAGAIN
			}
			p.holds -= int(n)
			moved += n
		}
		return true
	})
	if err == nil {
		err = errno
	}
	return moved, err
}

func splice(from, to, most int) (int64, error) {
	for {
		n, err := unix.Splice(from, nil, to, nil, most, unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MOVE)
		if err != unix.EINTR {
			return max(0, int64(n)), err
		}
	}
}
