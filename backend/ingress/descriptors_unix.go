//go:build unix

package ingress

import (
	"math"
	"syscall"
)

// descriptors is how many connections the files that the process may open are enough for. The rest is
// for connections to servers, and for our own files. The runtime has raised the soft limit to the hard
// one.
func descriptors() int {
	var l syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l) != nil {
		return math.MaxInt32
	}
	return max(1, int(min(l.Cur, math.MaxInt32)/4*3))
}
