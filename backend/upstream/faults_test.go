package upstream

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

// nowhere is an address on which nothing listens.
func nowhere(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestNothingListens(t *testing.T) {
	address := nowhere(t)
	x := ask(t, "GET", "/")
	got := refused(t, openTo(t, "http://"+address), x, problem.Refused)
	if want := `Connecting to ` + address + `: nothing listens there. Start the server or change the target of upstream "shop".`; got != want {
		t.Errorf("the message is %q, want %q", got, want)
	}
	if x.Target != address || x.Upstream != "shop" {
		t.Errorf("it was to go to %q of %q", x.Target, x.Upstream)
	}
	got = refused(t, openForward(t, nil, Options{}), askIn(t.Context(), flow.Forward, "GET", "http://"+address+"/"), problem.Refused)
	if !strings.HasSuffix(got, "Start the server or check the address.") {
		t.Errorf("the message is %q", got)
	}
	tunnel := flow.NewExchange(t.Context(), flow.Tunnel, &flow.Request{Method: "CONNECT", Authority: address, Body: flow.NoBody})
	refused(t, openForward(t, nil, Options{}), tunnel, problem.Refused)
}

func TestTheReasonOfAFailedConnection(t *testing.T) {
	p := openTo(t, "http://127.0.0.1:1")
	target := p.balance.all()[0]
	number := func(e syscall.Errno) error {
		return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", e)}
	}
	cases := []struct {
		err  error
		kind problem.Kind
	}{
		{number(syscall.ECONNREFUSED), problem.Refused},
		{number(wsaRefused), problem.Refused},
		{number(syscall.EHOSTUNREACH), problem.Unreachable},
		{number(syscall.ENETUNREACH), problem.Unreachable},
		{number(wsaNetUnreachable), problem.Unreachable},
		{number(syscall.EACCES), problem.Unreachable},
		{number(syscall.EMFILE), problem.Overloaded},
		{number(syscall.ENFILE), problem.Overloaded},
		{number(wsaTooManyFiles), problem.Overloaded},
		{number(syscall.ETIMEDOUT), problem.Timeout},
		{context.DeadlineExceeded, problem.Timeout},
	}
	for _, c := range cases {
		err := p.notConnected(ask(t, "GET", "/"), target, c.err)
		if problem.KindOf(err) != c.kind || !errors.Is(err, c.err) || !strings.HasPrefix(err.Error(), "Connecting to 127.0.0.1:1: ") {
			t.Errorf("%v became %s: %v", c.err, problem.KindOf(err), err)
		}
	}
	refusal, unreachable := number(syscall.ECONNREFUSED), number(syscall.ENETUNREACH)
	for _, order := range [][2]error{{refusal, unreachable}, {unreachable, refusal}} {
		if got := moreTelling(moreTelling(nil, order[0]), order[1]); got != refusal {
			t.Errorf("of %v the more telling is %v", order, got)
		}
	}
}

func TestTheReasonOfAFailedLookUp(t *testing.T) {
	p := openTo(t, "http://no-such-host.invalid")
	target := p.balance.all()[0]
	cases := []struct {
		err  error
		want string
	}{
		{&net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}, "there is no such name"},
		{&net.DNSError{Err: "timeout", Name: "x", IsTimeout: true}, "did not answer in time"},
		{&net.DNSError{Err: "server misbehaving", Name: "x"}, "server misbehaving"},
		{nil, "there is no such name"},
	}
	for _, c := range cases {
		err := p.notFound(ask(t, "GET", "/"), target, c.err)
		if problem.KindOf(err) != problem.DNS || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "no-such-host.invalid") {
			t.Errorf("%v became %v", c.err, err)
		}
	}
	refused(t, openForward(t, nil, Options{}), askIn(t.Context(), flow.Forward, "GET", "http://:80/"), problem.DNS)
	refused(t, openForward(t, nil, Options{}), askIn(t.Context(), flow.Forward, "GET", "http://a:70000/"), problem.DNS)
}

func TestAServerThatDoesNotShakeHandsInTime(t *testing.T) {
	s := settings("https://" + serve(t, func(p *peer) { p.rest() }))
	s.ConnectTimeout = schema.Duration(30 * time.Millisecond)
	got := refused(t, open(t, s, Options{}), ask(t, "GET", "/"), problem.Timeout)
	if !strings.Contains(got, "30ms") || !strings.Contains(got, "connect_timeout") {
		t.Errorf("the message is %q", got)
	}
}

func TestAServerThatDoesNotAnswerInTime(t *testing.T) {
	address := serve(t, func(p *peer) { p.rest() })
	for name, x := range map[string]*flow.Exchange{
		"without a body": ask(t, "GET", "/"),
		"with a body":    withBody(ask(t, "POST", "/"), strings.NewReader(strings.Repeat("x", 40_000)), 40_000),
	} {
		t.Run(name, func(t *testing.T) {
			s := settings("http://" + address)
			s.ResponseTimeout = schema.Duration(30 * time.Millisecond)
			got := refused(t, open(t, s, Options{}), x, problem.ReadTimeout)
			if !strings.Contains(got, "30ms") || !strings.Contains(got, "response_timeout in [upstreams.shop]") {
				t.Errorf("the message is %q", got)
			}
		})
	}
}

func TestTheResponseTimeoutEndsWithTheHead(t *testing.T) {
	go1 := make(chan bool)
	s := settings("http://" + serve(t, func(p *peer) {
		p.head()
		p.say("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf")
		<-go1
		p.say("rest")
		answering(p)
	}))
	s.ResponseTimeout = schema.Duration(time.Second)
	p := open(t, s, Options{})
	r := send(t, p, ask(t, "GET", "/"))
	p.lines.mu.Lock() // nothing is idle: the clock that would close it has no hold on it
	idle := p.lines.total
	p.lines.mu.Unlock()
	k, ok := r.Body.(*call)
	if !ok || idle != 0 {
		t.Fatalf("the body is a %T, %d idle", r.Body, idle)
	}
	if err := k.c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	close(go1)
	if body := read(t, r); body != "halfrest" {
		t.Errorf("answered %q", body)
	}
}

func TestAnswersThatAreNoHTTP(t *testing.T) {
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	secure.Config.ErrorLog = nil
	cases := []struct {
		name, answer string
		want         string
	}{
		{"another protocol", "220 mail.example ESMTP\r\n", "which is not HTTP/1"},
		{"two framings", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "RFC 9112"},
		{"TLS", "\x15\x03\x01\x00\x02\x02\x46", "https://"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := openTo(t, "http://"+serve(t, func(p *peer) {
				p.head()
				p.say("%s", c.answer)
				p.rest()
			}))
			if got := refused(t, p, ask(t, "GET", "/"), problem.BadResponse); !strings.Contains(got, c.want) {
				t.Errorf("the message is %q", got)
			}
		})
	}
}

func TestABrokenChunkIsToldInTheBody(t *testing.T) {
	p := openTo(t, "http://"+serve(t, func(p *peer) {
		p.head()
		p.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n")
		p.rest()
	}))
	r := send(t, p, ask(t, "GET", "/"))
	if body, err := io.ReadAll(r.Body); string(body) != "abc" || problem.KindOf(err) != problem.BadResponse {
		t.Errorf("read %q, %v", body, err)
	}
	_ = r.Body.Close()
}

func TestRefusedAddressesInEverySpelling(t *testing.T) {
	address := serve(t, func(p *peer) {
		p.t.Error("it was dialled")
	})
	door := netip.MustParseAddrPort(address)
	refuse := func(a netip.AddrPort) bool {
		return a.Port() == door.Port() && (a.Addr() == door.Addr() || a.Addr().IsLoopback() || a.Addr().IsUnspecified())
	}
	forward := openForward(t, nil, Options{Refuse: refuse})
	for _, host := range []string{"127.0.0.1", "localhost", "a.localhost", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "[::]", "[::1]", "127.0.0.9"} {
		authority := fmt.Sprintf("%s:%d", host, door.Port())
		x := askIn(t.Context(), flow.Forward, "GET", "http://"+authority+"/")
		if got := refused(t, forward, x, problem.Forbidden); !strings.Contains(got, "own door") {
			t.Errorf("the message is %q", got)
		}
		tunnel := flow.NewExchange(t.Context(), flow.Tunnel, &flow.Request{Method: "CONNECT", Authority: authority, Body: flow.NoBody})
		refused(t, forward, tunnel, problem.Forbidden)
		refused(t, open(t, settings("http://"+authority), Options{Refuse: refuse}), ask(t, "GET", "/"), problem.Forbidden)
	}
}

// authority makes certificates.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	file string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{file: filepath.Join(t.TempDir(), "ca.pem")}
	var der []byte
	a.key, der = signed(t, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Our own authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
	}, nil)
	var err error
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(a.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

func signed(t *testing.T, template *x509.Certificate, by *authority) (*ecdsa.PrivateKey, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	return key, der
}

// leaf is a certificate for the names, valid from and until the given hours from now.
func (a *authority) leaf(t *testing.T, from, until int, names ...string) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "leaf"}, DNSNames: names,
		NotBefore: time.Now().Add(time.Duration(from) * time.Hour), NotAfter: time.Now().Add(time.Duration(until) * time.Hour),
	}
	key, der := signed(t, template, a)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// serveTLS is an origin with the certificate; it speaks HTTP/2 and HTTP/1.1.
func serveTLS(t *testing.T, cert tls.Certificate, handler http.HandlerFunc) (port string) {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.EnableHTTP2 = true
	s.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{protocol2, protocol1}}
	s.Config.ErrorLog = quietLog
	s.StartTLS()
	t.Cleanup(s.Close)
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func TestCertificatesThatAreNotTrusted(t *testing.T) {
	ours := newAuthority(t)
	hello := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }
	trust := func(s *Settings) { s.CA = ours.file }
	cases := []struct {
		name   string
		cert   tls.Certificate
		change func(s *Settings)
		want   []string // of the message; nil when it is trusted
	}{
		{"an unknown authority", ours.leaf(t, -1, 1, "localhost"), func(*Settings) {}, []string{"authority", "Our own authority", "ca in [upstreams.shop]"}},
		{"a known one", ours.leaf(t, -1, 1, "localhost"), trust, nil},
		{"another name", ours.leaf(t, -1, 1, "shop.example", "www.shop.example"), trust, []string{"for shop.example, www.shop.example, not for localhost", "sni"}},
		{"another name, asked for", ours.leaf(t, -1, 1, "shop.example"), func(s *Settings) { s.CA, s.SNI = ours.file, "shop.example" }, nil},
		{"expired", ours.leaf(t, -3, -1, "localhost"), trust, []string{"expired on"}},
		{"not yet valid", ours.leaf(t, 1, 3, "localhost"), trust, []string{"valid only from", "clock"}},
		{"not verified", ours.leaf(t, -3, -1, "other"), func(s *Settings) { s.SkipVerify = true }, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := settings("https://localhost:" + serveTLS(t, c.cert, hello))
			c.change(&s)
			x := ask(t, "GET", "/")
			p := open(t, s, Options{})
			if c.want == nil {
				if body := read(t, send(t, p, x)); body != "hello" {
					t.Errorf("answered %q", body)
				}
			} else {
				got := refused(t, p, x, problem.TLSCert)
				for _, w := range c.want {
					if !strings.Contains(got, w) {
						t.Errorf("%q is not in %q", w, got)
					}
				}
			}
			if x.TargetConn.TLS == nil || len(x.TargetConn.TLS.Chain) != 1 || x.Timing.TLSDone == 0 {
				t.Errorf("what the server showed is not told: %+v", x.TargetConn.TLS)
			}
		})
	}
}

func TestHandshakesThatFail(t *testing.T) {
	cases := []struct {
		name string
		do   func(p *peer)
		want string
	}{
		{"in the clear", func(p *peer) { p.take(3); p.say("HTTP/1.1 400 Bad Request\r\n\r\n"); p.rest() }, "does not speak TLS"},
		{"closed", func(p *peer) { p.take(200) }, "closed the connection"},
		{"refused", func(p *peer) { p.take(5); p.say("\x15\x03\x01\x00\x02\x02\x28"); p.rest() }, "handshake failure"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := refused(t, openTo(t, "https://"+serve(t, c.do)), ask(t, "GET", "/"), problem.TLSFailed)
			if !strings.Contains(got, c.want) {
				t.Errorf("the message is %q", got)
			}
		})
	}
}

func TestAFileOfAnAuthorityThatCannotBeUsed(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{empty, filepath.Join(t.TempDir(), "missing.pem")} {
		s := settings("https://127.0.0.1")
		s.CA = file
		_, err := New("shop", s, Options{})
		if p := problem.Of(err); p == nil || p.Kind != problem.Invalid || p.Where != "upstreams.shop.ca" || !strings.Contains(p.Message, file) {
			t.Errorf("%s: %v", file, err)
		}
		_, err = NewForward(Forward{dialing{CA: file}}, Options{})
		if p := problem.Of(err); p == nil || p.Where != "forward.ca" {
			t.Errorf("%s: %v", file, err)
		}
	}
}
