package upstream

import (
	"strings"
	"sync"
	"testing"
	"time"

	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

// Exchanges that wait for the connection that another one opens have no more time than he.
func TestWhoWaitsForAnothersConnectionHasTheTimeOfOne(t *testing.T) {
	const connecting = 500 * time.Millisecond
	hold := untilEnd(t)
	s := settings("https://" + serve(t, func(*peer) { hold() })) // it accepts, and shakes no hands
	s.ConnectTimeout = schema.Duration(connecting)
	p := open(t, s, Options{})
	var all sync.WaitGroup
	const several = 5
	for range several {
		all.Go(func() {
			since := time.Now()
			_, err := p.Send(ask(t, "GET", "/"))
			if problem.KindOf(err) != problem.Timeout || !strings.Contains(err.Error(), ": no answer within 500ms. ") {
				t.Errorf("it ended with %v", err)
			}
			if took := time.Since(since); took < connecting || took > connecting+connecting/2 {
				t.Errorf("it ended after %v", took)
			}
		})
	}
	all.Wait()
	if s := p.Stats(); s.Faults != (Faults{Timeout: several}) || s.Open != 0 {
		t.Errorf("the figures are %+v", s.Usage)
	}
}

// Whose turn comes late has what is left.
func TestWhoHasWaitedForAnothersConnectionGoesOnInTheTimeThatIsLeft(t *testing.T) {
	const connecting = 600 * time.Millisecond
	hold := untilEnd(t)
	first := make(chan struct{})
	s := settings("https://" + serve(t, func(p *peer) {
		if p.n == 1 {
			<-first
			return // without a word
		}
		hold()
	}))
	s.ConnectTimeout = schema.Duration(connecting)
	p := open(t, s, Options{})
	failed := make(chan error, 2)
	since := time.Now()
	for range 2 {
		go func() {
			_, err := p.Send(ask(t, "GET", "/"))
			failed <- err
		}()
	}
	time.Sleep(connecting / 2)
	close(first)
	if err := within(t, failed, "the end of the first"); problem.KindOf(err) != problem.TLSFailed {
		t.Errorf("the first ended with %v", err)
	}
	if err := within(t, failed, "the end of the second"); problem.KindOf(err) != problem.Timeout {
		t.Errorf("the second ended with %v", err)
	}
	if took := time.Since(since); took < connecting || took > connecting+connecting/4 {
		t.Errorf("the second ended after %v", took)
	}
}
