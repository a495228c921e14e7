//go:build unix

package socket

import "syscall"

func (s *Conn) open() {
	s.waits = true
	s.onRead, s.onWrite, s.onAsk, s.onLook = s.read, s.write, s.ask, s.look
}

func (s *Conn) quiet() bool { return s.raw.Read(s.onLook) == nil && s.silent }

func (s *Conn) look(fd uintptr) (done bool) {
	var b [1]byte
	_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
	s.silent = again(err)
	return true
}

func again(err error) bool { return err == syscall.EAGAIN || err == syscall.EWOULDBLOCK }
