package upstream

import (
	"fmt"
	"reflect"
	"slices"

	"proxycache/backend/problem"
)

// prepare makes ready how targets are chosen and checked.
func (p *Pool) prepare(s Settings, o Options) error {
	b := &p.balance
	b.way, b.panicAt = s.Balance, s.PanicThreshold
	b.key, _ = parseHashKey(s.Hash)
	for _, t := range s.Targets {
		b.heaviest = max(b.heaviest, float64(t.Weight), 1)
	}
	if len(s.SlowStart) > 0 {
		b.slow = &s.SlowStart[0]
	}
	if len(s.Outlier) > 0 {
		b.outlier = &s.Outlier[0]
	}
	if len(s.Sticky) > 0 {
		b.sticky = newSticky(s.Sticky[0], o.Before)
	}
	for i, written := range s.Health {
		c, err := newCheck(written, o.Folder)
		if err != nil {
			return problem.Of(err).At(fmt.Sprintf("upstreams.%s.health.%d", p.name, i+1))
		}
		p.checks = append(p.checks, c)
	}
	p.probe, p.written = p.askTarget, s.Health
	return nil
}

// targetOf reads the address of a target.
func (p *Pool) targetOf(written Target, o Options) (*target, error) {
	t, why := parseTarget(written.URL)
	if why != "" {
		return nil, problem.New(problem.Invalid, "%q is no address of a server: %s", written.URL, why)
	}
	if written.URL == demoURL {
		if o.Demo == "" {
			return nil, problem.New(problem.Unavailable, "the demo API does not run here: name another target")
		}
		t.origin, t.address, t.field = originOf("http", o.Demo), o.Demo, o.Demo
	}
	return &t, nil
}

// seat makes t one that can be picked.
func (p *Pool) seat(t *target, i int, written Target) {
	t.member = newMember(written, i, t.shown)
	if p.balance.sticky != nil {
		t.token = p.balance.sticky.token(t.shown)
	}
	t.condition.tallies = make([]tally, len(p.checks))
	p.balance.enter(t)
}

// enter notes the state in which t begins.
func (b *balance) enter(t *target) {
	c := &t.condition
	if state, reason := t.now(); state != c.state {
		b.change(t, state, reason)
	}
	_, c.reason = t.now()
	t.unfit.Store(t.isUnfit())
}

// begin makes the first roster, going on where the pool before is.
func (p *Pool) begin(s Settings, before *Pool) {
	b := &p.balance
	var all []*target
	for _, seat := range p.seats {
		all = append(all, seat.named)
	}
	if before != nil {
		all = p.goOn(all, before, s)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.renew(all)
	p.lines.told = p.expand
}

// start begins to check the targets and to compare them, until the pool rests or is closed.
func (p *Pool) start() {
	b := &p.balance
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range b.all() {
		p.watch(t)
	}
	if b.outlier != nil {
		go b.compare(p.inForce)
	}
}

// goOn takes what the targets of before have gone through, and the addresses that their names have. A
// target that joins others begins slowly, and so does one that is taken back into service.
func (p *Pool) goOn(written []*target, before *Pool, s Settings) (all []*target) {
	old := &before.balance
	old.mu.Lock()
	defer old.mu.Unlock()
	checked := reflect.DeepEqual(before.written, s.Health)
	was := old.all()
	find := func(t *target) *target {
		i := slices.IndexFunc(was, func(o *target) bool { return o.origin == t.origin && o.base == t.base })
		if i < 0 {
			return nil
		}
		return was[i]
	}
	known := 0
	for i, t := range written {
		now := []*target{t}
		if n := t.site.names; n != nil {
			if members := p.membersBefore(i, was, t); len(members) > 1 {
				now = members
			}
		}
		all = append(all, now...)
	}
	for _, t := range all {
		if o := find(t); o != nil {
			known++
			t.takeOver(o.member, &p.balance, checked)
			if o.duty != active && t.duty == active {
				p.balance.rise(t)
			}
		}
	}
	for _, t := range all {
		if known > 0 && find(t) == nil {
			p.balance.rise(t)
		}
		p.balance.enter(t)
	}
	return all
}

// membersBefore are the addresses that the name of t had in the pool before, as targets of this one.
func (p *Pool) membersBefore(i int, was []*target, t *target) (out []*target) {
	for _, o := range was {
		if o.name == t.host && o.scheme == t.scheme && o.port == t.port && o.base == t.base {
			out = append(out, p.memberAt(i, p.seats[i], o.host))
		}
	}
	return out
}
