package engine

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"proxycache/backend/config"
	"proxycache/backend/flow"
	"proxycache/backend/policy"
	"proxycache/backend/problem"
)

// act is a module of the test: what its cell does is named by its setting.
type act struct {
	Do string `toml:"do" title:"What" help:"What the cell does."`
}

func (a *act) Explain() string { return "does " + a.Do }

func (a *act) Policy(env policy.Env) (policy.Policy, error) {
	if a.Do == "refuse" {
		return nil, problem.New(problem.Invalid, "it will not be made")
	}
	return &acting{do: a.Do, kept: policy.Kept(env, "count", func() *atomic.Int64 { return new(atomic.Int64) })}, nil
}

type acting struct {
	do     string
	kept   *atomic.Int64
	closed atomic.Bool
}

var errBroken = problem.New(problem.Internal, "broken on purpose")

func (a *acting) Apply(x *flow.Exchange, next policy.Next) (*flow.Response, error) {
	if a.closed.Load() {
		panic("used after Close")
	}
	a.kept.Add(1)
	x.Note("count", fmt.Sprint(a.kept.Load()))
	switch a.do {
	case "answer":
		return flow.NewResponse(201, "text/plain", []byte("from the cell")), nil
	case "fail":
		return nil, errBroken
	case "panic":
		panic("broken on purpose")
	case "ask":
		x.Request.Header.Set("X-Asked", "yes")
	}
	response, err := next(x)
	if a.do == "panic behind" {
		panic("broken on purpose")
	}
	if err == nil && a.do == "mark" {
		response.Header.Set("X-Marked", "yes")
	}
	if err == nil && a.do == "replace" {
		_ = response.Body.Close()
		return flow.NewResponse(200, "text/plain", []byte("another")), nil
	}
	return response, err
}

func (a *acting) Close() error { a.closed.Store(true); return nil }

func newEngine(t *testing.T) *Engine {
	t.Helper()
	e := New(Options{Module: func(name string) (policy.Module, bool) {
		return policy.Module{Name: "act", Title: "Act", Settings: func() policy.Settings { return &act{} }}, name == "act"
	}})
	t.Cleanup(e.Close)
	return e
}

func cellOf(id, do string) config.Cell {
	return config.Cell{ID: id, Use: "act", Settings: config.Settings{"do": do}}
}

func upstreamOf(name, url string) config.Upstream {
	return config.Upstream{Name: name, Settings: config.Settings{"targets": []any{map[string]any{"url": url}}}}
}

func inForce(t *testing.T, e *Engine, doc *config.Document) {
	t.Helper()
	plan, err := e.Prepare(doc)
	if err != nil {
		t.Fatal(err)
	}
	e.Swap(plan)
}

func exchange(t *testing.T, door flow.Door, url string) *flow.Exchange {
	t.Helper()
	scheme, rest, _ := strings.Cut(url, "://")
	authority, path, _ := strings.Cut(rest, "/")
	return flow.NewExchange(t.Context(), door, &flow.Request{
		Method: "GET", Scheme: scheme, Authority: authority, Target: "/" + path, Proto: "HTTP/1.1", Body: flow.NoBody,
		Header: flow.Header{{Name: "Host", Value: authority}},
	})
}

func read(t *testing.T, r *flow.Response) string {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err := errors.Join(err, r.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func origin(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Origin", "yes")
		fmt.Fprintf(w, "%s asked=%s", r.URL, r.Header.Get("X-Asked"))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestTheTrailTellsWhatEachCellDid(t *testing.T) {
	e := newEngine(t)
	url := origin(t)
	off, elsewhere := cellOf("off", "answer"), cellOf("elsewhere", "answer")
	off.Off, elsewhere.When = true, `path = "/elsewhere"`
	inForce(t, e, &config.Document{
		Upstreams: []config.Upstream{upstreamOf("shop", url)},
		Cells:     []config.Cell{cellOf("act", "pass")},
		Routes:    []config.Route{{Name: "api", To: "shop", Cells: []config.Cell{off, elsewhere, cellOf("ask", "ask"), cellOf("mark", "mark")}}},
	})
	x := exchange(t, flow.Reverse, "http://x/a?b=1")
	r := e.Handle(x)
	if body := read(t, r); r.Status != 200 || body != "/a?b=1 asked=yes" {
		t.Errorf("answered %d %q", r.Status, body)
	}
	want := []string{
		"common/act passed", "api/off skipped off", "api/elsewhere skipped when: path = \"/elsewhere\"", "api/ask changed", "api/mark changed", "upstream/shop picked",
	}
	for i, s := range x.Trail {
		if got := strings.TrimSpace(s.Cell + " " + string(s.Verdict) + " " + s.Why); i >= len(want) || got != want[i] {
			t.Errorf("step %d is %q", i, got)
		}
	}
	if len(x.Trail) != len(want) {
		t.Fatalf("%d steps, want %d", len(x.Trail), len(want))
	}
	if got := x.Trail[3].Request.Header; len(got) != 1 || got[0] != (flow.FieldEdit{Op: "add", Name: "X-Asked", Now: "yes"}) {
		t.Errorf("what the cell changed in the request: %+v", got)
	}
	if got := x.Trail[4].Response.Header; len(got) != 1 || got[0].Name != "X-Marked" {
		t.Errorf("what the cell changed in the response: %+v", got)
	}
	if x.Trail[0].Facts[0] != (flow.Fact{Name: "count", Value: "1"}) {
		t.Errorf("facts %+v", x.Trail[0].Facts)
	}
	if x.Route != "api" || x.Upstream != "shop" {
		t.Errorf("route %q, upstream %q", x.Route, x.Upstream)
	}
}

func TestHowAnExchangeEnds(t *testing.T) {
	url := origin(t)
	cases := []struct {
		name, do, to string
		door         flow.Door
		status       int
		body         string
		last         flow.Verdict
		kind         problem.Kind
	}{
		{name: "a cell answers", do: "answer", to: "shop", door: flow.Reverse, status: 201, body: "from the cell", last: flow.Answered},
		{name: "a cell answers without an upstream", do: "answer", door: flow.Reverse, status: 201, body: "from the cell", last: flow.Answered},
		{name: "a cell fails", do: "fail", to: "shop", door: flow.Reverse, status: 500, last: flow.Failed, kind: problem.Internal},
		{name: "a cell replaces the response", do: "replace", to: "shop", door: flow.Reverse, status: 200, body: "another", last: flow.Picked},
		{name: "no cell answers and there is no upstream", do: "pass", door: flow.Reverse, status: 404, last: flow.Failed, kind: problem.NoRoute},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			e := newEngine(t)
			inForce(t, e, &config.Document{
				Upstreams: []config.Upstream{upstreamOf("shop", url)},
				Routes:    []config.Route{{Name: "r", To: c.to, Cells: []config.Cell{cellOf("act", c.do)}}},
			})
			x := exchange(t, c.door, "http://x/")
			r := e.Handle(x)
			body := read(t, r)
			if r.Status != c.status || c.body != "" && body != c.body {
				t.Errorf("answered %d %q", r.Status, body)
			}
			if last := x.Trail[len(x.Trail)-1].Verdict; last != c.last {
				t.Errorf("the last step %s", last)
			}
			if problem.KindOf(asError(x.Problem)) != c.kind {
				t.Errorf("the problem is %v", x.Problem)
			}
			if c.kind != "" && r.Header.Get("Proxy-Status") == "" {
				t.Error("an error of ours says nothing in Proxy-Status")
			}
		})
	}
}

// asError keeps a nil pointer from becoming an error that is not nil.
func asError(p *problem.Problem) error {
	if p == nil {
		return nil
	}
	return p
}

func TestTheFirstRouteThatMatchesTakesIt(t *testing.T) {
	e := newEngine(t)
	route := func(name, when string) config.Route {
		return config.Route{Name: name, When: when, Cells: []config.Cell{cellOf("act", "answer")}}
	}
	off := route("off", "")
	off.Off = true
	inForce(t, e, &config.Document{Routes: []config.Route{off, route("v1", `path ^= "/v1/"`), route("host", `host = "a.localhost"`), route("rest", "door = reverse")}})
	for url, want := range map[string]string{"http://a.localhost/v1/x": "v1", "http://a.localhost:8080/v2": "host", "http://b/": "rest"} {
		x := exchange(t, flow.Reverse, url)
		_ = read(t, e.Handle(x))
		if x.Route != want {
			t.Errorf("%s took %q, want %q", url, x.Route, want)
		}
		if route, others := e.Probe(exchange(t, flow.Reverse, url)); route != want || len(others) == 0 {
			t.Errorf("the probe of %s says %q and %v", url, route, others)
		}
	}
}

func TestAForwardExchangeThatNoRouteTakesGoesWhereItsClientSaid(t *testing.T) {
	e := newEngine(t)
	url := origin(t)
	inForce(t, e, &config.Document{Cells: []config.Cell{cellOf("act", "ask")}})
	x := exchange(t, flow.Forward, url+"/there")
	if body := read(t, e.Handle(x)); body != "/there asked=yes" || x.Route != "" {
		t.Errorf("answered %q by route %q", body, x.Route)
	}
	x = exchange(t, flow.Reverse, url+"/there")
	if r := e.Handle(x); r.Status != 404 {
		t.Errorf("in the reverse door it was answered %d", r.Status)
	}
}

func TestAServerThatIsNotThereIsNamed(t *testing.T) {
	e := newEngine(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	inForce(t, e, &config.Document{
		Upstreams: []config.Upstream{upstreamOf("shop", "http://"+address)},
		Routes:    []config.Route{{Name: "r", To: "shop"}},
	})
	x := exchange(t, flow.Reverse, "http://x/")
	x.Request.Header.Add("Accept", "application/json")
	r := e.Handle(x)
	body := read(t, r)
	if r.Status != 502 || !strings.Contains(body, address) || !strings.Contains(body, x.ID.String()) || r.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("answered %d %s %s", r.Status, r.Header, body)
	}
	if x.Problem.Kind != problem.Refused {
		t.Errorf("the problem is %v", x.Problem)
	}
}

func TestAFailureOfTheServerStandsInItsStep(t *testing.T) {
	for status, want := range map[int][]flow.Fact{200: nil, 404: nil, 503: {{Name: "status", Value: "503"}}} {
		origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		t.Cleanup(origin.Close)
		e := newEngine(t)
		inForce(t, e, &config.Document{
			Upstreams: []config.Upstream{upstreamOf("shop", origin.URL)},
			Routes:    []config.Route{{Name: "r", To: "shop", Cells: []config.Cell{cellOf("act", "replace")}}},
		})
		x := exchange(t, flow.Reverse, "http://x/")
		if r := e.Handle(x); r.Status != 200 || read(t, r) != "another" {
			t.Errorf("%d: the answer is %+v", status, r)
		}
		facts := slices.DeleteFunc(x.Trail[1].Facts, func(f flow.Fact) bool { return f.Name != "status" })
		if x.Trail[1].Module != "upstream" || !slices.Equal(facts, want) {
			t.Errorf("%d: the step is %+v", status, x.Trail[1])
		}
	}
}

func TestAPlanThatCannotBeMadeLeavesTheOneInForce(t *testing.T) {
	e := newEngine(t)
	inForce(t, e, &config.Document{Routes: []config.Route{{Name: "r", Cells: []config.Cell{cellOf("act", "answer")}}}})
	_, err := e.Prepare(&config.Document{
		Routes: []config.Route{{Name: "r", To: "nowhere", When: "nonsense ===", Cells: []config.Cell{cellOf("act", "refuse"), {ID: "x", Use: "unknown"}}}},
	})
	var list problem.List
	if !errors.As(err, &list) || len(list) != 4 {
		t.Fatalf("the problems are %v", err)
	}
	for i, where := range []string{"routes.r.when", "routes.r.to", "routes.r.cells.1", "routes.r.cells.2.use"} {
		if list[i].Where != where {
			t.Errorf("problem %d is at %q, want %q", i, list[i].Where, where)
		}
	}
	if r := e.Handle(exchange(t, flow.Reverse, "http://x/")); r.Status != 201 {
		t.Errorf("answered %d", r.Status)
	}
}

func TestASwapDropsNothingAndKeepsWhatOutlivesAnEdit(t *testing.T) {
	e := newEngine(t)
	doc := func(do string) *config.Document {
		return &config.Document{Routes: []config.Route{{Name: "r", Cells: []config.Cell{cellOf("act", do)}}}}
	}
	inForce(t, e, doc("answer"))
	held := e.Handle(exchange(t, flow.Reverse, "http://x/"))
	var clients sync.WaitGroup
	var failed atomic.Int64
	for range 4 {
		clients.Go(func() {
			for range 300 {
				r := e.Handle(exchange(t, flow.Reverse, "http://x/"))
				if r.Status != 201 {
					failed.Add(1)
				}
				_ = r.Body.Close()
			}
		})
	}
	for range 50 {
		inForce(t, e, doc("answer"))
	}
	clients.Wait()
	if failed.Load() > 0 {
		t.Errorf("%d exchanges failed", failed.Load())
	}
	if body := read(t, held); body != "from the cell" {
		t.Errorf("a response from before the swaps reads %q", body)
	}
	x := exchange(t, flow.Reverse, "http://x/")
	_ = read(t, e.Handle(x))
	if count := x.Trail[0].Facts[0].Value; count != "1202" {
		t.Errorf("the cell has counted %s exchanges over all plans, want 1202", count)
	}
}

func TestFiguresCountWhatPasses(t *testing.T) {
	e := newEngine(t)
	url := origin(t)
	inForce(t, e, &config.Document{
		Upstreams: []config.Upstream{upstreamOf("shop", url)},
		Routes:    []config.Route{{Name: "r", To: "shop", Cells: []config.Cell{cellOf("act", "mark")}}},
	})
	e.Sample()
	for range 10 {
		_ = read(t, e.Handle(exchange(t, flow.Reverse, "http://x/")))
	}
	got := map[string]Figure{}
	for _, f := range e.Sample() {
		got[f.Name] = f
	}
	if f := got["r/act"]; f.Seen != 10 || f.Acted != 10 || f.Share != 1 || f.Rate != 10 {
		t.Errorf("the cell: %+v", f)
	}
	if f := got["route/r"]; f.Seen != 10 {
		t.Errorf("the route: %+v", f)
	}
	if f := got["upstream/shop/"+strings.TrimPrefix(url, "http://")]; f.Seen != 10 {
		t.Errorf("the target: %+v", f)
	}
	pools := e.Pools()
	if len(pools) != 2 || pools[0].Name != "" || pools[1].Name != "shop" || pools[1].Opened != 1 || pools[1].Reused != 9 || pools[1].Targets[0].Idle != 1 {
		t.Errorf("the pools: %+v", pools)
	}
}
