package breaker

import (
	"sync"
	"sync/atomic"
	"time"
)

// state is where a circuit stands.
type state int32

const (
	closed state = iota
	open
	recovering
	states
)

func (s state) String() string { return [states]string{"closed", "open", "recovering"}[s] }

// circuit is the machine of one pool or target. Its methods may be called at any time by any goroutine.
type circuit struct {
	name     string
	stands   atomic.Int32  // state, to be looked at without mu
	used     atomic.Int64  // when it was last asked, in Unix nanoseconds
	troubled *atomic.Int32 // how many circuits of the cell are not closed

	mu        sync.Mutex
	forgotten bool // it made room for another
	state     state
	since     time.Time // of the state; zero until something happened
	until     time.Time // open: when its time is over
	why       string    // what opened it last
	window    window    // closed
	trial     tally     // recovering: what came of those let through
	credit    float64   // recovering by a ramp: one is let through for each whole one
	probes    int       // recovering by probes: under way
	good      int       // and ended well

	transitions [states][states]int64
	spent       [states]time.Duration // in each state, without the one that lasts
	rejected    int64
}

// pass is what a circuit says to an exchange.
type pass struct {
	ok    bool
	state state
	at    time.Time
	why   string        // not ok: what opened it
	left  time.Duration // not ok: until it is of use to come again
	ramp  bool          // it took of the credit
	probe bool          // it is one of the probes under way
}

// soon is when to come again while a circuit recovers.
const soon = time.Second

// admit decides whether an exchange that comes now is let through. Of a pass that is ok, settle or
// abandon is called once.
func (c *circuit) admit(r *rules, now time.Time) pass {
	if state(c.stands.Load()) == closed {
		return pass{ok: true, at: now}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.advance(r, now)
	p := pass{ok: true, state: c.state, at: now}
	switch c.state {
	case open:
		p.ok, p.left = false, c.until.Sub(now)
	case recovering:
		if r.probing {
			p.probe = c.probes+c.good < r.probes
			p.ok = p.probe
		} else {
			p.ok = c.ramp(r, now)
			p.ramp = p.ok
		}
		p.left = soon
	}
	switch {
	case !p.ok:
		c.rejected++
		p.why = c.why
	case p.probe:
		c.probes++
	}
	return p
}

// advance does what time alone does: an open circuit whose time is over begins to recover, and one
// that has recovered closes.
func (c *circuit) advance(r *rules, now time.Time) {
	switch {
	case c.state == open && !now.Before(c.until):
		c.become(recovering, now)
	case c.state == recovering && !r.probing && c.recovered(r, now):
		c.become(closed, now)
	}
}

// recovered tells that the ramp is over and those let through fared well.
func (c *circuit) recovered(r *rules, now time.Time) bool {
	return now.Sub(c.since) >= r.recoverFor && c.trial.all > 0 && r.trigger(c.trial, 1) == ""
}

// ramp lets through a share that grows evenly from the first one to all.
func (c *circuit) ramp(r *rules, now time.Time) bool {
	c.credit += min(1, float64(now.Sub(c.since))/float64(r.recoverFor))
	if c.credit < 1 {
		return false
	}
	c.credit--
	return true
}

// settle counts what came of an exchange. What was let through before the state began says nothing
// about it.
func (c *circuit) settle(r *rules, p pass, now time.Time, came result) (opened string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p.at.Before(c.since) {
		return ""
	}
	switch {
	case c.state == closed:
		c.window.to(now, r.window)
		c.window.add(came)
		return c.openIf(r.trigger(c.window.sum, r.minimum), r, now)
	case c.state == recovering && p.probe:
		return c.probed(r, now, came)
	case c.state == recovering && !r.probing:
		c.trial.add(came)
		opened = c.openIf(r.trigger(c.trial, r.probes), r, now)
		if opened == "" && c.recovered(r, now) {
			c.become(closed, now)
		}
	}
	return opened
}

func (c *circuit) probed(r *rules, now time.Time, came result) (opened string) {
	c.probes--
	c.trial.add(came)
	if r.bad(came) {
		return c.openIf("a probe did not fare well", r, now)
	}
	if c.good++; c.good >= r.probes {
		c.become(closed, now)
	}
	return ""
}

// abandon gives back a pass of which nothing can be said.
func (c *circuit) abandon(p pass) {
	if !p.probe && !p.ramp {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.state != recovering || p.at.Before(c.since):
	case p.probe:
		c.probes--
	default:
		c.credit = min(1, c.credit+1)
	}
}

// spoil counts that the body of an answer broke off, which was a good result until then.
func (c *circuit) spoil(r *rules, at, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case at.Before(c.since) || r.errorRatio == 0:
	case c.state == closed:
		c.window.to(now, r.window)
		c.window.spoil()
		c.openIf(r.trigger(c.window.sum, r.minimum), r, now)
	case c.state == recovering && r.probing:
		c.openIf("the answer of a probe broke off", r, now)
	case c.state == recovering && c.trial.failed < c.trial.all:
		c.trial.failed++
		c.openIf(r.trigger(c.trial, r.probes), r, now)
	}
}

func (c *circuit) openIf(why string, r *rules, now time.Time) string {
	if why != "" {
		c.why = why
		c.become(open, now)
		c.until = now.Add(r.openFor)
	}
	return why
}

// forget makes c one that nobody looks up any more: what still runs counts in vain. It is false where c is
// not closed.
func (c *circuit) forget() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgotten = c.state == closed
	return c.forgotten
}

// become is the only place where the state changes. The caller holds mu.
func (c *circuit) become(to state, now time.Time) {
	if !c.since.IsZero() {
		c.spent[c.state] += now.Sub(c.since)
	}
	c.transitions[c.state][to]++
	switch {
	case c.forgotten:
	case c.state == closed:
		c.troubled.Add(1)
	case to == closed:
		c.troubled.Add(-1)
	}
	c.state, c.since = to, now
	c.window.clear()
	c.trial, c.credit, c.probes, c.good = tally{}, 1, 0, 0
	c.stands.Store(int32(to))
}

// force opens it by hand.
func (c *circuit) force(r *rules, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == open {
		c.until = now.Add(r.openFor)
		return
	}
	c.openIf("opened by hand", r, now)
}

// mend closes it by hand, by the way of all others.
func (c *circuit) mend(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state == open {
		c.become(recovering, now)
	}
	if c.state == recovering {
		c.become(closed, now)
	}
}
