package socket

import (
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// conn is a socket that a poller tells of.
type conn struct {
	fd            int
	uses          atomic.Int64 // calls that are being made; with closed in it, no new one may begin
	in, out       side
	unsure        atomic.Bool // what less than was asked for leaves is not known; see receive
	urgent        atomic.Bool // urgent bytes came; see receive
	shares        bool        // its writes are made together with those of others
	local, remote net.Addr
	poller        *poller
	number        uint32 // tells it from others that had its descriptor before

	// These belong to who reads. dry says that nothing was left when it read last, which was when the poller
	// had begun to listen for the heard-th time: what has come since is told by in.news.
	dry   bool
	heard uint64
}

const closed = 1 << 32

// take takes a socket's descriptor from package net. Where that is not possible, for want of descriptors
// above all, c stays what it is.
func take(c net.Conn) net.Conn {
	switch c.(type) {
	case *net.TCPConn, *net.UnixConn:
	default:
		return c
	}
	if p := thePoller(); p != nil {
		return p.take(c)
	}
	return c
}

func (p *poller) take(c net.Conn) net.Conn {
	raw, err := c.(syscall.Conn).SyscallConn()
	if err != nil {
		return c
	}
	fd := -1
	// Another number for the same socket: the poller of package net forgets it with the first one.
	if err := raw.Control(func(first uintptr) { fd, err = unix.FcntlInt(first, unix.F_DUPFD_CLOEXEC, 0) }); err != nil || fd < 0 {
		return c
	}
	s := &conn{fd: fd, local: c.LocalAddr(), remote: c.RemoteAddr()}
	s.in.open(fd)
	s.out.open(fd)
	s.out.job.sends, s.out.job.reply = true, &s.in.job
	if _, ok := c.(*net.UnixConn); ok {
		s.unsure.Store(true) // a read ends at what was sent with a right, too
	}
	if p.watch(s) != nil {
		_ = syscall.Close(fd)
		return c
	}
	_ = c.Close() // of the first number alone
	return s
}

// share has writes of a connection that was taken made together with those of others.
func share(c net.Conn) net.Conn {
	if s, ok := c.(*conn); ok {
		s.shares = true
	}
	return c
}

// use begins a call; false when the connection was closed.
func (c *conn) use() bool {
	for {
		n := c.uses.Load()
		if n&closed != 0 {
			return false
		}
		if c.uses.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// done ends what use has begun. The last one closes the descriptor: nobody may meet another connection
// by its number.
func (c *conn) done() {
	if c.uses.Add(-1) == closed {
		c.poller.forget(c)
		_ = syscall.Close(c.fd) // what it says of that helps nobody
	}
}

// Close ends running and later reads and writes with net.ErrClosed.
func (c *conn) Close() error {
	for {
		n := c.uses.Load()
		if n&closed != 0 {
			return net.ErrClosed
		}
		if c.uses.CompareAndSwap(n, n+1|closed) {
			break
		}
	}
	c.in.close()
	c.out.close()
	c.done()
	return nil
}

// wait waits until something may have changed on a side.
func (c *conn) wait(s *side) error {
	<-s.news
	err := c.may(s)
	if err == net.ErrClosed {
		s.tell() // whoever else may wait
	}
	return err
}

// may is why nothing may be done on a side any more, or yet.
func (c *conn) may(s *side) error {
	switch {
	case c.uses.Load()&closed != 0:
		return net.ErrClosed
	case s.late.Load():
		return os.ErrDeadlineExceeded
	}
	return nil
}

// Read reads once what is there, and waits for something. The end is io.EOF.
func (c *conn) Read(p []byte) (int, error) {
	if err := c.may(&c.in); err != nil || len(p) == 0 {
		return 0, err
	}
	for {
		if !c.dry || c.unsure.Load() {
			if n, err := c.receive(p); err != syscall.EAGAIN {
				return n, err
			}
		}
		if n, err, ok := c.lend(p); ok {
			if err == syscall.EAGAIN {
				continue
			}
			return n, err
		}
		err := c.wait(&c.in)
		c.dry = false // also where a deadline came first: the news may have been of bytes
		if err != nil {
			return 0, err
		}
	}
}

// lend has the poller read into p when something comes. It is not ok where nobody does, or something else has
// happened.
func (c *conn) lend(p []byte) (n int, err error, ok bool) {
	j := &c.in.job
	if !c.poller.makes() || !j.begin(p) {
		return 0, nil, false
	}
	if !c.use() {
		j.end()
		return 0, nil, false
	}
	j.state.Store(lent)
	if len(c.in.news) == 0 || !j.state.CompareAndSwap(lent, back) { // else nobody may tell of it again
		<-j.made
	}
	defer c.done()
	return c.lentRead()
}

// lentRead ends a read that was lent.
func (c *conn) lentRead() (n int, err error, ok bool) {
	j := &c.in.job
	asked, heard := len(j.p), j.heard
	if n, err, ok = j.end(); ok {
		n, err = c.heardOf(n, err, asked, heard)
	}
	return n, err, ok
}

// receive reads what is there. Less than there was room for is all of it (see epoll(7)), unless urgent bytes
// stand behind it. The peer's end may have been told together with the bytes, and is to be read then. Before
// urgent bytes the system has nothing to read while a signal is pending, though there is; it is asked again.
func (c *conn) receive(p []byte) (int, error) {
	if !c.use() {
		return 0, net.ErrClosed
	}
	defer c.done()
	for {
		n, err := receive(c.fd, p)
		if err != syscall.EAGAIN || !c.urgent.Load() || !readableNow(c.fd) {
			return c.heardOf(n, err, len(p), c.poller.listens.Load())
		}
	}
}

func readableNow(fd int) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0 && fds[0].Revents&unix.POLLIN != 0
}

// heardOf notes what a read says of what is left.
func (c *conn) heardOf(n int, err error, asked int, heard uint64) (int, error) {
	c.dry, c.heard = err == nil && n < asked || err == syscall.EAGAIN, heard
	if n == 0 && err == nil {
		err = io.EOF
	}
	return n, err
}

// Write writes all of p, or returns why not.
func (c *conn) Write(p []byte) (int, error) {
	if err := c.may(&c.out); err != nil {
		return 0, err
	}
	written := 0
	for written < len(p) {
		n, err := c.send(p[written:])
		written += n
		if err == syscall.EAGAIN {
			err = c.wait(&c.out)
		}
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

func (c *conn) send(p []byte) (int, error) {
	if !c.use() {
		return 0, net.ErrClosed
	}
	defer c.done()
	if j := &c.out.job; c.shares && c.poller.desk.open.Load() && j.begin(p) {
		j.state.Store(taken)
		if c.poller.desk.leave(j) {
			<-j.made
		}
		if n, err, ok := j.end(); ok {
			return n, err
		}
	}
	return send(c.fd, p)
}

// CloseWrite ends our side; what the peer still sends can be read.
func (c *conn) CloseWrite() error {
	return c.control(func(fd int) error { return syscall.Shutdown(fd, syscall.SHUT_WR) })
}

// SetLinger says what becomes of what was not sent yet at the end, as that of net.TCPConn.
func (c *conn) SetLinger(seconds int) error {
	l := syscall.Linger{Linger: int32(seconds)}
	if seconds >= 0 {
		l.Onoff = 1
	}
	return c.control(func(fd int) error { return syscall.SetsockoptLinger(fd, syscall.SOL_SOCKET, syscall.SO_LINGER, &l) })
}

// mptcpInfo is what only a connection with several paths tells of itself.
const mptcpInfo = 1

// MultipathTCP tells that the connection has several paths now (RFC 8684), as that of net.TCPConn.
func (c *conn) MultipathTCP() (bool, error) {
	several := false
	err := c.control(func(fd int) error {
		_, err := unix.GetsockoptInt(fd, unix.SOL_MPTCP, mptcpInfo)
		several = err == nil
		return nil
	})
	return several, err
}

func (c *conn) control(f func(fd int) error) error {
	if !c.use() {
		return net.ErrClosed
	}
	defer c.done()
	return f(c.fd)
}

func (c *conn) LocalAddr() net.Addr  { return c.local }
func (c *conn) RemoteAddr() net.Addr { return c.remote }

func (c *conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

func (c *conn) SetReadDeadline(t time.Time) error { return c.setDeadline(&c.in, t) }

func (c *conn) SetWriteDeadline(t time.Time) error { return c.setDeadline(&c.out, t) }

func (c *conn) setDeadline(s *side, t time.Time) error {
	if !c.use() {
		return net.ErrClosed
	}
	defer c.done()
	s.setDeadline(t)
	return nil
}

// SyscallConn is the socket itself, for what nobody else asks of it.
func (c *conn) SyscallConn() (syscall.RawConn, error) { return (*raw)(c), nil }

type raw conn

func (r *raw) Control(f func(fd uintptr)) error {
	return (*conn)(r).control(func(fd int) error {
		f(uintptr(fd))
		return nil
	})
}

// Read calls f, which need not read, each time when there may be something to read, until it is done.
func (r *raw) Read(f func(fd uintptr) (done bool)) error {
	r.dry = false
	return r.until(&r.in, f)
}

// Write calls f each time when something may be written, until it is done.
func (r *raw) Write(f func(fd uintptr) (done bool)) error { return r.until(&r.out, f) }

func (r *raw) until(s *side, f func(fd uintptr) (done bool)) error {
	err := (*conn)(r).may(s)
	for ; err == nil; err = (*conn)(r).wait(s) {
		done := false
		if err := r.Control(func(fd uintptr) { done = f(fd) }); err != nil || done {
			return err
		}
	}
	return err
}
