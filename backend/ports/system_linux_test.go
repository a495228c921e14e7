package ports

import (
	"net/netip"
	"testing"
)

func TestReadTable(t *testing.T) {
	const text = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:A000 01 00000000:00000000 00:00000000 00000000     0        0 112 1 0 20 4 30 10 -1
   2: 00000000000000000000000001000000:0BB8 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 113 1 0 100 0 0 10 0
   3: 0000000000000000FFFF00000100007F:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 114 1 0 100 0 0 10 0
   4: nonsense:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 115 1 0 100 0 0 10 0
`
	got := map[string]netip.AddrPort{}
	readTable(text, got)
	want := map[string]string{"111": "127.0.0.1:8080", "113": "[::1]:3000", "114": "127.0.0.1:80"}
	if len(got) != len(want) {
		t.Errorf("got %v", got)
	}
	for inode, address := range want {
		if got[inode].String() != address {
			t.Errorf("%s is %s, want %s", inode, got[inode], address)
		}
	}
}
