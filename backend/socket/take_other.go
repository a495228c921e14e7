//go:build !linux

package socket

import (
	"errors"
	"net"
)

func take(c net.Conn) net.Conn  { return c }
func share(c net.Conn) net.Conn { return c }

// A Pipe is what bytes go through from socket to socket in the system.
type Pipe struct{}

// NewPipe fails: the system has none.
func NewPipe(to, from net.Conn) (*Pipe, error) { return nil, errors.ErrUnsupported }

// Fill has nothing.
func (*Pipe) Fill(most int64) (int, error) { return 0, errors.ErrUnsupported }

// Empty has nothing to write.
func (*Pipe) Empty() (int, error) { return 0, errors.ErrUnsupported }

// Close does nothing.
func (*Pipe) Close() {}
