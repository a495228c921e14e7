package ingress

import (
	"crypto/tls"
	"errors"
	"net"
	"net/netip"

	"proxycache/backend/http1"
)

// passesInside tells whether the TLS that the client begins is for a host to pass through, where it asked
// for a connection to an address: who looks names up by itself tells them nowhere else. The error says that
// the ClientHello did not come.
func (c *client) passesInside(host string) (bool, error) {
	pass := &c.server.rules.Load().pass
	if !isAddress(host) || len(pass.hosts)+len(pass.suffixes) == 0 {
		return false, nil
	}
	name, err := c.peekServerName()
	return name != "" && pass.match(name), err
}

// isAddress tells an address from a name.
func isAddress(host string) bool {
	_, err := netip.ParseAddr(plainHost(host))
	return err == nil
}

// errPeeked ends a handshake that was begun for the sake of its first message.
var errPeeked = errors.New("ingress: only the ClientHello was wanted")

// peekServerName reads the name in a ClientHello without consuming it; "" where there is none, or no
// ClientHello: who opens the TLS says what is wrong with that.
func (c *client) peekServerName() (name string, err error) {
	p := &peeked{Conn: c.conn, from: c.reader}
	_ = tls.Server(p, &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		name = hello.ServerName
		return nil, errPeeked
	}}).Handshake()
	return name, p.failed
}

// peeked is a connection that is read without consuming anything, and never written to.
type peeked struct {
	net.Conn
	from   *http1.Reader
	at     int
	failed error
}

func (p *peeked) Read(b []byte) (int, error) {
	if _, p.failed = p.from.Peek(p.at + 1); p.failed != nil {
		return 0, p.failed
	}
	n := copy(b, p.from.Buffered()[p.at:])
	p.at += n
	return n, nil
}

func (p *peeked) Write([]byte) (int, error) { return 0, errPeeked }
