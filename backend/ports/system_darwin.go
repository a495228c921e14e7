package ports

import (
	"context"
	"encoding/binary"
	"os/exec"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"proxycache/backend/problem"
)

// lsof is part of macOS; the system has no other way to ask for the owner of a socket without C.
const lsof = "/usr/sbin/lsof"

func listeners(ctx context.Context) ([]listener, error) {
	text, err := exec.CommandContext(ctx, lsof, "-nP", "-iTCP", "-sTCP:LISTEN", "-Fpn").Output()
	if err != nil && len(text) == 0 { // it also ends with 1 when it could not look at everything
		return nil, problem.Wrap(problem.Unavailable, err, "Looking for local ports with %s: %v. Name the server by its port instead.", lsof, err)
	}
	var out []listener
	readLsof(string(text), func(pid int, name string) {
		if a, ok := lsofAddress(name); ok {
			out = append(out, listener{address: a, pid: pid})
		}
	})
	return out, nil
}

func processes(ctx context.Context, pids []int) map[int]process {
	out := map[int]process{}
	var list []string
	for _, pid := range pids {
		list = append(list, strconv.Itoa(pid))
		raw, err := unix.SysctlRaw("kern.procargs2", pid)
		if err != nil || len(raw) < 4 { // it is another user's, or over
			continue
		}
		file, args := readProcArgs(raw[4:], int(binary.NativeEndian.Uint32(raw)))
		out[pid] = process{name: path.Base(file), args: args}
	}
	if len(list) == 0 {
		return out
	}
	text, _ := exec.CommandContext(ctx, lsof, "-a", "-d", "cwd", "-Fpn", "-p", strings.Join(list, ",")).Output() // without it the folders are not known
	readLsof(string(text), func(pid int, name string) {
		p := out[pid]
		p.dir = name
		out[pid] = p
	})
	return out
}
