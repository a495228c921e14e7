package socket

import (
	"syscall"
	"unsafe"
)

// fionread asks how many bytes can be read at once.
const fionread = 0x4004667f

// open leaves reads and writes to the connection below: sockets tell here of what was done, not of
// what can be done.
func (s *Conn) open() { s.onLook = s.look }

func (s *Conn) quiet() bool {
	err := s.raw.Control(func(fd uintptr) { s.onLook(fd) })
	return err == nil && s.silent
}

func (s *Conn) look(fd uintptr) (done bool) {
	var waiting, returned uint32
	err := syscall.WSAIoctl(syscall.Handle(fd), fionread, nil, 0, (*byte)(unsafe.Pointer(&waiting)), uint32(unsafe.Sizeof(waiting)), &returned, nil, 0)
	s.silent = err == nil && waiting == 0
	return true
}

func tryRead(uintptr, []byte) (int, error)  { return 0, syscall.EWINDOWS }
func tryWrite(uintptr, []byte) (int, error) { return 0, syscall.EWINDOWS }
func again(error) bool                      { return false }
