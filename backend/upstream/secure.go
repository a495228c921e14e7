package upstream

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"os"

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

// tlsConfig trusts the system's authorities and those in the file of s.
func tlsConfig(s dialing) (*tls.Config, error) {
	config := &tls.Config{
		MinVersion: tls.VersionTLS12, InsecureSkipVerify: s.SkipVerify,
		ClientSessionCache: tls.NewLRUClientSessionCache(sessions),
	}
	if s.CA == "" {
		return config, nil
	}
	text, err := os.ReadFile(s.CA)
	if err != nil {
		return nil, problem.Wrap(problem.Invalid, err, "Reading the trusted authority %s: %v. Name a file that can be read.", s.CA, err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil { // a machine without any: then only those of the file are trusted
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(text) {
		return nil, problem.New(problem.Invalid, "Reading the trusted authority %s: there is no certificate in it. Name a PEM file, which begins with -----BEGIN CERTIFICATE-----.", s.CA)
	}
	config.RootCAs = roots
	return config, nil
}

// secure shakes hands over the socket of d.
func (p *Pool) secure(ctx context.Context, x *flow.Exchange, t *target, d *dialled, offer []string) error {
	config := p.tls.Clone()
	config.NextProtos = offer
	config.ServerName = t.host
	if p.sni != "" {
		config.ServerName = p.sni
	}
	conn := tls.Client(d.socket, config)
	x.Timing.TLSStart = x.Since()
	err := conn.HandshakeContext(ctx)
	x.Timing.TLSDone = x.Since()
	facts := factsOf(conn.ConnectionState(), config.ServerName)
	if err != nil {
		return p.notSecured(x, t, facts, err)
	}
	d.conn, d.facts.TLS = conn, facts
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
