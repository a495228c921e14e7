// Package socket reads and writes the system's sockets without the ceremony around a call that may
// block: Go's sockets never do.
//
// Around each system call the runtime gives the processor up, and takes it back behind it; where many
// short ones follow one another, as in a proxy, it begins to move processors between threads. A call
// that cannot block needs none of that (see syscall.RawSyscall).
package socket

import (
	"io"
	"net"
	"syscall"
	"time"
)

// Conn is a connection in the clear. One goroutine may read or ask and another write at a time;
// everything else is that of the connection below, which is used where the system offers no more.
type Conn struct {
	net.Conn
	raw   syscall.RawConn // nil where the connection below is no socket
	waits bool            // the system tells when raw can be read or written

	// Functions that are made once, and what they work on.
	onRead, onWrite, onAsk, onLook func(fd uintptr) (done bool)
	in, out, request               []byte
	received, written              int
	readError, writeError          error
	sent                           time.Time
	silent                         bool
}

// Of is c, with its reads and writes done here. Closing either closes both.
func Of(c net.Conn) *Conn {
	s := &Conn{Conn: c}
	if below, ok := c.(syscall.Conn); ok {
		if raw, err := below.SyscallConn(); err == nil {
			s.raw = raw
			s.open()
		}
	}
	return s
}

// Below is the connection that Of was given.
func (s *Conn) Below() net.Conn { return s.Conn }

// Read reads once what is there, and waits for something. The end is io.EOF.
func (s *Conn) Read(p []byte) (int, error) {
	if !s.waits || len(p) == 0 {
		return s.Conn.Read(p)
	}
	s.in, s.received, s.readError = p, 0, nil
	err := s.raw.Read(s.onRead)
	s.in = nil
	if err != nil {
		return 0, err
	}
	return s.received, s.readError
}

func (s *Conn) read(fd uintptr) (done bool) {
	n, err := tryRead(fd, s.in)
	if again(err) {
		return false
	}
	if n == 0 && err == nil {
		err = io.EOF
	}
	s.received, s.readError = n, err
	return true
}

// Write writes all of p, or returns why not.
func (s *Conn) Write(p []byte) (int, error) {
	if !s.waits || len(p) == 0 {
		return s.Conn.Write(p)
	}
	s.out, s.written, s.writeError = p, 0, nil
	err := s.raw.Write(s.onWrite)
	s.out = nil
	if err == nil {
		err = s.writeError
	}
	return s.written, err
}

func (s *Conn) write(fd uintptr) (done bool) {
	for s.written < len(s.out) {
		n, err := tryWrite(fd, s.out[s.written:])
		s.written += n
		if again(err) {
			return false
		}
		if err != nil {
			s.writeError = err
			return true
		}
	}
	return true
}

// Asks tells that Ask is possible.
func (s *Conn) Asks() bool { return s.waits }

// Ask sends request on a connection on which nobody has anything to say, and reads the first bytes of
// the answer into p, in one wait: look, send, sleep, read. Looking first tells that nobody spoke
// unasked, and that whatever comes from then on wakes the sleeper: the look that a caller would do
// before, and the read in vain between sending and sleeping, are saved.
//
// The error is io.EOF also where the peer had closed the connection, or had spoken; sent is zero where
// nothing was sent. Where the socket did not take all of request, rest is what is left, and n and err
// are zero.
func (s *Conn) Ask(request, p []byte) (n int, rest []byte, sent time.Time, err error) {
	s.request, s.in, s.received, s.readError, s.sent = request, p, 0, nil, time.Time{}
	err = s.raw.Read(s.onAsk)
	rest = s.request
	s.request, s.in = nil, nil
	if err == nil {
		err = s.readError
	}
	return s.received, rest, s.sent, err
}

// ask is called until it is done, each time when there may be something to read.
func (s *Conn) ask(fd uintptr) (done bool) {
	if len(s.request) == 0 {
		return s.read(fd)
	}
	if _, err := tryRead(fd, s.in); !again(err) {
		s.readError = io.EOF
		return true
	}
	n, err := tryWrite(fd, s.request)
	if n > 0 {
		s.sent = time.Now()
		s.request = s.request[n:]
	}
	if err != nil && !again(err) {
		s.readError = err
		return true
	}
	return len(s.request) > 0
}

// Quiet tells that the connection is open and nothing waits to be read; on Windows, that nothing waits
// to be read.
func (s *Conn) Quiet() bool { return s.raw == nil || s.quiet() }
