package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"proxycache/backend/problem"
)

const (
	// backdate lets clients believe a new certificate whose clock is a little behind.
	backdate = 24 * time.Hour
	// lifetime of the authority: trusting it again every year would teach people to click.
	lifetime = 10 * 365 * 24 * time.Hour
	// longestName is the upper bound of a common name (RFC 5280 appendix A).
	longestName = 64
)

func makeKey(path string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return problem.Wrap(problem.Internal, err, "Making the certificate authority: no key could be made: %v.", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return problem.Wrap(problem.Internal, err, "Making the certificate authority: the key could not be written down: %v.", err)
	}
	return place(path, encode(keyBlock, der), 0o600)
}

// makeCertificate signs the authority's own certificate. It may sign leaves only (path length 0), so
// that no further authority can stand below it.
func makeCertificate(path string, key *ecdsa.PrivateKey) error {
	serial, err := newSerial()
	if err != nil {
		return err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: commonName(), Organization: []string{"Proxycache, made on this computer"}},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(lifetime),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return problem.Wrap(problem.Internal, err, "Making the certificate authority: its certificate could not be signed: %v.", err)
	}
	return place(path, encode(certificateBlock, der), 0o644)
}

// commonName says whose authority it is where a trust store lists it: "Proxycache (anna@laptop)".
func commonName() string {
	var parts []string
	if u, err := user.Current(); err == nil {
		// Windows names the domain in front: LAPTOP\anna.
		parts = append(parts, printable(u.Username[strings.LastIndexByte(u.Username, '\\')+1:]))
	}
	if host, err := os.Hostname(); err == nil {
		parts = append(parts, printable(host))
	}
	hint := strings.Trim(strings.Join(parts, "@"), "@")
	name := "Proxycache (" + hint + ")"
	if hint == "" || len(name) > longestName {
		return "Proxycache"
	}
	return name
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) && r != '(' && r != ')' {
			return r
		}
		return -1
	}, s)
}

// newSerial is random and positive, as RFC 5280 §4.1.2.2 wants it.
func newSerial() (*big.Int, error) {
	n, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126))
	if err != nil {
		return nil, problem.Wrap(problem.Internal, err, "Making a certificate: the system gives no random numbers: %v.", err)
	}
	return n.Add(n, big.NewInt(1)), nil
}

// place makes a whole file appear at path at once, with its rights from the first moment on. A file
// that another process put there meanwhile stays.
func place(path string, content []byte, mode fs.FileMode) error {
	fail := func(err error) error {
		return problem.Wrap(problem.Unavailable, err, "Making the certificate authority: %s cannot be written: %v. Make its folder writable and see that the disk is not full.", path, err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // made with 0600
	if err != nil {
		return fail(err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close(), os.Chmod(f.Name(), mode)); err != nil {
		return fail(err)
	}
	switch err := os.Link(f.Name(), path); {
	case err == nil, errors.Is(err, fs.ErrExist):
		return nil
	}
	// Some file systems know no links.
	if err := os.Rename(f.Name(), path); err != nil {
		return fail(err)
	}
	return nil
}
