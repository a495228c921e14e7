package ingress

import (
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net"

	"proxycache/backend/flow"
	"proxycache/backend/http2"
	"proxycache/backend/problem"
)

// addressUpgrade makes an extended CONNECT (RFC 8441 §4) what it is on HTTP/1.1: a GET that asks for an
// upgrade (RFC 6455 §4.1).
func (s *stream) addressUpgrade() {
	r := &s.request
	r.Method, r.ContentLength = "GET", 0
	h := append(make(flow.Header, 0, len(r.Header)+3), r.Header...)
	h.Add("Connection", "Upgrade")
	h.Add("Upgrade", "websocket")
	if s.key = h.Get("Sec-WebSocket-Key"); s.key == "" {
		var nonce [16]byte
		_, _ = rand.Read(nonce[:]) // it never fails
		s.key = base64.StdEncoding.EncodeToString(nonce[:])
		h.Add("Sec-WebSocket-Key", s.key)
	}
	r.Header = h
}

// accepted tells whether a 101 answers our key (RFC 6455 §4.2.2).
func (s *stream) accepted(r *flow.Response) bool {
	sum := sha1.Sum([]byte(s.key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return r.Header.Get("Sec-WebSocket-Accept") == base64.StdEncoding.EncodeToString(sum[:])
}

func (s *stream) notUpgraded(format string, args ...any) *problem.Problem {
	return problem.New(problem.BadResponse, "Opening a WebSocket to %s: %s. Look at the server's log.", s.request.URL(), fmt.Sprintf(format, args...))
}

// fail answers for a server that did not.
func (s *stream) fail(p *problem.Problem) (complete bool) {
	refused := refusal{502, p.Message}
	h, body := refused.page(s.request.Header.Joined("Accept"), string(p.Kind))
	out := flow.NewResponse(refused.status, "", body)
	out.Header = h
	return s.write(out)
}

// upgrade answers 200 and carries bytes both ways: DATA frames are what a connection is in HTTP/1.1,
// and the end of a stream is the end of its direction.
func (s *stream) upgrade(r *flow.Response) (complete bool) {
	switch {
	case s.door == flow.Tunnel:
	case s.key == "":
		s.x.Problem = problem.New(problem.BadResponse, "Answering %s %s: the server switched to another protocol without being asked. Look at the server's log.", s.request.Method, s.request.URL())
		return s.fail(s.x.Problem)
	case !s.accepted(r):
		s.x.Problem = s.notUpgraded("the server's Sec-WebSocket-Accept does not answer our key")
		return s.fail(s.x.Problem)
	}
	s.client.streams.lasts(s)
	if s.client.server.draining.Load() { // a shutdown that looked before
		s.wasCut.Store(true)
		s.wire.Reset(http2.Cancel, "the proxy is closing")
		return false
	}
	s.wire.Endless()
	s.wire.OnGone(s.breakOff(rawOf(r.Upgraded)))
	h := upgradedHeader(r)
	begins(r, 200, h)
	if s.wire.Begin(200, h) != nil {
		return false
	}
	s.release() // it is a connection now
	carry(carried{s.wire, s}, r.Upgraded)
	return true
}

// breakOff tells the target of a client that breaks off: a reset of the stream, or its fault, or the loss
// of its connection is one of the target's, too (RFC 9113 §8.5, RFC 8441 §5). The end of ctx closes the
// target, hence the order.
func (s *stream) breakOff(target net.Conn) func() {
	return func() {
		if target != nil && !s.wasCut.Load() && !s.client.wasCut() {
			resetAtEnd(target)
		}
		s.ctx.cancel()
	}
}

// upgradedHeader leaves out what only HTTP/1.1 says of an upgrade.
func upgradedHeader(r *flow.Response) flow.Header {
	var h flow.Header
	for _, f := range r.Header {
		if !hopByHop(f.Name) && !flow.EqualFold(f.Name, "Sec-WebSocket-Accept") && !flow.EqualFold(f.Name, "Content-Length") {
			h = append(h, f)
		}
	}
	return h
}

// carried is a stream as a connection.
type carried struct {
	*http2.Stream
	of *stream
}

// CloseWrite ends our direction.
func (c carried) CloseWrite() error { return c.Finish(nil, nil) }

// Break says that the connection ended by an error: of a tunnel by a code of its own (RFC 9113 §8.5), of
// a WebSocket by that of every reset (RFC 8441 §5).
func (c carried) Break() {
	c.OnGone(c.of.ctx.cancel) // the end comes from the target
	code := http2.Cancel
	if c.of.door == flow.Tunnel {
		code = http2.ConnectError
	}
	c.Reset(code, "the connection it stands for broke off")
}

// Close ends both.
func (c carried) Close() error {
	c.OnGone(c.of.ctx.cancel)
	c.Reset(http2.Cancel, "the connection it stands for was closed")
	return nil
}
