package http2

import "time"

// complete takes a header block that is decoded: a request, or a trailer.
func (c *Conn) complete() *Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := &c.block
	s := c.streams[b.stream]
	switch {
	case s != nil && s.ended:
		return onStream(s.id, StreamClosed, "HEADERS after the end of stream %d (RFC 9113 §5.1)", s.id)
	case s != nil:
		return s.trail(b)
	case b.stream > c.lastID:
		return c.open(b)
	}
	if c.past.find(b.stream) == unknown {
		return connection(ProtocolError, "stream %d is opened after stream %d (RFC 9113 §5.1.1)", b.stream, c.lastID)
	}
	if fault := c.afterEnd(b.stream, "HEADERS"); fault != nil {
		return fault
	}
	return c.calm.spend(ignored) // a trailer may be under way, one of each stream
}

// open begins a request.
func (c *Conn) open(b *block) *Error {
	c.lastID = b.stream
	if c.leaving == settled || c.closing { // the client finds its id beyond our GOAWAY's
		c.past.add(b.stream, byUs)
		return nil
	}
	c.served = b.stream
	h := &b.section
	r := Request{Method: h.pseudo[pseudoMethod], Length: -1}
	if h.over == "" {
		r = h.request(b.ends)
	}
	switch {
	case b.itself:
		return onStream(b.stream, ProtocolError, "stream %d depends on itself (RFC 7540 §5.3.1)", b.stream)
	case h.malformed != "":
		return onStream(b.stream, ProtocolError, "%s", h.malformed)
	case c.active >= c.limits().Streams:
		fault := onStream(b.stream, RefusedStream, "more than %d requests at once", c.limits().Streams)
		fault.abuse = refused
		return fault
	case h.over == "" && len(r.Path) > c.limits().TargetSize:
		h.status, h.over = 414, "the request target is too long"
	}
	r.Header = append(r.Header, h.fields...)
	c.start(b, r)
	return nil
}

// start runs the handler of a new stream.
func (c *Conn) start(b *block, r Request) {
	s := newStream(c, b, r)
	c.streams[s.id] = s
	c.begun++
	c.active++
	c.running++
	c.calm.earn(ignored, 4) // browsers send some with each request
	c.calm.earn(updates, 2)
	c.calm.earn(pings, 1)
	if h := &b.section; h.over != "" {
		c.handlers.Go(func() { s.refuse(h.status, h.over) })
		return
	}
	c.handlers.Go(s.run)
}

// over counts a handler that returned, with mu held.
func (c *Conn) over() {
	c.running--
	if c.running == 0 {
		c.since = time.Now()
	}
	c.endIfLeft()
}
