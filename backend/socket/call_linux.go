//go:build !race

package socket

import (
	"syscall"
	"unsafe"
)

// receive and send are calls the runtime is not told of. Nor is the race detector, which would miss that
// what one side wrote happened before the other read it: with it, package syscall makes them.

func receive(fd int, p []byte) (int, error) { return call(syscall.SYS_RECVFROM, fd, p) }

func send(fd int, p []byte) (int, error) { return call(syscall.SYS_SENDTO, fd, p) }

// call is recv or send: read and write do the same by way of what files have and sockets have not.
// MSG_NOSIGNAL says nothing to recv.
func call(number uintptr, fd int, p []byte) (int, error) {
	for {
		n, _, errno := syscall.RawSyscall6(number, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case syscall.EAGAIN:
			return 0, syscall.EAGAIN // an error value made once: this is the usual one
		case syscall.EINTR:
		default:
			return 0, errno
		}
	}
}
