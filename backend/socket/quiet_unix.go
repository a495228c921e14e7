//go:build unix

package socket

import (
	"net"
	"syscall"
)

// Quiet tells that a connection is open and nothing waits to be read; of what is no socket it is said
// always.
func Quiet(c net.Conn) bool {
	if c, ok := c.(interface{ quiet() bool }); ok {
		return c.quiet()
	}
	s, ok := c.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return false
	}
	silent := false
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
		silent = again(err)
	})
	return err == nil && silent
}

func again(err error) bool { return err == syscall.EAGAIN || err == syscall.EWOULDBLOCK }
