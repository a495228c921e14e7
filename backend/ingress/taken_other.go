//go:build !linux

package ingress

import "net"

func taken(net.Conn) int64 { return 0 }
