package flow

import (
	"context"
	"fmt"
	"slices"
	"testing"
)

func TestFactsOfAnExchangeAreNotThoseOfTheNext(t *testing.T) {
	var x Exchange
	var kept []Trail
	for round := range 4 {
		x.Start(context.Background(), Reverse, &Request{Body: NoBody})
		for cell := range 3 {
			x.Enter(fmt.Sprint("cell", cell), "m")
			for fact := range cell * 3 { // more than one step has room for, too
				x.Note(fmt.Sprint(fact), fmt.Sprint(round))
			}
		}
		x.Resume(0)
		x.Note("late", fmt.Sprint(round))
		kept = append(kept, x.Trail.Clone())
		x.Release()
	}
	for round, trail := range kept {
		if got := len(trail); got != 3 {
			t.Fatalf("round %d has %d steps", round, got)
		}
		for cell, s := range trail {
			want := cell * 3
			if cell == 0 {
				want = 1
			}
			if len(s.Facts) != want || slices.ContainsFunc(s.Facts, func(f Fact) bool { return f.Value != fmt.Sprint(round) }) {
				t.Errorf("round %d, cell %d: %v", round, cell, s.Facts)
			}
		}
	}
}

func TestAForkIsAnExchangeOfItsOwn(t *testing.T) {
	x := NewExchange(context.Background(), Reverse, &Request{Method: "POST", Header: Header{{"A", "1"}}, ContentLength: 2})
	x.Enter("first", "m")
	ctx, cancel := context.WithCancel(context.Background())
	f := x.Fork(ctx)
	if f.Origin() != x || x.Origin() != nil || f.Request == x.Request || f.Request.Body != NoBody || f.Request.ContentLength != 0 {
		t.Errorf("forked %+v", f.Request)
	}
	f.Request.Header.Set("A", "2")
	if x.Request.Header.Get("A") != "1" {
		t.Error("what a fork sets is set on its origin")
	}
	f.Enter("second", "m")
	f.Target, f.Sent = "t", true
	lost := x.Fork(ctx)
	lost.Enter("second", "m")
	lost.Note("a", "b")
	cancel()
	if x.Context().Err() != nil || f.Context().Err() == nil {
		t.Error("a fork's context is that of its origin")
	}
	x.Beside(lost, "slower")
	x.Join(f)
	if x.Target != "t" || !x.Sent || len(x.Trail) != 3 || x.Trail[1].Facts[1] != (Fact{"beside", "slower"}) || len(lost.Trail[0].Facts) != 1 {
		t.Errorf("joined %+v", x)
	}
}
