package upstream

import (
	"net"
	"net/netip"
	"slices"
)

// maxMembers is how many addresses of one name are targets of their own.
const maxMembers = 64

// seat is a target of the settings: itself, or, where its name has several addresses, one target each.
type seat struct {
	written Target
	named   *target
}

// expand makes the addresses of a name that has several targets of their own. They are those of the
// family that the answer began with: the other one is the same servers again, or cannot be reached.
func (p *Pool) expand(n *names) {
	p.lines.mu.Lock()
	var ips []netip.Addr
	for _, ip := range n.now {
		if ip.Is4() == n.four && len(ips) < maxMembers {
			ips = append(ips, ip)
		}
	}
	p.lines.mu.Unlock()
	b := &p.balance
	b.mu.Lock()
	defer b.mu.Unlock()
	var all []*target
	changed := false
	for i, s := range p.seats {
		now := b.of(i)
		if s.named.site.names == n {
			before := now
			now = p.membersOf(i, s, ips, before)
			changed = changed || !slices.Equal(now, before)
		}
		all = append(all, now...)
	}
	if !changed || p.lines.over.Err() != nil {
		return
	}
	for _, t := range b.all() {
		if !slices.Contains(all, t) {
			p.dismiss(t)
		}
	}
	b.renew(all)
	for _, t := range all {
		p.watch(t)
	}
}

// of are the targets of a seat; it is called under b.mu.
func (b *balance) of(seat int) (out []*target) {
	for _, t := range b.all() {
		if t.seat == seat {
			out = append(out, t)
		}
	}
	return out
}

// membersOf are the targets of a name that has these addresses, those before among them that stay.
func (p *Pool) membersOf(i int, s seat, ips []netip.Addr, before []*target) (out []*target) {
	if len(ips) < 2 {
		return []*target{s.named}
	}
	for _, ip := range ips {
		host := ip.String()
		known := slices.IndexFunc(before, func(t *target) bool { return t.name != "" && t.host == host })
		if known >= 0 {
			out = append(out, before[known])
			continue
		}
		t := p.memberAt(i, s, host)
		if slices.ContainsFunc(before, func(t *target) bool { return t.name != "" }) {
			p.balance.rise(t)
		}
		out = append(out, t)
	}
	return out
}

// memberAt is the target of one address of the name in a seat.
func (p *Pool) memberAt(i int, s seat, host string) *target {
	t := &target{origin: origin{s.named.scheme, host, s.named.port, s.named.host}, field: s.named.field, base: s.named.base}
	t.address = net.JoinHostPort(host, t.port)
	t.shown = t.address + t.base
	p.seat(t, i, s.written)
	t.site = p.lines.atName(t.origin, s.named.site.names)
	return t
}

// dismiss ends what is done for t. Its exchanges go on. It is called under balance.mu.
func (p *Pool) dismiss(t *target) {
	if t.end != nil {
		t.end()
		t.end = nil
	}
	p.balance.rested(t)
	if t.name != "" {
		p.lines.mu.Lock()
		t.site.fixed = false
		p.lines.mu.Unlock()
	}
}

// atName is the site of one of the addresses of a name, which is looked up again with the others.
func (l *lines) atName(o origin, n *names) *site {
	s := l.at(o)
	l.mu.Lock()
	s.fixed, s.names = true, n
	l.mu.Unlock()
	return s
}
