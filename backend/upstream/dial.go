package upstream

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/socket"
)

// headStart is what one address has before the next is tried beside it (RFC 8305 §5).
const headStart = 250 * time.Millisecond

// dialled is a connection that was just opened.
type dialled struct {
	conn   net.Conn // what HTTP is spoken over
	socket net.Conn // below all TLS
	paced  *paced   // socket, as it is written to
	held   *held    // between conn and socket where HTTP/2 may be spoken
	spoken string
	facts  flow.Conn
}

// dial opens a connection to t and shakes hands where it is TLS, offering the protocols, within the
// time. It notes the times in x.
func (p *Pool) dial(x *flow.Exchange, t *target, offer []string, within time.Duration) (*dialled, error) {
	ctx, cancel := context.WithTimeout(x.Context(), within)
	defer cancel()
	return p.dialUntil(ctx, x, t, offer, within)
}

// dialUntil is dial in what ctx has left of the time.
func (p *Pool) dialUntil(ctx context.Context, x *flow.Exchange, t *target, offer []string, within time.Duration) (*dialled, error) {
	d, err := p.reach(ctx, x, t)
	if err != nil {
		return nil, p.cutShort(t, within, err)
	}
	x.TargetConn = d.facts
	d.spoken = protocol1
	if t.scheme == "h2c" {
		d.held = &held{Conn: d.conn}
		d.conn, d.spoken = d.held, protocol2
	}
	if t.scheme == "https" {
		if err := p.secure(ctx, x, t, d, offer); err != nil {
			_ = d.socket.Close()
			return nil, p.cutShort(t, within, err)
		}
	}
	return d, nil
}

// chosen is the target that the client of x chose. In a tunnel to an address it is that address, which is held
// to the name by which the client began TLS. Connections of one name are then none of another.
func chosen(x *flow.Exchange) *target {
	r := x.Request
	t := &target{origin: originOf(r.Scheme, r.Authority), field: r.Authority}
	if r.Dial != "" {
		if at := originOf(r.Scheme, r.Dial); at != t.origin {
			t.origin, t.field = at, r.Dial
		}
		if s := x.ClientConn.TLS; s != nil && r.Scheme == "https" {
			t.name = strings.ToLower(s.SNI)
		}
	}
	t.address = t.origin.address()
	t.shown = t.address
	return t
}

// reach opens a connection that leads to t: straight, by a socket of this machine, or through the proxy.
func (p *Pool) reach(ctx context.Context, x *flow.Exchange, t *target) (*dialled, error) {
	if t.scheme == "unix" {
		return p.reachLocal(ctx, x, t)
	}
	if p.proxied(t.origin) {
		return p.reachThrough(ctx, x, t)
	}
	addresses, err := p.resolve(ctx, x, t)
	if err != nil {
		return nil, err
	}
	x.Timing.ConnectStart = x.Since()
	socket, err := race(ctx, addresses)
	x.Timing.ConnectDone = x.Since()
	if err != nil {
		p.lines.lookNow(t.site)
		return nil, p.notConnected(x, t, err)
	}
	return newDialled(socket), nil
}

func newDialled(conn net.Conn) *dialled {
	conn = socket.Of(conn)
	socket.BoundUnsent(conn)
	return &dialled{conn: conn, socket: conn, paced: newPaced(conn), facts: flow.Conn{Local: conn.LocalAddr().String(), Remote: conn.RemoteAddr().String()}}
}

// below is what a further layer is put on.
func (d *dialled) below() net.Conn {
	if d.conn == d.socket {
		return d.paced
	}
	return d.conn
}

// reachLocal connects to a Unix socket, which Windows has, too.
func (p *Pool) reachLocal(ctx context.Context, x *flow.Exchange, t *target) (*dialled, error) {
	var dialer net.Dialer
	x.Timing.ConnectStart = x.Since()
	socket, err := dialer.DialContext(ctx, "unix", t.host)
	x.Timing.ConnectDone = x.Since()
	if err != nil {
		return nil, p.notConnected(x, t, err)
	}
	return newDialled(socket), nil
}

// resolve finds the addresses of t in the order in which they are tried, and asks for each whether it
// may be dialled.
func (p *Pool) resolve(ctx context.Context, x *flow.Exchange, t *target) ([]netip.AddrPort, error) {
	port, err := strconv.ParseUint(t.port, 10, 16)
	if err != nil || port == 0 || t.host == "" {
		return nil, p.noAddress(t)
	}
	ips, err := p.lookUp(ctx, x, t)
	if err != nil {
		return nil, err
	}
	out := make([]netip.AddrPort, len(ips))
	for i, ip := range ips {
		out[i] = netip.AddrPortFrom(ip.Unmap(), uint16(port))
		if p.refuse(netip.AddrPortFrom(out[i].Addr().WithZone(""), uint16(port))) {
			return nil, p.forbidden(t)
		}
	}
	return out, nil
}

func (p *Pool) lookUp(ctx context.Context, x *flow.Exchange, t *target) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(t.host); err == nil {
		return []netip.Addr{ip}, nil
	}
	if isLocalhost(t.host) {
		return []netip.Addr{netip.IPv6Loopback(), netip.AddrFrom4([4]byte{127, 0, 0, 1})}, nil
	}
	x.Timing.DNSStart = x.Since()
	ips, ttl, err := p.resolver.Lookup(ctx, t.host)
	x.Timing.DNSDone = x.Since()
	if err != nil || len(ips) == 0 {
		return nil, p.notFound(x, t, err)
	}
	if !p.forward && t.site != nil {
		p.lines.learnFirst(t.site, ips, ttl)
	}
	return alternate(ips), nil
}

// isLocalhost: such names are this machine whatever a resolver says (RFC 6761 §6.3), and development
// servers listen on either family.
func isLocalhost(host string) bool {
	host = strings.TrimSuffix(host, ".")
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// alternate changes the family after each address, beginning with that of the first (RFC 8305 §4).
func alternate(ips []netip.Addr) []netip.Addr {
	var a, b []netip.Addr
	for _, ip := range ips {
		if ip.Unmap().Is4() == ips[0].Unmap().Is4() {
			a = append(a, ip)
		} else {
			b = append(b, ip)
		}
	}
	out := make([]netip.Addr, 0, len(ips))
	for i := range a {
		out = append(out, a[i])
		if i < len(b) {
			out = append(out, b[i])
		}
	}
	return append(out, b[min(len(a), len(b)):]...)
}

type attempt struct {
	conn net.Conn
	err  error
}

// race tries the addresses one after the other, the next as soon as one has failed or had its head
// start; the first that answers wins and the others are closed.
func race(ctx context.Context, addresses []netip.AddrPort) (net.Conn, error) {
	var d net.Dialer
	if len(addresses) == 1 {
		return d.DialContext(ctx, "tcp", addresses[0].String())
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan attempt)
	start := func(a netip.AddrPort) {
		conn, err := d.DialContext(ctx, "tcp", a.String())
		select {
		case results <- attempt{conn, err}:
		case <-ctx.Done():
			if conn != nil {
				_ = conn.Close()
			}
		}
	}
	next := time.NewTimer(0)
	defer next.Stop()
	var worst error
	for started, ended := 0, 0; ended < len(addresses); {
		select {
		case <-next.C:
			go start(addresses[started])
			if started++; started < len(addresses) {
				next.Reset(headStart)
			}
		case r := <-results:
			if r.err == nil {
				return r.conn, nil
			}
			ended++
			worst = moreTelling(worst, r.err)
			if started < len(addresses) {
				next.Reset(0)
			}
		case <-ctx.Done():
			return nil, ctx.Err() // one of them has not answered: that is what went wrong
		}
	}
	return nil, worst
}

// tunnel opens a connection that carries what the client sends, unread.
func (p *Pool) tunnel(x *flow.Exchange) (*flow.Response, error) {
	t := &target{origin: originOf("https", x.Request.Authority)}
	t.scheme = "tcp" // the client does the TLS
	t.address = t.origin.address()
	t.site = p.lines.at(t.origin)
	x.Target = t.address
	x.Note("target", t.address)
	if _, err := p.admit(x, t, need{fresh: true, http1: true}); err != nil {
		p.lines.failed(t.site, err)
		return nil, err
	}
	d, err := p.dial(x, t, nil, p.settings.connectTimeout())
	if err != nil {
		p.lines.release(t.site)
		p.lines.failed(t.site, err)
		return nil, err
	}
	p.lines.opened(t.site)
	x.Note("connection", "new")
	return &flow.Response{
		Status: 200, Reason: "Connection established", Proto: "HTTP/1.1", Body: flow.NoBody,
		Upgraded: newUpgraded(x.Context(), d.conn, d.socket, nil, func() { _ = d.socket.Close() }, func() { p.lines.release(t.site) }),
	}, nil
}
