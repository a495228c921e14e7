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
	if inner.Conn == c.raw {
		inner.out = &c.out
	}
	if c.facts.TLS.ALPN == "h2" {
		c.serveH2(conn)
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

// clearRefusals are those of them that come in the clear, by their numbers.
var clearRefusals = map[byte]string{
	42: "tls: bad certificate", 43: "tls: unsupported certificate", 44: "tls: revoked certificate", 45: "tls: expired certificate",
	46: "tls: unknown certificate", 48: "tls: unknown certificate authority",
}

// fatalAlert is how the record of an alert in the clear begins, up to the alert's number (RFC 8446 §6).
const fatalAlert = "\x15\x03\x03\x00\x02\x02"

// whyDistrusted is the alert by which a client refused our certificate, or "". In TLS 1.3 OpenSSL says it in
// the clear, where crypto/tls can only take it for an encrypted record with a wrong MAC.
func whyDistrusted(inner *joined, err error) string {
	alert, ok := errors.AsType[*net.OpError](err)
	if !ok {
		return ""
	}
	why := alert.Err.Error()
	switch {
	case alert.Op == "remote error" && slices.Contains(refusals, why):
		return why
	case alert.Op == "local error" && why == "tls: bad record MAC" && string(inner.last[:len(fatalAlert)]) == fatalAlert:
		return clearRefusals[inner.last[len(fatalAlert)]]
	}
	return ""
}

// notOpened tells of a handshake that failed. A client that refuses a leaf of our authority is news for
// people, who can have it trusted; everything else is a detail.
func (c *client) notOpened(inner *joined, host string, err error) {
	if host == "" {
		host = inner.host
	}
	why := whyDistrusted(inner, err)
	if !inner.ours || why == "" {
		c.server.options.Log.Debug("opening TLS failed", "client", c.facts.Remote, "host", host, "error", err)
		return
	}
	c.server.options.Log.Warn("a client refused our certificate", "client", c.facts.Remote, "host", host, "why", why)
	c.server.options.Distrusted(host, why)
}
