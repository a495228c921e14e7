//go:build !linux

package ingress

import "net"

const splices = false

func taken(net.Conn) int64 { return 0 }
