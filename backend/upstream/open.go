package upstream

import (
	"context"
	"time"

	"proxycache/backend/flow"
)

// wanted says which connections will do.
type wanted int

const (
	idleOrNew wanted = iota
	onlyNew          // the idle one turned out to be closed
)

// line finds an idle connection to t for x, or opens one in the time that e has left.
func (p *Pool) line(x *flow.Exchange, t *target, w wanted, e *effort) (line, error) {
	n := need{fresh: w == onlyNew || p.setsApart(x, t), http1: asksUpgrade(x.Request) && t.scheme != "h2c"}
	if !n.fresh {
		if l := p.waiting(x.Context(), t, n); l != nil {
			return l, nil
		}
	}
	g, err := p.admit(x, t, n)
	switch {
	case err != nil:
		return nil, err
	case g.conn != nil:
		g.conn.facts.Reused = true
		return g.conn, nil
	case g.shared != nil:
		return &place{g.shared, true}, nil
	}
	began := x.Since()
	l, took, err := p.fresh(x, t, n, e.left(p))
	e.connecting += x.Since() - began
	if !took {
		p.lines.release(t.site)
	}
	return l, err
}

// waiting is a connection that is open already.
func (p *Pool) waiting(ctx context.Context, t *target, n need) line {
	if t.scheme != "http" && !n.http1 {
		if s := p.lines.share(ctx, t.site); s != nil {
			return &place{s, true}
		}
	}
	if c := p.lines.take(t.site); c != nil {
		c.facts.Reused = true
		return c
	}
	return nil
}

// mayShare tells whether a connection to t may turn out to be one for many exchanges.
func (p *Pool) mayShare(t *target, n need) bool {
	switch t.scheme {
	case "h2c":
		return true
	case "https":
		return p.settings.HTTP2 && !n.http1
	}
	return false
}

// fresh opens a connection, or takes a place on one that another exchange has just opened: took says
// that it is a new one. Waiting for the other takes of the time, too.
func (p *Pool) fresh(x *flow.Exchange, t *target, n need, within time.Duration) (l line, took bool, err error) {
	ctx, cancel := context.WithTimeout(x.Context(), within)
	defer cancel()
	if p.mayShare(t, n) && p.lines.protocol(t.site) != protocol1 {
		leave, ok := t.site.pass(ctx)
		if !ok {
			return nil, false, p.cutShort(t, within, p.notConnected(x, t, ctx.Err()))
		}
		defer leave()
		if s := p.lines.share(ctx, t.site); s != nil {
			return &place{s, true}, false, nil
		}
	}
	l, err = p.openLine(ctx, x, t, n, within)
	return l, err == nil, err
}

// openLine opens a connection and learns what it speaks.
func (p *Pool) openLine(ctx context.Context, x *flow.Exchange, t *target, n need, within time.Duration) (line, error) {
	offer := []string{protocol1}
	if p.mayShare(t, n) {
		offer = []string{protocol2, protocol1}
	}
	d, err := p.dialUntil(ctx, x, t, offer, within)
	if err != nil {
		return nil, err
	}
	if t.scheme == "https" && !n.http1 {
		p.lines.speaks(t.site, d.spoken)
	}
	if d.spoken != protocol2 {
		c := newConn(d, t.site, &p.lines)
		c.once = p.setsApart(x, t)
		return c, nil
	}
	s, err := newShared(x.Context(), d, t.site, &p.lines)
	if err != nil {
		_ = d.conn.Close()
		if d.held.isHTTP1() {
			return nil, p.broken(t, "Connecting to "+t.address, errHTTP1)
		}
		return nil, p.notConnected(x, t, err)
	}
	p.lines.add(s)
	return &place{s, false}, nil
}
