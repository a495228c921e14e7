package flow

import (
	"bytes"
	"slices"
	"time"
)

// Verdict is what a cell did to an exchange, in one word.
type Verdict string

const (
	Passed   Verdict = "passed"   // looked, and changed nothing
	Changed  Verdict = "changed"  // changed the request or the response
	Answered Verdict = "answered" // gave the response itself: the end of the line
	Skipped  Verdict = "skipped"  // its condition did not hold, or it is off
	Picked   Verdict = "picked"   // the pool: chose a target
	Failed   Verdict = "failed"   // could not do its work
)

// Fact is one thing a cell decided on: ("key", "GET shop.localhost/v1"), ("left", "87 of 100").
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Step is what one cell did. The engine writes it; a module adds facts and may refine the verdict.
type Step struct {
	Cell    string // id of the cell, unique in the configuration: "shop-api/headers"
	Module  string // "headers"; "upstream" for the last step
	Verdict Verdict
	Why     string // for a skipped one: the condition that did not hold; for the missing pool: that it is missing
	Facts   []Fact

	// Before is the time from entry to handing on (or answering); After from the response's return to exit.
	Before, After time.Duration

	// What it changed against what it was given; nil for nothing.
	Request, Response *Delta

	// The heads of a pool's step as they were on the wire: what the target was sent, and what it answered with.
	// Those of HTTP/2, which has no text form, are printed as HTTP/1 writes them, and their first line says
	// HTTP/2.0. The password of a proxy on the way is left out. Nil where nothing was sent or came, and in an
	// exchange that nobody records.
	Sent, Came []byte
}

// Delta is the difference a cell made to one message.
type Delta struct {
	Header []FieldEdit
	Line   [2]string // the request line or status before and after; empty strings when unchanged
	Body   bool      // the body was replaced
}

// FieldEdit is one changed field: Was empty for an added one, Now empty for a removed one.
type FieldEdit struct {
	Op   string `json:"op"` // "add", "remove", "set"
	Name string `json:"name"`
	Was  string `json:"was"`
	Now  string `json:"now"`
}

// Trail is the steps in pipeline order.
type Trail []Step

// Enter starts the step of a cell and makes it the running one; it returns its index.
// Only the engine calls Enter and Resume.
func (x *Exchange) Enter(cell, module string) int {
	x.running = len(x.Trail)
	x.Trail = append(x.Trail, Step{Cell: cell, Module: module})
	return x.running
}

// Resume makes step i the running one again, when the response has come back to its cell.
func (x *Exchange) Resume(i int) { x.running = i }

// Note adds a fact to the step of the cell that is running.
func (x *Exchange) Note(name, value string) {
	if x.running < len(x.Trail) {
		s := &x.Trail[x.running]
		if s.Facts == nil {
			s.Facts = x.roomForFacts()
		}
		s.Facts = append(s.Facts, Fact{name, value})
	}
}

// Recorded tells that x is being recorded: its heads are worth keeping.
func (x *Exchange) Recorded() bool { return x.Seq != 0 }

// NoteSent keeps a copy of the head that the target is sent, in the step of the pool that runs.
func (x *Exchange) NoteSent(head []byte) {
	if x.Recorded() && x.running < len(x.Trail) {
		x.Trail[x.running].Sent = slices.Clone(head)
	}
}

// NoteCame keeps the head that came from the target, which nobody changes any more.
func (x *Exchange) NoteCame(head []byte) {
	if x.Recorded() && x.running < len(x.Trail) {
		x.Trail[x.running].Came = head
	}
}

// factsOfStep is what most steps note at most.
const factsOfStep = 4

// roomForFacts is a part of what the exchanges before x needed together, or new.
func (x *Exchange) roomForFacts() []Fact {
	x.noted += factsOfStep
	n := len(x.facts)
	if n+factsOfStep > cap(x.facts) {
		return make([]Fact, 0, factsOfStep)
	}
	x.facts = x.facts[:n+factsOfStep]
	return x.facts[n : n : n+factsOfStep]
}

// Clone is a copy that stays what it is when the exchange goes on, or is over and its memory serves
// another. What the steps point to does not change.
func (t Trail) Clone() Trail {
	n := 0
	for i := range t {
		n += len(t[i].Facts)
	}
	out, facts := slices.Clone(t), make([]Fact, 0, n)
	for i := range out {
		if len(out[i].Facts) > 0 {
			begin := len(facts)
			facts = append(facts, out[i].Facts...)
			out[i].Facts = facts[begin:len(facts):len(facts)]
		}
	}
	return out
}

// Equal tells that both say the same.
func (t Trail) Equal(other Trail) bool {
	return slices.EqualFunc(t, other, func(a, b Step) bool { return a.equal(&b) })
}

func (s *Step) equal(o *Step) bool {
	return s.Cell == o.Cell && s.Module == o.Module && s.Verdict == o.Verdict && s.Why == o.Why &&
		s.Before == o.Before && s.After == o.After && s.Request == o.Request && s.Response == o.Response &&
		slices.Equal(s.Facts, o.Facts) && bytes.Equal(s.Sent, o.Sent) && bytes.Equal(s.Came, o.Came)
}

// Verdict says what the running cell did, where the engine could not see it by itself.
func (x *Exchange) Verdict(v Verdict) {
	if x.running < len(x.Trail) {
		x.Trail[x.running].Verdict = v
	}
}
