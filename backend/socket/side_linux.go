package socket

import (
	"sync"
	"sync/atomic"
	"time"
)

// side is one direction of a connection: who moves bytes in it waits here.
type side struct {
	news chan struct{} // holds one when something may have changed since somebody looked
	late atomic.Bool   // the deadline has passed
	job  job           // what the poller moves in it

	mu     sync.Mutex
	until  time.Time // the deadline; zero for none
	timer  *time.Timer
	closed bool
}

func (s *side) open(fd int) {
	s.news, s.job.made, s.job.fd = make(chan struct{}, 1), make(chan struct{}, 1), fd
}

// tell wakes who waits, or spares the next one its wait.
func (s *side) tell() {
	select {
	case s.news <- struct{}{}:
	default:
	}
	s.job.giveBack()
}

// setDeadline bounds running and later waits by t; zero is no bound.
func (s *side) setDeadline(t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return
	}
	s.until = t
	left := time.Until(t)
	passed := !t.IsZero() && left <= 0
	s.late.Store(passed)
	switch {
	case passed:
		s.stop()
		s.tell()
	case t.IsZero():
		s.stop()
	case s.timer == nil:
		s.timer = time.AfterFunc(left, s.ring)
	default:
		s.timer.Reset(left)
	}
}

// ring may come for a deadline that has moved meanwhile, and before one whose clock was set back.
func (s *side) ring() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.until.IsZero() || s.closed {
		return
	}
	if left := time.Until(s.until); left > 0 {
		s.timer.Reset(left)
		return
	}
	s.late.Store(true)
	s.tell()
}

// stop is called under the lock.
func (s *side) stop() {
	if s.timer != nil {
		s.timer.Stop()
	}
}

// close ends the deadline with the connection.
func (s *side) close() {
	s.mu.Lock()
	s.closed = true
	s.stop()
	s.mu.Unlock()
	s.tell()
}
