//go:build linux || darwin

package socket

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// unsentMost is how many bytes wait in the system for a peer that takes them slowly.
const unsentMost = 128 << 10

// BoundUnsent has the system tell of room again as soon as unsentMost is not exceeded. Without it a
// writer sleeps until a third of a buffer of megabytes is empty, and a peer that takes little at a
// time looks like one that takes nothing.
func BoundUnsent(conn net.Conn) {
	s, ok := conn.(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := s.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { // a system that cannot does as it did
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, unsentMost)
		})
	}
}
