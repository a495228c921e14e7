package engine

import (
	"bufio"
	"net"
	"strings"
	"testing"

	"proxycache/backend/config"
	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

func TestARouteLetsPassWhatItSays(t *testing.T) {
	e := newEngine(t)
	inForce(t, e, &config.Document{
		Upstreams: []config.Upstream{upstreamOf("shop", origin(t))},
		Routes: []config.Route{
			{Name: "strict", When: `path = "/strict"`, To: "shop"},
			{Name: "some", When: `path = "/some"`, To: "shop", Lenient: []string{"status_line", "obs_fold"}},
			{Name: "cells", When: `path = "/cells"`, Lenient: []string{"line_feed"}, Cells: []config.Cell{{ID: "off", Use: "act", Off: true}, cellOf("act", "answer")}},
		},
	})
	for _, c := range []struct {
		name, url string
		door      flow.Door
		needs     flow.Tolerance
		route     string
		says      string // "" where it passes
	}{
		{"nothing is needed", "http://a.test/strict", flow.Reverse, 0, "strict", ""},
		{"nothing is let pass", "http://a.test/strict", flow.Reverse, flow.ObsFold, "strict", `lenient = ["obs_fold"]`},
		{"what is needed is let pass", "http://a.test/some", flow.Reverse, flow.ObsFold, "some", ""},
		{"one of two is let pass", "http://a.test/some", flow.Reverse, flow.ObsFold | flow.LineFeed, "some", `lenient = ["line_feed", "obs_fold", "status_line"]`},
		{"a cell answers", "http://a.test/cells", flow.Reverse, flow.LineFeed, "cells", ""},
		{"no route takes it", "http://a.test/", flow.Reverse, flow.LineFeed, "", "No route takes it"},
		{"the client chose its target", "http://a.test/", flow.Forward, flow.LineFeed, "", "No route takes it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := exchange(t, c.door, c.url)
			x.Request.Tolerated = c.needs
			r := e.Handle(x)
			defer func() { _ = r.Body.Close() }()
			if x.Route != c.route {
				t.Errorf("route %q took it, want %q", x.Route, c.route)
			}
			if c.says != "" {
				if r.Status != 400 || problem.KindOf(x.Problem) != problem.BadRequest || !strings.Contains(x.Problem.Message, c.says) {
					t.Errorf("answered %d: %v", r.Status, x.Problem)
				}
				return
			}
			if x.Problem != nil {
				t.Fatal(x.Problem)
			}
			if got, want := noted(x.Trail), told(c.needs); got != want {
				t.Errorf("the trail tells %q, want %q: %+v", got, want, x.Trail)
			}
		})
	}
}

func told(needs flow.Tolerance) string {
	if needs == 0 {
		return ""
	}
	return needs.String() + " in the request"
}

// noted is what the steps that ran say of tolerance.
func noted(trail flow.Trail) string {
	var all []string
	for _, s := range trail {
		for _, f := range s.Facts {
			if f.Name == "tolerated" && s.Verdict != flow.Skipped {
				all = append(all, f.Value)
			}
		}
	}
	return strings.Join(all, "; ")
}

// oddOrigin answers every request with the same text and closes.
func oddOrigin(t *testing.T, answer string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			in := bufio.NewReader(c)
			for line := ""; err == nil && line != "\r\n"; {
				line, err = in.ReadString('\n')
			}
			_, _ = c.Write([]byte(answer))
			_ = c.Close()
		}
	}()
	return "http://" + l.Addr().String()
}

func TestTheRouteDecidesForItsUpstreamToo(t *testing.T) {
	e := newEngine(t)
	inForce(t, e, &config.Document{
		Upstreams: []config.Upstream{upstreamOf("odd", oddOrigin(t, "HTTP/1.1 200\nContent-Length: 2, 2\r\nX : a\r\n\tb\r\n\r\nok"))},
		Routes: []config.Route{
			{Name: "strict", When: `path = "/strict"`, To: "odd"},
			{Name: "some", When: `path = "/some"`, To: "odd", Lenient: []string{"line_feed", "status_line"}},
			{Name: "all", To: "odd", Lenient: flow.ToleranceNames()},
		},
	})
	for path, want := range map[string]string{
		"strict": `lenient = ["line_feed", "obs_fold", "status_line", "space_before_colon", "equal_lengths"]`,
		"some":   `lenient = ["obs_fold", "space_before_colon", "equal_lengths"]`,
	} {
		x := exchange(t, flow.Reverse, "http://a.test/"+path)
		r := e.Handle(x)
		_ = r.Body.Close()
		if r.Status != 502 || problem.KindOf(x.Problem) != problem.BadResponse || !strings.Contains(x.Problem.Message, want) {
			t.Errorf("%s: answered %d, %v; want %s", path, r.Status, x.Problem, want)
		}
	}
	x := exchange(t, flow.Reverse, "http://a.test/")
	r := e.Handle(x)
	if body := read(t, r); x.Problem != nil || body != "ok" || r.Header.Get("X") != "a b" || r.Header.Get("Content-Length") != "2" {
		t.Errorf("answered %d %v %q: %v", r.Status, r.Header, body, x.Problem)
	}
	if got := noted(x.Trail); got != "line_feed, obs_fold, status_line, space_before_colon, equal_lengths in the response" {
		t.Errorf("the trail tells %q", got)
	}
}

func TestALeniencyThatIsNoneIsAProblem(t *testing.T) {
	_, err := newEngine(t).Prepare(&config.Document{Routes: []config.Route{{Name: "r", Lenient: []string{"obs_flod"}, Cells: []config.Cell{cellOf("act", "answer")}}}})
	if err == nil || !strings.Contains(err.Error(), "routes.r.lenient") {
		t.Errorf("prepared with %v", err)
	}
}
