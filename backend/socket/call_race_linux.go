//go:build race

package socket

import "syscall"

func receive(fd int, p []byte) (int, error) {
	for {
		n, err := syscall.Read(fd, p)
		if err != syscall.EINTR {
			return max(0, n), err
		}
	}
}

func send(fd int, p []byte) (int, error) {
	for {
		n, err := syscall.Write(fd, p)
		if err != syscall.EINTR {
			return max(0, n), err
		}
	}
}
