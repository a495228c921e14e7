package upstream

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"proxycache/backend/flow"
)

// duty is what the settings say of a target.
type duty int

const (
	active duty = iota
	drain       // only clients that a cookie binds to it
	off
)

var duties = map[string]duty{"drain": drain, "off": off} // anything else is active

// member is what a pool knows of a target that it may pick.
type member struct {
	weight int
	backup bool
	duty   duty
	seat   int    // of the settings' targets, the one it comes from
	seed   uint64 // its part in a rendezvous hash
	token  string // what a sticky cookie calls it; "" where there are none

	*load
	rests  atomic.Int64 // UnixNano until which it is tried last, for it could not be reached; 0 else
	rising atomic.Int64 // UnixNano when its slow start began; 0 else
	unfit  atomic.Bool  // unhealthy or ejected

	// In the running interval of this pool: exchanges, good ones, and their nanoseconds to the first byte.
	// A pool that finishes its exchanges compares beside the one that follows it, so each has its own.
	total, good, waited atomic.Int64

	// Under balance.mu.
	current   int // of smooth weighted round robin
	condition condition
	end       func() // ends its checks; nil where there are none
}

// load is what the exchanges of a target tell of it. It lives on in the pool of an edited
// configuration.
type load struct {
	inFlight atomic.Int64
	ewma     atomic.Uint64 // bits of the mean time to the first byte in seconds; 0 while nothing is known
	heard    atomic.Int64  // UnixNano of the last that went into it

	fails5xx, failsGateway atomic.Int64 // in a row
}

// rest is for how long a target that could not be reached is tried last.
const rest = 5 * time.Second

func newMember(written Target, seat int, address string) *member {
	return &member{
		weight: max(written.Weight, 1), backup: written.Backup, duty: duties[written.State],
		seat: seat, seed: hashOf(address), load: &load{},
	}
}

// resting tells that it could not be reached a moment ago; the clock is read only where that may be.
func (m *member) resting() bool {
	until := m.rests.Load()
	return until != 0 && time.Now().UnixNano() < until
}

// hold has m counted until what r gives has ended.
func (m *member) hold(r *flow.Response) {
	switch body := r.Body.(type) {
	case *call:
		body.held.Store(true)
	case *stream:
		body.k.held.Store(true)
	default:
		if u, ok := r.Upgraded.(*upgraded); ok {
			ended := u.ended
			u.ended = sync.OnceFunc(func() {
				ended()
				m.leave()
			})
			return
		}
		m.leave()
	}
}

func (m *member) leave() { m.inFlight.Add(-1) }

// memory is the time after which an observation has lost about two thirds of its part in the mean.
const memory = 10 * time.Second

// observe takes one more time to the first byte into the mean: old ones fade with time, so that a
// target that was slow is tried again.
func (l *load) observe(took time.Duration, now int64) {
	seconds := max(took.Seconds(), 1e-6)
	for {
		was := l.ewma.Load()
		mean := seconds
		if was != 0 {
			age := max(0, now-l.heard.Load())
			// An exchange moves the mean by a tenth at least: many at one moment are heard, too.
			part := max(0.1, 1-math.Exp(-float64(age)/float64(memory)))
			mean = math.Float64frombits(was)*(1-part) + seconds*part
		}
		if l.ewma.CompareAndSwap(was, math.Float64bits(mean)) {
			l.heard.Store(now)
			return
		}
	}
}

// mean is the mean time to the first byte in seconds at a moment; 0 while nothing is known. What was
// not heard of for a while fades, so that it is tried again.
func (l *load) mean(now int64) float64 {
	mean := math.Float64frombits(l.ewma.Load())
	if age := now - l.heard.Load(); mean != 0 && age > int64(memory) {
		mean *= math.Exp2(-float64(age-int64(memory)) / float64(memory))
	}
	return mean
}
