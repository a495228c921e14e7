package upstream

import (
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// goneAfter is how long a peer may acknowledge nothing.
const goneAfter = time.Minute

// noticeGone has the system end a connection whose peer has gone without a word, with what was sent to it or
// without. The keep-alive that every dialled connection has, each 15 seconds, asks only while nothing is
// on its way: what is, the system would send again for a quarter of an hour.
func noticeGone(conn net.Conn) {
	s, ok := conn.(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := s.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { // a system that cannot does as it did
			_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(goneAfter.Milliseconds()))
		})
	}
}
