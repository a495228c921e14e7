// Package certs is the local certificate authority: one key made on this machine, and a leaf
// certificate for every host whose TLS is opened.
package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"proxycache/backend/problem"
)

// The files of an authority. The certificate may be given to anyone; the key never leaves its folder.
const (
	certificateFile = "ca.pem"
	keyFile         = "ca-key.pem"
)

// Authority signs leaf certificates. Its methods may be called at any time by any goroutine.
type Authority struct {
	file        string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	leaves      leaves
}

// Open reads the authority in dir, and makes it when there is none. It may be called for the same
// folder by several processes at once: all of them get the same authority. A damaged, foreign or
// ended one is a problem and is left as it is, for programs may trust it.
func Open(dir string) (*Authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, problem.Wrap(problem.Unavailable, err, "Opening the certificate authority: its folder %s cannot be made: %v. Make it writable, or choose another data folder with --dir.", dir, err)
	}
	certificatePath, keyPath := filepath.Join(dir, certificateFile), filepath.Join(dir, keyFile)
	key, err := openKey(keyPath, certificatePath)
	if err != nil {
		return nil, err
	}
	if err := narrow(dir, 0o700); err != nil {
		return nil, err
	}
	if err := narrow(keyPath, 0o600); err != nil {
		return nil, err
	}
	certificate, err := openCertificate(certificatePath, key)
	if err != nil {
		return nil, err
	}
	a := &Authority{file: certificatePath, certificate: certificate, key: key}
	if err := a.check(); err != nil {
		return nil, err
	}
	return a, nil
}

// PEM is the certificate for people and trust stores.
func (a *Authority) PEM() []byte { return encode(certificateBlock, a.certificate.Raw) }

// File is the path of the certificate (PEM).
func (a *Authority) File() string { return a.file }

// NotAfter is when the authority ends, and all trust in it.
func (a *Authority) NotAfter() time.Time { return a.certificate.NotAfter }

// Fingerprint is the certificate's SHA-256 as trust dialogs show it: "AB:CD:…".
func (a *Authority) Fingerprint() string {
	sum := sha256.Sum256(a.certificate.Raw)
	return strings.ReplaceAll(fmt.Sprintf("% X", sum[:]), " ", ":")
}

// SPKI is the base64 SHA-256 of the public key, the form in which Chromium's
// --ignore-certificate-errors-spki-list wants it.
func (a *Authority) SPKI() string {
	sum := sha256.Sum256(a.certificate.RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// openKey reads the key, or makes one where neither key nor certificate exists. A certificate
// without its key is not replaced: programs may trust it.
func openKey(path, certificatePath string) (*ecdsa.PrivateKey, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(certificatePath); err == nil {
			return nil, problem.New(problem.Unavailable, "Opening the certificate authority: %s is there, but its key %s is missing. Put the key back, or remove the certificate: then a new authority is made, which your programs must be told to trust.", certificatePath, path)
		}
		if err := makeKey(path); err != nil {
			return nil, err
		}
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, unreadable(path, err)
	}
	der, err := decode(keyBlock, text)
	if err != nil {
		return nil, damaged(path, err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil { // its text could hold parts of the key: it is not passed on
		return nil, damaged(path, errors.New("it does not hold a private key"))
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, damaged(path, errors.New("it does not hold an ECDSA key"))
	}
	return key, nil
}

// openCertificate reads the certificate, or issues one for the key: after a first start that was
// interrupted between the two files, or when a person removed it. Key and name are the same again, so
// that programs which trusted the old one go on trusting.
func openCertificate(path string, key *ecdsa.PrivateKey) (*x509.Certificate, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeCertificate(path, key); err != nil {
			return nil, err
		}
		text, err = os.ReadFile(path)
	}
	if err != nil {
		return nil, unreadable(path, err)
	}
	der, err := decode(certificateBlock, text)
	if err != nil {
		return nil, damaged(path, err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, damaged(path, err)
	}
	return certificate, nil
}

// check tells whether the two files belong together and can still sign.
func (a *Authority) check() error {
	switch public, ok := a.certificate.PublicKey.(*ecdsa.PublicKey); {
	case !ok || !public.Equal(a.key.Public()):
		return damaged(a.file, errors.New("it does not belong to the key beside it"))
	case !a.certificate.IsCA:
		return damaged(a.file, errors.New("it is not the certificate of an authority"))
	case !time.Now().Before(a.certificate.NotAfter):
		return problem.New(problem.Unavailable, "Opening the certificate authority: %s ended on %s. Remove the folder %s: then a new authority is made, which your programs must be told to trust.",
			a.file, a.certificate.NotAfter.Format(time.DateOnly), filepath.Dir(a.file))
	}
	return nil
}

// narrow takes rights from others that a copy or an unpacked archive may have given. Windows has no
// such bits: there the folder's inherited list of the user's profile holds.
func narrow(path string, to fs.FileMode) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return unreadable(path, err)
	}
	if info.Mode().Perm()&^to == 0 {
		return nil
	}
	if err := os.Chmod(path, to); err != nil {
		return problem.Wrap(problem.Unavailable, err, "Opening the certificate authority: others can read %s, and that cannot be changed: %v. Run chmod %o on it.", path, err, to)
	}
	return nil
}

const (
	certificateBlock = "CERTIFICATE"
	keyBlock         = "PRIVATE KEY"
)

func encode(block string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: block, Bytes: der})
}

func decode(block string, text []byte) ([]byte, error) {
	b, rest := pem.Decode(text)
	if b == nil || b.Type != block || len(bytes.TrimSpace(rest)) > 0 {
		return nil, fmt.Errorf("it is not one PEM block of type %q", block)
	}
	return b.Bytes, nil
}

func unreadable(path string, err error) error {
	return problem.Wrap(problem.Unavailable, err, "Opening the certificate authority: %s cannot be read: %v. Make it readable for you.", path, err)
}

func damaged(path string, err error) error {
	return problem.Wrap(problem.Unavailable, err, "Opening the certificate authority: %s is damaged: %v. Put a good copy back, or remove the folder %s: then a new authority is made, which your programs must be told to trust.", path, err, filepath.Dir(path))
}
