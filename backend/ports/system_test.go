package ports

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"testing"
)

func TestReadLsof(t *testing.T) {
	const text = "p4711\nf20\nn127.0.0.1:3000\nf21\nn[::1]:3000\np12\nf5\nn*:5000\nf6\nnnonsense\n"
	var got []string
	readLsof(text, func(pid int, name string) {
		if a, ok := lsofAddress(name); ok {
			got = append(got, fmt.Sprint(pid, " ", a))
		}
	})
	want := []string{"4711 127.0.0.1:3000", "4711 [::1]:3000", "12 0.0.0.0:5000"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestReadProcArgs(t *testing.T) {
	path, args := readProcArgs([]byte("/usr/local/bin/node\x00\x00\x00node\x00server.js\x00HOME=/secret\x00"), 2)
	if path != "/usr/local/bin/node" || !slices.Equal(args, []string{"node", "server.js"}) {
		t.Errorf("got %q %q", path, args)
	}
	if _, args := readProcArgs([]byte("/bin/x\x00x\x00"), 9); !slices.Equal(args, []string{"x"}) {
		t.Errorf("of a cut answer: %q", args)
	}
}

func TestReadTCPTable(t *testing.T) {
	v4 := binary.LittleEndian.AppendUint32(nil, 1)
	v4 = append(v4, 2, 0, 0, 0, 127, 0, 0, 1, 0x1f, 0x90, 0, 0)
	v4 = append(v4, make([]byte, 8)...)
	v4 = binary.LittleEndian.AppendUint32(v4, 4711)
	v4 = append(v4, make([]byte, 100)...) // what the system left room for
	if got := readTCPTable(v4, rowIPv4); len(got) != 1 || got[0] != at("127.0.0.1:8080", 4711) {
		t.Errorf("IPv4: %v", got)
	}
	loopback := netip.IPv6Loopback().As16()
	v6 := binary.LittleEndian.AppendUint32(nil, 1)
	v6 = append(v6, loopback[:]...)
	v6 = append(v6, 0, 0, 0, 0, 0x0b, 0xb8, 0, 0)
	v6 = append(v6, make([]byte, 28)...)
	v6 = binary.LittleEndian.AppendUint32(v6, 12)
	if got := readTCPTable(v6, rowIPv6); len(got) != 1 || got[0] != at("[::1]:3000", 12) {
		t.Errorf("IPv6: %v", got)
	}
	for n := range v6 {
		if got := readTCPTable(v6[:n], rowIPv6); len(got) != 0 {
			t.Errorf("of the first %d bytes: %v", n, got)
		}
	}
}
