package ports

import (
	"context"
	"errors"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/windows"

	"proxycache/backend/problem"
)

var getExtendedTCPTable = windows.NewLazySystemDLL("iphlpapi.dll").NewProc("GetExtendedTcpTable")

// listenersWithOwner is TCP_TABLE_OWNER_PID_LISTENER.
const listenersWithOwner = 3

func listeners(context.Context) ([]listener, error) {
	v4, err := tcpTable(windows.AF_INET)
	if err != nil {
		return nil, problem.Wrap(problem.Unavailable, err, "Looking for local ports: %v. Name the server by its port instead.", err)
	}
	out := readTCPTable(v4, rowIPv4)
	if v6, err := tcpTable(windows.AF_INET6); err == nil { // a machine may do without IPv6
		out = append(out, readTCPTable(v6, rowIPv6)...)
	}
	return out, nil
}

// tcpTable asks until the table fits, for it may grow between two questions.
func tcpTable(family uintptr) ([]byte, error) {
	size := uint32(16 << 10)
	for range 8 {
		table := make([]byte, size)
		code, _, _ := getExtendedTCPTable.Call(uintptr(unsafe.Pointer(&table[0])), uintptr(unsafe.Pointer(&size)), 0, family, listenersWithOwner, 0)
		switch err := windows.Errno(code); {
		case code == 0:
			return table, nil
		case !errors.Is(err, windows.ERROR_INSUFFICIENT_BUFFER):
			return nil, err
		}
	}
	return nil, windows.ERROR_INSUFFICIENT_BUFFER
}

func processes(_ context.Context, pids []int) map[int]process {
	out := map[int]process{}
	for _, pid := range pids {
		h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, uint32(pid))
		if err != nil { // it is another user's, or over
			continue
		}
		out[pid] = examine(h)
		_ = windows.CloseHandle(h) // it was only read
	}
	return out
}

// examine tells the folder of the executable for the one it runs in, which Windows does not tell.
func examine(h windows.Handle) process {
	var p process
	var file [windows.MAX_LONG_PATH]uint16
	size := uint32(len(file))
	if err := windows.QueryFullProcessImageName(h, 0, &file[0], &size); err == nil {
		path := windows.UTF16ToString(file[:size])
		p.name, p.dir = filepath.Base(path), filepath.Dir(path)
	}
	var line [8 << 10]uint64 // 64 KiB, aligned, for a UNICODE_STRING and the text it points to
	if err := windows.NtQueryInformationProcess(h, windows.ProcessCommandLineInformation, unsafe.Pointer(&line[0]), uint32(unsafe.Sizeof(line)), nil); err == nil {
		p.args, _ = windows.DecomposeCommandLine((*windows.NTUnicodeString)(unsafe.Pointer(&line[0])).String()) // a line that is none has no script
	}
	if p.script() != "" { // the interpreter's own folder says nothing
		p.dir = ""
	}
	return p
}
