package engine

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"proxycache/backend/config"
	"proxycache/backend/flow"
	"proxycache/backend/metrics"
	"proxycache/backend/policy"
)

// slow is a module that takes its time, and then does what it is told.
type slow struct {
	Before int64  `toml:"before" title:"Before" help:"Milliseconds before it hands on."`
	After  int64  `toml:"after" title:"After" help:"Milliseconds when the answer has come back."`
	Do     string `toml:"do" title:"What" help:"What the cell does."`

	times atomic.Int64 // it was passed
}

func (*slow) Explain() string                            { return "takes its time" }
func (s *slow) Policy(policy.Env) (policy.Policy, error) { return s, nil }
func (s *slow) wait(milliseconds int64)                  { time.Sleep(time.Duration(milliseconds) * time.Millisecond) }
func (s *slow) answer(status int) (*flow.Response, error) {
	return flow.NewResponse(status, "", nil), nil
}

func (s *slow) Apply(x *flow.Exchange, next policy.Next) (*flow.Response, error) {
	s.wait(s.Before)
	switch s.Do {
	case "answer":
		return s.answer(204)
	case "give a body":
		return flow.NewResponse(200, "text/plain", []byte("from the cell")), nil
	case "upgrade":
		return &flow.Response{Status: 101, Body: flow.NoBody, Upgraded: &socket{}}, nil
	case "longer": // each time by as long as the first
		s.wait(s.Before * (s.times.Add(1) - 1))
	case "refuse":
		return s.answer(503)
	case "cut":
		return &flow.Response{Cut: true, Body: flow.NoBody}, nil
	case "fail":
		return nil, errBroken
	case "twice": // the same exchange is sent again
		if r, err := next(x); err == nil {
			_ = r.Body.Close()
		}
	case "twice, then as POST":
		if r, err := next(x); err == nil {
			_ = r.Body.Close()
		}
		x.Request.Method = "POST"
	case "elsewhere": // where the first pool fails
		if r, err := next(x); err == nil {
			_ = r.Body.Close()
		}
		x.SendTo = "reserve"
	case "beside": // an exchange of its own goes on beside this one
		f := x.Fork(x.Context())
		if r, err := next(f); err == nil {
			_ = r.Body.Close()
		}
	case "join": // what the fork found is the exchange's
		f := x.Fork(x.Context())
		r, err := next(f)
		x.Join(f)
		s.wait(s.After)
		return r, err
	case "join, then hand on":
		f := x.Fork(x.Context())
		if r, err := next(f); err == nil {
			_ = r.Body.Close()
		}
		x.Join(f)
	}
	r, err := next(x)
	s.wait(s.After)
	return r, err
}

// socket is a connection that left HTTP.
type socket struct{ bytes.Buffer }

func (*socket) Close() error { return nil }

func slowCell(id string, before, after int, do string) config.Cell {
	return config.Cell{ID: id, Use: "slow", Settings: config.Settings{"before": int64(before), "after": int64(after), "do": do}}
}

func slowEngine() *Engine {
	return New(Options{Module: func(name string) (policy.Module, bool) {
		return policy.Module{Name: "slow", Title: "Slow", Settings: func() policy.Settings { return &slow{} }}, name == "slow"
	}})
}

func measures(e *Engine) map[string]Measure {
	out := map[string]Measure{}
	for _, m := range e.Measures() {
		out[joined(m.Name, m.Target)] = m
	}
	return out
}

func TestWhatTakesHowLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := slowEngine()
		defer e.Close()
		off := slowCell("off", 100, 0, "")
		off.Off = true
		inForce(t, e, &config.Document{
			Cells:  []config.Cell{slowCell("first", 1, 2, "")},
			Routes: []config.Route{{Name: "shop", Cells: []config.Cell{slowCell("second", 10, 20, ""), off, slowCell("last", 40, 0, "answer")}}},
		})
		for range 3 {
			_ = e.Handle(exchange(t, flow.Reverse, "http://x/")).Body.Close()
		}
		all := measures(e)
		for name, want := range map[string]time.Duration{"common/first": 3, "shop/second": 30, "shop/last": 40, "route/shop": 73} {
			if d := all[name].Duration; d.Count != 3 || d.Sum != 3*want*time.Millisecond || len(d.Buckets) != 1 {
				t.Errorf("%s: %+v, want 3 of %d ms", name, d, want)
			}
		}
		if d := all["shop/off"].Duration; d.Count != 0 {
			t.Errorf("a cell that is off took %v", d.Sum)
		}
		if got := all["route/shop"].Answers; got != [7]int64{2: 3} {
			t.Errorf("the answers are %v", got)
		}
		if passed := all["shop/second"].Passed; passed != 3 {
			t.Errorf("the second cell passed %d on", passed)
		}
	})
}

// What the client waits for the last byte is the route's alone; a connection that leaves HTTP has none.
func TestTheLastByteIsMeasured(t *testing.T) {
	const head, body = 10 * time.Millisecond, 90 * time.Millisecond
	for _, c := range []struct {
		name, method, do string
		told             bool // when the last byte was given, before the body is closed
		count            uint64
		want             time.Duration
	}{
		{"a body", "GET", "give a body", true, 1, head + body},
		{"a body of which nobody says when it ended", "GET", "give a body", false, 1, head + body + time.Second},
		{"an answer without a body", "GET", "answer", true, 1, head},
		{"a cut", "GET", "cut", true, 1, head},
		{"a page of the engine", "GET", "fail", true, 1, head + body},
		{"the head of a page", "HEAD", "fail", true, 1, head},
		{"an upgrade", "GET", "upgrade", true, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := slowEngine()
				defer e.Close()
				inForce(t, e, &config.Document{Routes: []config.Route{{Name: "r", Cells: []config.Cell{slowCell("do", int(head.Milliseconds()), 0, c.do)}}}})
				x := exchange(t, flow.Reverse, "http://x/")
				x.Request.Method = c.method
				r := e.Handle(x)
				if d := measures(e)["route/r"].LastByte; r.Body != flow.NoBody && d.Count != 0 {
					t.Errorf("before its body was read: %+v", d)
				}
				time.Sleep(body)
				if c.told {
					x.Timing.Done = x.Since()
				}
				time.Sleep(time.Second)
				for range 2 {
					_ = r.Body.Close()
				}
				m := measures(e)["route/r"]
				if m.LastByte.Count != c.count || !near(m.LastByte.Sum, c.want) {
					t.Errorf("the last byte: %+v, want %d after %v", m.LastByte, c.count, c.want)
				}
				if m.Duration.Count != 1 || m.Duration.Sum != head {
					t.Errorf("the head: %+v", m.Duration)
				}
			})
		})
	}
}

func TestEachPassingOfACellIsMeasured(t *testing.T) {
	for _, c := range []struct {
		do        string
		count     uint64        // of the cell behind
		want, own time.Duration // of the cell behind, and of who repeats
	}{
		{"", 1, 10, 3}, {"twice", 2, 10 + 20, 3},
		{"beside", 2, 10 + 20, 3 + 10 + 100}, // a fork may run meanwhile: the time with it is the cell's
		{"join", 1, 10, 3}, {"join, then hand on", 2, 10 + 20, 3},
		{"twice, then as POST", 1, 10, 3}, // for which the cell is not meant
	} {
		t.Run(c.do, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := slowEngine()
				defer e.Close()
				behind := slowCell("behind", 10, 0, "longer")
				behind.When = "method = GET"
				inForce(t, e, &config.Document{Routes: []config.Route{{Name: "r", Cells: []config.Cell{
					slowCell("do", 1, 2, c.do), behind, slowCell("last", 100, 0, "answer"),
				}}}})
				e.Handle(exchange(t, flow.Reverse, "http://x/"))
				all := measures(e)
				if d := all["r/do"].Duration; d.Count != 1 || d.Sum != c.own*time.Millisecond {
					t.Errorf("who repeats: %+v, want %d ms", d, c.own)
				}
				if d := all["r/behind"].Duration; d.Count != c.count || d.Sum != c.want*time.Millisecond {
					t.Errorf("the cell behind: %+v, want %d of %d ms", d, c.count, c.want)
				}
				e.Handle(exchange(t, flow.Reverse, "http://x/")) // by the same walk
				if d := measures(e)["r/behind"].Duration; d.Count != 2*c.count {
					t.Errorf("the cell behind was measured %d times in two exchanges, want %d", d.Count, 2*c.count)
				}
			})
		})
	}
}

func TestWhatIsSentToAnotherPoolIsTheOthers(t *testing.T) {
	e := slowEngine()
	defer e.Close()
	inForce(t, e, &config.Document{
		Upstreams: []config.Upstream{upstreamOf("gone", "http://127.0.0.1:1"), upstreamOf("reserve", origin(t))},
		Routes:    []config.Route{{Name: "r", To: "gone", Cells: []config.Cell{slowCell("do", 0, 0, "elsewhere")}}},
	})
	_ = read(t, e.Handle(exchange(t, flow.Reverse, "http://x/")))
	all := measures(e)
	for name, want := range map[string][2]int64{"upstream/gone": {0, 1}, "upstream/reserve": {1, 0}} {
		if m := all[name]; m.Acted != want[0] || m.Failed != want[1] {
			t.Errorf("%s answered %d and failed %d, want %v", name, m.Acted, m.Failed, want)
		}
	}
}

func TestTheWindowsOfTheEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := slowEngine()
		defer e.Close()
		if got := e.Latencies(); len(got) != 0 {
			t.Errorf("without a plan: %v", got)
		}
		inForce(t, e, &config.Document{Routes: []config.Route{
			{Name: "fast", When: `path = "/fast"`, Cells: []config.Cell{slowCell("answer", 1, 0, "answer")}},
			{Name: "slow", Cells: []config.Cell{slowCell("answer", 1000, 0, "answer")}},
		}})
		for range 9 {
			_ = e.Handle(exchange(t, flow.Reverse, "http://x/fast")).Body.Close()
		}
		_ = e.Handle(exchange(t, flow.Reverse, "http://x/slow")).Body.Close()
		var names []string
		for _, l := range e.Latencies() {
			names = append(names, l.Name)
			if l.Name != "" {
				continue
			}
			for _, q := range l.Windows {
				if q.Count != 10 || !near(q.P50, time.Millisecond) || !near(q.P90, time.Millisecond) || !near(q.P99, time.Second) {
					t.Errorf("all exchanges: %+v", q)
				}
			}
		}
		if want := "[ fast/answer route/fast route/fast/last-byte route/slow route/slow/last-byte slow/answer]"; fmt.Sprint(names) != want {
			t.Errorf("the names are %q, want %q", names, want)
		}
		time.Sleep(30 * time.Second)
		if l := e.Latencies()[0]; l.Windows[metrics.TenSeconds].Count != 0 || l.Windows[metrics.OneMinute].Count != 10 {
			t.Errorf("half a minute later: %+v", l)
		}
		time.Sleep(11 * time.Minute)
		if got := e.Latencies(); len(got) != 0 {
			t.Errorf("much later: %+v", got)
		}
	})
}

func near(got, want time.Duration) bool { return math.Abs(float64(got-want)) <= .008*float64(want) }

func TestAnswersAreCountedByTheirClass(t *testing.T) {
	for _, c := range []struct {
		do   string
		want [7]int64
	}{
		{"answer", [7]int64{2: 1}},
		{"refuse", [7]int64{5: 1}},
		{"cut", [7]int64{unanswered: 1}},
		{"fail", [7]int64{5: 1}},    // by the engine's own page
		{"hand on", [7]int64{4: 1}}, // there is no upstream: 404
	} {
		t.Run(c.do, func(t *testing.T) {
			e := slowEngine()
			defer e.Close()
			inForce(t, e, &config.Document{Routes: []config.Route{{Name: "r", When: `path ^= "/r"`, Cells: []config.Cell{slowCell("do", 0, 0, c.do)}}}})
			_ = e.Handle(exchange(t, flow.Reverse, "http://x/r")).Body.Close()
			if got := measures(e)["route/r"]; got.Answers != c.want || got.Duration.Count != 1 {
				t.Errorf("the answers are %v, want %v; %d durations", got.Answers, c.want, got.Duration.Count)
			}
			_ = e.Handle(exchange(t, flow.Reverse, "http://x/elsewhere")).Body.Close()
			if got := measures(e)["route/"]; got.Answers != [7]int64{4: 1} {
				t.Errorf("what no route took: %v", got.Answers)
			}
		})
	}
	for status, want := range map[int]int{0: 0, -1: 0, 101: 1, 204: 2, 308: 3, 499: 4, 599: 5, 600: 6, 999: 6} {
		if got := answerOf(status); got != want {
			t.Errorf("status %d is of kind %d, want %d", status, got, want)
		}
	}
}

func TestPoolsAndTargetsAreMeasuredWhereTheyAnswer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone := l.Addr().String()
	_ = l.Close()
	url := origin(t)
	for _, c := range []struct {
		name, do, to          string
		seen, answered, fails int64
	}{
		{"once", "", url, 1, 1, 0},
		{"two exchanges, one beside the other", "beside", url, 2, 2, 0},
		{"the same exchange twice", "twice", url, 2, 2, 0},
		{"a target that is not there", "", "http://" + gone, 1, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := slowEngine()
			defer e.Close()
			inForce(t, e, &config.Document{
				Upstreams: []config.Upstream{upstreamOf("shop", c.to)},
				Routes:    []config.Route{{Name: "r", To: "shop", Cells: []config.Cell{slowCell("do", 0, 0, c.do), slowCell("behind", 0, 0, "")}}},
			})
			r := e.Handle(exchange(t, flow.Reverse, "http://x/"))
			_, _ = io.Copy(io.Discard, r.Body)
			_ = r.Body.Close()
			all := measures(e)
			target := c.to[len("http://"):]
			for _, name := range []string{"upstream/shop", "upstream/shop/" + target} {
				m := all[name]
				if m.Acted != c.answered || m.Failed != c.fails || m.Duration.Count != uint64(c.answered) || (c.answered > 0 && m.Duration.Sum <= 0) {
					t.Errorf("%s: %+v", name, m)
				}
			}
			if d := all["r/behind"].Duration; d.Count != uint64(c.seen) {
				t.Errorf("the cell behind was measured %d times, want %d", d.Count, c.seen)
			}
			if d := all["route/r"].Duration; d.Count != 1 {
				t.Errorf("the route was measured %d times", d.Count)
			}
		})
	}
}

func TestATunnelIsMeasuredAtItsPool(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	e := slowEngine()
	defer e.Close()
	inForce(t, e, &config.Document{})
	x := flow.NewExchange(t.Context(), flow.Tunnel, &flow.Request{Method: "CONNECT", Authority: l.Addr().String(), Body: flow.NoBody})
	r := e.Handle(x)
	if r.Upgraded == nil {
		t.Fatalf("answered %d: %v", r.Status, x.Problem)
	}
	_ = r.Upgraded.Close()
	if m := measures(e)["upstream/"]; m.Acted != 1 || m.Duration.Count != 1 {
		t.Errorf("the pool: %+v", m)
	}
}

// Every exchange is in the figures, whoever reads them meanwhile and whichever plan is in force.
func TestFiguresAreExactBesideReadersAndSwaps(t *testing.T) {
	e := slowEngine()
	defer e.Close()
	doc := &config.Document{Routes: []config.Route{{Name: "r", Cells: []config.Cell{slowCell("answer", 0, 0, "give a body")}}}}
	inForce(t, e, doc)
	const clients, each = 4, 500
	var sending sync.WaitGroup
	for range clients {
		sending.Go(func() {
			for range each {
				_ = e.Handle(exchange(t, flow.Reverse, "http://x/")).Body.Close()
			}
		})
	}
	for range 20 {
		inForce(t, e, doc)
		e.Latencies()
		e.Measures()
		e.Sample()
	}
	sending.Wait()
	all := measures(e)
	if m := all["route/r"]; m.Duration.Count != clients*each || m.LastByte.Count != clients*each || m.Answers[2] != clients*each || m.Acted != clients*each {
		t.Errorf("the route: %d heads, %d last bytes, %d answers, %d exchanges", m.Duration.Count, m.LastByte.Count, m.Answers[2], m.Acted)
	}
	if m := all["r/answer"]; m.Duration.Count != clients*each {
		t.Errorf("the cell: %d", m.Duration.Count)
	}
}

// What was taken away is forgotten, but not at once: its edit may be taken back.
func TestFiguresOfWhatIsGoneAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := slowEngine()
		defer e.Close()
		doc := func(route string) *config.Document {
			return &config.Document{Routes: []config.Route{{Name: route, Cells: []config.Cell{slowCell("answer", 0, 0, "answer")}}}}
		}
		names := func() (out []string) {
			for _, f := range e.Sample() {
				out = append(out, f.Name)
			}
			return out
		}
		inForce(t, e, doc("a"))
		_ = e.Handle(exchange(t, flow.Reverse, "http://x/")).Body.Close()
		inForce(t, e, doc("b"))
		for second := 0; second < 2*60*60; second++ {
			got := fmt.Sprint(names())
			if second < 60*60 && got != "[a/answer b/answer route/ route/a route/b upstream/]" {
				t.Fatalf("after %d s: %s", second, got)
			}
			time.Sleep(time.Second)
		}
		if got := fmt.Sprint(names()); got != "[b/answer route/ route/b upstream/]" {
			t.Errorf("after two hours: %s", got)
		}
		inForce(t, e, doc("a"))
		if m := measures(e)["route/a"]; m.Acted != 0 || m.Duration.Count != 0 {
			t.Errorf("it is there again, with %+v", m)
		}
	})
}
