package core

import (
	"net"
	"net/netip"
	"testing"
)

func TestWhatLeadsToAListener(t *testing.T) {
	for _, c := range []struct {
		address, listener string
		want              bool
	}{
		{"127.0.0.1:80", "127.0.0.1:80", true}, {"127.0.0.1:81", "127.0.0.1:80", false}, {"127.0.0.2:80", "127.0.0.1:80", false}, {"[::1]:80", "127.0.0.1:80", false},
		{"0.0.0.0:80", "127.0.0.1:80", true}, {"[::]:80", "127.0.0.1:80", true}, {"0.0.0.0:80", "192.0.2.1:80", false},
		{"127.0.0.1:80", "0.0.0.0:80", true}, {"127.0.0.2:80", "[::]:80", true}, {"[::1]:80", "[::]:80", true}, {"192.0.2.1:80", "[::]:80", false}, {"192.0.2.1:80", "192.0.2.1:80", true},
	} {
		if got := leads(netip.MustParseAddrPort(c.address), netip.MustParseAddrPort(c.listener)); got != c.want {
			t.Errorf("%s leads to %s: %v", c.address, c.listener, got)
		}
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, own := range all {
		prefix, err := netip.ParsePrefix(own.String())
		if err == nil && !leads(netip.AddrPortFrom(prefix.Addr().Unmap(), 80), netip.MustParseAddrPort("[::]:80")) {
			t.Errorf("%s is not known", own)
		}
	}
}
