package ingress

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

// signed is a certificate that signs itself, with its key.
type signed struct {
	*x509.Certificate
	key *ecdsa.PrivateKey
}

func newSigned(t *testing.T, names ...string) signed {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, DNSNames: names,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return signed{c, key}
}

// put writes the files into dir, each at once, and names them as the settings do.
func (s signed) put(t *testing.T, dir, name string) CertificateFiles {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(s.key)
	if err != nil {
		t.Fatal(err)
	}
	for end, block := range map[string]*pem.Block{".pem": {Type: "CERTIFICATE", Bytes: s.Raw}, ".key": {Type: "PRIVATE KEY", Bytes: key}} {
		path := filepath.Join(dir, name+end)
		if err := errors.Join(os.WriteFile(path+"~", pem.EncodeToMemory(block), 0o600), os.Rename(path+"~", path)); err != nil {
			t.Fatal(err)
		}
	}
	return CertificateFiles{Cert: filepath.Join(dir, name+".pem"), Key: filepath.Join(dir, name+".key")}
}

func (h *house) terminating(t Termination) Settings {
	return Settings{Listen: []Listener{{Address: "127.0.0.1:0", Accept: everything}}, TLS: t}
}

// shake opens TLS with the server; trust is the authority where roots are none.
func (h *house) shake(config *tls.Config) (*tls.Conn, error) {
	h.t.Helper()
	raw, err := net.Dial("tcp", h.address())
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = raw.Close() })
	if err := raw.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		h.t.Fatal(err)
	}
	conn := tls.Client(raw, config)
	return conn, conn.Handshake()
}

// shown is what a client that asks for host is shown; it takes everything.
func (h *house) shown(host string) *x509.Certificate {
	h.t.Helper()
	conn, err := h.shake(&tls.Config{ServerName: host, InsecureSkipVerify: true})
	if err != nil {
		h.t.Fatalf("%s: %v", host, err)
	}
	return conn.ConnectionState().PeerCertificates[0]
}

func TestWhatAClientIsShown(t *testing.T) {
	const (
		minted  = "a leaf of our authority"
		refused = "nothing"
	)
	shop, other := newSigned(t, "shop.test", "*.shop.test"), newSigned(t, "other.test")
	dir := t.TempDir()
	one := []CertificateFiles{shop.put(t, dir, "shop")}
	two := append(one, other.put(t, dir, "other"))
	near, far := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.0.2.7")
	const here = "192.0.2.1" // where clients connect to
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what   string
		files  []CertificateFiles
		client netip.Addr
		via    string
		asks   string
		want   string
	}{
		{"a stranger asks for a file's name", two, far, "", "shop.test", "shop.test"},
		{"for one below its wildcard", two, far, "", "api.shop.test", "shop.test"},
		{"for another's name", two, far, "", "OTHER.test", "other.test"},
		{"for a configured name", two, far, "", "mine.test", minted},
		{"for one below a configured name", two, far, "", "a.b.ours.test", minted},
		{"for localhost", two, far, "", "localhost", minted},
		{"for one below localhost", two, far, "", "app.localhost", minted},
		{"for this computer's name", two, far, "", name, minted},
		{"for a loopback address", two, far, "", "127.0.0.2", minted},
		{"for the address it connected to", two, far, "", here, minted},
		{"for no name", two, far, "", "", minted},
		{"for any other", two, far, "", "any.test", refused},
		{"for another address", two, far, "", "192.0.2.9", refused},
		{"for any other where there is one file", one, far, "", "any.test", "shop.test"},
		{"for any other where there is no file", nil, far, "", "any.test", refused},
		{"for any other inside a CONNECT", two, far, "any.test:443", "any.test", minted},
		{"for a file's name inside a CONNECT", two, far, "shop.test:443", "shop.test", "shop.test"},
		{"a program on this computer asks for any other", two, near, "", "any.test", minted},
		{"for any other where there is one file", one, near, "", "any.test", minted},
		{"for what is no host", two, near, "", "two words", refused},
		{"through the computer's outer address", two, netip.MustParseAddr(here), "", "any.test", minted},
		{"a client whose address is not known", two, netip.Addr{}, "", "any.test", refused},
	} {
		t.Run(c.what, func(t *testing.T) {
			h := openQuiet(t, ok)
			h.configure(h.terminating(Termination{Certificates: c.files, Names: []string{"mine.test", "*.ours.test"}}))
			set := h.tls.Load().files.Set()
			to := &joined{host: here, client: &client{via: c.via, address: netip.AddrPortFrom(c.client, 4711)}}
			got, err := h.tls.Load().certificate(set, &tls.ClientHelloInfo{
				Conn: to, ServerName: c.asks, SupportedVersions: []uint16{tls.VersionTLS13}, SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
			})
			if err != nil {
				t.Fatal(err)
			}
			is := refused
			switch {
			case got != nil && len(got.Leaf.DNSNames) > 0 && (got.Leaf.Equal(shop.Certificate) || got.Leaf.Equal(other.Certificate)):
				is = got.Leaf.DNSNames[0]
			case got != nil:
				is = minted
			}
			if is != c.want {
				t.Errorf("it is shown %s, want %s", is, c.want)
			}
			told := h.CertificateProblems()
			if is == refused != (len(told) == 1 && strings.Contains(told[0].Message, c.asks)) {
				t.Errorf("a person is told %v", told)
			}
		})
	}
}

func TestAHostWithoutACertificateIsUnrecognized(t *testing.T) {
	h := openQuiet(t, ok)
	h.configure(h.terminating(Termination{}))
	near, far := tcpPair(t)
	stranger := &client{address: netip.MustParseAddrPort("192.0.2.7:4711")}
	ended := make(chan error, 1)
	go func() {
		ended <- tls.Server(&joined{Conn: far, client: stranger, host: "192.0.2.1"}, h.tls.Load().config()).Handshake()
	}()
	err := tls.Client(near, &tls.Config{ServerName: "any.test", InsecureSkipVerify: true}).Handshake()
	if err == nil || !strings.Contains(err.Error(), "unrecognized name") {
		t.Errorf("the client hears %v", err)
	}
	if err := receive(t, ended, "the end of the handshake"); err == nil {
		t.Error("the server took it")
	}
}

func TestAReplacedCertificateIsShownAndNoHandshakeFails(t *testing.T) {
	h := openQuiet(t, ok)
	dir := t.TempDir()
	before, after := newSigned(t, "shop.test"), newSigned(t, "shop.test")
	h.configure(h.terminating(Termination{Certificates: []CertificateFiles{before.put(t, dir, "shop")}}))
	roots := x509.NewCertPool()
	roots.AddCert(before.Certificate)
	roots.AddCert(after.Certificate)

	stays, err := h.shake(&tls.Config{ServerName: "shop.test", RootCAs: roots, NextProtos: []string{"http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			cache := tls.NewLRUClientSessionCache(1)
			for new := false; ; {
				select {
				case <-stop:
					return
				default:
				}
				conn, err := h.shake(&tls.Config{ServerName: "shop.test", RootCAs: roots, ClientSessionCache: cache})
				if err != nil {
					t.Errorf("a handshake failed: %v", err)
					return
				}
				is := conn.ConnectionState().PeerCertificates[0].Equal(after.Certificate)
				if new && !is {
					t.Error("the old one is shown after the new one")
					return
				}
				new = is
				if _, err := io.WriteString(conn, get); err != nil {
					t.Errorf("asking: %v", err)
				}
				if _, err := conn.Read(make([]byte, 1)); err != nil { // the session's ticket comes with it
					t.Errorf("hearing: %v", err)
				}
				_ = conn.Close()
			}
		})
	}
	after.put(t, dir, "shop")
	eventually(t, "the new one is shown", func() bool { return h.shown("shop.test").Equal(after.Certificate) })
	close(stop)
	all.Wait()

	talk := newTalk(t, stays)
	talk.say(get)
	talk.hear(okAnswer)
}

func TestASessionIsResumedUntilItsCertificateIsReplaced(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			h := openQuiet(t, ok)
			dir := t.TempDir()
			before, after := newSigned(t, "shop.test"), newSigned(t, "shop.test")
			settings := h.terminating(Termination{Certificates: []CertificateFiles{before.put(t, dir, "shop")}})
			h.configure(settings)
			roots := x509.NewCertPool()
			roots.AddCert(before.Certificate)
			roots.AddCert(after.Certificate)
			cache := tls.NewLRUClientSessionCache(1)
			visit := func() tls.ConnectionState {
				t.Helper()
				conn, err := h.shake(&tls.Config{ServerName: "shop.test", RootCAs: roots, ClientSessionCache: cache, MaxVersion: version})
				if err != nil {
					t.Fatal(err)
				}
				talk := newTalk(t, conn)
				talk.say(get)
				talk.hear(okAnswer)
				return conn.ConnectionState()
			}
			if visit().DidResume || !visit().DidResume {
				t.Fatal("the second visit does not resume the first")
			}
			settings.PassThrough = []string{"bank.test"}
			h.configure(settings)
			if !visit().DidResume {
				t.Error("another edit of the configuration ended the session")
			}
			after.put(t, dir, "shop")
			eventually(t, "the new one is shown", func() bool { return h.shown("shop.test").Equal(after.Certificate) })
			if s := visit(); s.DidResume || !s.PeerCertificates[0].Equal(after.Certificate) {
				t.Errorf("resumed: %v; the client goes on believing in the old one", s.DidResume)
			}
			if !visit().DidResume {
				t.Error("sessions of the new one are not resumed")
			}
		})
	}
}

func TestSettingsThatDoNotHoldChangeNothing(t *testing.T) {
	h := openQuiet(t, ok)
	dir := t.TempDir()
	good := newSigned(t, "shop.test")
	files := good.put(t, dir, "shop")
	settings := h.terminating(Termination{Certificates: []CertificateFiles{files}})
	h.configure(settings)
	address := h.address()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	another := newSigned(t, "shop.test").put(t, dir, "another")
	for _, c := range []struct {
		what   string
		change func(*Settings)
		where  string
	}{
		{"a file that is not there", func(s *Settings) {
			s.TLS.Certificates = []CertificateFiles{another, {Cert: filepath.Join(dir, "none.pem"), Key: files.Key}}
		}, "tls.certificates.2.cert"},
		{"a key of another", func(s *Settings) {
			s.TLS.Certificates = []CertificateFiles{{Cert: files.Cert, Key: another.Key}}
		}, "tls.certificates.1.key"},
		{"a name that is none", func(s *Settings) { s.TLS.Names = []string{"ok.test", "https://shop.test"} }, "tls.names.2"},
		{"a port that is taken", func(s *Settings) {
			s.TLS.Certificates = []CertificateFiles{another}
			s.Listen = append(s.Listen, Listener{Address: taken.Addr().String(), Accept: everything})
		}, "listen.2.address"},
	} {
		t.Run(c.what, func(t *testing.T) {
			changed := settings
			changed.Listen = append([]Listener{{Address: "127.0.0.2:0", Accept: everything}}, settings.Listen[1:]...)
			c.change(&changed)
			if p := problem.Of(h.Configure(changed)); p == nil || p.Where != c.where {
				t.Errorf("the problem is %v", p)
			}
			if h.address() != address || !h.shown("shop.test").Equal(good.Certificate) {
				t.Error("something has changed")
			}
		})
	}
}

func TestFilesBeginAtTheFolderOfTheConfiguration(t *testing.T) {
	h := openQuiet(t, ok)
	h.options.Folder = t.TempDir()
	shop := newSigned(t, "shop.test")
	shop.put(t, h.options.Folder, "shop")
	h.configure(h.terminating(Termination{Certificates: []CertificateFiles{{Cert: "shop.pem", Key: "shop.key"}}}))
	if !h.shown("shop.test").Equal(shop.Certificate) {
		t.Error("another one is shown")
	}
}

func TestTheVersionsAndProtocolsOfTLS(t *testing.T) {
	var defaults Termination
	schema.Defaults(&defaults)
	for _, c := range []struct {
		what     string
		settings Termination
		newest   uint16
		offers   []string
		version  uint16 // 0: it is refused
		speaks   string
	}{
		{"the newest", defaults, tls.VersionTLS13, []string{"h2", "http/1.1"}, tls.VersionTLS13, "h2"},
		{"1.2", defaults, tls.VersionTLS12, []string{"http/1.1"}, tls.VersionTLS12, "http/1.1"},
		{"no protocol", defaults, tls.VersionTLS13, nil, tls.VersionTLS13, ""},
		{"1.1", defaults, tls.VersionTLS11, nil, 0, ""},
		{"1.1 without settings", Termination{}, tls.VersionTLS11, nil, 0, ""},
		{"1.2 where 1.3 is the least", Termination{MinVersion: "1.3"}, tls.VersionTLS12, nil, 0, ""},
		{"1.3 where it is the least", Termination{MinVersion: "1.3"}, tls.VersionTLS13, []string{"h2"}, tls.VersionTLS13, "h2"},
	} {
		t.Run(c.what, func(t *testing.T) {
			h := openQuiet(t, ok)
			h.configure(h.terminating(c.settings))
			conn, err := h.shake(&tls.Config{
				ServerName: "app.localhost", RootCAs: h.roots(), MinVersion: tls.VersionTLS10, MaxVersion: c.newest, NextProtos: c.offers,
			})
			if c.version == 0 {
				if err == nil {
					t.Error("it is taken")
				}
				return
			}
			if s := conn.ConnectionState(); err != nil || s.Version != c.version || s.NegotiatedProtocol != c.speaks {
				t.Fatalf("%v, TLS %x, speaking %q", err, s.Version, s.NegotiatedProtocol)
			}
			if c.speaks != "h2" {
				talk := newTalk(t, conn)
				talk.say(get)
				talk.hear(okAnswer)
			}
		})
	}
}

func (h *house) roots() *x509.CertPool {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(h.options.Authority.PEM())
	return roots
}

// program runs one that is installed, for at most ten seconds.
func program(t *testing.T, name string, args ...string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skip(name + " is not installed")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, name, args...)
	c.Stdin = strings.NewReader("")
	out, err := c.CombinedOutput()
	return string(out), err
}

func TestOpensslIsShownTheCertificateOfEachName(t *testing.T) {
	h := openQuiet(t, ok)
	dir := t.TempDir()
	shop := newSigned(t, "shop.test", "*.shop.test")
	h.configure(h.terminating(Termination{Certificates: []CertificateFiles{shop.put(t, dir, "shop")}}))
	ca := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(ca, h.options.Authority.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ host, trust string }{
		{"shop.test", filepath.Join(dir, "shop.pem")}, {"api.shop.test", filepath.Join(dir, "shop.pem")},
		{"app.localhost", ca}, {"made-up.test", ca},
	} {
		out, err := program(t, "openssl", "s_client", "-connect", h.address(), "-servername", c.host, "-verify_hostname", c.host,
			"-verify_return_error", "-CAfile", c.trust, "-alpn", "http/1.1")
		if err != nil || !strings.Contains(out, "Verify return code: 0 (ok)") || !strings.Contains(out, "ALPN protocol: http/1.1") {
			t.Errorf("%s: %v\n%s", c.host, err, out)
		}
	}
}

func TestCurlReachesALocalNameWithoutAnySetup(t *testing.T) {
	seen := make(chan flow.Conn, 1)
	h := open(t, func(x *flow.Exchange) *flow.Response {
		seen <- x.ClientConn
		return ok(x)
	})
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, h.options.Authority.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(h.address())
	if err != nil {
		t.Fatal(err)
	}
	out, err := program(t, "curl", "-sS", "--noproxy", "*", "--cacert", ca, "--resolve", "app.localhost:"+port+":127.0.0.1", "https://app.localhost:"+port+"/")
	if err != nil || !bytes.HasSuffix([]byte(out), []byte("ok")) {
		t.Fatalf("%q, %v", out, err)
	}
	if tls := receive(t, seen, "the exchange").TLS; tls == nil || tls.SNI != "app.localhost" {
		t.Errorf("its TLS is %+v", tls)
	}
}

func TestOnlyARefusedLeafOfOurAuthorityIsNews(t *testing.T) {
	h := openQuiet(t, ok)
	files := newSigned(t, "shop.test").put(t, t.TempDir(), "shop")
	h.configure(h.terminating(Termination{Certificates: []CertificateFiles{files}}))
	for _, host := range []string{"shop.test", "ours.test"} {
		if _, err := h.shake(&tls.Config{ServerName: host, RootCAs: x509.NewCertPool()}); err == nil {
			t.Errorf("%s is trusted", host)
		}
	}
	if told := receive(t, h.distrusted, "the refusal"); !strings.HasPrefix(told, "ours.test: ") {
		t.Errorf("told: %s", told)
	}
}
