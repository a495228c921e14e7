package http2

import "time"

// ending is how a stream ended: it decides what a frame that comes late means (RFC 9113 §5.1).
type ending uint8

const (
	unknown  ending = iota // too long ago to tell, or never opened because a later one was
	complete               // both sides ended it
	byPeer                 // the client reset it
	byUs                   // we reset or refused it: the client may not know yet
)

// past remembers the streams that ended last, in a ring.
type past struct {
	ring [128]struct {
		id  uint32
		how ending
		at  uint16 // seconds of the clock, where we reset it
	}
	next int
}

func (p *past) add(id uint32, how ending) {
	e := &p.ring[p.next]
	e.id, e.how = id, how
	if how == byUs {
		e.at = seconds()
	}
	p.next = (p.next + 1) % len(p.ring)
}

func (p *past) find(id uint32) ending {
	for i := range p.ring {
		if p.ring[i].id == id {
			return p.ring[i].how
		}
	}
	return unknown
}

// lateTime is how long after a reset of ours what was sent before the client knew of it may arrive: a
// window full of small DATA over a slow line.
const lateTime = 10 * time.Second

// stale tells that we reset a stream so long ago that the client knows.
func (p *past) stale(id uint32) bool {
	for i := range p.ring {
		if p.ring[i].id == id {
			return seconds()-p.ring[i].at > uint16(lateTime/time.Second)
		}
	}
	return true
}

// seconds is a clock for short times: it begins anew after 18 hours.
func seconds() uint16 { return uint16(time.Now().Unix()) }
