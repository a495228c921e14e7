package http2

import (
	"errors"
	"fmt"
	"os"
	"time"

	"proxycache/backend/flow"
)

// ErrOver says that an answer is over already, or has not begun.
var ErrOver = errors.New("http2: this cannot be sent at this point of the answer")

// usable tells why nothing can be sent; nil while it can.
func (s *Stream) usable() error {
	switch {
	case s.gone != nil:
		return s.gone
	case s.conn.dead != nil:
		return s.conn.dead
	case s.ending || s.sent:
		return ErrOver
	}
	return nil
}

// room waits until a head can be added to what waits to be written.
func (s *Stream) room() error {
	c := s.conn
	for c.out.size() >= full && s.usable() == nil {
		c.push()
		if c.out.size() >= full && c.out.writing {
			c.changed.Wait()
		}
	}
	return s.usable()
}

// Interim sends a 1xx other than 101 (RFC 9113 §8.1). After the final head it is ErrOver.
func (s *Stream) Interim(status int, h flow.Header) error {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := s.room(); err != nil || s.begun {
		return errors.Join(err, ErrOver)
	}
	c.fields(s.id, 0, status, h)
	c.push()
	return nil
}

// Begin sends the final head; a body or at least Finish follows. It leaves with what is written next,
// or soon without. Fields that concern a connection are the caller's to leave out.
func (s *Stream) Begin(status int, h flow.Header) error {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := s.room(); err != nil {
		return err
	}
	s.begun = true
	s.moved++
	c.fields(s.id, 0, status, h)
	c.corkUp()
	return nil
}

// Answer sends a whole answer that has no body.
func (s *Stream) Answer(status int, h flow.Header) error {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := s.room(); err != nil {
		return err
	}
	s.begun, s.ending = true, true
	c.fields(s.id, flagEndStream, status, h)
	c.endOf(s)
	c.push()
	return nil
}

// corkUp has what waits written soon, if nobody does before.
func (c *Conn) corkUp() {
	if c.out.corked || c.out.writing {
		return
	}
	c.out.corked = true
	if c.out.cork == nil {
		c.out.cork = time.AfterFunc(corkTime, c.uncork)
	} else {
		c.out.cork.Reset(corkTime)
	}
}

func (c *Conn) uncork() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out.corked = false
	c.push()
}

// Write sends a piece of the body. It returns when all of p is on its way, as the client's windows
// allow. When the client takes nothing in time, the stream is reset and the error is
// os.ErrDeadlineExceeded.
func (s *Stream) Write(p []byte) (int, error) {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	if err := s.usable(); err != nil {
		return 0, err
	}
	if len(p) == 0 {
		return 0, nil
	}
	return s.deliver(p)
}

// Finish ends the answer: with p, the last piece of the body, and a trailer. Both may be empty.
func (s *Stream) Finish(p []byte, trailer flow.Header) error {
	c := s.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := s.usable(); err != nil {
		return err
	}
	if !s.begun {
		return ErrOver
	}
	s.ending, s.endTrailer = true, trailer
	if len(p) > 0 {
		_, err := s.deliver(p)
		return err
	}
	if len(trailer) == 0 {
		page := c.out.page()
		page.b = appendHeader(page.b, kindData, flagEndStream, s.id, 0)
	}
	c.endOf(s)
	c.push()
	return nil
}

// deliver waits until the connection has taken p.
func (s *Stream) deliver(p []byte) (int, error) {
	c := s.conn
	if !s.begun {
		return 0, ErrOver
	}
	s.pending = p
	c.queue(s)
	c.fill()
	c.push()
	var by time.Time
	for left := len(s.pending); len(s.pending) > 0 && s.gone == nil && c.dead == nil; {
		if len(s.pending) < left || min(s.sendable, c.sendable) > 0 { // with a window it waits for the connection, as all do
			left, by = len(s.pending), time.Time{}
		}
		if !s.wait(&s.writeTimer, &by, c.limits().WriteTimeout) {
			return s.stalled(len(p))
		}
	}
	sent := len(p) - len(s.pending)
	s.pending = nil
	switch {
	case sent == len(p):
		return sent, nil
	case s.gone != nil:
		return sent, s.gone
	}
	return sent, c.dead
}

// stalled gives up a client that takes nothing. It counts among what a client breaks off: holding
// many answers back is an attack, too.
func (s *Stream) stalled(of int) (int, error) {
	c := s.conn
	sent := of - len(s.pending)
	s.pending = nil
	c.resetStream(s, &Error{Code: Cancel, Reason: "the client takes nothing"})
	if fault := c.calm.spend(broken); fault != nil {
		c.fail(fault)
	}
	c.push()
	return sent, fmt.Errorf("http2: the client took nothing for %s: %w", c.limits().WriteTimeout, os.ErrDeadlineExceeded)
}
