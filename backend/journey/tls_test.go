package journey

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// putCertificate writes a certificate for shop.test that signs itself, and its key, into dir.
func putCertificate(t *testing.T, dir string, end time.Time) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(end.UnixNano()), Subject: pkix.Name{CommonName: "shop.test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: end,
		IsCA: true, BasicConstraintsValid: true, DNSNames: []string{"shop.test"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"shop.pem": {Type: "CERTIFICATE", Bytes: der}, "shop.key": {Type: "PRIVATE KEY", Bytes: secret}} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path+"~", pem.EncodeToMemory(block), 0o600), os.Rename(path+"~", path)); err != nil {
			t.Fatal(err)
		}
	}
}

// ask is curl's answer from https://host, at the proxy's reverse door.
func (h *house) ask(host, trust string) string {
	h.t.Helper()
	port := h.proxy()[strings.LastIndexByte(h.proxy(), ':')+1:]
	return run(h.t, "curl", "-sS", "--noproxy", "*", "--cacert", trust, "--resolve", host+":"+port+":127.0.0.1", "https://"+host+":"+port+"/")
}

func TestALocalNameHasACertificateWithoutAnySetup(t *testing.T) {
	w := openWire(t)
	h := openHouse(t, reverseTo(w.address))
	if out := h.ask("app.localhost", h.status().Authority.File); out != `{"heard":true}` {
		t.Errorf("curl got %q", out)
	}
	if x := h.finished("", 1); x.Row.Door != "reverse" || x.Row.Scheme != "https" || x.ClientConnection.TLS == "" {
		t.Errorf("recorded as %+v", x.Row)
	}
}

func TestACertificateOfOnesOwnIsShownAndWatched(t *testing.T) {
	w := openWire(t)
	h := openHouse(t, reverseTo(w.address))
	file := h.status().ConfigFile
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, "\n[tls]\ncertificates = [{ cert = \"shop.pem\", key = \"shop.key\" }]\n"...)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	h.eventually("the missing file is told", func() bool { return len(h.status().ConfigProblems) > 0 })
	if p := h.status().ConfigProblems[0]; p.Where != "tls.certificates.1.cert" || !strings.Contains(p.Message, filepath.Join(h.dir, "shop.pem")) {
		t.Errorf("the problem is %+v", p)
	}

	putCertificate(t, h.dir, time.Now().Add(90*24*time.Hour))
	if err := os.WriteFile(file, append(text, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	h.eventually("the certificate is in force", func() bool { return len(h.status().ConfigProblems) == 0 })
	if out := h.ask("shop.test", filepath.Join(h.dir, "shop.pem")); out != `{"heard":true}` {
		t.Errorf("curl got %q", out)
	}

	putCertificate(t, h.dir, time.Now().Add(3*24*time.Hour+time.Hour))
	h.eventually("the near end of the new one is told", func() bool {
		return strings.Contains(fmt.Sprint(h.status().Warnings), "in 3 days")
	})
	if out := h.ask("shop.test", filepath.Join(h.dir, "shop.pem")); out != `{"heard":true}` {
		t.Errorf("with the new one curl got %q", out)
	}
	if err := os.WriteFile(filepath.Join(h.dir, "shop.key"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	h.eventually("the empty key is told", func() bool {
		return strings.Contains(fmt.Sprint(h.status().Warnings), "shop.key: it is empty")
	})
	if out := h.ask("shop.test", filepath.Join(h.dir, "shop.pem")); out != `{"heard":true}` {
		t.Errorf("with an empty key on disk curl got %q", out)
	}
}
