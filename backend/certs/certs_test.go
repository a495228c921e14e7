package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"proxycache/backend/problem"
)

func open(t *testing.T, dir string) *Authority {
	t.Helper()
	a, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestTheFirstStartMakesAnAuthorityThatMaySignLeavesOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "authority")
	a := open(t, dir)
	c := a.certificate
	if !c.IsCA || c.MaxPathLen != 0 || !c.MaxPathLenZero || c.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign {
		t.Errorf("CA %v, path length %d (zero: %v), usage %b", c.IsCA, c.MaxPathLen, c.MaxPathLenZero, c.KeyUsage)
	}
	if !strings.HasPrefix(c.Subject.CommonName, "Proxycache") || len(c.Subject.CommonName) > 64 {
		t.Errorf("it is called %q", c.Subject.CommonName)
	}
	if years := time.Until(a.NotAfter()).Hours() / 24 / 365; years < 9.9 || years > 10.1 {
		t.Errorf("it ends in %.1f years", years)
	}
	if key, ok := c.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
		t.Errorf("its key is %T", c.PublicKey)
	}
	if err := c.CheckSignatureFrom(c); err != nil {
		t.Error(err)
	}
	if runtime.GOOS == "windows" {
		return
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, filepath.Join(dir, keyFile): 0o600, a.File(): 0o644} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has %v, %v; want %o", path, info.Mode().Perm(), err, want)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("the folder holds %v, %v", entries, err)
	}
}

func TestTheSameAuthorityComesBack(t *testing.T) {
	dir := t.TempDir()
	first, again := open(t, dir), open(t, dir)
	if first.Fingerprint() != again.Fingerprint() || !bytes.Equal(first.PEM(), again.PEM()) {
		t.Error("another one was made")
	}
	onDisk, err := os.ReadFile(first.File())
	if err != nil || !bytes.Equal(onDisk, first.PEM()) {
		t.Errorf("the file differs from PEM: %v", err)
	}
}

func TestProcessesThatStartTogetherShareOneAuthority(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "authority")
	got := make([]string, 8)
	var all sync.WaitGroup
	for i := range got {
		all.Go(func() {
			if a, err := Open(dir); err != nil {
				got[i] = err.Error()
			} else {
				got[i] = a.Fingerprint()
			}
		})
	}
	all.Wait()
	for _, g := range got {
		if g != got[0] || len(g) != 32*3-1 {
			t.Errorf("got %q and %q", got[0], g)
		}
	}
}

func TestFingerprintAndSPKI(t *testing.T) {
	a := open(t, t.TempDir())
	block, _ := pem.Decode(a.PEM())
	sum := sha256.Sum256(block.Bytes)
	if want := fmt.Sprintf("%X", sum[:]); strings.ReplaceAll(a.Fingerprint(), ":", "") != want || strings.Count(a.Fingerprint(), ":") != 31 {
		t.Errorf("fingerprint %s, want %s with colons", a.Fingerprint(), want)
	}
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed: the SPKI is not compared with its")
	}
	out, err := exec.Command("sh", "-c", `openssl x509 -in "$1" -pubkey -noout | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | openssl base64`, "sh", a.File()).Output()
	if err != nil || strings.TrimSpace(string(out)) != a.SPKI() {
		t.Errorf("SPKI %s, openssl says %s, %v", a.SPKI(), out, err)
	}
}

func TestWhatIsWrongWithTheFilesIsSaidAndNothingIsReplaced(t *testing.T) {
	other := open(t, t.TempDir())
	replace := func(name string, content []byte) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name string
		harm func(t *testing.T, dir string)
		says string
	}{
		{"an empty certificate", replace(certificateFile, nil), "ca.pem is damaged"},
		{"an empty key", replace(keyFile, nil), "ca-key.pem is damaged"},
		{"a certificate cut short", replace(certificateFile, other.PEM()[:200]), "ca.pem is damaged"},
		{"a key that is a certificate", replace(keyFile, other.PEM()), "ca-key.pem is damaged"},
		{"garbage in the right frame", replace(keyFile, encode(keyBlock, []byte("nonsense"))), "does not hold a private key"},
		{"the certificate of another key", replace(certificateFile, other.PEM()), "does not belong to the key"},
		{"no key", func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, keyFile)); err != nil {
				t.Fatal(err)
			}
		}, "is missing"},
		{"a folder in place of the certificate", func(t *testing.T, dir string) {
			path := filepath.Join(dir, certificateFile)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, "cannot be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			open(t, dir)
			c.harm(t, dir)
			before := content(t, dir)
			a, err := Open(dir)
			if a != nil || err == nil || !strings.Contains(err.Error(), c.says) || problem.KindOf(err) != problem.Unavailable {
				t.Errorf("Open gives %v, %q; want %q in it", a, err, c.says)
			}
			if after := content(t, dir); after != before {
				t.Errorf("the folder was\n%s\nand is\n%s", before, after)
			}
		})
	}
}

func content(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		fmt.Fprintf(&b, "%s %v %x\n", e.Name(), err != nil, sha256.Sum256(text))
	}
	return b.String()
}

func TestAFolderThatCannotBeMadeIsSaid(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(file, "authority")); err == nil || !strings.Contains(err.Error(), "cannot be made") {
		t.Errorf("Open says %v", err)
	}
}

func TestALostCertificateIsIssuedAgainForTheSameKey(t *testing.T) {
	dir := t.TempDir()
	before := open(t, dir)
	if err := os.Remove(before.File()); err != nil {
		t.Fatal(err)
	}
	after := open(t, dir)
	if before.SPKI() != after.SPKI() {
		t.Fatal("the key is another one")
	}
	roots := x509.NewCertPool() // a program that trusted the old certificate
	roots.AddCert(before.certificate)
	if _, err := leaf(t, after, "shop.test").Verify(x509.VerifyOptions{Roots: roots, DNSName: "shop.test"}); err != nil {
		t.Error(err)
	}
}

func TestRightsOfOthersAreTakenAway(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such bits")
	}
	dir := t.TempDir()
	open(t, dir)
	key := filepath.Join(dir, keyFile)
	for path, mode := range map[string]os.FileMode{dir: 0o755, key: 0o644} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	open(t, dir)
	for path, want := range map[string]os.FileMode{dir: 0o700, key: 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has %v, %v", path, info.Mode(), err)
		}
	}
}

func TestAnEndedAuthorityIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		open(t, dir)
		time.Sleep(lifetime + time.Second)
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "ended on 2009-") {
			t.Errorf("Open says %v", err)
		}
	})
}

func leaf(t *testing.T, a *Authority, host string) *x509.Certificate {
	t.Helper()
	c, err := a.Leaf(host)
	if err != nil {
		t.Fatal(err)
	}
	return c.Leaf
}

func TestLeavesAreWhatClientsAccept(t *testing.T) {
	a := open(t, t.TempDir())
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(a.PEM())
	long := strings.Repeat("long-label-of-a-machine.", 6) + "test"
	for _, c := range []struct{ asked, name string }{
		{"shop.test", "shop.test"},
		{"SHOP.Test.", "shop.test"},
		{"under_score.test", "under_score.test"},
		{"localhost", "localhost"},
		{"xn--bcher-kva.example", "xn--bcher-kva.example"},
		{long, long},
		{"127.0.0.1", "127.0.0.1"},
		{"::1", "::1"},
		{"[::1]", "::1"},
		{"::ffff:10.0.0.1", "10.0.0.1"},
		{"fe80::1%eth0", "fe80::1"},
	} {
		t.Run(c.asked, func(t *testing.T) {
			l := leaf(t, a, c.asked)
			if _, err := l.Verify(x509.VerifyOptions{Roots: roots, DNSName: c.name, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}); err != nil {
				t.Error(err)
			}
			if l.IsCA || !l.BasicConstraintsValid || len(l.DNSNames)+len(l.IPAddresses) != 1 {
				t.Errorf("CA %v, names %v %v", l.IsCA, l.DNSNames, l.IPAddresses)
			}
			if days := l.NotAfter.Sub(l.NotBefore).Hours() / 24; days >= 200 || time.Since(l.NotBefore) < time.Hour {
				t.Errorf("valid for %.0f days from %v on", days, l.NotBefore)
			}
			if key, ok := l.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
				t.Errorf("its key is %T", l.PublicKey)
			}
		})
	}
}

func TestNoLeafForWhatIsNoHost(t *testing.T) {
	a := open(t, t.TempDir())
	for _, host := range []string{"", ".", "a..b", "two words", "*.shop.test", "bücher.example", "a\x00b", strings.Repeat("x", 64) + ".test", strings.Repeat("abcdefg.", 40)} {
		if _, err := a.Leaf(host); problem.KindOf(err) != problem.Invalid {
			t.Errorf("%q gives %v", host, err)
		}
	}
	if n := a.leaves.order.Len(); n != 0 {
		t.Errorf("%d failures are kept", n)
	}
}

func TestOpensslAcceptsTheChain(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	a := open(t, t.TempDir())
	for _, c := range []struct{ host, flag string }{{"shop.test", "-verify_hostname"}, {"127.0.0.1", "-verify_ip"}} {
		path := filepath.Join(t.TempDir(), "leaf.pem")
		if err := os.WriteFile(path, encode(certificateBlock, leaf(t, a, c.host).Raw), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", a.File(), c.flag, c.host, path).CombinedOutput()
		if err != nil || !strings.HasSuffix(string(out), ": OK\n") {
			t.Errorf("%s: %s %v", c.host, out, err)
		}
	}
}

func TestAHandshakeWithALeaf(t *testing.T) {
	a := open(t, t.TempDir())
	c, err := a.Leaf("shop.test")
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(a.PEM())
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	served := make(chan error, 1)
	go func() { served <- tls.Server(far, &tls.Config{Certificates: []tls.Certificate{*c}}).Handshake() }()
	if err := tls.Client(near, &tls.Config{RootCAs: roots, ServerName: "shop.test"}).Handshake(); err != nil {
		t.Error(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestALeafIsKeptAndRenewedBeforeItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := open(t, t.TempDir())
		first := leaf(t, a, "shop.test")
		time.Sleep(leafLifetime - renewBefore - time.Hour)
		if leaf(t, a, "Shop.test") != first {
			t.Error("it was made anew long before its end")
		}
		time.Sleep(2 * time.Hour)
		second := leaf(t, a, "shop.test")
		if second == first || !second.NotAfter.After(first.NotAfter) {
			t.Errorf("30 days before its end it still ends %v", second.NotAfter)
		}
		time.Sleep(time.Until(a.NotAfter()) - 40*24*time.Hour)
		if last := leaf(t, a, "shop.test"); !last.NotAfter.Equal(a.NotAfter()) {
			t.Errorf("the leaf ends %v, the authority %v", last.NotAfter, a.NotAfter())
		}
	})
}

func TestManyWhoAskAtOnceShareOneMinting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l leaves
		minted := 0
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				if _, err := l.get("shop.test", func(string) (*tls.Certificate, error) {
					minted++ // the race detector tells when two run
					time.Sleep(time.Second)
					return &tls.Certificate{Leaf: &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(leafLifetime)}}, nil
				}); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if minted != 1 {
			t.Errorf("minted %d times", minted)
		}
	})
}

func TestTheCacheIsBoundedAndForgetsTheLeastUsed(t *testing.T) {
	var l leaves
	mint := func(host string) (*tls.Certificate, error) {
		return &tls.Certificate{Leaf: &x509.Certificate{NotAfter: time.Now().Add(leafLifetime)}}, nil
	}
	get := func(host string) *tls.Certificate {
		c, err := l.get(host, mint)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	often, rarely := get("often.test"), get("rarely.test")
	for i := range keptLeaves {
		get(fmt.Sprintf("host-%d.test", i))
		get("often.test")
	}
	if len(l.byKey) != keptLeaves || l.order.Len() != keptLeaves {
		t.Errorf("%d are kept, %d in order", len(l.byKey), l.order.Len())
	}
	if get("often.test") != often || get("rarely.test") == rarely {
		t.Error("the one used often was forgotten, or the one used rarely kept")
	}
}

// What is printed of an authority, on purpose or by accident, never shows the key.
func TestTheKeyIsNotInWhatIsPrinted(t *testing.T) {
	a := open(t, t.TempDir())
	secret, err := a.key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		text := fmt.Sprintf(verb, a)
		if strings.Contains(text, new(big.Int).SetBytes(secret).String()) || strings.Contains(text, fmt.Sprintf("%x", secret)) {
			t.Errorf("%s prints the key", verb)
		}
	}
}
