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

// serveTLS opens the TLS that the client begins, for host unless it names another, and serves what
// is inside.
func (c *client) serveTLS(host string) {
	inner := c.rest()
	inner.client, inner.host = c, host
	conn := tls.Server(inner, c.server.tls.Load().config())
	c.stage.CompareAndSwap(waiting, working)
	ctx, cancel := context.WithTimeout(context.Background(), c.server.limits.Load().headerTimeout)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		c.notOpened(inner, conn.ConnectionState().ServerName, err)
		return
	}
	c.conn, c.scheme = conn, "https"
	c.facts.TLS = factsOf(conn.ConnectionState())
	c.facts.Reused = false
	c.reader.Release()
	c.bounds = c.server.limits.Load()
	c.reader = http1.NewReader(&c.in, c.bounds.head)
	c.reader.Tolerate(flow.RequestTolerances) // the route decides
	if c.facts.TLS.ALPN == "h2" {
		c.serveH2(conn)
		return
	}
	if inner.Conn == c.raw {
		inner.out = &c.out
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

// notOpened tells of a handshake that failed. A client that refuses a leaf of our authority is news for
// people, who can have it trusted; everything else is a detail.
func (c *client) notOpened(inner *joined, host string, err error) {
	if host == "" {
		host = inner.host
	}
	alert, ok := errors.AsType[*net.OpError](err)
	if !inner.ours || !ok || alert.Op != "remote error" || !slices.Contains(refusals, alert.Err.Error()) {
		c.server.options.Log.Debug("opening TLS failed", "client", c.facts.Remote, "host", host, "error", err)
		return
	}
	c.server.options.Log.Warn("a client refused our certificate", "client", c.facts.Remote, "host", host, "why", alert.Err.Error())
	c.server.options.Distrusted(host, alert.Err.Error())
}
