package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/netip"
	"os"
	"strings"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// What TLS calls the protocols (RFC 7301).
const (
	protocol1 = "http/1.1"
	protocol2 = "h2"
)

// sessions is how many TLS sessions a pool remembers, for shorter handshakes.
const sessions = 256

// tlsConfig trusts the system's authorities and those in the file of s, and shows the certificate of s
// to who asks for one. Problems are at where, the place of s.
func tlsConfig(where string, s dialing) (*tls.Config, error) {
	config := &tls.Config{
		MinVersion: tls.VersionTLS12, InsecureSkipVerify: s.SkipVerify,
		ClientSessionCache: tls.NewLRUClientSessionCache(sessions),
	}
	var err error
	if config.RootCAs, err = authorities(s.CA); err != nil {
		return nil, problem.Of(err).At(where + ".ca")
	}
	if config.Certificates, err = clientCertificate(where, s); err != nil {
		return nil, err
	}
	return config, nil
}

// from has the paths of its files begin where those of o do.
func (s dialing) from(o Options) dialing {
	s.CA, s.ClientCert, s.ClientKey = o.path(s.CA), o.path(s.ClientCert), o.path(s.ClientKey)
	return s
}

// CheckFiles reads the files that the settings of the pool called name ask for; relative paths begin at folder.
// The error is a problem.
func (s Settings) CheckFiles(name, folder string) error {
	_, err := tlsConfig("upstreams."+name, s.from(Options{Folder: folder}))
	return err
}

// CheckFiles is that of Settings, for the section [forward].
func (f Forward) CheckFiles(folder string) error {
	_, err := tlsConfig("forward", f.from(Options{Folder: folder}))
	return err
}

// authorities are the system's and those in the file; nil, which stands for the system's, without one.
func authorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, problem.Wrap(problem.Invalid, err, "Reading the trusted authority %s: %v. Name a file that can be read.", file, err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil { // a machine without any: then only those of the file are trusted
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(text) {
		return nil, problem.New(problem.Invalid, "Reading the trusted authority %s: there is no certificate in it. Name a PEM file, which begins with -----BEGIN CERTIFICATE-----.", file)
	}
	return roots, nil
}

// clientCertificate reads what servers are shown that ask who we are. The key may stand in the file of
// the certificate.
func clientCertificate(where string, s dialing) ([]tls.Certificate, error) {
	if s.ClientCert == "" {
		if s.ClientKey != "" {
			return nil, problem.New(problem.Invalid, "Reading the client certificate: client_key is set and client_cert is not. Name the file with the certificate, too.").At(where + ".client_cert")
		}
		return nil, nil
	}
	cert, err := os.ReadFile(s.ClientCert)
	if err != nil {
		return nil, problem.Wrap(problem.Invalid, err, "Reading the client certificate %s: %v. Name a file that can be read.", s.ClientCert, err).At(where + ".client_cert")
	}
	if block, _ := pem.Decode(cert); block == nil {
		return nil, problem.New(problem.Invalid, "Reading the client certificate %s: there is none in it. Name a PEM file, which begins with -----BEGIN CERTIFICATE-----.", s.ClientCert).At(where + ".client_cert")
	}
	key, file := cert, s.ClientCert
	if s.ClientKey != "" {
		file = s.ClientKey
		if key, err = os.ReadFile(file); err != nil {
			return nil, problem.Wrap(problem.Invalid, err, "Reading the key of the client certificate %s: %v. Name a file that can be read.", file, err).At(where + ".client_key")
		}
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, problem.Wrap(problem.Invalid, err, "Reading the key of the client certificate %s: %s. Name the PEM file with the private key that belongs to %s, without a password.", file, strings.TrimPrefix(err.Error(), "tls: "), s.ClientCert).At(where + ".client_key")
	}
	return []tls.Certificate{pair}, nil
}

// secure shakes hands over the connection of d.
func (p *Pool) secure(ctx context.Context, x *flow.Exchange, t *target, d *dialled, offer []string) error {
	config := p.tls.Clone()
	config.NextProtos = offer
	config.ServerName = t.serverName()
	if p.sni != "" {
		config.ServerName = p.sni
	}
	asked := false
	if len(config.Certificates) == 0 {
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			asked = true
			return new(tls.Certificate), nil // none
		}
	}
	d.held = &held{Conn: d.below()}
	conn := tls.Client(d.held, config)
	x.Timing.TLSStart = x.Since()
	err := conn.HandshakeContext(ctx)
	x.Timing.TLSDone = x.Since()
	facts := factsOf(conn.ConnectionState(), config.ServerName)
	switch {
	case asked && alertOf(err) == "tls: handshake failure": // so it is said where there is no certificate_required (RFC 5246 §7.4.6)
		x.TargetConn.TLS = facts
		return p.notAdmitted("Connecting to "+t.address+" by TLS", err)
	case err != nil:
		return p.notSecured(x, t, facts, err)
	}
	d.conn, d.facts.TLS = conn, facts
	if facts.ALPN == protocol2 {
		d.spoken = protocol2
	}
	x.TargetConn = d.facts
	return nil
}

func factsOf(s tls.ConnectionState, name string) *flow.TLS {
	if _, err := netip.ParseAddr(name); err == nil {
		name = "" // an address is not sent (RFC 6066 §3)
	}
	facts := &flow.TLS{ALPN: s.NegotiatedProtocol, SNI: name, Chain: s.PeerCertificates}
	if s.HandshakeComplete {
		facts.Version, facts.Cipher = tls.VersionName(s.Version), tls.CipherSuiteName(s.CipherSuite)
	}
	return facts
}
