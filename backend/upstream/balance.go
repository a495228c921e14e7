package upstream

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"proxycache/backend/flow"
)

// What the settings call the ways to choose.
const (
	roundRobin         = "round_robin"
	weightedRoundRobin = "weighted_round_robin"
	leastConn          = "least_conn"
	leastTime          = "least_time"
	random             = "random"
	p2c                = "p2c"
	first              = "first"
	byHash             = "hash"
)

// balance spreads exchanges over targets. Who picks reads one roster without a lock, which is replaced
// when something changes; only smooth weighted round robin, which remembers, takes mu for a moment.
type balance struct {
	way     string
	key     hashKey
	sticky  *sticky // nil without
	slow    *SlowStart
	outlier *Outlier
	panicAt int // percent
	// heaviest is the largest weight of the settings.
	heaviest float64

	roster  atomic.Pointer[roster]
	turn    atomic.Uint64
	resting atomic.Int64 // targets that are tried last

	mu sync.Mutex
}

// roster is the targets at a moment. It is never changed.
type roster struct {
	all    []*target
	usable []*target // those to choose from while nobody rests, and nothing else is known
	lone   *target   // the only one of all; nil where there are several or it may not be used
	panics bool      // so few are healthy that health is ignored
	left   string    // what the trail says of those that are left out, or of health ignored; "" for nothing
}

func (b *balance) all() []*target { return b.roster.Load().all }

// renew makes the roster of all; it is called under b.mu.
func (b *balance) renew(all []*target) {
	r := &roster{all: all}
	of := func(backup, alsoUnfit bool) (out []*target) {
		for _, t := range all {
			if t.duty == active && t.backup == backup && (alsoUnfit || !t.unfit.Load()) {
				out = append(out, t)
			}
		}
		return out
	}
	primaries, fit, backups := of(false, true), of(false, false), of(true, false)
	if len(primaries) == 0 { // then the backups are all there is
		primaries, fit, backups = of(true, true), backups, nil
	}
	switch {
	case len(fit) > 0 && (len(fit)*100 >= b.panicAt*len(primaries) || len(backups) > 0):
		r.usable = fit
	case len(backups) > 0:
		r.usable = backups
	case b.panicAt > 0:
		r.usable, r.panics = primaries, len(primaries) > 0
	}
	if len(all) == 1 && len(r.usable) == 1 {
		r.lone = all[0]
	}
	r.left = r.leftOut()
	b.roster.Store(r)
}

// leftOut says who gets nothing, and why.
func (r *roster) leftOut() string {
	if r.panics {
		return "; so few are healthy that health is ignored"
	}
	var out []string
	for _, t := range r.all {
		if len(out) < maxTold && (t.duty != active || t.unfit.Load()) {
			out = append(out, t.shown+" is "+string(t.condition.state))
		}
	}
	if len(out) == 0 {
		return ""
	}
	return "; " + strings.Join(out, ", ")
}

// pick chooses a target for x that is not in tried, and notes why; nil when there is none.
func (b *balance) pick(x *flow.Exchange, tried []*target) *target {
	r := b.roster.Load()
	var space [16]*target
	among := r.usable
	bound := b.bound(r, x, tried)
	switch {
	case bound != nil:
		x.Note("picked", "sticky: the cookie names "+bound.shown)
		return bound
	case len(tried) > 0 || len(x.Avoid) > 0 || len(x.Bars) > 0 || b.resting.Load() > 0:
		among = r.among(space[:0], x, tried)
	}
	if len(among) == 0 {
		return nil
	}
	if len(r.all) == 1 {
		return among[0]
	}
	c := b.choose(among, x)
	x.Note("picked", c.describe(b, among, r, x.Started.UnixNano()))
	return c.target
}

// Why a target is chosen only where there is no better, in rising order.
const (
	isBackup = 1 << iota
	isResting
	isAvoided
)

// among are the targets that x may be sent to, of those for which least speaks against it.
func (r *roster) among(out []*target, x *flow.Exchange, tried []*target) []*target {
	best := -1
	var soonest int64
	for _, t := range r.all {
		if t.duty != active || !r.panics && t.unfit.Load() || slices.Contains(tried, t) || barred(x, t.shown) != nil {
			continue
		}
		class := classOf(x, t)
		switch {
		case best >= 0 && class > best:
			continue
		case class != best:
			best, out, soonest = class, out[:0], t.rests.Load()
		case class&isResting != 0: // of those, the one whose rest ends first
			end := t.rests.Load()
			if end >= soonest {
				continue
			}
			out, soonest = out[:0], end
		}
		out = append(out, t)
	}
	return out
}

func classOf(x *flow.Exchange, t *target) (class int) {
	if t.backup {
		class |= isBackup
	}
	if t.resting() {
		class |= isResting
	}
	if slices.Contains(x.Avoid, t.shown) {
		class |= isAvoided
	}
	return class
}

// barred is what keeps x from a target, or nil.
func barred(x *flow.Exchange, shown string) *flow.Bar {
	for i := range x.Bars {
		if x.Bars[i].Target == shown {
			return &x.Bars[i]
		}
	}
	return nil
}

// failed lets t rest; reached ends its rest.
func (b *balance) failed(t *target, why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !slices.Contains(b.all(), t) {
		return // an address that its name no longer has
	}
	if t.rests.Swap(time.Now().Add(rest).UnixNano()) == 0 {
		b.resting.Add(1)
	}
	t.condition.unreached = why
	b.settle(t)
}

func (b *balance) reached(t *target) {
	if t.rests.Load() == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rested(t)
	b.settle(t)
}

// rested is called under b.mu.
func (b *balance) rested(t *target) {
	if t.rests.Swap(0) != 0 {
		b.resting.Add(-1)
	}
	t.condition.unreached = ""
}
