//go:build !linux && !darwin

package ingress

import "net"

func boundUnsent(net.Conn) {}
