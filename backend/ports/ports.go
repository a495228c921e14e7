// Package ports finds the local ports on which programs listen, and whose they are.
package ports

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
)

// Port is a TCP port on which a program of this machine listens.
type Port struct {
	Port    int
	Address string // the IP address it is bound to: "127.0.0.1", "::", …
	PID     int    // 0 where the system does not tell whose it is
	Process string // "node"; "" where PID is 0
	Detail  string // the script it runs and the folder it runs in, as far as the system tells
	HTTP    bool   // it answered like an HTTP server; never asked of our own ports
}

// listener is a listening socket as the system tells of it; pid is 0 where it does not say.
type listener struct {
	address netip.AddrPort
	pid     int
}

// process is what the system tells of a running program.
type process struct {
	name string   // of its executable, without a folder
	args []string // its command line; the first is the program itself
	dir  string   // the folder it runs in; "" where the system does not tell
}

// Finder finds the ports and remembers which of them speak HTTP: who looks again and again asks each
// server once, and one that did not answer less and less often. Its zero value is ready.
type Finder struct {
	mu    sync.Mutex
	asked map[listener]answer // of the servers that were there the last time
}

// Listening are the ports, ascending. A server that listens on several addresses of one port, or in
// several processes, is there once. Those that can be reached over loopback are asked whether they
// speak HTTP, which takes a second at most.
func (f *Finder) Listening(ctx context.Context) ([]Port, error) {
	found, err := listeners(ctx)
	if err != nil {
		return nil, err
	}
	return f.describe(ctx, once(found)), nil
}

// describe finds out whose the ports are and what they speak.
func (f *Finder) describe(ctx context.Context, found []listener) []Port {
	speak := f.ask(ctx, found)
	about := processes(ctx, pidsOf(found))
	out := make([]Port, 0, len(found))
	for _, l := range found {
		p := about[l.pid]
		out = append(out, Port{
			Port: int(l.address.Port()), Address: l.address.Addr().String(), PID: l.pid, Process: p.name, Detail: p.detail(),
			HTTP: speak[l].http,
		})
	}
	return out
}

// Owner names who listens on address ("127.0.0.1:8080", ":8080"), as in "node (pid 4711)"; "" when
// nobody does or the system does not tell. This process is named only where nobody else is in the way.
func Owner(address string) string {
	want, err := parseAddress(address)
	if err != nil {
		return ""
	}
	found, err := listeners(context.Background())
	if err != nil {
		return ""
	}
	slices.SortFunc(found, inOrder)
	pid := 0
	for _, l := range found {
		if l.pid != 0 && (pid == 0 || pid == os.Getpid()) && collide(l.address, want) {
			pid = l.pid
		}
	}
	if pid == 0 {
		return ""
	}
	return fmt.Sprintf("%s (pid %d)", cmp.Or(processes(context.Background(), []int{pid})[pid].name, "a program"), pid)
}

// parseAddress reads an address to listen on; a host that is empty, or a name, is any address.
func parseAddress(address string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddrPort(address); err == nil {
		return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port()), nil
	}
	return netip.ParseAddrPort("0.0.0.0" + address[max(0, strings.LastIndexByte(address, ':')):])
}

// collide tells whether two sockets cannot listen on both.
func collide(a, b netip.AddrPort) bool {
	return a.Port() == b.Port() && (a.Addr() == b.Addr() || a.Addr().IsUnspecified() || b.Addr().IsUnspecified())
}

// once leaves one listener a port and process, the one that is easiest to reach; workers that share a
// socket are the first of them.
func once(all []listener) []listener {
	slices.SortFunc(all, inOrder)
	all = slices.CompactFunc(all, func(a, b listener) bool { return a.address == b.address })
	type server struct {
		port uint16
		pid  int
	}
	seen := map[server]bool{}
	return slices.DeleteFunc(all, func(l listener) bool {
		s := server{l.address.Port(), l.pid}
		was := seen[s]
		seen[s] = true
		return was
	})
}

// inOrder sorts by port, then by how easily an address is reached, then by process: the known before
// the unknown, the parent before its workers.
func inOrder(a, b listener) int {
	return cmp.Or(
		cmp.Compare(a.address.Port(), b.address.Port()),
		cmp.Compare(distance(a.address.Addr()), distance(b.address.Addr())),
		a.address.Addr().Compare(b.address.Addr()),
		cmp.Compare(uint(a.pid-1), uint(b.pid-1)), // 0 becomes the largest
	)
}

// distance is least for what listens everywhere, more for loopback, most for what only others reach;
// IPv4 comes first.
func distance(a netip.Addr) int {
	d := 4
	switch {
	case a.IsUnspecified():
		d = 0
	case a.IsLoopback():
		d = 2
	}
	if a.Is6() {
		d++
	}
	return d
}

func pidsOf(all []listener) []int {
	var out []int
	for _, l := range all {
		if l.pid != 0 {
			out = append(out, l.pid)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
