// Package socket has stream sockets as a proxy wants them: thousands of short waits, each for the next
// word of somebody who mostly has not said it yet.
//
// On Linux they are taken from package net, and a poller of our own tells of them. Package net asks a
// socket before it sleeps, each time, for it forgets what its poller told; and around each call that may
// block the runtime gives a processor up and takes it back. Here what is known is kept from one wait to
// the next, and no call blocks. Elsewhere they stay as package net has them.
package socket

import (
	"net"
	"syscall"
	"time"
)

// Of takes c over: what it returns stands for c from then on, and c may not be used any more. Where the
// system has no better, or c is no TCP or Unix socket, that is c itself. As of every net.Conn, one
// goroutine may read and another write at a time, and everybody may close it and set deadlines.
func Of(c net.Conn) net.Conn { return take(c) }

// Accepted is Of for a connection to a client. Under load its writes wait a little, to be made together with those
// of others; so what the peer says meanwhile comes to be known only after they have left.
func Accepted(c net.Conn) net.Conn { return share(take(c)) }

// An Asker can be asked: it sends a request on a connection on which nobody has anything to say, and
// reads the first bytes of the answer into p.
//
// The error is io.EOF also where the peer had closed the connection, or had spoken, as far as the poller
// has told; sent is zero where nothing was sent. Where the socket did not take all of request, rest is
// what is left, and n and err are zero.
type Asker interface {
	Ask(request, p []byte) (n int, rest []byte, sent time.Time, err error)
	// Silent tells that Ask need not ask the socket before it sends: nothing has come since the last read, and the
	// poller has listened since, or will before the request is sent. While somebody reads it may not be called.
	Silent() bool
}

// Quiet asks a socket, and tells that it is open and nothing waits to be read; on Windows, that nothing waits
// to be read. Of what is no socket it is said always.
func Quiet(c net.Conn) bool {
	s, ok := c.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return false
	}
	quiet := false
	err = raw.Control(func(fd uintptr) { quiet = nothingWaits(fd) })
	return err == nil && quiet
}
