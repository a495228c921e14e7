package core

import (
	"net"
	"net/netip"
	"strings"
	"testing"

	"proxycache/backend/ingress"
)

func TestWhatOthersOnTheNetworkCanDo(t *testing.T) {
	for _, c := range []struct {
		accept   []string
		password string
		says     string // "" where nothing is to be warned of
	}{
		{[]string{"reverse"}, "", "your routes"},
		{[]string{"forward"}, "", "no password"},
		{[]string{"socks5"}, "", "no password"},
		{[]string{"reverse", "connect"}, "", "no password"},
		{[]string{"reverse", "connect"}, "word", "your routes"},
		{[]string{"forward", "connect", "socks5"}, "word", ""},
	} {
		got := exposed(ingress.Listener{Address: "0.0.0.0:8080", Accept: c.accept, Password: c.password})
		if (got == "") != (c.says == "") || !strings.Contains(got, c.says) {
			t.Errorf("%v with the password %q: %q", c.accept, c.password, got)
		}
	}
}

func TestTheDoorIsNeverDialled(t *testing.T) {
	own, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	port := func(a netip.Addr, n uint16) netip.AddrPort { return netip.AddrPortFrom(a, n) }
	ip := netip.MustParseAddr
	for _, door := range []string{"127.0.0.1:8090", "0.0.0.0:8090", "[::]:8090", "192.0.2.7:8090"} {
		c := new(Core)
		c.Refuse(netip.MustParseAddrPort(door))
		never := []netip.Addr{ip("127.0.0.1"), ip("127.9.9.9"), ip("::1"), ip("0.0.0.0"), ip("::"), ip("::ffff:127.0.0.1")}
		at := netip.MustParseAddrPort(door).Addr()
		for _, a := range own {
			if prefix := netip.MustParsePrefix(a.String()); at.IsUnspecified() {
				never = append(never, prefix.Addr())
			}
		}
		if !at.IsUnspecified() {
			never = append(never, at)
		}
		for _, a := range never {
			if !c.refuses(port(a, 8090)) || c.refuses(port(a, 8091)) {
				t.Errorf("the door %s at %s: refused %t, and on another port %t", door, a, c.refuses(port(a, 8090)), c.refuses(port(a, 8091)))
			}
		}
		if c.refuses(port(ip("203.0.113.9"), 8090)) {
			t.Errorf("the door %s: another machine is refused", door)
		}
	}
}
