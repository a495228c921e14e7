//go:build !linux && !darwin

package socket

import "net"

// BoundUnsent does nothing here: the system has no such bound.
func BoundUnsent(net.Conn) {}
