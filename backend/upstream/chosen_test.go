package upstream

import (
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// inTunnel is an exchange of a client that had a tunnel opened to an address and names url inside; sni is what
// it began TLS for.
func inTunnel(t *testing.T, dial, url, sni string) *flow.Exchange {
	t.Helper()
	door := flow.Forward
	if strings.HasPrefix(url, "https") {
		door = flow.Intercept
	}
	x := askIn(t.Context(), door, "GET", url)
	x.Request.Dial = dial
	if sni != "" {
		x.ClientConn.TLS = &flow.TLS{SNI: sni}
	}
	return x
}

func TestATunnelToAnAddressKeepsTheNameInside(t *testing.T) {
	address := serve(t, answering)
	r := &relay{}
	for _, proxy := range []string{"", "http://" + serve(t, r.http), "socks5://" + serve(t, (&relay{}).socks)} {
		p := openForward(t, func(f *Forward) { f.Proxy = proxy }, Options{Resolver: named{}}) // no name is looked up
		for range 2 {
			x := inTunnel(t, address, "http://app.test:81/a", "")
			if body := read(t, send(t, p, x)); !strings.HasPrefix(body, "GET /a HTTP/1.1\r\nHost: app.test:81\r\n") {
				t.Errorf("by %q it was told %q", proxy, body)
			}
			if x.Target != address {
				t.Errorf("sent to %s", x.Target)
			}
		}
	}
	for _, asked := range r.asked() {
		if !strings.HasPrefix(asked, "CONNECT "+address+" ") {
			t.Errorf("the proxy was asked %q", asked)
		}
	}
}

func TestTLSInATunnelToAnAddressIsForTheNameInside(t *testing.T) {
	ours := newAuthority(t)
	port := serveTLS(t, ours.leaf(t, -1, 1, "app.test", "api.test"), func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.TLS.ServerName+" "+r.Host+" "+r.Proto)
	})
	for _, http2 := range []bool{true, false} {
		p := openForward(t, func(f *Forward) { f.CA, f.HTTP2 = ours.file, http2 }, Options{Resolver: named{}})
		at, proto := "127.0.0.1:"+port, "HTTP/1.1"
		if http2 {
			proto = "HTTP/2.0"
		}
		for _, name := range []string{"app.test", "api.test", "API.test"} {
			x := inTunnel(t, at, "https://"+name+"/", name)
			if body, want := read(t, send(t, p, x)), strings.ToLower(name)+" "+name+" "+proto; body != want {
				t.Errorf("answered %q, want %q", body, want)
			}
			if reused := name == "API.test"; x.TargetConn.Reused != reused { // a connection for one name is none for another
				t.Errorf("%s: reused %v", name, x.TargetConn.Reused)
			}
		}
		got := refused(t, p, inTunnel(t, at, "https://app.test/", "other.test"), problem.TLSCert)
		if !strings.Contains(got, "the certificate is for app.test, api.test, not for other.test") {
			t.Errorf("for another name it says %q", got)
		}
		refused(t, p, inTunnel(t, at, "https://app.test/", ""), problem.TLSCert) // it is for an address then
	}
}

func TestWhatIsRefusedIsRefusedWhateverTheNameInside(t *testing.T) {
	own := netip.MustParseAddrPort(nowhere(t))
	p := openForward(t, nil, Options{Refuse: func(a netip.AddrPort) bool { return a == own }, Resolver: named{"app.test": {netip.MustParseAddr("192.0.2.1")}}})
	refused(t, p, inTunnel(t, own.String(), "http://app.test/", ""), problem.Forbidden)
	refused(t, p, inTunnel(t, "[::ffff:127.0.0.1]:"+own.String()[len("127.0.0.1:"):], "https://app.test/", "app.test"), problem.Forbidden)
}
