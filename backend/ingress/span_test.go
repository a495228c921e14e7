package ingress

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestASpanEndsAsAContextDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s span
		if s.Err() != nil {
			t.Fatal("it is over before it was cancelled")
		}
		derived, stopDerived := context.WithTimeout(&s, time.Hour)
		defer stopDerived()
		ran := make(chan string, 9)
		for _, name := range []string{"first", "second", "third"} {
			s.AfterFunc(func() { ran <- name })
		}
		stop := s.AfterFunc(func() { ran <- "stopped" })
		if !stop() || stop() {
			t.Error("the first stop is the one that stops")
		}
		done := s.Done()
		s.cancel()
		s.cancel()
		<-done
		<-derived.Done()
		synctest.Wait()
		if !errors.Is(s.Err(), context.Canceled) || !errors.Is(derived.Err(), context.Canceled) || !errors.Is(context.Cause(derived), context.Canceled) {
			t.Errorf("it ended with %v, what is derived from it with %v", s.Err(), derived.Err())
		}
		if len(ran) != 3 {
			t.Errorf("%d functions ran, not 3", len(ran))
		}
		if stop() {
			t.Error("what has run cannot be stopped")
		}
		if s.AfterFunc(func() { ran <- "late" })() {
			t.Error("what is asked for after the end runs at once")
		}
		synctest.Wait()
		if len(ran) != 4 {
			t.Error("a function that came late did not run")
		}
		var other span
		other.cancel()
		<-other.Done()
	})
}
