package certs

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"proxycache/backend/problem"
)

func TestEveryKindOfKeyIsRead(t *testing.T) {
	curve := newECDSA(t)
	sec1, err := x509.MarshalECPrivateKey(curve.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	parameters := encode("EC PARAMETERS", []byte{6, 8, 42, 134, 72, 206, 61, 3, 1, 7})
	for _, c := range []struct {
		name string
		key  crypto.Signer
		text []byte
	}{
		{"RSA", newRSA(t), keyText(t, newRSA(t))},
		{"RSA in PKCS 1", newRSA(t), encode("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(newRSA(t).(*rsa.PrivateKey)))},
		{"ECDSA", curve, keyText(t, curve)},
		{"ECDSA as openssl ecparam writes it", curve, append(parameters, encode("EC PRIVATE KEY", sec1)...)},
	} {
		t.Run(c.name, func(t *testing.T) { readsTheKey(t, c.key, c.text) })
	}
	t.Run("Ed25519", func(t *testing.T) {
		key := newEd25519(t)
		readsTheKey(t, key, keyText(t, key))
	})
}

func readsTheKey(t *testing.T, key crypto.Signer, text []byte) {
	t.Helper()
	pair := put(t, t.TempDir(), "shop", sign(t, key, nil, nil, "shop.test"))
	write(t, pair.Key, text)
	if shown(openFiles(t, pair), "shop.test") == nil {
		t.Error("it is not shown for its name")
	}
}

func TestOneFileMayHoldBoth(t *testing.T) {
	m := sign(t, newECDSA(t), nil, nil, "shop.test")
	path := filepath.Join(t.TempDir(), "both.pem")
	write(t, path, append(keyText(t, m.key), chainText(m)...))
	if shown(openFiles(t, Pair{Certificate: path, Key: path}), "shop.test") == nil {
		t.Error("it is not shown for its name")
	}
}

func TestTheLeafComesFirstAndItsIssuersFollow(t *testing.T) {
	root := sign(t, newECDSA(t), nil, asAuthority)
	middle := sign(t, newECDSA(t), root, asAuthority)
	leaf := sign(t, newECDSA(t), middle, nil, "shop.test")
	other := sign(t, newECDSA(t), nil, asAuthority)
	pair := put(t, t.TempDir(), "shop", leaf)
	write(t, pair.Certificate, chainText(other, root, middle, leaf, leaf))
	got := openFiles(t, pair).Set().For(modern(), "shop.test").Certificate
	want := [][]byte{leaf.certificate.Raw, middle.certificate.Raw, root.certificate.Raw, other.certificate.Raw}
	if !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("the chain has %d certificates, or another order", len(got))
	}
}

func TestWhatCannotBeUsedIsSaidAtItsSetting(t *testing.T) {
	m := sign(t, newECDSA(t), nil, nil, "shop.test")
	key, certificate := keyText(t, m.key), chainText(m)
	secret, _ := pem.Decode(key)
	broken := bytes.Replace(key, []byte("\n"), []byte("\nAAAA"), 1)
	dir := t.TempDir()
	for _, c := range []struct {
		name             string
		certificate, key []byte // nil: there is no file
		where, says      string
	}{
		{"no certificate", nil, key, "cert", "no such file"},
		{"no key", certificate, nil, "key", "no such file"},
		{"an empty certificate", []byte(" \n"), key, "cert", "is empty"},
		{"an empty key", certificate, []byte{}, "key", "is empty"},
		{"files swapped", key, certificate, "cert", "no certificate in it"},
		{"a certificate as key", certificate, certificate, "key", "no private key in it"},
		{"DER", m.certificate.Raw, key, "cert", "openssl x509 -inform der"},
		{"a damaged certificate", encode(certificateBlock, []byte("no")), key, "cert", "damaged"},
		{"a damaged key", certificate, broken, "key", "damaged"},
		{"another's key", certificate, keyText(t, newECDSA(t)), "key", "does not belong"},
		{"another kind of key", certificate, keyText(t, newEd25519(t)), "key", "does not belong"},
		{"an encrypted key", certificate, encode("ENCRYPTED PRIVATE KEY", secret.Bytes), "key", "openssl pkey"},
		{"an encrypted key of old", certificate, pem.EncodeToMemory(&pem.Block{
			Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}, Bytes: secret.Bytes,
		}), "key", "openssl pkey"},
	} {
		t.Run(c.name, func(t *testing.T) {
			pair := Pair{Certificate: filepath.Join(dir, "shop.pem"), Key: filepath.Join(dir, "shop.key"), Where: "tls.certificates.2"}
			for path, content := range map[string][]byte{pair.Certificate: c.certificate, pair.Key: c.key} {
				_ = os.Remove(path)
				if content != nil {
					write(t, path, content)
				}
			}
			_, err := OpenFiles([]Pair{pair}, nil)
			p := problem.Of(err)
			if p == nil || p.Where != "tls.certificates.2."+c.where || !strings.Contains(p.Message, c.says) || !strings.HasPrefix(p.Message, "Reading the ") {
				t.Fatalf("the problem is %v", err)
			}
			if strings.Contains(err.Error(), string(key[40:60])) {
				t.Error("it holds a part of the key")
			}
		})
	}
}

func TestAllThatIsWrongIsToldAtOnce(t *testing.T) {
	dir := t.TempDir()
	_, err := OpenFiles([]Pair{{Certificate: dir + "/a", Where: "a"}, {Certificate: dir + "/b", Where: "b"}}, nil)
	if list, ok := err.(problem.List); !ok || len(list) != 2 || list[1].Where != "b.cert" {
		t.Errorf("the problem is %v", err)
	}
}
