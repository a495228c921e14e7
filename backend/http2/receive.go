package http2

import "encoding/binary"

// take does what a frame says. The error ends the connection.
func (c *Conn) take(f frame) error {
	var fault *Error
	switch f.kind {
	case kindHeaders:
		fault = c.headers(f)
	case kindContinuation:
		fault = c.continuation(f)
	default:
		c.mu.Lock()
		fault = c.other(f)
		c.holdBack()
		c.mu.Unlock()
	}
	if fault != nil && fault.stream != 0 {
		c.mu.Lock()
		fault = c.breakOff(fault)
		c.mu.Unlock()
	}
	if fault != nil {
		return fault
	}
	return nil
}

// holdBack reads nothing more from a client that makes us send and does not read that. A write's
// deadline ends the wait.
func (c *Conn) holdBack() {
	for c.out.controls > maxControl && !c.closing {
		c.pushLater()
		c.changed.Wait()
	}
}

// breakOff resets one stream for a fault of the client (RFC 9113 §5.4.2), and counts it.
func (c *Conn) breakOff(fault *Error) *Error {
	if s := c.streams[fault.stream]; s != nil {
		c.resetStream(s, fault)
	} else {
		c.resetID(fault.stream, fault.Code)
		c.past.add(fault.stream, byUs)
	}
	return c.calm.spend(fault.abuse)
}

// other does what all frames but header blocks say, with mu held.
func (c *Conn) other(f frame) *Error {
	switch f.kind {
	case kindData:
		return c.data(f)
	case kindPriority:
		return c.priority(f)
	case kindReset:
		return c.reset(f)
	case kindSettings:
		return c.settings(f)
	case kindPing:
		return c.ping(f)
	case kindGoAway:
		if f.stream != 0 {
			return connection(ProtocolError, "GOAWAY on stream %d (RFC 9113 §6.8)", f.stream)
		}
		if len(f.payload) < 8 {
			return connection(FrameSizeError, "GOAWAY has %d bytes, 8 are needed (RFC 9113 §6.8)", len(f.payload))
		}
		return c.calm.spend(ignored) // we open no streams that it could refuse
	case kindWindow:
		return c.updated(f)
	case kindPush:
		return connection(ProtocolError, "a client sends PUSH_PROMISE (RFC 9113 §8.4)")
	}
	return c.calm.spend(ignored) // RFC 9113 §4.1
}

// idleStream tells a stream that was never opened: most frames have no business there (RFC 9113 §5.1).
func (c *Conn) idleStream(id uint32) bool { return id > c.lastID || id%2 == 0 }

func (c *Conn) isOpen(id uint32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.streams[id] != nil
}

func (c *Conn) spend(n nuisance) *Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calm.spend(n)
}

// data takes DATA (RFC 9113 §6.1). All of a frame counts for the windows, its padding too.
func (c *Conn) data(f frame) *Error {
	if f.stream == 0 {
		return connection(ProtocolError, "DATA on stream 0 (RFC 9113 §6.1)")
	}
	if c.idleStream(f.stream) {
		return connection(ProtocolError, "DATA on stream %d, which is not open (RFC 9113 §5.1)", f.stream)
	}
	whole := len(f.payload)
	if whole > c.receive {
		return connection(FlowControlError, "DATA beyond the window of the connection (RFC 9113 §6.9)")
	}
	if err := f.padded(); err != nil {
		return err
	}
	if len(f.payload) == 0 && !f.has(flagEndStream) {
		if err := c.calm.spend(empty); err != nil {
			return err
		}
	}
	c.receive -= whole
	s := c.streams[f.stream]
	if s == nil {
		c.giveBack(whole)
		if fault := c.afterEnd(f.stream, "DATA"); fault != nil || whole >= crumb || !c.past.stale(f.stream) {
			return fault
		}
		return c.calm.spend(ignored)
	}
	if s.ended {
		c.giveBack(whole)
		return onStream(f.stream, StreamClosed, "DATA after the end of stream %d (RFC 9113 §5.1)", f.stream)
	}
	return s.arrive(f, whole)
}

// afterEnd says what a frame on a stream that is closed means (RFC 9113 §5.1).
func (c *Conn) afterEnd(id uint32, what string) *Error {
	switch c.past.find(id) {
	case complete:
		return connection(StreamClosed, "%s on stream %d, which is over (RFC 9113 §5.1)", what, id)
	case byUs:
		return nil // sent before the client knew
	}
	return onStream(id, StreamClosed, "%s on stream %d, which is closed (RFC 9113 §5.1)", what, id)
}

// priority takes PRIORITY, whose meaning is gone (RFC 9113 §5.3.2) and whose form is not.
func (c *Conn) priority(f frame) *Error {
	switch {
	case f.stream == 0:
		return connection(ProtocolError, "PRIORITY on stream 0 (RFC 9113 §6.3)")
	case len(f.payload) != 5 && c.idleStream(f.stream):
		return connection(FrameSizeError, "PRIORITY has %d bytes, 5 are needed (RFC 9113 §6.3)", len(f.payload))
	case len(f.payload) != 5:
		return onStream(f.stream, FrameSizeError, "PRIORITY has %d bytes, 5 are needed (RFC 9113 §6.3)", len(f.payload))
	case dependency(f.payload) == f.stream && c.idleStream(f.stream):
		return connection(ProtocolError, "stream %d depends on itself (RFC 7540 §5.3.1)", f.stream)
	case dependency(f.payload) == f.stream:
		return onStream(f.stream, ProtocolError, "stream %d depends on itself (RFC 7540 §5.3.1)", f.stream)
	}
	return c.calm.spend(ignored)
}

// reset takes RST_STREAM (RFC 9113 §6.4).
func (c *Conn) reset(f frame) *Error {
	switch {
	case f.stream == 0 || c.idleStream(f.stream):
		return connection(ProtocolError, "RST_STREAM on stream %d, which is not open (RFC 9113 §6.4)", f.stream)
	case len(f.payload) != 4:
		return connection(FrameSizeError, "RST_STREAM has %d bytes, 4 are needed (RFC 9113 §6.4)", len(f.payload))
	}
	code := Code(binary.BigEndian.Uint32(f.payload))
	if s := c.streams[f.stream]; s != nil {
		c.past.add(s.id, byPeer)
		c.drop(s, &Error{Code: code, Reason: "the client reset the stream", Peer: true})
	}
	return c.calm.spend(broken)
}
