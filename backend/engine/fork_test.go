package engine

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"proxycache/backend/config"
	"proxycache/backend/flow"
	"proxycache/backend/policy"
	"proxycache/backend/problem"
)

// forking hands on as its setting says.
type forking struct {
	How string `toml:"how" title:"How" help:"What the cell does."`

	left chan func(*flow.Exchange) (*flow.Response, error)
}

func (f *forking) Explain() string                          { return "forks" }
func (f *forking) Policy(policy.Env) (policy.Policy, error) { return f, nil }

func (f *forking) Apply(x *flow.Exchange, next policy.Next) (*flow.Response, error) {
	switch f.How {
	case "both":
		losing, winning := x.Fork(x.Context()), x.Fork(x.Context())
		lost, err := next(losing)
		if err != nil {
			return nil, err
		}
		_ = lost.Body.Close()
		won, err := next(winning)
		x.Beside(losing, "slower")
		x.Join(winning)
		return won, err
	case "marks":
		one := x.Fork(x.Context())
		r, err := next(one)
		x.Join(one)
		if err == nil {
			r.Header.Set("X-Marked", "yes")
		}
		return r, err
	case "twice":
		if r, err := next(x); err == nil {
			_ = r.Body.Close()
		}
		return next(x)
	case "later":
		f.left <- next
		return flow.NewResponse(202, "", nil), nil
	}
	return next(x)
}

// fork makes an engine whose route has a forking cell, then one that does what is said.
func fork(t *testing.T, how, then string) (*Engine, chan func(*flow.Exchange) (*flow.Response, error)) {
	t.Helper()
	left := make(chan func(*flow.Exchange) (*flow.Response, error), 1)
	modules := map[string]policy.Module{
		"fork": {Name: "fork", Settings: func() policy.Settings { return &forking{left: left} }},
		"act":  {Name: "act", Settings: func() policy.Settings { return &act{} }},
	}
	e := New(Options{Module: func(name string) (policy.Module, bool) { m, ok := modules[name]; return m, ok }})
	t.Cleanup(e.Close)
	inForce(t, e, &config.Document{Version: 1, Routes: []config.Route{{Name: "all", Cells: []config.Cell{
		{ID: "fork", Use: "fork", Settings: config.Settings{"how": how}}, cellOf("then", then),
	}}}})
	return e, left
}

func steps(x *flow.Exchange) string {
	var out []string
	for _, s := range x.Trail {
		out = append(out, s.Cell+" "+string(s.Verdict))
		for _, f := range s.Facts {
			if f.Name == "beside" {
				out[len(out)-1] += " (" + f.Value + ")"
			}
		}
	}
	return strings.Join(out, ", ")
}

func TestTheStepsOfForksFollowThoseOfTheirOrigin(t *testing.T) {
	e, _ := fork(t, "both", "answer")
	x := exchange(t, flow.Reverse, "http://a/")
	if r := e.Handle(x); r.Status != 201 {
		t.Fatalf("%d, %v", r.Status, x.Problem)
	}
	if got := steps(x); got != "all/fork answered, all/then answered (slower), all/then answered" {
		t.Errorf("the trail is %s", got)
	}
	want := []Figure{{Name: "all/fork", Seen: 1, Acted: 1}, {Name: "all/then", Seen: 2, Acted: 2}, {Name: "route/all", Seen: 1, Acted: 1}}
	got := slices.DeleteFunc(e.Sample(), func(f Figure) bool { return f.Seen == 0 })
	if !slices.Equal(got, want) {
		t.Errorf("counted %+v, want %+v", got, want)
	}
}

func TestWhatACellMakesOfItsForksAnswerIsToldAsItsDoing(t *testing.T) {
	e, _ := fork(t, "marks", "answer")
	x := exchange(t, flow.Reverse, "http://a/")
	if r := e.Handle(x); r.Header.Get("X-Marked") != "yes" {
		t.Fatalf("%v, %v", r.Header, x.Problem)
	}
	d := x.Trail[0].Response
	if d == nil || d.Body || d.Line != [2]string{} || len(d.Header) != 1 || d.Header[0].Name != "X-Marked" {
		t.Errorf("it is told to have changed %+v", d)
	}
}

func TestWhoRepeatsIsCountedEachTime(t *testing.T) {
	e, _ := fork(t, "twice", "answer")
	x := exchange(t, flow.Reverse, "http://a/")
	e.Handle(x)
	if got := steps(x); got != "all/fork passed, all/then answered, all/then answered" {
		t.Errorf("the trail is %s", got)
	}
	for _, f := range e.Sample() {
		if f.Name == "all/then" && f.Seen != 2 {
			t.Errorf("counted %+v", f)
		}
	}
}

// Under -race: the meters that the fork's cell is called by serve other exchanges by then.
func TestAForkGoesOnWhenItsOriginIsOver(t *testing.T) {
	e, left := fork(t, "later", "answer")
	x := exchange(t, flow.Reverse, "http://a/")
	f := x.Fork(context.Background())
	if r := e.Handle(x); r.Status != 202 {
		t.Fatalf("%d, %v", r.Status, x.Problem)
	}
	next := <-left
	var others sync.WaitGroup
	for range 4 {
		others.Go(func() {
			for range 100 {
				e.Handle(exchange(t, flow.Reverse, "http://a/"))
				<-left
			}
		})
	}
	for range 100 {
		r, err := next(f)
		if err != nil || read(t, r) != "from the cell" {
			t.Fatalf("%v, %v", r, err)
		}
	}
	others.Wait()
	if len(f.Trail) != 100 || len(x.Trail) != 1 {
		t.Errorf("%d steps, and %d of its origin", len(f.Trail), len(x.Trail))
	}
}

func TestAForkHoldsItsPlanAndComesTooLateBehindIt(t *testing.T) {
	e, left := fork(t, "later", "answer")
	x := exchange(t, flow.Reverse, "http://a/")
	f := x.Fork(context.Background())
	e.Handle(x)
	next := <-left
	r, err := next(f)
	if err != nil {
		t.Fatal(err)
	}
	inForce(t, e, &config.Document{Version: 1})
	if again, err := next(x.Fork(context.Background())); err != nil || again.Body.Close() != nil {
		t.Errorf("while the first one's body is open: %v", err)
	}
	if err := r.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := next(x.Fork(context.Background())); problem.KindOf(err) != problem.Unavailable {
		t.Errorf("behind its plan: %v", err)
	}
}

func TestACellSendsToAnotherPool(t *testing.T) {
	e, _ := fork(t, "", "")
	x := exchange(t, flow.Reverse, "http://a/")
	x.SendTo = "nowhere"
	e.Handle(x)
	if problem.KindOf(x.Problem) != problem.NoRoute || !strings.Contains(x.Problem.Message, `"nowhere"`) {
		t.Errorf("the problem is %v", x.Problem)
	}
}
