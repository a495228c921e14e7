package ingress

import (
	"strings"

	"proxycache/backend/flow"
	"proxycache/backend/socks"
)

// tlsHandshake is the first byte of a ClientHello's record (RFC 8446 §5.1).
const tlsHandshake = 0x16

// preface is what a client of HTTP/2 says first, in the clear where it knows that the server speaks
// it (RFC 9113 §3.3).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// speak serves the client in the language that it begins with; first is the first byte of that. Only
// a P is not clear alone: it begins POST and PUT, too.
func (c *client) speak(first byte) {
	switch {
	case first == tlsHandshake:
		host, _ := flow.SplitAuthority(c.facts.Local)
		c.serveTLS(host)
	case first == socks.Version5:
		c.serveSOCKS()
	case first == socks.Version4:
		c.refuseSOCKS4()
	case first == preface[0] && c.begins(preface):
		c.serveClearH2()
	default:
		c.serveHTTP()
	}
}

// begins tells whether the client says text next. It asks for no byte more than it takes to tell, and
// consumes none; what goes wrong meets who reads next.
func (c *client) begins(text string) bool {
	for n := 1; n <= len(text); n++ {
		got, err := c.reader.Peek(n)
		if err != nil || !strings.HasPrefix(text, string(got[:n])) {
			return false
		}
	}
	return true
}

// serveClearH2 speaks HTTP/2 with a client that knows it without having asked.
func (c *client) serveClearH2() {
	c.serveH2(c.rest())
}
