package upstream

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// socketPath is short enough for the address of a Unix socket.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "px")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "app.sock")
}

func TestAUnixSocketIsATarget(t *testing.T) {
	path := socketPath(t)
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	serveListener(t, l, answering)
	s := settings("unix:" + path)
	p := open(t, s, Options{})
	for i := range 2 {
		x := ask(t, "GET", "/a?b")
		body := read(t, send(t, p, x))
		if !strings.HasPrefix(body, "GET /a?b HTTP/1.1\r\nHost: shop.localhost\r\n") {
			t.Errorf("sent %q", body)
		}
		if x.Target != "unix:"+path || x.TargetConn.Remote != path || x.TargetConn.Reused != (i > 0) {
			t.Errorf("sent to %q by %+v", x.Target, x.TargetConn)
		}
	}
	s.Host = "upstream"
	if body := get(t, open(t, s, Options{}), "/"); !strings.Contains(body, "\r\nHost: localhost\r\n") {
		t.Errorf("by its own name it is told %q", body)
	}
	if body := get(t, open(t, settings("unix://"+path), Options{}), "/"); !strings.HasPrefix(body, "GET / ") {
		t.Errorf("with two strokes it is told %q", body)
	}
}

func TestAUnixSocketThatIsNotThere(t *testing.T) {
	path := socketPath(t)
	got := refused(t, openTo(t, "unix:"+path), ask(t, "GET", "/"), problem.Refused)
	if want := `Connecting to unix:` + path + `: there is no such socket. Start the server or change the target of upstream "shop".`; got != want {
		t.Errorf("the message is %q, want %q", got, want)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	_ = l.Close()
	if got := refused(t, openTo(t, "unix:"+path), ask(t, "GET", "/"), problem.Refused); !strings.Contains(got, "nothing listens there") {
		t.Errorf("the message is %q", got)
	}
}

// serveH2C is an origin that speaks HTTP/2 in the clear, and nothing else.
func serveH2C(t *testing.T, handler http.HandlerFunc) (address string) {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Config.ErrorLog = quietLog
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func TestHTTP2InTheClearIsSpokenWithoutAsking(t *testing.T) {
	address := serveH2C(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %s %s %s %v %s", r.Method, r.RequestURI, r.Host, r.Proto, r.TLS != nil, body)
	})
	p := openTo(t, "h2c://"+address+"/base")
	for i := range 3 {
		x := withBody(ask(t, "POST", "/x", "Connection: Upgrade", "Upgrade: websocket"), strings.NewReader("body"), 4)
		r := send(t, p, x)
		if body := read(t, r); body != "POST /base/x shop.localhost HTTP/2.0 false body" || r.Proto != "HTTP/2.0" {
			t.Errorf("answered %q by %s", body, r.Proto)
		}
		if c := x.TargetConn; c.TLS != nil || c.Reused != (i > 0) || c.Remote != address || x.Target != address+"/base" {
			t.Errorf("sent to %q by %+v", x.Target, c)
		}
	}
	if u := p.Stats(); u.Open != 1 || u.Shared != 1 || u.Opened != 1 || u.Reused != 2 {
		t.Errorf("the figures are %+v", u.Usage)
	}
}

func TestTheWrongProtocolIsNamed(t *testing.T) {
	h1 := serve(t, func(p *peer) {
		p.take(24)
		p.say("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
		p.rest()
	})
	if got := refused(t, openTo(t, "h2c://"+h1), ask(t, "GET", "/"), problem.BadResponse); !strings.Contains(got, "begins with http://") {
		t.Errorf("HTTP/1 behind h2c: %q", got)
	}
	h2 := serve(t, func(p *peer) {
		p.head()
		p.say("\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00\x40\x00") // SETTINGS, as servers of gRPC begin
		p.rest()
	})
	if got := refused(t, openTo(t, "http://"+h2), ask(t, "GET", "/"), problem.BadResponse); !strings.Contains(got, "begins with h2c://") {
		t.Errorf("HTTP/2 behind http: %q", got)
	}
}

// writePair writes a certificate and its key as PEM.
func writePair(t *testing.T, c tls.Certificate) (cert, key string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: c.Certificate[0]}, key: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestAClientCertificateIsShownToWhoAsks(t *testing.T) {
	ours := newAuthority(t)
	pool := x509.NewCertPool()
	pool.AddCert(ours.cert)
	origin := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.TLS.PeerCertificates[0].Subject.CommonName)
	}))
	origin.EnableHTTP2 = true
	origin.Config.ErrorLog = quietLog
	origin.TLS = &tls.Config{Certificates: []tls.Certificate{ours.leaf(t, -1, 1, "localhost")}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
	origin.StartTLS()
	t.Cleanup(origin.Close)
	_, port, _ := net.SplitHostPort(origin.Listener.Addr().String())
	s := settings("https://localhost:" + port)
	s.CA = ours.file
	for _, http2 := range []bool{true, false} {
		s.HTTP2, s.ClientCert, s.ClientKey = http2, "", ""
		for version := range map[uint16]bool{tls.VersionTLS12: true, tls.VersionTLS13: true} {
			origin.TLS.MaxVersion = version
			got := refused(t, open(t, s, Options{}), ask(t, "GET", "/"), problem.TLSFailed)
			if !strings.Contains(got, "wants a certificate") || !strings.Contains(got, "client_cert in [upstreams.shop]") {
				t.Errorf("HTTP/2 %v, %s: without a certificate it says %q", http2, tls.VersionName(version), got)
			}
			s.ClientCert, s.ClientKey = writePair(t, newAuthority(t).leaf(t, -1, 1)) // whom the server does not trust
			got = refused(t, open(t, s, Options{}), ask(t, "GET", "/"), problem.TLSFailed)
			if !strings.Contains(got, "client_cert in [upstreams.shop]") {
				t.Errorf("HTTP/2 %v, %s: with another's it says %q", http2, tls.VersionName(version), got)
			}
			s.ClientCert, s.ClientKey = "", ""
		}
		s.ClientCert, s.ClientKey = writePair(t, ours.leaf(t, -1, 1))
		if body := get(t, open(t, s, Options{}), "/"); body != "leaf" {
			t.Errorf("HTTP/2 %v: the server knows %q", http2, body)
		}
	}
	both := filepath.Join(t.TempDir(), "both.pem")
	one, _ := os.ReadFile(s.ClientCert)
	two, _ := os.ReadFile(s.ClientKey)
	if err := os.WriteFile(both, append(one, two...), 0o600); err != nil {
		t.Fatal(err)
	}
	s.ClientCert, s.ClientKey = "both.pem", ""
	if body := get(t, open(t, s, Options{Folder: filepath.Dir(both)}), "/"); body != "leaf" {
		t.Errorf("from one file the server knows %q", body)
	}
}

func TestAClientCertificateThatCannotBeUsed(t *testing.T) {
	ours := newAuthority(t)
	cert, key := writePair(t, ours.leaf(t, -1, 1))
	_, other := writePair(t, ours.leaf(t, -1, 1))
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ cert, key, where, why string }{
		{"", key, "client_cert", "client_cert is not"},
		{cert + ".gone", key, "client_cert", "Name a file that can be read"},
		{empty, key, "client_cert", "there is none in it"},
		{cert, key + ".gone", "client_key", "Name a file that can be read"},
		{cert, other, "client_key", "does not match"},
		{cert, "", "client_key", "the private key that belongs to"},
	} {
		s := settings("https://localhost:1")
		s.ClientCert, s.ClientKey = c.cert, c.key
		_, err := New("shop", s, Options{})
		if p := problem.Of(err); p == nil || p.Kind != problem.Invalid || p.Where != "upstreams.shop."+c.where || !strings.Contains(p.Message, c.why) {
			t.Errorf("%q with %q: %v", c.cert, c.key, err)
		}
	}
}

func TestACertificateThatIsNotVerifiedIsToldEachTime(t *testing.T) {
	ours := newAuthority(t)
	port := serveTLS(t, ours.leaf(t, -2, -1, "elsewhere"), func(http.ResponseWriter, *http.Request) {})
	for _, http2 := range []bool{true, false} {
		s := settings("https://localhost:" + port)
		s.SkipVerify, s.HTTP2 = true, http2
		p := open(t, s, Options{})
		for range 2 {
			x := ask(t, "GET", "/")
			_ = read(t, send(t, p, x))
			if fact(x, "certificate") != "not verified" {
				t.Errorf("HTTP/2 %v: the facts are %+v", http2, x.Trail[0].Facts)
			}
		}
	}
	s := settings("http://" + serve(t, answering))
	s.SkipVerify = true
	x := ask(t, "GET", "/")
	_ = read(t, send(t, open(t, s, Options{}), x))
	if told := fact(x, "certificate"); told != "" {
		t.Errorf("without TLS it is told %q", told)
	}
}

func TestATunnelCountsAsAConnection(t *testing.T) {
	address := serve(t, func(p *peer) { p.rest() })
	p := openForward(t, nil, Options{})
	x := flow.NewExchange(t.Context(), flow.Tunnel, &flow.Request{Method: "CONNECT", Authority: address, Proto: "HTTP/1.1", Body: flow.NoBody})
	r := send(t, p, x)
	if u := p.Stats(); u.Open != 1 || u.InUse() != 1 || len(u.Targets) != 1 || u.Targets[0].Address != address {
		t.Errorf("while it is open: %+v", u)
	}
	_ = r.Upgraded.Close()
	_ = r.Upgraded.Close()
	if u := p.Stats(); u.Open != 0 || u.Opened != 1 {
		t.Errorf("after it: %+v", u)
	}
}
