package ingress

import (
	"crypto/tls"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"proxycache/backend/certs"
	"proxycache/backend/problem"
)

// Termination is the section [tls]: which certificates clients are shown.
type Termination struct {
	Certificates []CertificateFiles `toml:"certificates" title:"Certificates" max:"1000" help:"Certificates of your own, in files. Each serves the hosts that it names, *.shop.test one label; a new file in the place of the old one is used at once, and connections stay. Whoever asks for another host gets the only certificate there is, or with several of them none."`
	Names        []string           `toml:"names" title:"Names of your own" max:"256" placeholder:"*.shop.test" help:"Hosts for which Proxycache's own authority makes certificates when no file has one; *.shop.test is every host below it. It does so without being told for localhost and *.localhost, for this computer's own name and addresses, for hosts that programs reach through the proxy (CONNECT, SOCKS), and for any host that a program on this computer asks for."`
	MinVersion   string             `toml:"min_version" title:"Lowest TLS version" oneof:"1.2,1.3" default:"1.2" help:"Clients that speak only older versions are refused."`
}

// CertificateFiles are a certificate and its key.
type CertificateFiles struct {
	Cert string `toml:"cert" title:"Certificate" required:"true" placeholder:"shop.pem" help:"A PEM file with the certificate and behind it those of its issuers. A relative path begins at the configuration file's folder."`
	Key  string `toml:"key" title:"Key" required:"true" placeholder:"shop.key" help:"A PEM file with its private key (RSA, ECDSA or Ed25519), not encrypted. Keep it readable for the proxy alone."`
}

// Check holds the names to what a client can ask for.
func (t *Termination) Check() []*problem.Problem {
	var list []*problem.Problem
	p := newPatterns()
	for i, name := range t.Names {
		if !p.add(name) {
			list = append(list, problem.New(problem.Invalid, "%q is neither a host nor an address: write shop.test, *.shop.test or 10.0.0.1", name).At("names."+strconv.Itoa(i+1)))
		}
	}
	return list
}

// terminator is a section [tls] in force.
type terminator struct {
	settings  Termination
	authority *certs.Authority
	files     *certs.Files
	names     patterns // configured, and this computer's
	opened    atomic.Pointer[opened]
	refused   atomic.Pointer[refusedHost] // the last one
}

// refusedHost is a host for which a client got no certificate.
type refusedHost struct {
	host, client string
	at           time.Time
}

// refusedFor is how long a refused host is told of. One that people want is asked for again.
const refusedFor = 10 * time.Minute

// opened is what handshakes are made with while the files' certificates are these.
type opened struct {
	set    *certs.Set
	config *tls.Config
}

// newTerminator reads all that the settings name. The error is a problem or a list of them; there is
// nothing to close then.
func (s *Server) newTerminator(t Termination) (*terminator, error) {
	if list := t.Check(); len(list) > 0 {
		first := list[0]
		return nil, first.At("tls." + first.Where)
	}
	out := &terminator{settings: t, authority: s.options.Authority, names: newPatterns()}
	for _, name := range append(ownNames(), t.Names...) {
		out.names.add(name)
	}
	var err error
	out.files, err = certs.OpenFiles(s.options.pairs(t), s.options.Log)
	return out, err
}

func (o Options) pairs(t Termination) []certs.Pair {
	pairs := make([]certs.Pair, len(t.Certificates))
	for i, c := range t.Certificates {
		pairs[i] = certs.Pair{Certificate: o.path(c.Cert), Key: o.path(c.Key), Where: "tls.certificates." + strconv.Itoa(i+1)}
	}
	return pairs
}

// CheckFiles reads the certificates that t names; relative paths begin at folder. The error is a problem or a
// list of them.
func (t Termination) CheckFiles(folder string) error {
	return certs.Check(Options{Folder: folder}.pairs(t))
}

// path is where a file of the settings is.
func (o Options) path(written string) string {
	if filepath.IsAbs(written) {
		return written
	}
	return filepath.Join(o.Folder, written)
}

// ownNames are what this computer is called at home: the name, and the one that mDNS gives it.
func ownNames() []string {
	names := []string{"localhost", "*.localhost"}
	host, err := os.Hostname()
	if err != nil || host == "" {
		return names
	}
	first, _, _ := strings.Cut(host, ".")
	return append(names, host, first, first+".local")
}

// terminator is one of these settings; nil where those in force are the same, whose watching and whose
// clients' sessions go on.
func (s *Server) terminator(t Termination) (*terminator, error) {
	if before := s.tls.Load(); before != nil && reflect.DeepEqual(before.settings, t) {
		return nil, nil
	}
	return s.newTerminator(t)
}

// config is what the next handshake is made with. It is a new one, with new keys for session tickets,
// once a certificate was replaced: a session begun under the old one must not be resumed, for its
// client would go on believing in that.
func (t *terminator) config() *tls.Config {
	now, set := t.opened.Load(), t.files.Set()
	if now != nil && now.set == set {
		return now.config
	}
	next := &opened{set, &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) { return t.certificate(set, hello) },
	}}
	if t.settings.MinVersion == "1.3" {
		next.config.MinVersion = tls.VersionTLS13
	}
	if t.opened.CompareAndSwap(now, next) {
		return next.config
	}
	return t.config() // another handshake was first
}

// certificate chooses for the host that the client names, else for the one it connected to: a file's,
// one of our authority, the only file's, or none, which crypto/tls answers with unrecognized_name
// (RFC 6066 §3).
func (t *terminator) certificate(set *certs.Set, hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	to, ok := hello.Conn.(*joined)
	if !ok {
		return nil, problem.New(problem.Internal, "Opening TLS: the connection is none of a client.")
	}
	host := hello.ServerName
	if host == "" {
		host = to.host
	}
	if file := set.For(hello, host); file != nil {
		return file, nil
	}
	if t.mints(to, host) {
		switch leaf, err := t.authority.Leaf(host); {
		case err == nil:
			to.ours = true
			return leaf, nil
		case problem.KindOf(err) != problem.Invalid: // a host that is none is answered as one without a certificate
			return nil, err
		}
	}
	file := set.Sole(hello)
	if file == nil {
		t.refused.Store(&refusedHost{host, to.client.address.Addr().String(), time.Now()})
	}
	return file, nil
}

// mints tells whether our authority signs for a host. What strangers ask for is not enough: they could
// fill memory with names.
func (t *terminator) mints(to *joined, host string) bool {
	c := to.client
	if c.via != "" || t.names.match(host) || plainHost(host) == plainHost(to.host) {
		return true
	}
	if a, err := netip.ParseAddr(plainHost(host)); err == nil && a.IsLoopback() {
		return true
	}
	client := c.address.Addr()
	return client.IsLoopback() || client.IsValid() && client.String() == plainHost(to.host)
}

// CertificateProblems are what a person should mend about certificates: files that are not taken any
// more, ends that are near, keys that others can read, a host asked for in vain.
func (s *Server) CertificateProblems() problem.List {
	t := s.tls.Load()
	if t == nil {
		return nil
	}
	list := t.files.Problems()
	if r := t.refused.Load(); r != nil && time.Since(r.at) < refusedFor {
		list = append(list, problem.New(problem.TLSCert, "The client %s asked for %q and was refused, for there is no certificate for that host. If it is yours, add it to the names in Settings, TLS.", r.client, r.host).At("tls.names"))
	}
	return list
}
