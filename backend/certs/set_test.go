package certs

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"strings"
	"testing"
	"time"
)

// setOf makes a set of certificates and tells which of them one is: "" for none.
func setOf(t *testing.T, all ...*made) (*Set, func(*tls.Certificate) string) {
	t.Helper()
	var list []*loaded
	for _, m := range all {
		list = append(list, &loaded{certificate: &tls.Certificate{Certificate: [][]byte{m.certificate.Raw}, PrivateKey: m.key, Leaf: m.certificate}})
	}
	return newSet(list), func(c *tls.Certificate) string {
		for i, m := range all {
			if c != nil && c.Leaf.Equal(m.certificate) {
				return fmt.Sprint(i)
			}
		}
		return ""
	}
}

func TestWhichCertificateAHostGets(t *testing.T) {
	key := newECDSA(t)
	s, which := setOf(t,
		sign(t, key, nil, nil, "*.shop.test", "shop.test"),
		sign(t, key, nil, nil, "api.shop.test"),
		sign(t, key, nil, nil, "10.0.0.1", "::1", "API.other.test"),
	)
	for host, want := range map[string]string{
		"shop.test": "0", "www.shop.test": "0", "WWW.Shop.Test.": "0", "api.shop.test": "1", "a.b.shop.test": "", "test": "",
		"10.0.0.1": "2", "::ffff:10.0.0.1": "2", "[::1]": "2", "0:0::1": "2", "10.0.0.2": "", "api.other.test": "2", "": "", "*.shop.test": "0",
	} {
		if got := which(s.For(modern(), host)); got != want {
			t.Errorf("%q gets %q, want %q", host, got, want)
		}
	}
}

func TestOfSeveralForOneHostTheClientGetsTheNewestItCanUse(t *testing.T) {
	in := func(days int) time.Time { return time.Now().Add(time.Duration(days) * 24 * time.Hour) }
	later := func(c *x509.Certificate) { c.NotBefore, c.NotAfter = in(100), in(300) }
	s, which := setOf(t,
		sign(t, newECDSA(t), nil, until(in(10)), "shop.test"),
		sign(t, newECDSA(t), nil, until(in(80)), "shop.test"),
		sign(t, newRSA(t), nil, until(in(90)), "shop.test"),
		sign(t, newECDSA(t), nil, later, "shop.test"),
		sign(t, newEd25519(t), nil, until(in(-1)), "shop.test"),
	)
	for _, c := range []struct {
		client string
		hello  *tls.ClientHelloInfo
		want   string
	}{
		{"one that can use any", modern(), "2"},
		{"one that knows no RSA", modern(tls.ECDSAWithP256AndSHA256), "1"},
		{"one that knows RSA alone", modern(tls.PSSWithSHA256), "2"},
		{"one that knows only the kind that has ended", modern(tls.Ed25519), "4"},
		{"one that can use none", modern(tls.ECDSAWithP521AndSHA512), "3"},
	} {
		if got := which(s.For(c.hello, "shop.test")); got != c.want {
			t.Errorf("%s gets %q, want %q", c.client, got, c.want)
		}
	}
}

func TestTheOnlyCertificateIsForAllOthers(t *testing.T) {
	curve, large := sign(t, newECDSA(t), nil, nil, "shop.test", "www.shop.test"), sign(t, newRSA(t), nil, nil, "www.shop.test", "SHOP.test")
	other := sign(t, newECDSA(t), nil, nil, "other.test")
	for _, c := range []struct {
		what string
		all  []*made
		want string
	}{
		{"none", nil, ""},
		{"one", []*made{curve}, "0"},
		{"two for the same names", []*made{large, curve}, "1"},
		{"two for different names", []*made{curve, other}, ""},
	} {
		s, which := setOf(t, c.all...)
		hello := modern(tls.ECDSAWithP256AndSHA256)
		hello.ServerName = "elsewhere.test"
		if got := which(s.Sole(hello)); got != c.want {
			t.Errorf("with %s it is %q, want %q", c.what, got, c.want)
		}
	}
}

func TestNoKeyIsInWhatIsPrintedOfASet(t *testing.T) {
	m := sign(t, newRSA(t), nil, nil, "shop.test")
	f := openFiles(t, put(t, t.TempDir(), "shop", m))
	secret, err := oneRSA()
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, it := range []any{f, f.Set(), f.Problems()} {
			if text := fmt.Sprintf(verb, it); strings.Contains(text, secret.D.String()) || strings.Contains(text, fmt.Sprintf("%x", secret.D)) {
				t.Errorf("%s of %T prints the key", verb, it)
			}
		}
	}
}
