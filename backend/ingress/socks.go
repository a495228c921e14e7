package ingress

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"

	"proxycache/backend/flow"
	"proxycache/backend/http1"
	"proxycache/backend/problem"
	"proxycache/backend/socks"
)

// serveSOCKS speaks SOCKS5 with the client up to its request, and treats this as a CONNECT. All of it
// is to arrive in the time that a request's header has.
func (c *client) serveSOCKS() {
	r, err := c.negotiateSOCKS()
	refused, wrong := errors.AsType[*socks.Error](err)
	switch {
	case err == nil:
		c.answerConnect(&http1.Head{Method: "CONNECT", Target: r.Authority(), Proto: "SOCKS5"}, bySOCKS{})
	case wrong && refused.Reply != socks.Succeeded:
		c.replySOCKS(refused.Reply, refused.Reason)
	default:
		c.server.options.Log.Debug("speaking SOCKS5 failed", "client", c.facts.Remote, "error", err)
	}
}

// errNotAdmitted ends a negotiation; the client has been told.
var errNotAdmitted = errors.New("the client shows no name and password that the listener takes")

// negotiateSOCKS comes to the client's request. A *socks.Error with a reply is not told yet.
func (c *client) negotiateSOCKS() (r socks.Request, err error) {
	accept := c.bound.ways.Load()
	method := socks.NoLogin
	if accept.login.wanted {
		method = socks.Login
	}
	err = c.hear(func(buf []byte) (n int, err error) {
		offered, n, err := socks.ParseGreeting(buf)
		if n > 0 && !slices.Contains(offered, method) {
			method = socks.NoAcceptable
		}
		return n, err
	})
	if err != nil {
		return r, err
	}
	if _, err := c.out.Write(socks.AppendMethod(nil, method)); err != nil {
		return r, err
	}
	switch method {
	case socks.NoAcceptable:
		c.linger()
		return r, errNotAdmitted
	case socks.Login:
		if err := c.loginSOCKS(&accept.login); err != nil {
			return r, err
		}
	}
	err = c.hear(func(buf []byte) (n int, err error) {
		r, n, err = socks.ParseRequest(buf)
		return n, err
	})
	if err == nil && r.Command != socks.Connect {
		err = &socks.Error{Reply: socks.NoSuchCommand, Reason: "only connections are made: neither BIND nor UDP ASSOCIATE"}
	}
	return r, err
}

// loginSOCKS hears the name and the password (RFC 1929).
func (c *client) loginSOCKS(wanted *login) error {
	var username, password string
	err := c.hear(func(buf []byte) (n int, err error) {
		username, password, n, err = socks.ParseLogin(buf)
		return n, err
	})
	wrong, malformed := errors.AsType[*socks.Error](err)
	switch {
	case malformed: // it has an answer of its own, and not that of a request
		err = fmt.Errorf("%w: %s", errNotAdmitted, wrong.Reason)
	case err != nil:
		return err
	case wanted.admits(username, password):
		_, err = c.out.Write(socks.AppendWelcome(nil))
		return err
	default:
		err = errNotAdmitted
	}
	if _, broken := c.out.Write(socks.AppendWrongLogin(nil)); broken == nil {
		c.linger()
	}
	return err
}

// hear reads until parse has what it needs, and consumes that.
func (c *client) hear(parse func(buf []byte) (n int, err error)) error {
	for {
		come := c.reader.Buffered()
		n, err := parse(come)
		if n > 0 || err != nil {
			c.reader.Discard(n)
			return err
		}
		if _, err := c.reader.Peek(len(come) + 1); err != nil {
			return err
		}
	}
}

// replySOCKS refuses a request and ends the connection such that the client can read it.
func (c *client) replySOCKS(r socks.Reply, why string) {
	c.server.options.Log.Debug("refused a request", "client", c.facts.Remote, "reply", r, "why", why)
	if _, err := c.out.Write(socks.AppendReply(nil, r, netip.AddrPort{})); err == nil {
		c.linger()
	}
}

// refuseSOCKS4 rejects what the version before asks, unread.
func (c *client) refuseSOCKS4() {
	c.server.options.Log.Debug("refused a request", "client", c.facts.Remote, "why", "SOCKS4 is not spoken: SOCKS5 is")
	if _, err := c.out.Write(socks.AppendReject4(nil)); err == nil {
		c.linger()
	}
}

// bySOCKS is a request of SOCKS5.
type bySOCKS struct{}

func (bySOCKS) taken(w *ways) bool { return w.socks5 }

func (bySOCKS) refuse(c *client, _ *http1.Head) {
	c.replySOCKS(socks.NotAllowed, "the listener does not accept \"socks5\"")
}

func (bySOCKS) granted() []byte {
	return socks.AppendReply(nil, socks.Succeeded, netip.AddrPort{})
}

func (bySOCKS) opened(t *turn, _ *flow.Response) []byte {
	from, err := netip.ParseAddrPort(t.x.TargetConn.Local)
	if err != nil {
		from = netip.AddrPort{} // not reached by TCP: through another proxy, or a test's
	}
	return socks.AppendReply(nil, socks.Succeeded, from)
}

func (bySOCKS) failed(t *turn, r *flow.Response) {
	_, err := t.client.out.Write(socks.AppendReply(nil, replyTo(t.x.Problem, r.Status), netip.AddrPort{}))
	t.complete = err == nil
	if err != nil {
		t.client.left()
	}
}

// wsaNetworkUnreachable is Windows' number for syscall.ENETUNREACH.
const wsaNetworkUnreachable = syscall.Errno(10051)

// replyTo says by one number why a target was not reached; status is the answer that HTTP gets.
func replyTo(p *problem.Problem, status int) socks.Reply {
	switch kind := kindOf(p); {
	case kind == problem.Refused:
		return socks.Refused
	case kind == problem.Unreachable && isErrno(p, syscall.ENETUNREACH, wsaNetworkUnreachable):
		return socks.NetworkUnreachable
	case kind == problem.Unreachable, kind == problem.DNS:
		return socks.HostUnreachable
	case kind == problem.Timeout, kind == problem.ReadTimeout:
		return socks.Expired
	case kind == problem.Forbidden, kind == problem.Loop, status == 403:
		return socks.NotAllowed
	}
	return socks.Failed
}

func kindOf(p *problem.Problem) problem.Kind {
	if p == nil {
		return ""
	}
	return p.Kind
}
