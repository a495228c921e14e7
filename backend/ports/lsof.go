package ports

import (
	"net/netip"
	"strconv"
	"strings"
)

// readLsof reads what "lsof -F pn" tells: a line "p4711" for a process, then "n" lines with the name
// of each of its files.
func readLsof(text string, file func(pid int, name string)) {
	pid := 0
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "p"):
			pid, _ = strconv.Atoi(line[1:]) // lsof writes nothing but digits there
		case strings.HasPrefix(line, "n"):
			file(pid, line[1:])
		}
	}
}

// lsofAddress reads "127.0.0.1:8080", "[::1]:8080" and "*:8080".
func lsofAddress(name string) (netip.AddrPort, bool) {
	if port, ok := strings.CutPrefix(name, "*:"); ok {
		name = "0.0.0.0:" + port
	}
	a, err := netip.ParseAddrPort(name)
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port()), err == nil
}

// readProcArgs reads the answer of sysctl kern.procargs2: the number of arguments (32 bits), the path
// of the executable, NULs, the arguments, then the environment, which is left alone.
func readProcArgs(raw []byte, count int) (path string, args []string) {
	rest := string(raw)
	path, rest, _ = strings.Cut(rest, "\x00")
	rest = strings.TrimLeft(rest, "\x00")
	for len(args) < count && rest != "" {
		var arg string
		arg, rest, _ = strings.Cut(rest, "\x00")
		args = append(args, arg)
	}
	return path, args
}
