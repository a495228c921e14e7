package upstream

import (
	"net"
	"syscall"
	"unsafe"
)

// fionread asks how many bytes can be read at once.
const fionread = 0x4004667f

func (w *watch) open(socket net.Conn) {
	s, ok := socket.(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := s.SyscallConn(); err == nil {
		w.raw, w.look = raw, w.peek
	}
}

func (w *watch) peek(fd uintptr) bool {
	var waiting, returned uint32
	err := syscall.WSAIoctl(syscall.Handle(fd), fionread, nil, 0, (*byte)(unsafe.Pointer(&waiting)), uint32(unsafe.Sizeof(waiting)), &returned, nil, 0)
	w.calm = err == nil && waiting == 0
	return true
}

// quiet does not see here that the peer has closed; the exchange is repeated then.
func (w *watch) quiet() bool {
	if w.raw == nil {
		return true
	}
	err := w.raw.Control(func(fd uintptr) { w.look(fd) })
	return err == nil && w.calm
}
