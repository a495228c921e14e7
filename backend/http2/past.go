package http2

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
	}
	next int
}

func (p *past) add(id uint32, how ending) {
	p.ring[p.next].id, p.ring[p.next].how = id, how
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
