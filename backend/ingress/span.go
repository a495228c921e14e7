package ingress

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// span is the context of one exchange, which ends when the client leaves or the exchange is over. It
// is a part of its turn, and does without what context.WithCancel makes for each: a channel comes into
// being when somebody asks for it.
type span struct {
	over atomic.Bool // set under mu

	mu       sync.Mutex
	done     chan struct{} // nil until Done
	begun    int           // calls of AfterFunc
	after    []following   // those that were not stopped
	inline   [2]following  // room for the usual ones
	followed int           // those that ran
}

// following is what runs once a span is over.
type following struct {
	number int
	f      func()
}

var ended = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

func (s *span) cancel() {
	s.mu.Lock()
	after := s.after
	s.followed += len(after)
	if !s.over.Swap(true) && s.done != nil { // in this order: who saw the end of done asks Err
		close(s.done)
	}
	s.after = nil
	s.mu.Unlock()
	for _, a := range after {
		go a.f()
	}
}

// reopen makes s, which is over, the span of another exchange, unless somebody may have learned of its
// end otherwise than by asking Err.
func (s *span) reopen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done != nil || s.followed > 0 {
		return false
	}
	s.over.Store(false)
	return true
}

// AfterFunc has f run in a goroutine of its own once the span is over, unless stop comes first, which
// then is true. Package context asks for this method: what is derived from a span needs no goroutine
// that waits for it.
func (s *span) AfterFunc(f func()) (stop func() bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over.Load() {
		go f()
		return func() bool { return false }
	}
	if s.after == nil {
		s.after = s.inline[:0]
	}
	s.begun++
	number := s.begun
	s.after = append(s.after, following{number, f})
	return func() bool { return s.stop(number) }
}

func (s *span) stop(number int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := len(s.after)
	s.after = slices.DeleteFunc(s.after, func(a following) bool { return a.number == number })
	return len(s.after) < before
}

// Done is closed once the span is over.
func (s *span) Done() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.done != nil:
	case s.over.Load():
		s.done = ended
	default:
		s.done = make(chan struct{})
	}
	return s.done
}

// Err is context.Canceled once the span is over.
func (s *span) Err() error {
	if s.over.Load() {
		return context.Canceled
	}
	return nil
}

// Deadline and Value: it has none.
func (s *span) Deadline() (time.Time, bool) { return time.Time{}, false }
func (s *span) Value(any) any               { return nil }
