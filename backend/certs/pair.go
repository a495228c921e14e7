package certs

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"os"
	"slices"
	"strings"

	"proxycache/backend/problem"
)

// Pair names the two files of a certificate: its chain and its private key, both PEM. They may be one
// and the same.
type Pair struct {
	Certificate string
	Key         string
	Where       string // the setting that names them, for problems: "tls.certificates.1"
}

// largestFile bounds what is read of one file: a chain takes a few KB.
const largestFile = 1 << 20

// text is what a pair's files hold.
type text struct{ certificate, key []byte }

// sum names a text without holding its key.
func (t text) sum() [sha256.Size]byte {
	of := sha256.Sum256(t.certificate)
	return sha256.Sum256(append(of[:], t.key...))
}

func (p Pair) read() (text, *problem.Problem) {
	var t text
	var err error
	if t.certificate, err = readFile(p.Certificate); err != nil {
		return t, problem.Wrap(problem.Invalid, err, "Reading the certificate %s: %v. Name a file that is there and readable for the proxy.", p.Certificate, reason(err)).At(p.Where + ".cert")
	}
	if t.key, err = readFile(p.Key); err != nil {
		return t, problem.Wrap(problem.Invalid, err, "Reading the key %s: %v. Name a file that is there and readable for the proxy.", p.Key, reason(err)).At(p.Where + ".key")
	}
	return t, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, largestFile))
}

// reason leaves out the path, which the message has already.
func reason(err error) error {
	if e, ok := err.(*os.PathError); ok {
		return e.Err
	}
	return err
}

// parse makes the certificate of what the files hold, its leaf in front. Problems never hold a part
// of the key.
func (p Pair) parse(t text) (*tls.Certificate, *problem.Problem) {
	chain, why := parseChain(t.certificate)
	if why != "" {
		return nil, problem.New(problem.Invalid, "Reading the certificate %s: %s.", p.Certificate, why).At(p.Where + ".cert")
	}
	key, why := parseKey(t.key)
	if why != "" {
		return nil, problem.New(problem.Invalid, "Reading the key %s: %s.", p.Key, why).At(p.Where + ".key")
	}
	leaf := slices.IndexFunc(chain, func(c *x509.Certificate) bool { return belongs(key, c) })
	if leaf < 0 {
		return nil, problem.New(problem.Invalid, "Reading the key %s: it does not belong to the certificate %s. Name the key with which that certificate was asked for.", p.Key, p.Certificate).At(p.Where + ".key")
	}
	out := &tls.Certificate{PrivateKey: key, Leaf: chain[leaf]}
	for _, c := range ordered(chain, leaf) {
		out.Certificate = append(out.Certificate, c.Raw)
	}
	return out, nil
}

// parseChain reads the certificates of a PEM file; other blocks in it, such as a key, are passed over.
func parseChain(text []byte) (chain []*x509.Certificate, why string) {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, "it is empty. Put the certificate and those of its issuers into it"
	}
	for block := range blocks(text) {
		if block.Type != certificateBlock {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, "a certificate in it is damaged: " + strings.TrimPrefix(err.Error(), "x509: ") + ". Put a good copy in its place"
		}
		chain = append(chain, c)
	}
	if len(chain) > 0 {
		return chain, ""
	}
	if _, err := x509.ParseCertificate(text); err == nil {
		return nil, "it is in DER, not in PEM. Convert it with openssl x509 -inform der -in FILE -out FILE.pem"
	}
	return nil, "there is no certificate in it. Name a PEM file, which begins with -----BEGIN CERTIFICATE-----"
}

// blocks are the PEM blocks of a text.
func blocks(text []byte) func(yield func(*pem.Block) bool) {
	return func(yield func(*pem.Block) bool) {
		for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
			if !yield(block) {
				return
			}
		}
	}
}

// parseKey reads the first private key of a PEM file. The errors of the parsers could hold parts of
// the key: they are not passed on.
func parseKey(text []byte) (key crypto.Signer, why string) {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, "it is empty. Put the certificate's private key into it"
	}
	for block := range blocks(text) {
		if !strings.HasSuffix(block.Type, keyBlock) {
			continue // a certificate, EC PARAMETERS
		}
		if block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
			return nil, "it is encrypted, and nobody is there to give the passphrase at every start. Decrypt it with openssl pkey -in FILE -out FILE.plain, and keep it readable for the proxy alone"
		}
		if key = parseBlock(block); key == nil {
			return nil, "it is damaged, or of a kind that TLS does not know. Use an RSA, ECDSA or Ed25519 key"
		}
		return key, ""
	}
	return nil, "there is no private key in it. Name a PEM file, which begins with -----BEGIN PRIVATE KEY-----"
}

func parseBlock(block *pem.Block) crypto.Signer {
	if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		switch key := key.(type) {
		case *rsa.PrivateKey:
			return key
		case *ecdsa.PrivateKey:
			return key
		case ed25519.PrivateKey:
			return key
		}
		return nil // X25519, which cannot sign
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key
	}
	if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return key
	}
	return nil
}

func belongs(key crypto.Signer, c *x509.Certificate) bool {
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(c.PublicKey)
}

// ordered puts the leaf in front and behind each certificate the one that signed it, as clients of TLS
// 1.2 want it (RFC 5246 §7.4.2). What belongs to no chain stays behind: it may serve another path.
func ordered(chain []*x509.Certificate, leaf int) []*x509.Certificate {
	rest := slices.Clone(chain)
	var out []*x509.Certificate
	for next := leaf; next >= 0; {
		c := rest[next]
		out = append(out, c)
		rest = slices.DeleteFunc(rest, c.Equal)
		next = slices.IndexFunc(rest, func(issuer *x509.Certificate) bool {
			return bytes.Equal(issuer.RawSubject, c.RawIssuer) && c.CheckSignatureFrom(issuer) == nil
		})
	}
	return append(out, rest...)
}
