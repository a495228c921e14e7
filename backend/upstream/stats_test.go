package upstream

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

func TestAPoolCountsItsConnections(t *testing.T) {
	one, two := serve(t, answering), serve(t, answering)
	p := open(t, settings("http://"+one, "http://"+two), Options{})
	for range 6 {
		_ = get(t, p, "/")
	}
	running := send(t, p, ask(t, "GET", "/"))
	u := p.Stats()
	if want := (Usage{Open: 2, Idle: 1, Opened: 2, Reused: 5}); u.Usage != want || u.InUse() != 1 {
		t.Errorf("the figures are %+v", u.Usage)
	}
	addresses := []string{one, two}
	slices.Sort(addresses)
	for i, target := range u.Targets {
		if target.Address != addresses[i] || target.Open != 1 || target.Opened != 1 {
			t.Errorf("of target %d: %+v", i, target)
		}
	}
	_ = read(t, running)
	_ = p.Close()
	if u := p.Stats(); u.Open != 0 || u.Idle != 0 || u.Opened != 2 {
		t.Errorf("after the end: %+v", u.Usage)
	}
}

func TestHTTP2ConnectionsAndTheirStreamsAreCounted(t *testing.T) {
	goOn := make(chan struct{})
	begun := make(chan struct{}, 3)
	p := openTLS(t, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		begun <- struct{}{}
		<-goOn
	}, nil)
	var all []*flow.Response
	for range 3 {
		all = append(all, send(t, p, ask(t, "GET", "/")))
		within(t, begun, "the stream begins")
	}
	if u := p.Stats(); u.Open != 1 || u.Shared != 1 || u.Streams != 3 || u.Idle != 0 {
		t.Errorf("the figures are %+v", u.Usage)
	}
	close(goOn)
	for _, r := range all {
		_ = read(t, r)
	}
	for end := time.Now().Add(patience); p.Stats().Idle != 1; {
		if time.Now().After(end) {
			t.Fatalf("after all: %+v", p.Stats().Usage)
		}
	}
}

func TestTargetsOfOneServerAreToldApartByTheirPath(t *testing.T) {
	address := serve(t, echoing)
	two := settings("http://"+address+"/a", "http://"+address+"/b/")
	two.Targets[1].State = "drain"
	p := open(t, two, Options{})
	x := ask(t, "GET", "/")
	_ = read(t, send(t, p, x))
	all := p.Stats()
	if x.Target != address+"/a" || len(all.Targets) != 2 || all.Opened != 1 {
		t.Fatalf("sent to %s: %+v", x.Target, all)
	}
	for i, want := range []struct {
		address string
		state   State
	}{{address + "/a", Healthy}, {address + "/b", Draining}} {
		if got := all.Targets[i]; got.Address != want.address || got.State != want.state || got.Opened != 1 {
			t.Errorf("%s is %s, with %d connections: want %+v", got.Address, got.State, got.Opened, want)
		}
	}
	barred := ask(t, "GET", "/")
	barred.Bars = []flow.Bar{{Target: address + "/b", Why: "its breaker is open"}}
	if r := send(t, p, barred); r.Status != 200 {
		t.Errorf("the other one is barred, and this answers %d", r.Status)
	}
}

func TestWhatFailsIsCountedByItsKind(t *testing.T) {
	says := func(text string) string {
		return "http://" + serve(t, func(p *peer) {
			p.head()
			p.say("%s", text)
		})
	}
	cases := []struct {
		url  string
		want Faults
	}{
		{"http://" + nowhere(t), Faults{Connect: 1}},
		{"https://" + serve(t, func(p *peer) { p.take(1) }), Faults{TLS: 1}},
		{"http://" + serve(t, func(p *peer) { p.rest() }), Faults{Timeout: 1}},
		{says(""), Faults{Reset: 1}},
		{says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"), Faults{Reset: 1}},
		{says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), Faults{Protocol: 1}},
		{says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"), Faults{Protocol: 1}},
	}
	for _, c := range cases {
		s := settings(c.url)
		s.ResponseTimeout = schema.Duration(50 * time.Millisecond)
		p := open(t, s, Options{})
		if r, err := p.Send(ask(t, "GET", "/")); err == nil {
			buf := make([]byte, 10)
			for err == nil {
				_, err = r.Body.Read(buf)
			}
			_ = r.Body.Close()
		}
		if u := p.Stats(); u.Faults != c.want || u.Open != 0 {
			t.Errorf("%s: %+v, want %+v", c.url, u.Usage, c.want)
		}
	}
}

func TestAForwardPoolForgetsWhatItNoLongerUses(t *testing.T) {
	p := openForward(t, nil, Options{})
	for i := range maxSites + 10 {
		s := p.lines.at(origin{"http", fmt.Sprint(i), "80", ""})
		p.lines.failed(s, problem.New(problem.Refused, "it is refused"))
	}
	address := serve(t, answering)
	for range 2 {
		_ = read(t, send(t, p, askIn(t.Context(), flow.Forward, "GET", "http://"+address+"/")))
	}
	u := p.Stats()
	if len(p.lines.sites) != maxSites || u.Faults.Connect != maxSites+10 {
		t.Errorf("%d are known, %d failures", len(p.lines.sites), u.Faults.Connect)
	}
	if len(u.Targets) != maxTargetStats || !slices.ContainsFunc(u.Targets, func(s TargetStats) bool { return s.Address == address && s.Reused == 1 }) {
		t.Errorf("%d are told of", len(u.Targets))
	}
}

func TestExtraBytesAfterAResponseEndTheConnection(t *testing.T) {
	p := openTo(t, "http://"+serve(t, func(p *peer) {
		for p.head() != "" {
			p.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison")
		}
	}))
	for range 3 {
		if body := get(t, p, "/"); body != "ok" {
			t.Errorf("answered %q", body)
		}
	}
	if u := p.Stats(); u.Opened != 3 {
		t.Errorf("%d connections were opened", u.Opened)
	}
	both := openTo(t, "http://"+serve(t, func(p *peer) {
		p.head()
		p.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
	}))
	if got := refused(t, both, ask(t, "GET", "/"), problem.BadResponse); !strings.Contains(got, "Content-Length") {
		t.Errorf("the message is %q", got)
	}
}
