package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	socks "golang.org/x/net/proxy"

	"proxycache/backend/flow"
	"proxycache/backend/http1"
	"proxycache/backend/problem"
)

// reachThrough opens a connection to the proxy and, but for requests in the absolute form, has it
// connect to t. The proxy looks the name of t up.
func (p *Pool) reachThrough(ctx context.Context, x *flow.Exchange, t *target) (*dialled, error) {
	via := &target{origin: p.proxy.origin, address: p.proxy.origin.address()}
	addresses, err := p.resolve(ctx, x, via)
	if err != nil {
		return nil, p.proxyNotFound(x, err)
	}
	if err := p.refuseProxy(addresses); err != nil {
		return nil, err
	}
	if err := p.refuseThrough(ctx, t, addresses); err != nil {
		return nil, err
	}
	x.Note("proxy", p.proxy.shown)
	x.Timing.ConnectStart = x.Since()
	defer func() { x.Timing.ConnectDone = x.Since() }()
	socket, err := race(ctx, addresses)
	if err != nil {
		return nil, p.proxyNotReached(x, err)
	}
	d := newDialled(socket)
	if err := p.passProxy(ctx, x, t, via, d); err != nil {
		_ = d.socket.Close()
		return nil, err
	}
	return d, nil
}

// proxyNotFound is why the proxy has no address that can be dialled.
func (p *Pool) proxyNotFound(x *flow.Exchange, err error) error {
	doing := "Finding the address of the proxy " + p.proxy.shown
	switch {
	case x.Context().Err() != nil:
		return p.cancelled(x, doing)
	case problem.KindOf(err) == problem.Forbidden:
		return problem.Wrap(problem.Forbidden, err, "Connecting to the proxy %s: this is Proxycache's own door to its settings, which nothing reaches through the proxy. %s", p.proxy.shown, p.otherProxy("Name another one"))
	case isTimeout(err):
		return problem.Wrap(problem.DNS, err, "%s: the name servers did not answer in time. %s", doing, p.otherProxy("Check this machine's network, or name it by its address"))
	}
	if d, ok := errors.AsType[*net.DNSError](err); ok && !d.IsNotFound {
		return problem.Wrap(problem.DNS, err, "%s: the name servers of this machine do not know (%v). %s", doing, d, p.otherProxy("Check its network, or name it by its address"))
	}
	return problem.Wrap(problem.DNS, err, "%s: there is no such name. %s", doing, p.otherProxy("Check its spelling"))
}

// proxyNotReached is why no connection to the proxy was made.
func (p *Pool) proxyNotReached(x *flow.Exchange, err error) error {
	doing := "Connecting to the proxy " + p.proxy.shown
	switch {
	case x.Context().Err() != nil:
		return p.cancelled(x, doing)
	case isRefused(err):
		return problem.Wrap(problem.Refused, err, "%s: nothing listens there. %s", doing, p.otherProxy("Start it, or name another one"))
	case isTimeout(err):
		return p.proxySlow(doing, err)
	case isUnreachable(err):
		return problem.Wrap(problem.Unreachable, err, "%s: this machine has no way to it. %s", doing, p.otherProxy("Check its network, or name another one"))
	}
	return problem.Wrap(problem.Unreachable, err, "%s: %v. %s", doing, rootOf(err), p.otherProxy("Check that it runs and no firewall is in between, or name another one"))
}

// proxySlow is what is wrong with a proxy that has not answered in time.
func (p *Pool) proxySlow(doing string, err error) error {
	return problem.Wrap(problem.Timeout, err, "%s: no answer within %s. %s Or raise connect_timeout there.", doing, p.settings.ConnectTimeout, p.otherProxy("Check that it runs and no firewall is in between, or name another one"))
}

// otherProxy ends a message about the proxy with the place of its setting: the target has no part in it.
func (p *Pool) otherProxy(fix string) string {
	return fmt.Sprintf("%s: see proxy in %s.", fix, p.section())
}

// passProxy makes of d, a connection to the proxy, one that leads to t.
func (p *Pool) passProxy(ctx context.Context, x *flow.Exchange, t, via *target, d *dialled) error {
	if p.proxy.scheme == "socks5" {
		if err := p.proxy.socks(ctx, d.socket, t.address); err != nil {
			return p.notThrough(x, t, err)
		}
		return nil
	}
	if p.proxy.scheme == "https" {
		d.held = &held{Conn: d.below()}
		conn := tls.Client(d.held, p.proxy.tls)
		if err := conn.HandshakeContext(ctx); err != nil {
			return p.proxyNotSecured(x, err)
		}
		d.conn = conn
	}
	if p.asksProxy(x, t) {
		return nil
	}
	ahead, err := p.proxy.connect(ctx, d, t.address, p.viaOf(x))
	if err != nil {
		return p.notThrough(x, t, err)
	}
	if len(ahead) > 0 {
		d.conn = &begun{Conn: d.below(), ahead: ahead}
	}
	return nil
}

// proxyNotSecured is why TLS to the proxy itself failed.
func (p *Pool) proxyNotSecured(x *flow.Exchange, err error) error {
	doing := "Connecting to the proxy " + p.proxy.shown + " by TLS"
	switch {
	case x.Context().Err() != nil:
		return p.cancelled(x, doing)
	case isTimeout(err):
		return p.proxySlow(doing, err)
	}
	if bad, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return problem.Wrap(problem.TLSCert, err, "%s: its certificate is not trusted (%s). Name the file with the authority's certificate as ca in %s; skip_verify is about targets only.", doing, strings.TrimPrefix(bad.Err.Error(), "x509: "), p.section())
	}
	return problem.Wrap(problem.TLSFailed, err, "%s: %s. Check that it is an https:// proxy: see proxy in %s.", doing, strings.TrimPrefix(rootOf(err).Error(), "tls: "), p.section())
}

// begun is a connection of which the beginning was read already.
type begun struct {
	net.Conn
	ahead []byte
}

func (b *begun) Read(p []byte) (int, error) {
	if len(b.ahead) > 0 {
		n := copy(p, b.ahead)
		b.ahead = b.ahead[n:]
		return n, nil
	}
	return b.Conn.Read(p)
}

// CloseWrite says that nothing more is sent; what the target still sends can be read.
func (b *begun) CloseWrite() error {
	if half, ok := b.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// viaOf is what a CONNECT for x bears, as its request does (RFC 9110 §7.6.3): a proxy that leads back
// to us is known by it.
func (p *Pool) viaOf(x *flow.Exchange) flow.Header {
	var h flow.Header
	for _, f := range x.Request.Header {
		if flow.EqualFold(f.Name, "Via") {
			h = append(h, f)
		}
	}
	h.Add("Via", viaProtocol(x.Request.Proto)+" "+p.pseudonym)
	return h
}

// connect asks for a tunnel to address (RFC 9110 §9.3.6) and returns what came behind the answer.
func (p *proxy) connect(ctx context.Context, d *dialled, address string, via flow.Header) (ahead []byte, err error) {
	stop := context.AfterFunc(ctx, func() { _ = d.socket.Close() })
	defer stop()
	h := append(flow.Header{{Name: "Host", Value: address}}, via...)
	if p.basic != "" {
		h.Add("Proxy-Authorization", p.basic)
	}
	if _, err := d.conn.Write(http1.AppendRequest(nil, "CONNECT", address, "HTTP/1.1", h)); err != nil {
		return nil, orCause(ctx, err)
	}
	r := http1.NewReader(d.conn, http1.Limits{})
	defer r.Release()
	for range maxInterim {
		answer, err := r.ReadResponse("CONNECT")
		switch {
		case err != nil:
			return nil, orCause(ctx, err)
		case answer.Status/100 == 2:
			if !stop() {
				return nil, ctx.Err()
			}
			return append([]byte(nil), r.Buffered()...), nil
		case answer.Status/100 != 1:
			return nil, &declined{answer.Status, answer.Reason}
		}
	}
	return nil, &http1.Error{Status: 502, Reason: "it sent interim responses (1xx) and no final one"}
}

// orCause is why ctx ended, where it has, and err else.
func orCause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// declined is a proxy's answer to CONNECT that is not 2xx.
type declined struct {
	status int
	reason string
}

func (d *declined) Error() string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", d.status, d.reason))
}

// given lets golang.org/x/net/proxy begin on a connection that is there.
type given struct{ net.Conn }

func (g given) Dial(string, string) (net.Conn, error) { return g.Conn, nil }

func (g given) DialContext(context.Context, string, string) (net.Conn, error) { return g.Conn, nil }

// socks asks for a connection to address by SOCKS5 (RFC 1928); the proxy looks the name up.
func (p *proxy) socks(ctx context.Context, socket net.Conn, address string) error {
	var auth *socks.Auth
	if p.user != nil {
		password, _ := p.user.Password()
		auth = &socks.Auth{User: p.user.Username(), Password: password}
	}
	dialer, err := socks.SOCKS5("tcp", p.address(), auth, given{socket})
	if err != nil {
		return err
	}
	with, ok := dialer.(socks.ContextDialer)
	if !ok {
		return errors.New("SOCKS5 without a context")
	}
	_, err = with.DialContext(ctx, "tcp", address) // the same socket, which SOCKS adds nothing to
	return orCause(ctx, err)
}

// notThrough is why the proxy did not connect to t.
func (p *Pool) notThrough(x *flow.Exchange, t *target, err error) error {
	doing := fmt.Sprintf("Connecting to %s through the proxy %s", t.address, p.proxy.shown)
	fix := fmt.Sprintf("See its log, and check proxy in %s.", p.section())
	if x.Context().Err() != nil {
		return p.cancelled(x, doing)
	}
	if no, ok := errors.AsType[*declined](err); ok {
		if no.status == 407 {
			return p.wantsPassword(doing)
		}
		if t.scheme == "http" && !p.absolute(t) { // many open tunnels to port 443 alone
			fix += " With host = \"upstream\" it needs no tunnel."
		}
		return problem.Wrap(problem.Refused, err, "%s: it answered %s. %s", doing, no, fix)
	}
	if bad, ok := errors.AsType[*http1.Error](err); ok {
		return problem.Wrap(problem.BadResponse, err, "%s: %s. Check that it is an HTTP proxy: %s", doing, bad.Reason, fix)
	}
	switch why := strings.TrimPrefix(rootOf(err).Error(), "unknown error "); { // x/net says that of every reply
	case isTimeout(err):
		return p.proxySlow(doing, err)
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return problem.Wrap(problem.Terminated, err, "%s: it closed the connection without an answer. %s", doing, fix)
	case strings.Contains(why, "authentication"):
		return p.wantsPassword(doing)
	default:
		return problem.Wrap(problem.Refused, err, "%s: %s. %s", doing, why, fix)
	}
}

// wantsPassword is what a proxy says to who gave no password, or a wrong one.
func (p *Pool) wantsPassword(doing string) *problem.Problem {
	if p.proxy.user != nil {
		return problem.New(problem.Refused, "%s: the proxy does not accept the name and password. Correct them in proxy in %s.", doing, p.section())
	}
	return problem.New(problem.Refused, "%s: the proxy asks for a password. Write it as %s://name:password@%s in proxy in %s.", doing, p.proxy.scheme, p.proxy.address(), p.section())
}
