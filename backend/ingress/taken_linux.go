package ingress

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// taken is how many bytes the other end of a connection has taken so far; 0 where that cannot be known.
func taken(conn net.Conn) (n int64) {
	s, ok := conn.(syscall.Conn)
	if !ok {
		return 0
	}
	if raw, err := s.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { // a connection that is closed takes nothing more
			if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
				n = int64(info.Bytes_acked)
			}
		})
	}
	return n
}
