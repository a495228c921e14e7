package ports

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"proxycache/backend/problem"
)

// listeners reads /proc/net/tcp and finds the processes that hold the sockets. Those of other users
// have no process here, unless we are root.
func listeners(context.Context) ([]listener, error) {
	sockets := map[string]netip.AddrPort{} // by inode
	for _, file := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(file)
		if err != nil && file == "/proc/net/tcp" { // a machine without IPv6 lacks the other
			return nil, problem.Wrap(problem.Unavailable, err, "Looking for local ports: %v. Name the server by its port instead.", err)
		}
		readTable(string(text), sockets)
	}
	holders := socketHolders(sockets)
	var out []listener
	for inode, address := range sockets {
		if len(holders[inode]) == 0 {
			out = append(out, listener{address: address})
		}
		for _, pid := range holders[inode] {
			out = append(out, listener{address: address, pid: pid})
		}
	}
	return out, nil
}

// readTable reads the rows in state LISTEN (0A): "sl local_address rem_address st … inode".
func readTable(text string, sockets map[string]netip.AddrPort) {
	for line := range strings.Lines(text) {
		column := strings.Fields(line)
		if len(column) < 10 || column[3] != "0A" {
			continue
		}
		if a, ok := readAddress(column[1]); ok {
			sockets[column[9]] = a
		}
	}
}

// readAddress reads "0100007F:1F90": the address as 32-bit words in the byte order of the machine,
// the port as a number.
func readAddress(s string) (netip.AddrPort, bool) {
	host, port, _ := strings.Cut(s, ":")
	raw, err := hex.DecodeString(host)
	n, errPort := strconv.ParseUint(port, 16, 16)
	if err != nil || errPort != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	ip, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(ip.Unmap(), uint16(n)), ok
}

// socketHolders are the processes that hold each socket, as far as we may look.
func socketHolders(sockets map[string]netip.AddrPort) map[string][]int {
	out := map[string][]int{}
	all, err := os.ReadDir("/proc")
	if err != nil {
		return out
	}
	for _, entry := range all {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		folder := filepath.Join("/proc", entry.Name(), "fd")
		open, err := os.ReadDir(folder)
		if err != nil { // it is another user's, or over
			continue
		}
		for _, fd := range open {
			link, err := os.Readlink(filepath.Join(folder, fd.Name()))
			inode, ok := strings.CutPrefix(link, "socket:[")
			inode = strings.TrimSuffix(inode, "]")
			if _, listens := sockets[inode]; err == nil && ok && listens {
				out[inode] = append(out[inode], pid)
			}
		}
	}
	return out
}

func processes(_ context.Context, pids []int) map[int]process {
	out := map[int]process{}
	for _, pid := range pids {
		folder := filepath.Join("/proc", strconv.Itoa(pid))
		var p process
		if text, err := os.ReadFile(filepath.Join(folder, "cmdline")); err == nil && len(text) > 0 {
			p.args = strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
		}
		if exe, err := os.Readlink(filepath.Join(folder, "exe")); err == nil {
			p.name = filepath.Base(strings.TrimSuffix(exe, " (deleted)"))
		} else if comm, err := os.ReadFile(filepath.Join(folder, "comm")); err == nil {
			p.name = strings.TrimSpace(string(comm))
		}
		p.dir, _ = os.Readlink(filepath.Join(folder, "cwd")) // not told of other users' processes
		out[pid] = p
	}
	return out
}
