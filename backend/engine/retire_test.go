package engine

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"proxycache/backend/config"
	"proxycache/backend/flow"
)

func sentThrough(t *testing.T, e *Engine, path string) *flow.Exchange {
	t.Helper()
	x := exchange(t, flow.Reverse, "http://a"+path)
	r := e.Handle(x)
	if r.Status != 200 || r.Body.Close() != nil {
		t.Fatalf("%d, %v", r.Status, x.Problem)
	}
	return x
}

func TestAPlanThatIsNotPutInForceLeavesThePoolsAlone(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	t.Cleanup(origin.Close)
	doc := &config.Document{Version: 1, Upstreams: []config.Upstream{upstreamOf("own", origin.URL)}, Routes: []config.Route{{Name: "all", To: "own"}}}
	e := newEngine(t)
	inForce(t, e, doc)
	sentThrough(t, e, "/")
	for range 2 {
		plan, err := e.Prepare(doc)
		if err != nil {
			t.Fatal(err)
		}
		plan.Discard()
		if x := sentThrough(t, e, "/"); !x.TargetConn.Reused {
			t.Error("the connection was lost with a plan that never was in force")
		}
	}
	inForce(t, e, doc)
	if x := sentThrough(t, e, "/"); !x.TargetConn.Reused {
		t.Error("the connection was lost with an edit that did not concern it")
	}
}

func TestWhatWentThroughIsToldWhileALastAnswerLasts(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/lasting" {
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}
	}))
	t.Cleanup(origin.Close)
	doc := &config.Document{Version: 1, Upstreams: []config.Upstream{upstreamOf("own", origin.URL)}, Routes: []config.Route{{Name: "all", To: "own"}}}
	e := newEngine(t)
	inForce(t, e, doc)
	lasting := e.Handle(exchange(t, flow.Reverse, "http://a/lasting"))
	for range 5 {
		sentThrough(t, e, "/")
	}
	inForce(t, e, &config.Document{Version: 1, Routes: []config.Route{{Name: "other"}}})
	acted := int64(0)
	for _, f := range e.Sample() {
		if f.Name == "upstream/own" {
			acted = f.Acted
		}
	}
	if err := lasting.Body.Close(); err != nil {
		t.Error(err)
	}
	if acted != 6 {
		t.Errorf("%d of 6 are told", acted)
	}
}

func TestTargetsThatRestMakeRoom(t *testing.T) {
	e := newEngine(t)
	c := e.figures.of("upstream/")
	named := func(at int) string { return fmt.Sprintf("10.0.0.%d:80", at) }
	for i := range maxTargets {
		if c.target(named(i), false) == nil {
			t.Fatalf("target %d has no figures", i)
		}
	}
	if c.target("late", false) != nil {
		t.Error("there is room for more than fit")
	}
	for range window + 2 {
		c.target(named(0), false)
		e.Sample()
	}
	if c.target("late", false) == nil {
		t.Error("those that rest leave no room")
	}
	if !slices.ContainsFunc(e.Sample(), func(f Figure) bool { return f.Name == "upstream//"+named(0) && f.Seen == window+3 }) {
		t.Error("one that is used was forgotten")
	}
}
