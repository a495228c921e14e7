package certs

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// made is a certificate with its key, and what signs with it.
type made struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

func newECDSA(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newEd25519(t *testing.T) crypto.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// oneRSA is shared: finding one is slow.
var oneRSA = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func newRSA(t *testing.T) crypto.Signer {
	t.Helper()
	key, err := oneRSA()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sign makes a certificate for names, which change may change; by is nil for one that signs itself.
func sign(t *testing.T, key crypto.Signer, by *made, change func(*x509.Certificate), names ...string) *made {
	t.Helper()
	serial, err := newSerial()
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "made for tests " + serial.String()[:6]},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour),
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	if change != nil {
		change(template)
	}
	if by == nil {
		by = &made{template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by.certificate, key.Public(), by.key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &made{certificate, key}
}

func asAuthority(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
}

func until(end time.Time) func(*x509.Certificate) {
	return func(c *x509.Certificate) {
		c.NotAfter = end
		if c.NotBefore.After(end) {
			c.NotBefore = end.Add(-time.Hour)
		}
	}
}

func chainText(all ...*made) []byte {
	var out bytes.Buffer
	for _, m := range all {
		out.Write(encode(certificateBlock, m.certificate.Raw))
	}
	return out.Bytes()
}

func keyText(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return encode(keyBlock, der)
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// put writes both files of a certificate into dir, each at once.
func put(t *testing.T, dir, name string, m *made) Pair {
	t.Helper()
	p := Pair{Certificate: filepath.Join(dir, name+".pem"), Key: filepath.Join(dir, name+".key"), Where: "tls.certificates.1"}
	for path, content := range map[string][]byte{p.Certificate: chainText(m), p.Key: keyText(t, m.key)} {
		write(t, path+"~", content)
		if err := os.Rename(path+"~", path); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

func openFiles(t *testing.T, pairs ...Pair) *Files {
	t.Helper()
	f, err := OpenFiles(pairs, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

// eventually polls until ok holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if ok() {
			return
		}
	}
	t.Fatalf("never happened: %s", what)
}

// modern is a client that can use any certificate, or, with schemes, only some.
func modern(schemes ...tls.SignatureScheme) *tls.ClientHelloInfo {
	if len(schemes) == 0 {
		schemes = []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256, tls.PSSWithSHA256, tls.Ed25519}
	}
	return &tls.ClientHelloInfo{
		SupportedVersions: []uint16{tls.VersionTLS13}, SignatureSchemes: schemes,
		CipherSuites: []uint16{tls.TLS_AES_128_GCM_SHA256}, SupportedCurves: []tls.CurveID{tls.X25519, tls.CurveP256},
	}
}

// shown is the certificate for host, nil where there is none.
func shown(f *Files, host string) *x509.Certificate {
	c := f.Set().For(modern(), host)
	if c == nil {
		return nil
	}
	return c.Leaf
}
