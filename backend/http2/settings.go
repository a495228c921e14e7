package http2

import "encoding/binary"

// settings takes SETTINGS (RFC 9113 §6.5).
func (c *Conn) settings(f frame) *Error {
	switch {
	case f.stream != 0:
		return connection(ProtocolError, "SETTINGS on stream %d (RFC 9113 §6.5)", f.stream)
	case f.has(flagAck) && len(f.payload) != 0:
		return connection(FrameSizeError, "SETTINGS with ACK have %d bytes (RFC 9113 §6.5)", len(f.payload))
	case len(f.payload)%6 != 0:
		return connection(FrameSizeError, "SETTINGS have %d bytes, a multiple of 6 is needed (RFC 9113 §6.5)", len(f.payload))
	case f.has(flagAck):
		return c.calm.spend(settings)
	}
	c.greeted = true
	for p := f.payload; len(p) > 0; p = p[6:] {
		if err := c.apply(setting(binary.BigEndian.Uint16(p)), binary.BigEndian.Uint32(p[2:])); err != nil {
			return err
		}
	}
	c.control(kindSettings, flagAck, 0, nil)
	c.fill()
	return c.calm.spend(settings)
}

// apply applies one of the client's settings (RFC 9113 §6.5.2). We send no larger frames than every
// client takes, no pushes, and as many fields as there are: those settings change nothing.
func (c *Conn) apply(s setting, value uint32) *Error {
	switch s {
	case settingTableSize:
		size := min(value, tableSize)
		c.out.encoder.SetMaxDynamicTableSizeLimit(size)
		c.out.encoder.SetMaxDynamicTableSize(size)
	case settingPush, settingConnectMethod:
		if value > 1 {
			return connection(ProtocolError, "the setting %#x is %d, 0 or 1 is needed (RFC 9113 §6.5.2)", uint16(s), value)
		}
	case settingFrameSize:
		if value < maxFrame || value > 1<<24-1 {
			return connection(ProtocolError, "SETTINGS_MAX_FRAME_SIZE is %d (RFC 9113 §6.5.2)", value)
		}
	case settingWindow:
		if value > maxWindow {
			return connection(FlowControlError, "SETTINGS_INITIAL_WINDOW_SIZE is %d (RFC 9113 §6.5.2)", value)
		}
		return c.resize(int64(value))
	}
	return nil
}

// resize changes the windows of all streams; they may become negative (RFC 9113 §6.9.2).
func (c *Conn) resize(window int64) *Error {
	by := window - c.window
	c.window = window
	for _, s := range c.streams {
		if s.sendable+by > maxWindow {
			return connection(FlowControlError, "SETTINGS make the window of stream %d too large (RFC 9113 §6.9.2)", s.id)
		}
		s.sendable += by
		c.queue(s)
	}
	return nil
}

// ping answers PING (RFC 9113 §6.7).
func (c *Conn) ping(f frame) *Error {
	switch {
	case f.stream != 0:
		return connection(ProtocolError, "PING on stream %d (RFC 9113 §6.7)", f.stream)
	case len(f.payload) != 8:
		return connection(FrameSizeError, "PING has %d bytes, 8 are needed (RFC 9113 §6.7)", len(f.payload))
	case !f.has(flagAck):
		c.control(kindPing, flagAck, 0, f.payload)
	case string(f.payload) == drainPing:
		c.settleLocked()
	}
	return c.calm.spend(pings)
}

// updated takes WINDOW_UPDATE (RFC 9113 §6.9).
func (c *Conn) updated(f frame) *Error {
	if len(f.payload) != 4 {
		return connection(FrameSizeError, "WINDOW_UPDATE has %d bytes, 4 are needed (RFC 9113 §6.9)", len(f.payload))
	}
	if f.stream != 0 && c.idleStream(f.stream) {
		return connection(ProtocolError, "WINDOW_UPDATE on stream %d, which is not open (RFC 9113 §5.1)", f.stream)
	}
	by := int64(binary.BigEndian.Uint32(f.payload) & maxWindow)
	s := c.streams[f.stream]
	switch {
	case f.stream == 0 && by == 0:
		return connection(ProtocolError, "WINDOW_UPDATE by 0 (RFC 9113 §6.9)")
	case f.stream == 0 && c.sendable+by > maxWindow:
		return connection(FlowControlError, "the window of the connection is too large (RFC 9113 §6.9.1)")
	case f.stream == 0:
		c.sendable += by
	case s == nil: // it ended while this was on its way
	case by == 0:
		return onStream(s.id, ProtocolError, "WINDOW_UPDATE by 0 (RFC 9113 §6.9)")
	case s.sendable+by > maxWindow:
		return onStream(s.id, FlowControlError, "the window of stream %d is too large (RFC 9113 §6.9.1)", s.id)
	default:
		s.sendable += by
		c.queue(s)
	}
	c.fill()
	return c.calm.spend(updates)
}
