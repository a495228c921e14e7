package upstream

import (
	"fmt"
	"net"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

func TestSettingsOfADocument(t *testing.T) {
	var s Settings
	list := schema.Decode("upstreams.shop", map[string]any{
		"targets": []any{map[string]any{"url": "http://a:1", "weight": int64(2)}, map[string]any{"url": "demo:"}},
		"host":    "upstream", "ca": "x.pem", "connect_timeout": "2s",
	}, &s)
	if len(list) > 0 {
		t.Fatal(list)
	}
	want := Settings{
		Targets: []Target{{URL: "http://a:1", Weight: 2, State: "active"}, {URL: "demo:", Weight: 1, State: "active"}}, Host: "upstream",
		Balance: weightedRoundRobin, PanicThreshold: 50,
		dialing: dialing{
			CA: "x.pem", HTTP2: true, ConnectTimeout: schema.Duration(2 * time.Second), MaxIdle: 64, IdleTimeout: schema.Duration(90 * time.Second),
			Queue: 1024, QueueTimeout: schema.Duration(10 * time.Second), ResolveEvery: schema.Duration(30 * time.Second),
		},
	}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("decoded %+v", s)
	}
	for _, f := range append(schema.Of(&s), schema.Of(&Forward{})...) {
		if f.Help == "" || f.Title == "" {
			t.Errorf("%s has no help or title", f.Name)
		}
	}
}

func TestSettingsThatAreRefused(t *testing.T) {
	target := func(url string) map[string]any { return map[string]any{"targets": []any{map[string]any{"url": url}}} }
	with := func(key, value string) map[string]any {
		v := target("http://a")
		v[key] = value
		return v
	}
	bound := func(ttl string) map[string]any {
		v := target("http://a")
		v["sticky"] = []any{map[string]any{"ttl": ttl}}
		return v
	}
	cases := []struct {
		values map[string]any
		where  string // "" when they are fine
	}{
		{target("http://127.0.0.1:3000"), ""}, {target("https://shop.example/base"), ""}, {target("http://[::1]:80"), ""}, {target("demo:"), ""},
		{target("127.0.0.1:3000"), "u.targets.1.url"}, {target("ftp://a"), "u.targets.1.url"}, {target("http://"), "u.targets.1.url"},
		{target("http://a:0"), "u.targets.1.url"}, {target("http://a:70000"), "u.targets.1.url"}, {target("http://a:"), "u.targets.1.url"},
		{target("http://u:p@a"), "u.targets.1.url"}, {target("http://a?x"), "u.targets.1.url"}, {target("http://a#x"), "u.targets.1.url"},
		{target("http://a b"), "u.targets.1.url"}, {target("http:a"), "u.targets.1.url"}, {target(""), "u.targets.1.url"}, {map[string]any{}, "u.targets"},
		{target("unix:/run/app.sock"), ""}, {target("unix:///run/app.sock"), ""}, {target("unix:app.sock"), "u.targets.1.url"}, {target("unix://host/app.sock"), "u.targets.1.url"},
		{target("unix:/" + strings.Repeat("a", 107)), "u.targets.1.url"}, {target("h2c://a:50051"), ""}, {target("h2c:a"), "u.targets.1.url"}, {target("grpc://a:1"), "u.targets.1.url"},
		{with("proxy", "http://127.0.0.1:3128"), ""}, {with("proxy", "https://u:p%40@proxy.example"), ""}, {with("proxy", "socks5://[::1]"), ""}, {with("proxy", "socks5://u@a:1080/"), ""},
		{with("proxy", "socks4://a"), "u.proxy"}, {with("proxy", "127.0.0.1:3128"), "u.proxy"}, {with("proxy", "http://a/path"), "u.proxy"}, {with("proxy", "http://a:99999"), "u.proxy"}, {with("proxy", "http://"), "u.proxy"},
		{with("queue_timeout", "0s"), "u.queue_timeout"},
		{with("host", "preserve"), ""}, {with("host", "shop.example:8080"), ""}, {with("host", "a/b"), "u.host"}, {with("host", ""), "u.host"}, {with("host", "a\r\nX: y"), "u.host"},
		{bound("0s"), ""}, {bound("1s"), ""}, {bound("999ms"), "u.sticky.1.ttl"},
		{with("sni", "shop.example"), ""}, {with("sni", "shop.example:443"), "u.sni"},
	}
	for _, c := range cases {
		var s Settings
		list := schema.Decode("u", c.values, &s)
		got := ""
		if len(list) > 0 {
			got = list[0].Where
		}
		if got != c.where || len(list) > 1 {
			t.Errorf("%v: %v, want it at %q", c.values, list, c.where)
		}
	}
}

func TestTheDemoIsATarget(t *testing.T) {
	address := serve(t, answering)
	p := open(t, settings("demo:"), Options{Demo: address})
	x := ask(t, "GET", "/")
	_ = read(t, send(t, p, x))
	if x.Target != "demo" || x.TargetConn.Remote != address {
		t.Errorf("sent to %q at %s", x.Target, x.TargetConn.Remote)
	}
	if _, err := New("demo", settings("demo:"), Options{}); problem.KindOf(err) != problem.Unavailable || problem.Of(err).Where != "upstreams.demo.targets.1.url" {
		t.Errorf("without a demo: %v", err)
	}
}

func TestTheNextTargetIsTriedWhenNothingWasSent(t *testing.T) {
	gone, there := nowhere(t), serve(t, answering)
	p := open(t, settings("http://"+gone, "http://"+there), Options{})
	for i := range 4 {
		x := withBody(ask(t, "POST", "/"), strings.NewReader("body"), 4)
		if body := read(t, send(t, p, x)); !strings.Contains(body, "POST / ") || x.Target != there {
			t.Errorf("exchange %d went to %s and got %q", i, x.Target, body)
		}
		if told := fact(x, "not reached"); (told != "") != (i == 0) || i == 0 && !strings.Contains(told, gone) {
			t.Errorf("exchange %d tells %q", i, told)
		}
		if i > 0 {
			continue
		}
		if x.Timing.ConnectDone == 0 {
			t.Error("the time of the connection is missing")
		}
	}
	none := open(t, settings("http://"+gone, "http://"+nowhere(t)), Options{})
	if got := refused(t, none, ask(t, "GET", "/"), problem.Refused); strings.Count(got, "nothing listens there") != 2 || !strings.Contains(got, gone) {
		t.Errorf("where none is there it says %q", got)
	}
}

func TestATargetThatGotTheRequestIsTheOnlyOne(t *testing.T) {
	first := serve(t, func(p *peer) { p.head() })
	second := serve(t, func(p *peer) { p.t.Error("it was sent twice") })
	p := open(t, settings("http://"+first, "http://"+second), Options{})
	refused(t, p, ask(t, "GET", "/"), problem.Terminated)
}

// piped is a connection whose other end nobody holds.
func piped(l *lines, o origin) *conn {
	here, _ := net.Pipe()
	return newConn(newDialled(here), l.at(o), l)
}

func (c *conn) isClosed() bool {
	return c.SetDeadline(time.Time{}) != nil // a pipe says so, and does not wait for a reader
}

// count is the number of idle connections.
func (l *lines) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total
}

func TestIdleConnectionsAreClosedAfterTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l lines
		l.open(dialing{MaxIdle: 10, IdleTimeout: schema.Duration(time.Minute)})
		a, b := origin{"http", "a", "80", ""}, origin{"http", "b", "80", ""}
		old, young := piped(&l, a), piped(&l, b)
		l.put(old)
		time.Sleep(40 * time.Second)
		l.put(young)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if !old.isClosed() || young.isClosed() || l.count() != 1 {
			t.Errorf("after 70 and 30 s: %v %v, %d left", old.isClosed(), young.isClosed(), l.count())
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if !young.isClosed() || l.count() != 0 || l.sweep != nil || len(l.at(a).idle) != 0 {
			t.Errorf("after all: closed %v, %d left", young.isClosed(), l.count())
		}
	})
}

func TestIdleConnectionsAreBounded(t *testing.T) {
	var l lines
	l.open(dialing{MaxIdle: 2, IdleTimeout: schema.Duration(time.Minute)})
	defer l.close()
	a := origin{"http", "a", "80", ""}
	conns := []*conn{piped(&l, a), piped(&l, a), piped(&l, a)}
	for _, c := range conns {
		l.put(c)
	}
	if !conns[0].isClosed() || l.total != 2 {
		t.Errorf("the oldest is open, %d are kept", l.total)
	}
	if got := l.take(l.at(a)); got != conns[2] {
		t.Error("the one used last is not taken first")
	}
	l.put(conns[2])
	for i := range maxIdleTotal {
		l.put(piped(&l, origin{"http", fmt.Sprint(i), "80", ""}))
	}
	if l.total != maxIdleTotal || !conns[1].isClosed() {
		t.Errorf("%d are kept over all", l.total)
	}
	l.close()
	late := piped(&l, a)
	if l.put(late); !late.isClosed() || l.total != 0 {
		t.Error("a closed pool keeps a connection")
	}
}

func TestNoConnectionIsKeptWhereNoneMayBe(t *testing.T) {
	s := settings("http://" + serve(t, answering))
	s.MaxIdle = 0
	p := open(t, s, Options{})
	for range 2 {
		x := ask(t, "GET", "/")
		if _ = read(t, send(t, p, x)); x.TargetConn.Reused {
			t.Error("a connection was kept")
		}
	}
}

func TestOriginOf(t *testing.T) {
	for authority, want := range map[string]string{"Shop.example": "shop.example:443", "a:81": "a:81", "[::1]": "[::1]:443", "[::1]:8": "[::1]:8"} {
		if got := originOf("https", authority).address(); got != want {
			t.Errorf("%s is %s, want %s", authority, got, want)
		}
	}
	if got := originOf("http", "a"); got != (origin{"http", "a", "80", ""}) {
		t.Errorf("a is %v", got)
	}
}
