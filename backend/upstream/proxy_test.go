package upstream

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// relay is a proxy of a test: it notes what it is asked, and connects tunnels to where they lead.
type relay struct {
	password string // "" asks for none
	names    map[string]string

	mu    sync.Mutex
	heard []string
}

func (r *relay) note(head string) {
	r.mu.Lock()
	r.heard = append(r.heard, head)
	r.mu.Unlock()
}

func (r *relay) asked() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.heard...)
}

// http answers requests in the absolute form by itself and opens tunnels.
func (r *relay) http(p *peer) {
	for {
		head := p.head()
		if head == "" {
			return
		}
		r.note(head)
		if r.password != "" && !strings.Contains(head, "Proxy-Authorization: Basic "+base64.StdEncoding.EncodeToString([]byte(r.password))) {
			p.say("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
			continue
		}
		method, rest, _ := strings.Cut(head, " ")
		target, _, _ := strings.Cut(rest, " ")
		if method != "CONNECT" {
			p.ok("absolute " + target)
			continue
		}
		r.tunnel(p, target, func() { p.say("HTTP/1.1 200 Connection established\r\n\r\n") })
		return
	}
}

func (r *relay) tunnel(p *peer, target string, granted func()) {
	if to := r.names[target]; to != "" {
		target = to
	}
	out, err := net.Dial("tcp", target)
	if err != nil {
		p.say("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
		return
	}
	defer out.Close()
	granted()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(p, out)
		_ = p.Close()
	}()
	_, _ = io.Copy(out, p.in)
	_ = out.Close()
	<-done
}

// socks is a server of RFC 1928 and RFC 1929.
func (r *relay) socks(p *peer) {
	hello := p.take(2)
	methods := p.take(int(hello[1]))
	if r.password == "" {
		p.say("\x05\x00")
	} else {
		if !strings.Contains(methods, "\x02") {
			p.say("\x05\xff")
			return
		}
		p.say("\x05\x02")
		name := p.take(int(p.take(2)[1]))
		password := p.take(int(p.take(1)[0]))
		if name+":"+password != r.password {
			p.say("\x01\x01")
			return
		}
		p.say("\x01\x00")
	}
	kind := p.take(4)[3]
	host := ""
	switch kind {
	case 1:
		host = net.IP(p.take(4)).String()
	case 4:
		host = net.IP(p.take(16)).String()
	default:
		host = p.take(int(p.take(1)[0]))
	}
	port := p.take(2)
	target := net.JoinHostPort(host, fmt.Sprint(int(port[0])<<8|int(port[1])))
	r.note(fmt.Sprintf("%d %s", kind, target))
	if strings.HasPrefix(host, "nobody") {
		p.say("\x05\x04\x00\x01\x00\x00\x00\x00\x00\x00")
		return
	}
	r.tunnel(p, target, func() { p.say("\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00") })
}

func through(t *testing.T, proxy string, urls ...string) Settings {
	t.Helper()
	s := settings(urls...)
	s.Proxy = proxy
	return s
}

func TestPlainRequestsAreGivenToAnHTTPProxyWhole(t *testing.T) {
	r := &relay{password: "me:p@ss"}
	address := serve(t, r.http)
	s := through(t, "http://me:p%40ss@"+address, "http://app.test:81/base")
	s.Host = "upstream"
	p := open(t, s, Options{})
	for i := range 2 {
		x := ask(t, "GET", "/a?b", "Proxy-Authorization: Basic bWluZQ==")
		if body := read(t, send(t, p, x)); body != "absolute http://app.test:81/base/a?b" {
			t.Errorf("answered %q", body)
		}
		if x.Target != "app.test:81/base" || x.TargetConn.Remote != address || x.TargetConn.Reused != (i > 0) {
			t.Errorf("sent to %q by %+v", x.Target, x.TargetConn)
		}
		if told := fact(x, "proxy"); i == 0 && told != "http://"+address {
			t.Errorf("the proxy is told as %q", told)
		}
	}
	if got := r.asked()[0]; strings.Count(got, "Proxy-Authorization") != 1 || !strings.Contains(got, "\r\nHost: app.test:81\r\n") {
		t.Errorf("the proxy heard %q", got)
	}
	x := ask(t, "OPTIONS", "/")
	x.Request.Target = "*"
	if body := read(t, send(t, p, x)); body != "absolute http://app.test:81" {
		t.Errorf("OPTIONS * is answered %q", body)
	}
	forward := openForward(t, func(f *Forward) { f.Proxy = s.Proxy }, Options{})
	if body := read(t, send(t, forward, askIn(t.Context(), flow.Forward, "GET", "http://Other.test/x"))); body != "absolute http://Other.test/x" {
		t.Errorf("a forward exchange is answered %q", body)
	}
}

func TestEverythingElseGoesThroughATunnel(t *testing.T) {
	ours := newAuthority(t)
	port := serveTLS(t, ours.leaf(t, -1, 1, "app.test"), func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) })
	clear := serveH2C(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) })
	upgrading := serve(t, func(p *peer) {
		if !strings.Contains(p.head(), "Upgrade: x") {
			p.ok("plain")
			return
		}
		p.say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nraw")
	})
	names := map[string]string{"app.test:443": "127.0.0.1:" + port, "grpc.test:80": clear, "ws.test:80": upgrading}
	for _, scheme := range []string{"http", "socks5"} {
		r := &relay{password: "a:b", names: names}
		do := r.http
		if scheme == "socks5" {
			do = r.socks
		}
		proxy := scheme + "://a:b@" + serve(t, do)
		for _, c := range []struct{ url, want string }{{"https://app.test", "HTTP/2.0"}, {"h2c://grpc.test", "HTTP/2.0"}} {
			s := through(t, proxy, c.url)
			s.CA = ours.file
			p := open(t, s, Options{})
			for range 2 {
				if body := get(t, p, "/"); body != c.want {
					t.Errorf("%s through %s is answered %q", c.url, scheme, body)
				}
			}
		}
		p := open(t, through(t, proxy, "http://ws.test"), Options{})
		w := send(t, p, ask(t, "GET", "/", "Connection: Upgrade", "Upgrade: x"))
		if w.Upgraded == nil {
			t.Fatalf("through %s an upgrade is answered %d", scheme, w.Status)
		}
		if got, err := io.ReadAll(w.Upgraded); string(got) != "raw" || err != nil {
			t.Errorf("through %s read %q, %v", scheme, got, err)
		}
		_ = w.Upgraded.Close()
		forward := openForward(t, func(f *Forward) { f.Proxy = proxy }, Options{})
		x := flow.NewExchange(t.Context(), flow.Tunnel, &flow.Request{Method: "CONNECT", Authority: "ws.test:80", Proto: "HTTP/1.1", Body: flow.NoBody})
		raw := send(t, forward, x)
		_, _ = io.WriteString(raw.Upgraded, "GET / HTTP/1.1\r\n\r\n")
		if got, err := io.ReadAll(raw.Upgraded); !strings.HasSuffix(string(got), "plain") || err != nil {
			t.Errorf("a tunnel through %s reads %q, %v", scheme, got, err)
		}
		_ = raw.Upgraded.Close()
		for _, asked := range r.asked() {
			if scheme == "http" && !strings.HasPrefix(asked, "CONNECT ") || scheme == "socks5" && !strings.HasPrefix(asked, "3 ") {
				t.Errorf("%s was asked %q", scheme, asked)
			}
		}
	}
}

func TestADeclinedUpgradeIsNotTakenForAProxy(t *testing.T) {
	app := serve(t, answering)
	r := &relay{names: map[string]string{"app.test:80": app}}
	s := through(t, "http://"+serve(t, r.http), "http://app.test")
	s.Host = "upstream"
	p := open(t, s, Options{})
	if body := read(t, send(t, p, ask(t, "GET", "/", "Connection: Upgrade", "Upgrade: x"))); !strings.HasPrefix(body, "GET / HTTP/1.1\r\n") {
		t.Errorf("through the tunnel came %q", body)
	}
	if body := get(t, p, "/"); body != "absolute http://app.test/" {
		t.Errorf("after it came %q", body)
	}
}

func TestAProxyByTLS(t *testing.T) {
	ours := newAuthority(t)
	r := &relay{names: map[string]string{}}
	cert := ours.leaf(t, -1, 1, "localhost")
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	serveListener(t, l, r.http)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	app := serveTLS(t, ours.leaf(t, -1, 1, "app.test"), func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Proto) })
	r.names["app.test:443"] = "127.0.0.1:" + app
	s := through(t, "https://localhost:"+port, "https://app.test")
	s.CA = ours.file
	if body := get(t, open(t, s, Options{}), "/"); body != "HTTP/2.0" {
		t.Errorf("TLS in TLS is answered %q", body)
	}
	s.Targets, s.Host = []Target{{URL: "http://plain.test", Weight: 1}}, "upstream"
	p := open(t, s, Options{})
	for range 2 {
		if body := get(t, p, "/"); body != "absolute http://plain.test/" {
			t.Errorf("plain HTTP is answered %q", body)
		}
	}
	s.CA, s.SkipVerify = "", true
	if got := refused(t, open(t, s, Options{}), ask(t, "GET", "/"), problem.TLSCert); !strings.Contains(got, "the proxy https://localhost:"+port) {
		t.Errorf("a proxy that is not trusted: %q", got)
	}
}

func TestWhatAProxyRefuses(t *testing.T) {
	asks := serve(t, (&relay{password: "a:b"}).http)
	asksSocks := serve(t, (&relay{password: "a:b"}).socks)
	saying := func(text string) string {
		return serve(t, func(p *peer) {
			p.head()
			p.say("%s", text)
		})
	}
	cases := []struct {
		proxy, url string
		kind       problem.Kind
		why        string
	}{
		{"http://" + asks, "https://app.test", problem.Refused, "the proxy asks for a password"},
		{"http://" + asks, "http://app.test", problem.Refused, "the proxy asks for a password"},
		{"http://x:y@" + asks, "https://app.test", problem.Refused, "does not accept the name and password"},
		{"socks5://" + asksSocks, "http://app.test", problem.Refused, "the proxy asks for a password"},
		{"socks5://x:y@" + asksSocks, "http://app.test", problem.Refused, "does not accept the name and password"},
		{"socks5://" + serve(t, (&relay{}).socks), "http://nobody.test", problem.Refused, ": host unreachable. "},
		{"http://" + saying("HTTP/1.1 403 Not here\r\nContent-Length: 0\r\n\r\n"), "https://app.test", problem.Refused, "it answered 403 Not here"},
		{"http://" + saying(""), "https://app.test", problem.Terminated, "closed the connection"},
		{"http://" + saying("SSH-2.0-x\r\n\r\n"), "https://app.test", problem.BadResponse, "HTTP proxy"},
		{"http://" + nowhere(t), "http://app.test", problem.Refused, "Connecting to the proxy http://127.0.0.1"},
		{"socks5://" + nowhere(t), "https://app.test", problem.Refused, "nothing listens there"},
		{"http://nowhere.invalid:3128", "https://app.test", problem.DNS, "Finding the address of the proxy http://nowhere.invalid:3128: there is no such name"},
	}
	for _, c := range cases {
		s := through(t, c.proxy, c.url)
		s.Host = "upstream"
		p := open(t, s, Options{Resolver: named{}})
		got := refused(t, p, ask(t, "GET", "/"), c.kind)
		if !strings.Contains(got, c.why) || strings.Contains(got, "x:y") || strings.Contains(got, "the target") || !strings.Contains(got, "proxy in [upstreams.shop]") {
			t.Errorf("%s by %s: %q, want %q in it", c.url, c.proxy, got, c.why)
		}
		if u := p.Stats(); u.Open != 0 || u.Faults == (Faults{}) {
			t.Errorf("%s by %s: the figures are %+v", c.url, c.proxy, u.Usage)
		}
	}
	tunnelled := open(t, through(t, "http://"+saying("HTTP/1.1 403 Not here\r\nContent-Length: 0\r\n\r\n"), "http://app.test"), Options{})
	if got := refused(t, tunnelled, ask(t, "GET", "/"), problem.Refused); !strings.Contains(got, "it answered 403 Not here") || !strings.Contains(got, "host = \"upstream\"") {
		t.Errorf("a proxy that opens no tunnel: %q", got)
	}
	for text, why := range map[string]string{"": " closed the connection without an answer", "HTTP/1.1 200 OK\r\nConte": " closed the connection in the middle of it"} {
		s := through(t, "http://"+saying(text), "http://app.test")
		s.Host = "upstream" // in the absolute form
		got := refused(t, open(t, s, Options{}), ask(t, "GET", "/"), problem.Terminated)
		if want := "app.test:80 through the proxy " + s.Proxy + ": the proxy" + why; !strings.Contains(got, want) || !strings.Contains(got, "proxy in [upstreams.shop]") {
			t.Errorf("in the absolute form: %q, want %q in it", got, want)
		}
	}
	slow := settings("https://app.test")
	slow.Proxy = "http://" + serve(t, func(p *peer) { p.rest() })
	slow.ConnectTimeout = 50e6
	if got := refused(t, open(t, slow, Options{}), ask(t, "GET", "/"), problem.Timeout); !strings.Contains(got, "see proxy in [upstreams.shop]") {
		t.Errorf("a proxy that says nothing: %q", got)
	}
	slow.ConnectTimeout = 60e9
	ctx, cancel := context.WithCancel(t.Context())
	slow.Proxy = "http://" + serve(t, func(p *peer) {
		p.head()
		cancel()
		p.rest()
	})
	x := ask(t, "GET", "/")
	x.WithContext(ctx)
	refused(t, open(t, slow, Options{}), x, problem.ClientLeft)
}

func TestWhatIsReachedWithoutTheProxy(t *testing.T) {
	origin := serve(t, answering)
	_, port, _ := net.SplitHostPort(origin)
	for _, c := range []struct {
		entry, url string
		direct     bool
	}{
		{"localhost", "http://localhost:" + port, true}, {"LOCALHOST", "http://localhost.:" + port, true}, {"127.0.0.0/8", "http://" + origin, true},
		{"127.0.0.1", "http://" + origin, true}, {"*.localhost", "http://a.localhost:" + port, true}, {".localhost", "http://b.a.localhost:" + port, true},
		{"*.localhost", "http://localhost:" + port, false}, {"10.0.0.0/8", "http://" + origin, false}, {"alhost", "http://localhost:" + port, false},
	} {
		s := through(t, "http://"+serve(t, (&relay{}).http), c.url)
		s.Host, s.NoProxy = "upstream", []string{c.entry}
		body := get(t, open(t, s, Options{}), "/")
		if direct := strings.HasPrefix(body, "GET / "); direct != c.direct {
			t.Errorf("%s with %s: direct %v", c.url, c.entry, direct)
		}
	}
	s := through(t, "http://"+nowhere(t), "demo:")
	if body := get(t, open(t, s, Options{Demo: origin}), "/"); !strings.HasPrefix(body, "GET / ") {
		t.Errorf("the demo is answered %q", body)
	}
	for _, wrong := range []string{"", "*", "a/b", "10.0.0.0/99", "http://a"} {
		if _, ok := parseBypass(wrong); ok {
			t.Errorf("%q is taken", wrong)
		}
	}
}

// named answers look-ups from a table.
type named map[string][]netip.Addr

func (n named) Lookup(_ context.Context, host string) ([]netip.Addr, time.Duration, error) {
	if ips := n[host]; ips != nil {
		return append([]netip.Addr(nil), ips...), 0, nil
	}
	return nil, 0, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
}

func TestWhatIsRefusedIsRefusedThroughAProxy(t *testing.T) {
	local := serve(t, func(p *peer) {
		if head := p.head(); !strings.Contains(head, "app.test") {
			p.t.Errorf("it was asked %q", head)
		}
		p.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
	})
	const port = 4711
	refuse := func(a netip.AddrPort) bool {
		return a.Port() == port && (a.Addr().IsLoopback() || a.Addr().IsUnspecified())
	}
	names := named{"turned.test": {netip.MustParseAddr("127.0.0.1")}, "app.test": {netip.MustParseAddr("192.0.2.1")}}
	p := openForward(t, func(f *Forward) { f.Proxy = "http://" + local }, Options{Refuse: refuse, Resolver: names})
	for _, host := range []string{
		"127.0.0.1", "localhost", "localhost.", "a.localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0x7f.1", "0",
		"turned.test", "unknown.test",
	} {
		authority := fmt.Sprintf("%s:%d", host, port)
		refused(t, p, askIn(t.Context(), flow.Forward, "GET", "http://"+authority+"/"), problem.Forbidden)
		refused(t, p, flow.NewExchange(t.Context(), flow.Tunnel, &flow.Request{Method: "CONNECT", Authority: authority, Body: flow.NoBody}), problem.Forbidden)
	}
	_ = read(t, send(t, p, askIn(t.Context(), flow.Forward, "GET", fmt.Sprintf("http://app.test:%d/", port))))
	itself := openForward(t, func(f *Forward) { f.Proxy = fmt.Sprintf("http://127.0.0.1:%d", port) }, Options{Refuse: refuse})
	refused(t, itself, askIn(t.Context(), flow.Forward, "GET", "http://app.test/"), problem.Forbidden)
}

// resolved is a proxy on this machine under a name, and its port.
func resolved(t *testing.T, names named, do func(*peer)) string {
	t.Helper()
	_, port, _ := net.SplitHostPort(serve(t, do))
	names["gate.test"] = []netip.Addr{netip.MustParseAddr("127.0.0.1")}
	return "gate.test:" + port
}

func TestAProxyOfThisMachineIsKnownByItsAddress(t *testing.T) {
	const port = 4711
	refuse := func(a netip.AddrPort) bool { return a.Port() == port && a.Addr().IsLoopback() }
	names := named{"turned.test": {netip.MustParseAddr("127.0.0.1")}}
	gate := resolved(t, names, func(p *peer) { p.t.Errorf("it was asked %q", p.head()) })
	for _, scheme := range []string{"http", "socks5"} {
		p := openForward(t, func(f *Forward) { f.Proxy = scheme + "://" + gate }, Options{Refuse: refuse, Resolver: names})
		refused(t, p, askIn(t.Context(), flow.Forward, "GET", fmt.Sprintf("http://turned.test:%d/", port)), problem.Forbidden)
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, own := range all {
		if n, err := netip.ParsePrefix(own.String()); err == nil && !OwnAddress(n.Addr()) {
			t.Errorf("%s is not known", own)
		}
	}
	for text, want := range map[string]bool{"127.0.0.2": true, "::1": true, "::ffff:127.0.0.1": true, "0.0.0.0": true, "192.0.2.1": false, "2001:db8::1": false} {
		if OwnAddress(netip.MustParseAddr(text)) != want {
			t.Errorf("%s: not %v", text, want)
		}
	}
}

func TestOurOwnListenerIsNoSOCKSProxy(t *testing.T) {
	names := named{}
	gate := resolved(t, names, func(p *peer) { p.t.Errorf("it was asked %q", p.rest()) })
	_, port, _ := net.SplitHostPort(gate)
	o := Options{Resolver: names, Listens: func(a netip.AddrPort) bool { return a.String() == "127.0.0.1:"+port }}
	p := openForward(t, func(f *Forward) { f.Proxy = "socks5://" + gate }, o)
	tunnel := flow.NewExchange(t.Context(), flow.Tunnel, &flow.Request{Method: "CONNECT", Authority: "ssh.test:22", Proto: "HTTP/1.1", Body: flow.NoBody})
	if got := refused(t, p, tunnel, problem.Loop); !strings.Contains(got, "socks5://"+gate) || !strings.Contains(got, "[forward]") {
		t.Errorf("told %q", got)
	}
	refused(t, p, askIn(t.Context(), flow.Forward, "GET", "http://app.test/"), problem.Loop)
}

func TestACONNECTToAProxyBearsVia(t *testing.T) {
	r := &relay{names: map[string]string{"ssh.test:22": serve(t, func(*peer) {}), "app.test:80": serve(t, answering)}}
	proxy := "http://" + serve(t, r.http)
	forward := openForward(t, func(f *Forward) { f.Proxy = proxy }, Options{})
	connect := func(via ...string) *flow.Exchange {
		q := &flow.Request{Method: "CONNECT", Authority: "ssh.test:22", Proto: "HTTP/1.1", Body: flow.NoBody}
		for _, v := range via {
			q.Header.Add("Via", v)
		}
		return flow.NewExchange(t.Context(), flow.Tunnel, q)
	}
	_ = send(t, forward, connect("1.0 first", "HTTP/2 second")).Upgraded.Close()
	head := r.asked()[0]
	if !strings.Contains(head, "\r\nVia: 1.0 first\r\nVia: HTTP/2 second\r\nVia: 1.1 "+forward.pseudonym+"\r\n") {
		t.Errorf("the proxy was asked %q", head)
	}
	if got := refused(t, forward, connect(forward.via), problem.Loop); !strings.Contains(got, "proxy in [forward]") { // as it comes back
		t.Errorf("a loop is told as %q", got)
	}
	reverse := open(t, through(t, proxy, "http://app.test"), Options{})
	x := ask(t, "GET", "/", "Via: 1.1 first")
	x.Request.Proto = "HTTP/2.0"
	_ = read(t, send(t, reverse, x))
	if head := r.asked()[1]; !strings.Contains(head, "\r\nVia: 1.1 first\r\nVia: 2.0 "+reverse.pseudonym+"\r\n") {
		t.Errorf("the proxy was asked %q", head)
	}
}

func TestWhatIsToldAnotherHostGoesThroughATunnel(t *testing.T) {
	app := serve(t, answering)
	for _, c := range []struct {
		host, want string
		tunnels    int
	}{
		{"preserve", "Host: shop.localhost", 1}, {"other.test", "Host: other.test", 1},
		{"upstream", "absolute http://app.test/", 0}, {"app.test", "absolute http://app.test/", 0},
	} {
		r := &relay{names: map[string]string{"app.test:80": app}}
		s := through(t, "http://"+serve(t, r.http), "http://app.test")
		s.Host = c.host
		p := open(t, s, Options{})
		for i := range 2 {
			x := ask(t, "GET", "/")
			if body := read(t, send(t, p, x)); !strings.Contains(body, c.want) || x.TargetConn.Reused != (i > 0) {
				t.Errorf("host = %q is answered %q by %+v", c.host, body, x.TargetConn)
			}
		}
		tunnels := 0
		for _, asked := range r.asked() {
			if strings.HasPrefix(asked, "CONNECT app.test:80 ") {
				tunnels++
			}
		}
		if tunnels != c.tunnels {
			t.Errorf("host = %q asks %q", c.host, r.asked())
		}
	}
}

func TestAHostThatLeadsElsewhereGoesThroughATunnel(t *testing.T) {
	p := openForward(t, func(f *Forward) { f.Proxy = "http://" + nowhere(t) }, Options{})
	x := askIn(t.Context(), flow.Forward, "GET", "http://shop.test/")
	for at, want := range map[string]bool{"shop.test": true, "10.0.0.1": false, "shop.test:81": false} {
		to := &target{origin: originOf("http", at), field: "shop.test"}
		if p.asksProxy(x, to) != want || p.setsApart(x, to) == want {
			t.Errorf("to %s: not %v", at, want)
		}
	}
}

func TestAddressesInTheSpellingsOfOldSystems(t *testing.T) {
	for text, want := range map[string]string{
		"1.2.3.4": "1.2.3.4", "127.1": "127.0.0.1", "1.2.3": "1.2.0.3", "0x7f.0.0.1": "127.0.0.1", "017700000001": "127.0.0.1", "4294967295": "255.255.255.255", "::1": "::1",
		"4294967296": "", "1.2.3.4.5": "", "256.1": "", "1.2.3.256": "", "a.1": "", "": "", "1_0": "", "0b1": "", "0o7": "", "1..2": "", "-1": "", "08": "",
	} {
		ip, ok := anyAddress(text)
		if ok != (want != "") || ok && ip.String() != want {
			t.Errorf("%q is %v, %v; want %q", text, ip, ok, want)
		}
	}
}

func TestAProxyThatRefusesIsNotKeptOpen(t *testing.T) {
	closed := make(chan bool, 1)
	proxy := serve(t, func(p *peer) {
		p.head()
		p.say("HTTP/1.1 403 Not here\r\nContent-Length: 0\r\n\r\n")
		_ = p.SetReadDeadline(time.Now().Add(5 * time.Second))
		_, err := io.ReadAll(p.in)
		closed <- err == nil
	})
	refused(t, open(t, through(t, "http://"+proxy, "https://app.test"), Options{Resolver: named{}}), ask(t, "GET", "/"), problem.Refused)
	if !<-closed {
		t.Error("its connection stays open")
	}
}
