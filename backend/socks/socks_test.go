package socks

import (
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

func TestGreetings(t *testing.T) {
	for _, c := range []struct {
		name, in string
		methods  []Method
		n        int
		says     string
	}{
		{"one method", "\x05\x01\x00", []Method{NoLogin}, 3, ""},
		{"several, and what follows", "\x05\x03\x00\x01\x02\x05\x01", []Method{NoLogin, 1, Login}, 5, ""},
		{"every method", "\x05\xff" + strings.Repeat("\x02", 255), nil, 257, ""},
		{"nothing", "", nil, 0, ""},
		{"a version alone", "\x05", nil, 0, ""},
		{"a method missing", "\x05\x02\x00", nil, 0, ""},
		{"no methods", "\x05\x00", nil, 2, ""},
		{"another version", "\x04\x01", nil, 0, "0x04"},
		{"HTTP", "G", nil, 0, "0x47"},
	} {
		methods, n, err := ParseGreeting([]byte(c.in))
		if n != c.n || c.methods != nil && !reflect.DeepEqual(methods, c.methods) || !says(err, c.says) {
			t.Errorf("%s: %v, %d, %v", c.name, methods, n, err)
		}
	}
}

func TestLogins(t *testing.T) {
	long := strings.Repeat("x", 255)
	for _, c := range []struct {
		name, in, username, password string
		n                            int
		says                         string
	}{
		{"a name and a password", "\x01\x02me\x04word\x05", "me", "word", 9, ""},
		{"the longest", "\x01\xff" + long + "\xff" + long, long, long, 513, ""},
		{"empty ones", "\x01\x00\x00", "", "", 3, ""},
		{"a version alone", "\x01", "", "", 0, ""},
		{"a name cut off", "\x01\x02m", "", "", 0, ""},
		{"no password yet", "\x01\x02me", "", "", 0, ""},
		{"a password cut off", "\x01\x02me\x04wor", "", "", 0, ""},
		{"another version", "\x05\x02me", "", "", 0, "0x05"},
	} {
		username, password, n, err := ParseLogin([]byte(c.in))
		if username != c.username || password != c.password || n != c.n || !says(err, c.says) {
			t.Errorf("%s: %q, %q, %d, %v", c.name, username, password, n, err)
		}
	}
}

func TestRequests(t *testing.T) {
	name := func(n string) string { return "\x05\x01\x00\x03" + string(rune(len(n))) + n + "\x01\xbb" }
	for _, c := range []struct {
		name, in, authority string
		n                   int
		reply               Reply
	}{
		{"IPv4", "\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50more", "127.0.0.1:80", 10, 0},
		{"IPv6", "\x05\x01\x00\x04" + strings.Repeat("\x00", 15) + "\x01\x00\x50", "[::1]:80", 22, 0},
		{"IPv4 in IPv6", "\x05\x01\x00\x04" + strings.Repeat("\x00", 10) + "\xff\xff\x7f\x00\x00\x01\x00\x50", "[::ffff:127.0.0.1]:80", 22, 0},
		{"a name", name("shop.test"), "shop.test:443", 16, 0},
		{"an address as a name", name("::1"), "[::1]:443", 10, 0},
		{"a number", name("2130706433"), "2130706433:443", 17, 0},
		{"BIND", "\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00", "0.0.0.0:0", 10, 0},
		{"UDP ASSOCIATE", "\x05\x03\x00\x01\x00\x00\x00\x00\x00\x00", "0.0.0.0:0", 10, 0},
		{"cut off", "\x05\x01\x00", "", 0, 0},
		{"an address cut off", "\x05\x01\x00\x01\x7f\x00\x00", "", 0, 0},
		{"a name cut off", name("shop.test")[:8], "", 0, 0},
		{"a port cut off", name("shop.test")[:15], "", 0, 0},
		{"another version", "\x04\x01", "", 0, Failed},
		{"a reserved byte", "\x05\x01\x01", "", 0, Failed},
		{"an unknown type of address", "\x05\x01\x00\x02", "", 0, NoSuchAddress},
		{"port 0", "\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x00", "", 0, Failed},
		{"an empty name", name(""), "", 0, Failed},
		{"a name with a port", name("a.test:80"), "", 0, Failed},
		{"a name with a user", name("a@b.test"), "", 0, Failed},
		{"a name with a path", name("a.test/"), "", 0, Failed},
		{"a name with a line", name("a\r\nb"), "", 0, Failed},
		{"a name with a NUL", name("a.test\x00"), "", 0, Failed},
		{"an address with a zone", name("fe80::1%eth0"), "", 0, Failed},
		{"an address in brackets", name("[::1]"), "", 0, Failed},
	} {
		r, n, err := ParseRequest([]byte(c.in))
		if n != c.n || n > 0 && r.Authority() != c.authority {
			t.Errorf("%s: %+v, %d bytes", c.name, r, n)
		}
		if bad, ok := errors.AsType[*Error](err); ok != (c.reply != 0) || ok && bad.Reply != c.reply {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{string(AppendMethod(nil, NoAcceptable)), "\x05\xff"},
		{string(AppendWelcome(nil)), "\x01\x00"},
		{string(AppendWrongLogin(nil)), "\x01\x01"},
		{string(AppendReply([]byte("x"), Refused, netip.AddrPort{})), "x\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00"},
		{string(AppendReply(nil, Succeeded, netip.MustParseAddrPort("10.0.0.1:258"))), "\x05\x00\x00\x01\x0a\x00\x00\x01\x01\x02"},
		{string(AppendReply(nil, Succeeded, netip.MustParseAddrPort("[::ffff:10.0.0.1]:258"))), "\x05\x00\x00\x01\x0a\x00\x00\x01\x01\x02"},
		{string(AppendReply(nil, Succeeded, netip.MustParseAddrPort("[fe80::1%eth0]:258"))), "\x05\x00\x00\x04\xfe\x80" + strings.Repeat("\x00", 13) + "\x01\x01\x02"},
		{string(AppendReject4(nil)), "\x00\x5b\x00\x00\x00\x00\x00\x00"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
}

func says(err error, what string) bool {
	if what == "" {
		return err == nil
	}
	return err != nil && strings.Contains(err.Error(), what)
}

// However a message is cut, the parsers say the same of it, take no more than is there, and what they
// take for a host is one.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"\x05\x01\x00", "\x05\x02\x00\x02", "\x01\x02me\x04word", "\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50",
		"\x05\x01\x00\x03\x09shop.test\x01\xbb", "\x05\x01\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x50", "\x04\x01", "\x05\x01\x00\x02",
	} {
		f.Add([]byte(seed))
	}
	parsers := map[string]func([]byte) (any, int, error){
		"greeting": func(buf []byte) (any, int, error) {
			m, n, err := ParseGreeting(buf)
			return m, n, err
		},
		"login": func(buf []byte) (any, int, error) {
			username, password, n, err := ParseLogin(buf)
			return [2]string{username, password}, n, err
		},
		"request": func(buf []byte) (any, int, error) {
			r, n, err := ParseRequest(buf)
			return r, n, err
		},
	}
	f.Fuzz(func(t *testing.T, buf []byte) {
		for name, parse := range parsers {
			whole, n, err := parse(buf)
			if n < 0 || n > len(buf) || err != nil && n != 0 {
				t.Fatalf("%s of %q: %d bytes, %v", name, buf, n, err)
			}
			for cut := range len(buf) {
				part, k, soon := parse(buf[:cut])
				switch {
				case soon != nil && (err == nil || soon.Error() != err.Error()):
					t.Fatalf("%s of %q: %v, and %v of the first %d bytes", name, buf, err, soon, cut)
				case k > 0 && (k != n || !reflect.DeepEqual(part, whole)):
					t.Fatalf("%s of %q: %v, and %v of the first %d bytes", name, buf, whole, part, cut)
				case k == 0 && soon == nil && n > 0 && cut >= n:
					t.Fatalf("%s of %q: %d bytes are not enough of %d", name, buf, cut, n)
				}
			}
			if r, ok := whole.(Request); ok && n > 0 && strings.ContainsAny(r.Host, "/@ %?#[]\r\n\x00") {
				t.Fatalf("the host is %q", r.Host)
			}
		}
	})
}
