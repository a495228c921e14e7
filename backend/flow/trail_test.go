package flow

import "testing"

func TestTrailsAreEqualWhenTheySayTheSame(t *testing.T) {
	delta := &Delta{Body: true}
	step := func() Step {
		return Step{Cell: "a/b", Module: "b", Verdict: Changed, Why: "w", Facts: []Fact{{"n", "1"}, {"m", "2"}}, Before: 3, After: 4, Request: delta}
	}
	trail := Trail{step(), {Cell: "upstream/x"}}
	if !trail.Equal(trail.Clone()) || !trail.Equal(Trail{step(), {Cell: "upstream/x"}}) {
		t.Error("a copy is another")
	}
	for name, change := range map[string]func(*Step){
		"cell":          func(s *Step) { s.Cell = "a/c" },
		"module":        func(s *Step) { s.Module = "c" },
		"verdict":       func(s *Step) { s.Verdict = Passed },
		"why":           func(s *Step) { s.Why = "" },
		"a fact more":   func(s *Step) { s.Facts = append(s.Facts, Fact{"o", "3"}) },
		"a fact's text": func(s *Step) { s.Facts[1].Value = "3" },
		"before":        func(s *Step) { s.Before++ },
		"after":         func(s *Step) { s.After++ },
		"request":       func(s *Step) { s.Request = nil },
		"response":      func(s *Step) { s.Response = delta },
	} {
		other := Trail{step(), {Cell: "upstream/x"}}
		if change(&other[0]); trail.Equal(other) {
			t.Errorf("%s: no difference is seen", name)
		}
	}
	if trail.Equal(trail[:1]) || Trail(nil).Equal(trail) {
		t.Error("a step more is not seen")
	}
}
