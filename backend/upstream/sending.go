package upstream

import (
	"slices"
	"sync"
	"time"
)

// piece is what net/http is given of a body at a time, and a frame has where the target says nothing else.
// What it was given and does not get rid of says that the windows of the target are closed: with more at a
// time, one that opens them little by little would look like one that does not.
const piece = 16 << 10

// sending are the requests with a body that are under way on one HTTP/2 connection. One timer looks at them
// all, for as long as there are any.
type sending struct {
	patience time.Duration // with a target that takes nothing

	mu    sync.Mutex
	feeds []*feed
	timer *time.Timer
	set   bool // it will ring
}

func (s *sending) add(f *feed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.feeds = append(s.feeds, f)
	if !s.set {
		s.lookLater()
	}
}

// remove may be called again.
func (s *sending) remove(f *feed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.feeds, f); i >= 0 {
		s.feeds = slices.Delete(s.feeds, i, i+1)
	}
}

// lookLater is called under the lock.
func (s *sending) lookLater() {
	s.set = true
	if s.timer == nil {
		s.timer = time.AfterFunc(s.patience/looks, s.look)
	} else {
		s.timer.Reset(s.patience / looks)
	}
}

// look gives those up of which the target has taken nothing for too long.
func (s *sending) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set = false
	now := time.Now()
	s.feeds = slices.DeleteFunc(s.feeds, func(f *feed) bool {
		late := f.idle(now) >= s.patience
		if late {
			f.giveUp(errStalled)
		}
		return late
	})
	if len(s.feeds) > 0 {
		s.lookLater()
	}
}

// idle is for how long net/http has had something to send and did not get rid of it, while nothing of the
// answer came either. It is for who looks, under his lock.
func (f *feed) idle(now time.Time) time.Duration {
	turns := f.turns.Load()
	reading := turns%2 != 0
	if reading || f.unread.Load() || turns != f.seen || f.since.IsZero() {
		f.seen, f.since = turns, now
	}
	return now.Sub(f.since)
}
