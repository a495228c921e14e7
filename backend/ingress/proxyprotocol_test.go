package ingress

import (
	"bytes"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	proxyproto "github.com/pires/go-proxyproto"

	"proxycache/backend/flow"
)

// behind is a listener whose connections come through a load balancer.
var behind = Listener{Address: "127.0.0.1:0", Accept: []string{"reverse", "forward", "connect", "socks5"}, ProxyProtocol: true}

var trustingHere = Settings{Listen: []Listener{behind}, Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}}

func headerOf(t *testing.T, version byte, source, destination string) string {
	t.Helper()
	address := func(a string) *net.TCPAddr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(a)) }
	text, err := proxyproto.HeaderProxyFromAddrs(version, address(source), address(destination)).Format()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestALoadBalancerSaysWhoTheClientIs(t *testing.T) {
	seen := make(chan *flow.Exchange, 1)
	h := openQuiet(t, func(x *flow.Exchange) *flow.Response { seen <- x; return ok(x) })
	h.configure(trustingHere)
	local := strings.Replace(headerOf(t, 2, "192.0.2.1:5", "192.0.2.2:80"), "QUIT\n\x21", "QUIT\n\x20", 1)
	for _, c := range []struct {
		name, header, client string // "" is the socket's
		trusted              bool
	}{
		{"version 1", headerOf(t, 1, "192.0.2.1:56324", "192.0.2.2:80"), "192.0.2.1:56324", false},
		{"version 1, IPv6", headerOf(t, 1, "[2001:db8::1]:5", "[2001:db8::2]:80"), "[2001:db8::1]:5", false},
		{"version 1, unknown", "PROXY UNKNOWN\r\n", "", true},
		{"version 2", headerOf(t, 2, "192.0.2.1:56324", "192.0.2.2:80"), "192.0.2.1:56324", false},
		{"version 2, IPv6", headerOf(t, 2, "[2001:db8::1]:5", "[2001:db8::2]:80"), "[2001:db8::1]:5", false},
		{"version 2, local", local, "", true},
		{"one that is trusted itself", headerOf(t, 2, "10.1.2.3:5", "192.0.2.2:80"), "10.1.2.3:5", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			talk := h.dial()
			talk.say(c.header + get) // the second request in the same packet, the third alone
			talk.hear(okAnswer)
			x := receive(t, seen, "the exchange")
			talk.say(get)
			talk.hear(okAnswer)
			if again := receive(t, seen, "the exchange"); again.Client != x.Client {
				t.Errorf("the client changed from %v to %v", x.Client, again.Client)
			}
			want := c.client
			if want == "" {
				want = talk.LocalAddr().String()
			}
			if x.Client.String() != want || x.ClientConn.Remote != want || x.Trusted != c.trusted {
				t.Errorf("the client is %v, %s, trusted: %v", x.Client, x.ClientConn.Remote, x.Trusted)
			}
		})
	}
}

func TestBehindALoadBalancerEveryLanguageIsSpoken(t *testing.T) {
	h := openQuiet(t, ok)
	h.configure(trustingHere)
	header := headerOf(t, 2, "192.0.2.1:5", "192.0.2.2:80")
	for _, c := range []struct{ say, hear string }{
		{header + hello + wish("a.test", 80) + get, welcome + done + okAnswer},
		{header + "CONNECT a.test:80 HTTP/1.1\r\nHost: a.test:80\r\n\r\n" + get, connected + okAnswer},
		{header + preface + "\x00\x00\x00\x04\x00\x00\x00\x00\x00", "\x00\x00"},
	} {
		talk := h.dial()
		talk.say(c.say)
		talk.hear(c.hear)
	}
}

func TestWhoIsNotIntroducedIsNotServed(t *testing.T) {
	h := openQuiet(t, func(x *flow.Exchange) *flow.Response {
		t.Errorf("%s became an exchange", x.Request.URL())
		return ok(x)
	})
	h.configure(trustingHere)
	header := headerOf(t, 2, "192.0.2.1:5", "192.0.2.2:80")
	for _, say := range []string{
		get, hello, "POST / HTTP/1.1\r\n", "\x16\x03\x01", "PROXY TCP4 1.2.3.4\r\n" + get, "PROXY " + strings.Repeat("x", 200),
		header[:12] + "\x31" + header[13:] + get, header[:14] + "\xff\xff", header[:14] + "\x00\x04abcd" + get,
	} {
		talk := h.dial()
		talk.say(say)
		if n, err := talk.Read(make([]byte, 1)); n > 0 || err == nil {
			t.Errorf("%q is answered", say)
		}
	}
	for _, say := range []string{"", header[:5], "PROXY TCP4 192.0.2.1"} {
		talk := h.dial()
		talk.say(say)
		_ = talk.Close()
	}
	eventually(t, "nobody is served any more", func() bool { return h.Clients() == 0 })
}

func TestAnIntroductionMayComeByteByByteButNotForEver(t *testing.T) {
	for _, version := range []byte{1, 2} {
		header := headerOf(t, version, "192.0.2.1:56324", "192.0.2.2:80")
		for _, c := range []struct {
			pause  time.Duration
			served bool
		}{{100 * time.Millisecond, true}, {time.Second, false}} {
			synctest.Test(t, func(t *testing.T) {
				talk := onPipe(t, behind, "10.0.0.1:5", trustingHere, &bytes.Buffer{}, ok)
				since := time.Now()
				var trickle sync.WaitGroup
				trickle.Go(func() {
					for _, b := range []byte(header + get) {
						if _, err := talk.Write([]byte{b}); err != nil {
							return
						}
						time.Sleep(c.pause)
					}
				})
				if c.served {
					talk.hear(okAnswer)
				} else {
					talk.hearEndAfter(defaults.headerTimeout)
				}
				trickle.Wait()
				if took := time.Since(since); took > 20*time.Second {
					t.Errorf("it took %v", took)
				}
			})
		}
	}
}

func TestStrangersToALoadBalancersListenerAreToldOfOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		talk := onPipe(t, behind, "192.0.2.9:5", trustingHere, &log, ok)
		talk.hearEnd() // unheard
		synctest.Wait()
		if line := log.String(); strings.Count(line, "level=WARN") != 1 || !strings.Contains(line, "192.0.2.9:5") || !strings.Contains(line, "connections=1") {
			t.Errorf("told %q", line)
		}
		var s strangers
		var told []int
		for range 150 {
			if n := s.tell(); n > 0 {
				told = append(told, n)
			}
			time.Sleep(time.Second)
		}
		if len(told) != 3 || told[0] != 1 || told[1] != 60 || told[2] != 60 {
			t.Errorf("told of %v", told)
		}
	})
}
