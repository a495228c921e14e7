package socket

import (
	"net"
	"syscall"
	"unsafe"
)

// fionread asks how many bytes can be read at once.
const fionread = 0x4004667f

// Quiet tells that nothing waits to be read on a connection; of what is no socket it is said always.
func Quiet(c net.Conn) bool {
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
		var waiting, returned uint32
		err := syscall.WSAIoctl(syscall.Handle(fd), fionread, nil, 0, (*byte)(unsafe.Pointer(&waiting)), uint32(unsafe.Sizeof(waiting)), &returned, nil, 0)
		silent = err == nil && waiting == 0
	})
	return err == nil && silent
}
