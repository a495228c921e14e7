//go:build !linux

package upstream

import "net"

// noticeGone leaves it to the keep-alive that every dialled connection has, and to the system's own patience
// with what it has sent.
func noticeGone(net.Conn) {}
