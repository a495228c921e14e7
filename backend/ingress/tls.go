package ingress

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"

	"proxycache/backend/flow"
	"proxycache/backend/http1"
)

// tlsConfig answers for every host with a leaf of our authority: the one the client names, else the
// one it connected to.
func (s *Server) tlsConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			host := hello.ServerName
			if j, ok := hello.Conn.(*joined); ok && host == "" {
				host = j.host
			}
			return s.options.Authority.Leaf(host)
		},
	}
}

// serveTLS opens the TLS that the client begins, for host unless it names another, and serves what
// is inside.
func (c *client) serveTLS(host string) {
	inner := c.rest()
	inner.host = host
	conn := tls.Server(inner, c.server.tls)
	c.stage.CompareAndSwap(waiting, working)
	ctx, cancel := context.WithTimeout(context.Background(), headWithin)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		c.notOpened(conn.ConnectionState().ServerName, host, err)
		return
	}
	c.conn, c.scheme = conn, "https"
	c.facts.TLS = factsOf(conn.ConnectionState())
	c.facts.Reused = false
	c.reader.Release()
	c.reader = http1.NewReader(&c.in, http1.Limits{})
	if c.facts.TLS.ALPN == "h2" {
		c.serveH2(conn, inner)
		return
	}
	c.serveHTTP()
}

func factsOf(s tls.ConnectionState) *flow.TLS {
	return &flow.TLS{
		Version: tls.VersionName(s.Version), Cipher: tls.CipherSuiteName(s.CipherSuite), ALPN: s.NegotiatedProtocol,
		SNI: s.ServerName, Chain: s.PeerCertificates,
	}
}

// refusals are the alerts by which clients say that they do not trust a certificate (RFC 8446 §6.2),
// in the words of crypto/tls.
var refusals = []string{
	"tls: bad certificate", "tls: unsupported certificate", "tls: revoked certificate", "tls: expired certificate",
	"tls: unknown certificate", "tls: unknown certificate authority", "tls: bad certificate status response",
}

// notOpened tells of a handshake that failed. A client that refuses our certificate is news for
// people; everything else is a detail.
func (c *client) notOpened(named, host string, err error) {
	if named != "" {
		host = named
	}
	alert, ok := errors.AsType[*net.OpError](err)
	if !ok || alert.Op != "remote error" || !slices.Contains(refusals, alert.Err.Error()) {
		c.server.options.Log.Debug("opening TLS failed", "client", c.facts.Remote, "host", host, "error", err)
		return
	}
	c.server.options.Log.Warn("a client refused our certificate", "client", c.facts.Remote, "host", host, "why", alert.Err.Error())
	c.server.options.Distrusted(host, alert.Err.Error())
}
