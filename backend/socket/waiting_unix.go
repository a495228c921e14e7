//go:build unix

package socket

import "syscall"

// nothingWaits tells that a socket is open and nothing waits to be read.
func nothingWaits(fd uintptr) bool {
	var b [1]byte
	_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
	return err == syscall.EAGAIN || err == syscall.EWOULDBLOCK
}
