package proxyprotocol

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"testing"

	proxyproto "github.com/pires/go-proxyproto"
)

func TestVersion1(t *testing.T) {
	const wide = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
	for _, c := range []struct{ name, in, source, says string }{
		{"IPv4", "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\nGET /", "192.0.2.1:56324", ""},
		{"IPv6", "PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n", "[2001:db8::1]:1", ""},
		{"IPv4 in IPv6", "PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", "192.0.2.1:1", ""},
		{"port 0", "PROXY TCP4 192.0.2.1 192.0.2.2 0 0\r\n", "192.0.2.1:0", ""},
		{"unknown", "PROXY UNKNOWN\r\n", "", ""},
		{"unknown, with what is to be ignored", "PROXY UNKNOWN " + wide + " " + wide + " 65535 65535\r\n", "", ""},
		{"longer than may be", "PROXY UNKNOWN " + strings.Repeat("x", 200) + "\r\n", "", "longer"},
		{"no end", "PROXY " + strings.Repeat("x", 101), "", "longer"},
		{"no CR", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n", "", "CR"},
		{"a word too many", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n", "", "7 words"},
		{"a word missing", "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", "", "5 words"},
		{"two spaces", "PROXY  TCP4 192.0.2.1 192.0.2.2 1\r\n", "", "family"},
		{"an unknown family", "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n", "", "family"},
		{"lower case", "PROXY tcp4 192.0.2.1 192.0.2.2 1 2\r\n", "", "family"},
		{"IPv6 where IPv4 belongs", "PROXY TCP4 ::1 192.0.2.2 1 2\r\n", "", "::1"},
		{"IPv4 where IPv6 belongs", "PROXY TCP6 192.0.2.1 ::1 1 2\r\n", "", "192.0.2.1"},
		{"a zone", "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", "", "fe80"},
		{"a leading zero in an address", "PROXY TCP4 192.0.02.1 192.0.2.2 1 2\r\n", "", "192.0.02.1"},
		{"a wrong destination", "PROXY TCP4 192.0.2.1 shop.test 1 2\r\n", "", "shop.test"},
		{"a leading zero in a port", "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n", "", "port"},
		{"a port out of range", "PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n", "", "port"},
		{"a port with a sign", "PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n", "", "port"},
		{"no space behind the signature", "PROXYTCP4", "", "no header"},
		{"HTTP", "GET / HTTP/1.1\r\n", "", "no header"},
		{"POST", "PO", "", "no header"},
	} {
		t.Run(c.name, func(t *testing.T) { meet(t, c.in, c.source, c.says) })
	}
}

// block2 is a header of version 2.
func block2(command, family byte, rest string) string {
	out := []byte(signature2 + string([]byte{command, family}))
	return string(binary.BigEndian.AppendUint16(out, uint16(len(rest)))) + rest
}

const (
	four = "\xc0\x00\x02\x01\xc6\x33\x64\x01\x00\x50\x01\xbb" // 192.0.2.1:80, 198.51.100.1:443
	six  = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" + "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02" + "\x00\x50\x01\xbb"
)

// checked is a header with the right checksum in its last vector.
func checked(rest string) string {
	whole := []byte(block2(proxy, tcp4, rest+"\x03\x00\x04\x00\x00\x00\x00"))
	at := len(whole) - checksumSize
	binary.BigEndian.PutUint32(whole[at:], sum(whole, at))
	return string(whole)
}

func TestVersion2(t *testing.T) {
	right := checked(four + "\x02\x00\x04host")
	for _, c := range []struct{ name, in, source, says string }{
		{"IPv4", block2(proxy, tcp4, four) + "GET", "192.0.2.1:80", ""},
		{"IPv6", block2(proxy, tcp6, six), "[2001:db8::1]:80", ""},
		{"IPv4 in IPv6", block2(proxy, tcp6, strings.Repeat("\x00", 10)+"\xff\xff"+four[:4]+six[16:]), "192.0.2.1:80", ""},
		{"vectors", block2(proxy, tcp4, four+"\x01\x00\x02h2\x04\x00\x00"), "192.0.2.1:80", ""},
		{"a checksum", right, "192.0.2.1:80", ""},
		{"a wrong checksum", strings.Replace(right, "host", "hose", 1), "", "checksum"},
		{"a checksum of three bytes", block2(proxy, tcp4, four+"\x03\x00\x03abc"), "", "checksum"},
		{"a vector cut off", block2(proxy, tcp4, four+"\x01\x00\x05h2"), "", "cut off"},
		{"half a vector", block2(proxy, tcp4, four+"\x01\x00"), "", "cut off"},
		{"the load balancer's own", block2(local, unspecified, ""), "", ""},
		{"its own, with addresses to be skipped", block2(local, tcp4, four), "", ""},
		{"its own, with something to be skipped", block2(local, 0xff, "abc"), "", ""},
		{"an unspecified family", block2(proxy, unspecified, "abc"), "", ""},
		{"a Unix socket", block2(proxy, unixStream, strings.Repeat("x", 216)), "", ""},
		{"too short for its family", block2(proxy, tcp6, four), "", "too few"},
		{"datagrams", block2(proxy, 0x12, four), "", "family"},
		{"an unknown family", block2(proxy, 0x41, four), "", "family"},
		{"version 3", block2(0x31, tcp4, four), "", "version and command"},
		{"an unknown command", block2(0x22, tcp4, four), "", "version and command"},
		{"the longest", block2(proxy, tcp4, four+"\x04"+string([]byte{0x0f, 0xf1})+strings.Repeat("\x00", longest2-len(four)-3)), "192.0.2.1:80", ""},
		{"longer than any", signature2 + "\x21\x11\x10\x01", "", "4097"},
		{"another signature", "\r\n\r\n\x00\r\nQUIT\r", "", "no header"},
		{"empty lines", "\r\n\r\nG", "", "no header"},
	} {
		t.Run(c.name, func(t *testing.T) { meet(t, c.in, c.source, c.says) })
	}
}

// meet parses a header as it comes byte by byte.
func meet(t *testing.T, in, source, says string) {
	t.Helper()
	for cut := range len(in) + 1 {
		h, n, err := Parse([]byte(in[:cut]))
		switch {
		case n == 0 && err == nil && cut < len(in):
			continue
		case err != nil && says != "" && strings.Contains(err.Error(), says):
			return
		case err != nil || says != "" || n != cut:
			t.Fatalf("of %d bytes of %d: %d taken, %v", cut, len(in), n, err)
		case source == "" && h.Source.IsValid(), source != "" && h.Source.String() != source:
			t.Fatalf("the source is %v", h.Source)
		}
		return
	}
}

// However a header is cut the parser says the same of it; and what it takes, another one takes for
// the same.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\nGET /", "PROXY TCP6 2001:db8::1 ::1 1 65535\r\n", "PROXY UNKNOWN x\r\n",
		block2(proxy, tcp4, four), block2(proxy, tcp6, six), block2(local, 0xff, "abc"), checked(four), block2(proxy, unixStream, strings.Repeat("x", 216)),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, buf []byte) {
		h, n, err := Parse(buf)
		if n < 0 || n > len(buf) || err != nil && n != 0 {
			t.Fatalf("%q: %d bytes, %v", buf, n, err)
		}
		for cut := range len(buf) {
			part, k, soon := Parse(buf[:cut])
			if soon != nil && err == nil || k > 0 && (k != n || part != h) || k == 0 && soon == nil && n > 0 && cut >= n {
				t.Fatalf("%q: %v, %d, %v; of the first %d bytes %v, %d, %v", buf, h, n, err, cut, part, k, soon)
			}
		}
		if n > 0 {
			agree(t, buf[:n], h.Source)
		}
	})
}

func agree(t *testing.T, buf []byte, source netip.AddrPort) {
	t.Helper()
	if begins(buf, signature2) && (buf[12] == local || buf[13] == unspecified) {
		return // the other one reads what is to be skipped
	}
	h, err := proxyproto.Read(bufio.NewReader(bytes.NewReader(buf)))
	if err != nil {
		t.Fatalf("the other parser says of %q: %v", buf, err)
	}
	if a, ok := h.SourceAddr.(*net.TCPAddr); ok {
		if p := a.AddrPort(); netip.AddrPortFrom(p.Addr().Unmap(), p.Port()) != source {
			t.Fatalf("the source of %q is %v, and for the other parser %v", buf, source, p)
		}
	} else if source.IsValid() {
		t.Fatalf("the source of %q is %v, and for the other parser %v", buf, source, h.SourceAddr)
	}
}
