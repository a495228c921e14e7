//go:build unix

package upstream

import (
	"net"
	"syscall"
)

func (w *watch) open(socket net.Conn) {
	s, ok := socket.(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := s.SyscallConn(); err == nil {
		w.raw, w.look = raw, w.peek
	}
}

// peek never blocks: Go's sockets do not.
func (w *watch) peek(fd uintptr) bool {
	var b [1]byte
	_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
	w.calm = err == syscall.EAGAIN || err == syscall.EWOULDBLOCK
	return true
}

func (w *watch) quiet() bool {
	if w.raw == nil {
		return true
	}
	return w.raw.Read(w.look) == nil && w.calm
}
