package socket

import (
	"syscall"
	"unsafe"
)

// fionread asks how many bytes can be read at once.
const fionread = 0x4004667f

// nothingWaits tells that nothing waits to be read; of an end nothing is known.
func nothingWaits(fd uintptr) bool {
	var waiting, returned uint32
	err := syscall.WSAIoctl(syscall.Handle(fd), fionread, nil, 0, (*byte)(unsafe.Pointer(&waiting)), uint32(unsafe.Sizeof(waiting)), &returned, nil, 0)
	return err == nil && waiting == 0
}
