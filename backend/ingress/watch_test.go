package ingress

import (
	"sync"
	"testing"
	"time"
)

// The time of a client that has ended its side may be over in the moment in which its exchange is: the
// next one, which it sent along, has a time of its own.
func TestAFarewellIsToOneExchange(t *testing.T) {
	c := &client{}
	in := &c.in
	in.client = c
	first, second := &turn{client: c}, &turn{client: c}
	c.turn = first
	w := &in.watch
	w.ended, w.wanted, w.set = true, true, true
	w.since, w.delay = time.Now().Add(-time.Hour), farewell

	c.mu.Lock() // whoever ends an exchange waits here
	var looked sync.WaitGroup
	looked.Go(in.look)
	eventually(t, "the time is found to be over", func() bool {
		if !w.mu.TryLock() {
			return true // it is being looked at
		}
		defer w.mu.Unlock()
		return !w.set
	})
	answered := make(chan struct{})
	go func() {
		in.unwatch()
		close(answered)
	}()
	select {
	case <-answered:
	case <-time.After(50 * time.Millisecond): // it waits for the first to be ended
		c.mu.Unlock()
		receive(t, answered, "the end of the first")
		c.mu.Lock()
	}
	c.turn = second
	c.mu.Unlock()
	looked.Wait()
	if second.ctx.Err() != nil || second.hasLeft.Load() {
		t.Error("the second exchange was ended with the first's time")
	}
}
