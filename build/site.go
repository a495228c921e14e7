package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// site is what the peers of one run share.
type site struct {
	dir    string // of the run's files
	origin string // its address
	pem    string // a file with a certificate for 127.0.0.1 and its key, as HAProxy wants it; the others take it, too

	processor string // the one that peers may run on; "" for all

	program string // Proxycache's
	profile string // where Proxycache writes a CPU profile; "" for none
}

// home makes a folder of a peer's own, which others may enter.
func (s site) home(name string) (string, error) {
	dir, err := os.MkdirTemp(s.dir, name+"-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}

func (s *site) certificate() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	text := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})...)
	s.pem = filepath.Join(s.dir, "site.pem")
	return os.WriteFile(s.pem, text, 0o600)
}

// setup is a peer's folder, addresses and configuration file.
type setup struct {
	home, address, secure, file string
	processor                   string // "" for all
}

// fill makes a folder with a configuration in which HOME, ADDRESS, PORT, SECURE, ORIGIN and PEM are replaced.
func (s site) fill(name, text string) (setup, error) {
	home, err := s.home(name)
	if err != nil {
		return setup{}, err
	}
	address, err := freeAddress()
	if err != nil {
		return setup{}, err
	}
	tls, err := freeAddress()
	if err != nil {
		return setup{}, err
	}
	out := setup{home: home, address: address, secure: tls, file: filepath.Join(home, "config.toml"), processor: s.processor} // only Proxycache cares for the file's name
	text = strings.NewReplacer("HOME", home, "ADDRESS", address, "PORT", port(address), "SECURE", tls, "ORIGIN", s.origin, "PEM", s.pem).Replace(text)
	return out, os.WriteFile(out.file, []byte(text), 0o600)
}

func port(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }

func (u setup) start(ctx context.Context, name string, args ...string) (*server, error) {
	if u.processor != "" {
		name, args = "taskset", append([]string{"--cpu-list", u.processor, name}, args...)
	}
	s, err := startServer(ctx, u.address, name, args...)
	if err != nil {
		return nil, err
	}
	s.home, s.secure = u.home, u.secure
	return s, nil
}

// versionSources are where the versions of the peers and of what loads them are found: a command, or a
// file and what stands before the version.
var versionSources = []struct {
	name   string
	ask    []string
	file   string
	before string
}{
	{name: "nginx", ask: []string{"nginx", "-v"}},
	{name: "HAProxy", ask: []string{"haproxy", "-v"}},
	{name: "Caddy", file: "build/caddy.mod", before: "caddyserver/caddy/v2 v"},
	{name: "goproxy", file: "go.mod", before: "elazarl/goproxy v"},
	{name: "mitmproxy", ask: []string{"mitmdump", "--version"}},
	{name: "mockttp", file: "build/peers/package.json", before: `"mockttp": "`},
	{name: "Node", ask: []string{"node", "--version"}},
	{name: "wrk", ask: []string{"wrk", "-v"}},
	{name: "h2load", ask: []string{"h2load", "--version"}},
}

var dotted = regexp.MustCompile(`\d+\.\d+(\.\d+)?`)

// versions names what was measured and with what.
func versions(ctx context.Context) string {
	var out []string
	for _, v := range versionSources {
		var text strings.Builder
		if v.file == "" {
			_ = cmd(ctx, &text, ".", v.ask[0], v.ask[1:]...) // wrk tells its version and ends with 1
		} else if file, err := os.ReadFile(v.file); err == nil {
			_, rest, _ := strings.Cut(string(file), v.before)
			text.WriteString(rest)
		}
		if version := dotted.FindString(text.String()); version != "" {
			out = append(out, v.name+" "+version)
		}
	}
	return strings.Join(out, ", ")
}
