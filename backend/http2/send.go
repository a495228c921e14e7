package http2

import (
	"encoding/binary"
	"time"
)

const (
	// full is how much waits to be written at most, besides one frame: more is not taken from the
	// handlers, who wait.
	full = 32 << 10
	// corkTime is how long a head waits for the first bytes of its body, to leave in one write with them.
	corkTime = 2 * time.Millisecond
)

// control appends a frame that the client made us send. What waits of them is counted: see holdBack.
func (c *Conn) control(k kind, flags uint8, stream uint32, payload []byte) {
	if c.dead != nil {
		return
	}
	c.out.controls++
	c.out.pressing = true
	p := c.out.page()
	p.b = append(appendHeader(p.b, k, flags, stream, len(payload)), payload...)
}

func (c *Conn) resetID(stream uint32, code Code) {
	var payload [4]byte
	binary.BigEndian.PutUint32(payload[:], uint32(code))
	c.control(kindReset, 0, stream, payload[:])
}

func (c *Conn) windowUpdate(stream uint32, by int) {
	var payload [4]byte
	binary.BigEndian.PutUint32(payload[:], uint32(by))
	c.control(kindWindow, 0, stream, payload[:])
}

// goAway names the last request that may have been served (RFC 9113 §6.8).
func (c *Conn) goAway(code Code, why string) { c.goAwayFrom(c.served, code, why) }

func (c *Conn) goAwayFrom(last uint32, code Code, why string) {
	payload := make([]byte, 0, 8+len(why))
	payload = binary.BigEndian.AppendUint32(payload, last)
	payload = binary.BigEndian.AppendUint32(payload, uint32(code))
	c.control(kindGoAway, 0, 0, append(payload, why...))
}

// giveBack lets the client send as much again on all streams together.
func (c *Conn) giveBack(n int) {
	c.taken += n
	if c.taken >= credit && !c.closing {
		c.windowUpdate(0, c.taken)
		c.receive += c.taken
		c.taken = 0
	}
}

// queue has s take its turn, where it has data and a window.
func (c *Conn) queue(s *Stream) {
	if s.queued || len(s.pending) == 0 || s.sendable <= 0 || s.gone != nil {
		return
	}
	s.queued = true
	if c.out.first == nil {
		c.out.first = s
	} else {
		c.out.last.after = s
	}
	c.out.last = s
}

// fill takes a frame from each stream in turn while there is room and a window.
func (c *Conn) fill() {
	for c.out.first != nil && c.sendable > 0 && c.out.size() < full && !c.closing {
		s := c.out.first
		c.out.first, s.after, s.queued = s.after, nil, false
		if s.gone == nil {
			c.dataOf(s)
			c.queue(s)
		}
	}
}

// crumb is the size below which DATA cut by a window is one.
const crumb = 256

// dataOf sends a frame of what s has pending.
func (c *Conn) dataOf(s *Stream) {
	window := min(s.sendable, c.sendable)
	n := int(min(int64(min(len(s.pending), maxFrame)), window))
	if n <= 0 {
		return
	}
	whole := n == len(s.pending)
	last := whole && s.ending
	var flags uint8
	if last && len(s.endTrailer) == 0 {
		flags = flagEndStream
	}
	c.out.pressing = true
	p := c.out.page()
	p.b = append(appendHeader(p.b, kindData, flags, s.id, n), s.pending[:n]...)
	s.pending = s.pending[n:]
	s.sendable -= int64(n)
	c.sendable -= int64(n)
	s.moved++
	if last {
		c.endOf(s)
	}
	if whole {
		s.cond.Broadcast()
	}
	if !whole && n < crumb {
		if fault := c.calm.spend(updates); fault != nil {
			c.fail(fault)
		}
		return
	}
	c.calm.earn(updates, 4+n/16)
	c.calm.earn(pings, 1)
}

// endOf sends the trailer, where there is one, and counts s as answered.
func (c *Conn) endOf(s *Stream) {
	if len(s.endTrailer) > 0 {
		c.fields(s.id, flagEndStream, 0, s.endTrailer)
	}
	s.sent = true
	s.over()
}
