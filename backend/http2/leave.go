package http2

import "time"

// Drain lets no further request begin and ends the connection after those that run (RFC 9113 §6.8).
// Any goroutine may call it.
func (c *Conn) Drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leave()
}

// drainPing marks the PING whose answer tells that the client has read our first GOAWAY.
const drainPing = "go away\n"

// drainTime is how long that answer is waited for.
const drainTime = time.Second

// leave is the first step: with nothing running it is the last one, too. It is called with mu held.
func (c *Conn) leave() {
	if c.leaving != staying || c.closing || c.dead != nil {
		return
	}
	c.leaving = announced
	if c.running == 0 {
		c.settleLocked()
		return
	}
	c.goAwayFrom(maxID, NoError, "")
	c.control(kindPing, 0, 0, []byte(drainPing))
	c.settle = time.AfterFunc(drainTime, c.settleNow)
	c.pushLater()
}

func (c *Conn) settleNow() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.settleLocked()
}

// settleLocked is the second step: from here on nothing new is served.
func (c *Conn) settleLocked() {
	if c.leaving != announced || c.closing || c.dead != nil {
		return
	}
	c.leaving = settled
	c.goAway(NoError, "")
	c.endIfLeft()
	c.pushLater()
}

// endIfLeft ends a connection that is leaving after its last handler.
func (c *Conn) endIfLeft() {
	if c.leaving == settled && c.running == 0 && !c.closing {
		c.close(&Error{Code: NoError, Reason: "the connection is over"})
		_ = c.conn.SetReadDeadline(longAgo) // wakes the goroutine of Serve, which lingers
	}
}

var longAgo = time.Unix(1, 0)

// endIdle runs when a connection may have been without a request for long enough.
func (c *Conn) endIdle() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing || c.dead != nil {
		return
	}
	wait := c.limits().KeepAlive
	if c.running == 0 {
		wait -= time.Since(c.since)
	}
	if wait > 0 {
		c.idle.Reset(wait)
		return
	}
	c.leave()
}
