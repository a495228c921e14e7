package upstream

import "proxycache/backend/flow"

// wanted says which connections will do.
type wanted int

const (
	idleOrNew wanted = iota
	onlyNew          // the idle one turned out to be closed
)

// line finds an idle connection to t for x, or opens one.
func (p *Pool) line(x *flow.Exchange, t *target, w wanted) (line, error) {
	upgrade := asksUpgrade(x.Request)
	if w == idleOrNew {
		if l := p.waiting(x, t.origin, upgrade); l != nil {
			return l, nil
		}
	}
	if t.scheme != "https" || upgrade || !p.settings.HTTP2 || p.lines.protocol(t.origin) == protocol1 {
		return p.fresh(x, t, upgrade)
	}
	leave, ok := p.lines.pass(x.Context(), t.origin)
	if !ok {
		return nil, p.cancelled(x, "Connecting to "+t.address)
	}
	defer leave()
	if s := p.lines.share(t.origin); s != nil {
		return &place{s, true}, nil
	}
	return p.fresh(x, t, upgrade)
}

// waiting is a connection that is open already.
func (p *Pool) waiting(x *flow.Exchange, o origin, upgrade bool) line {
	if o.scheme == "https" && !upgrade { // HTTP/2 has no upgrade (RFC 9113 §8.6)
		if s := p.lines.share(o); s != nil {
			return &place{s, true}
		}
	}
	if c := p.lines.take(o); c != nil {
		c.facts.Reused = true
		return c
	}
	return nil
}

// fresh opens a connection and learns what it speaks.
func (p *Pool) fresh(x *flow.Exchange, t *target, upgrade bool) (line, error) {
	offer := []string{protocol1}
	if p.settings.HTTP2 && !upgrade {
		offer = []string{protocol2, protocol1}
	}
	d, err := p.dial(x, t, offer)
	if err != nil {
		return nil, err
	}
	if t.scheme == "https" && !upgrade {
		p.lines.speaks(t.origin, d.spoken())
	}
	if d.spoken() != protocol2 {
		return newConn(d, t.origin, &p.lines), nil
	}
	s, err := newShared(x.Context(), d, t.origin)
	if err != nil {
		_ = d.conn.Close()
		return nil, p.notConnected(x, t, err)
	}
	p.lines.add(s)
	return &place{s, false}, nil
}
