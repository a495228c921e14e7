package upstream

import (
	"strings"
	"testing"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

func TestTheTrailSaysWhatDecided(t *testing.T) {
	cases := []struct {
		way    string
		change func(*Settings)
		unfit  string
		want   string
	}{
		{weightedRoundRobin, nil, "", "weighted_round_robin: a, weight 1 of 3"},
		{roundRobin, nil, "", "round_robin: a, of 3"},
		{first, nil, "a", "first: b, of 2; a is unhealthy"},
		{first, nil, "ab", "first: a, of 3; so few are healthy that health is ignored"},
		{first, func(s *Settings) { s.Targets[0].State, s.Targets[1].State = "off", "drain" }, "", "first: c, of 1; a is off, b is draining"},
		{first, func(s *Settings) { s.Targets[1].Backup, s.Targets[2].Backup = true, true }, "a", "first: b, of 2; it is a backup; a is unhealthy"},
		{byHash, func(s *Settings) { s.Hash = "query:q" }, "", "weighted_round_robin: the request has no query q: a, weight 1 of 3"},
		{leastConn, func(s *Settings) { s.Targets[0].Weight = 1000 }, "bc", "least_conn: a has 0 in flight; b is unhealthy, c is unhealthy"},
	}
	for _, c := range cases {
		p := pooled(t, c.way, func(s *Settings) {
			s.Health = []HealthCheck{{}}
			schema.Defaults(&s.Health[0])
			s.Health[0].Interval = schema.Duration(time.Hour)
			if c.way == leastConn {
				s.PanicThreshold = 1
			}
			if c.change != nil {
				c.change(s)
			}
		}, 1, 1, 1)
		b := &p.balance
		for _, m := range b.all() {
			var err error
			if strings.Contains(c.unfit, m.shown) {
				err = problem.New(problem.Refused, "no")
			}
			b.heard(m, 0, p.checks[0], err)
		}
		b.mu.Lock()
		b.renew(b.all())
		b.mu.Unlock()
		x := bare(t)
		b.pick(x, nil)
		if got := fact(x, "picked"); got != c.want {
			t.Errorf("%s: %q, want %q", c.way, got, c.want)
		}
	}
	many := pooled(t, leastConn, nil, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)
	x := bare(t)
	many.balance.pick(x, nil)
	if got := fact(x, "picked"); strings.Count(got, ",") > maxTold {
		t.Errorf("of twelve it tells %q", got)
	}
}

func TestOneTargetCostsNoChoice(t *testing.T) {
	p := pooled(t, leastConn, func(s *Settings) {
		s.Sticky, s.SlowStart, s.Outlier = []Sticky{{Cookie: "at"}}, []SlowStart{{}}, []Outlier{{}}
		schema.Defaults(&s.SlowStart[0])
		schema.Defaults(&s.Outlier[0])
	}, 1)
	if p.balance.roster.Load().lone == nil {
		t.Fatal("the only target is chosen among one")
	}
	x := bare(t)
	if n := testing.AllocsPerRun(100, func() { p.balance.pick(x, nil) }); n != 0 || fact(x, "picked") != "" {
		t.Errorf("choosing it allocates %v times, and tells %q", n, fact(x, "picked"))
	}
}

func TestTheTrailSaysWhoWasEjected(t *testing.T) {
	bad := serve(t, func(p *peer) {
		for p.head() != "" {
			p.say("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")
		}
	})
	s := settings("http://"+bad, "http://"+serve(t, answering))
	s.Balance = first
	s.Outlier = []Outlier{{}}
	schema.Defaults(&s.Outlier[0])
	p := open(t, s, Options{})
	for i := range 6 {
		x := ask(t, "GET", "/")
		_ = read(t, send(t, p, x))
		want := map[int]string{4: "5 answers in a row were 5xx, or did not come; left out for 30s"}[i]
		if got := fact(x, "ejected"); got != want || (x.Target == bad) != (i < 5) {
			t.Errorf("exchange %d went to %s and tells %q", i, x.Target, got)
		}
	}
}

func TestABarKeepsAForwardExchangeFromItsTarget(t *testing.T) {
	p := openForward(t, nil, Options{})
	address := serve(t, answering)
	x := askIn(t.Context(), flow.Forward, "GET", "http://"+address+"/")
	x.Bars = []flow.Bar{{Target: "192.0.2.1:80", Why: "another"}}
	_ = read(t, send(t, p, x))
	x = askIn(t.Context(), flow.Forward, "GET", "http://"+address+"/")
	x.Bars = []flow.Bar{{Target: address, Why: "its breaker is open", Until: time.Now().Add(time.Minute)}}
	_, err := p.Send(x)
	if q := problem.Of(err); q == nil || q.Kind != problem.DestinationUnavailable || q.RetryAfter < 50*time.Second || !strings.Contains(q.Message, "its breaker is open") {
		t.Errorf("it failed with %v", err)
	}
}

func TestHealthSettingsThatAreRefused(t *testing.T) {
	with := func(key string, value any) map[string]any {
		return map[string]any{"targets": []any{map[string]any{"url": "http://a"}}, key: value}
	}
	one := func(key string, values ...any) map[string]any {
		table := map[string]any{}
		for i := 0; i < len(values); i += 2 {
			table[values[i].(string)] = values[i+1]
		}
		return with(key, []any{table})
	}
	fields := func(names ...string) (list []any) {
		for _, name := range names {
			list = append(list, map[string]any{"name": name, "value": "shop.example"})
		}
		return list
	}
	hash := func(balance, key string) map[string]any {
		v := with("balance", balance)
		v["hash"] = key
		return v
	}
	cases := []struct {
		values map[string]any
		where  string // "" when they are fine
	}{
		{with("balance", "p2c"), ""}, {with("balance", "fair"), "u.balance"}, {with("balance", "hash"), "u.hash"},
		{hash("hash", "client_ip"), ""}, {hash("hash", "header:X-Tenant"), ""}, {hash("hash", "cookie:sid"), ""}, {hash("hash", "query:q"), ""}, {hash("hash", "uri"), ""},
		{hash("hash", "ip"), "u.hash"}, {hash("hash", "header:"), "u.hash"}, {hash("hash", "uri:x"), "u.hash"}, {hash("hash", "query:a&b"), "u.hash"}, {hash("random", "uri"), "u.hash"},
		{with("panic_threshold", int64(101)), "u.panic_threshold"},
		{one("sticky"), ""}, {one("sticky", "cookie", "a;b"), "u.sticky.1.cookie"}, {with("sticky", []any{map[string]any{}, map[string]any{}}), "u.sticky"},
		{one("slow_start", "window", "10s", "aggression", 1.5), ""}, {one("slow_start", "aggression", int64(0)), "u.slow_start.1.aggression"},
		{one("outlier"), ""}, {one("outlier", "max_ejection_time", "1s"), "u.outlier.1.max_ejection_time"},
		{one("health", "path", "/healthz", "interval", "5s"), ""}, {one("health", "path", "healthz"), "u.health.1.path"}, {one("health", "path", "/a b"), "u.health.1.path"},
		{one("health", "method", "GET /"), "u.health.1.method"}, {one("health", "host", "a/b"), "u.health.1.host"}, {one("health", "statuses", []any{"2xx", "abc"}), "u.health.1.statuses.2"},
		{one("health", "body", "("), "u.health.1.body"}, {one("health", "type", "command"), "u.health.1.command"}, {one("health", "type", "command", "command", []any{"true"}), ""},
		{one("health", "type", "udp"), "u.health.1.type"}, {one("health", "headers", []any{map[string]any{"name": "a b", "value": "x"}}), "u.health.1.headers.1"},
		{one("health", "headers", fields("X-Key", "user-agent")), ""}, {one("health", "headers", fields("X-Key", "Host")), "u.health.1.headers.2"}, {one("health", "headers", fields("content-length")), "u.health.1.headers.1"},
		{one("health", "headers", fields("Transfer-Encoding")), "u.health.1.headers.1"}, {one("health", "headers", fields("connection")), "u.health.1.headers.1"}, {one("health", "headers", fields("Upgrade")), "u.health.1.headers.1"},
		{one("health", "method", "HEAD", "body", "ok"), "u.health.1.body"}, {one("health", "method", "CONNECT", "body", "ok"), "u.health.1.body"}, {one("health", "method", "HEAD"), ""}, {one("health", "method", "HEAD", "body", "ok", "type", "tcp"), ""},
		{with("targets", []any{map[string]any{"url": "http://a", "state": "gone"}}), "u.targets.1.state"}, {with("targets", []any{map[string]any{"url": "http://a", "backup": true}}), ""},
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
	for _, list := range [][]schema.Field{schema.Of(&HealthCheck{}), schema.Of(&Outlier{}), schema.Of(&Sticky{}), schema.Of(&SlowStart{}), schema.Of(&Target{})} {
		for _, f := range list {
			if f.Help == "" || f.Title == "" {
				t.Errorf("%s has no help or title", f.Name)
			}
		}
	}
}

func TestStatuses(t *testing.T) {
	for text, want := range map[string]statuses{"204": {204, 204}, "2xx": {200, 299}, "200-399": {200, 399}} {
		if got, ok := parseStatuses(text); !ok || got != want {
			t.Errorf("%s is %v", text, got)
		}
	}
	for _, text := range []string{"", "xx", "6xx", "99", "600", "300-200", "2x", "-", "200-"} {
		if got, ok := parseStatuses(text); ok {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func TestTheStateOfTheOnlyTarget(t *testing.T) {
	address := nowhere(t)
	p := openTo(t, "http://"+address)
	state := func() string {
		s := p.Stats().Targets[0]
		return string(s.State) + " " + s.Reason
	}
	if got := state(); got != "healthy " {
		t.Errorf("before anything was sent it is %s", got)
	}
	refused(t, p, ask(t, "GET", "/"), problem.Refused)
	if got := state(); got != "unhealthy Connecting to "+address+": nothing listens there" {
		t.Errorf("when it was not reached it is %s", got)
	}
	serveOn(t, address, answering)
	_ = get(t, p, "/")
	if got := state(); got != "healthy it was reached again" || p.balance.resting.Load() != 0 {
		t.Errorf("then it is %s", got)
	}
	if s := p.Stats().Targets[0]; len(s.History) != 3 || s.InFlight != 0 || s.Weight != 1 || s.SetWeight != 1 {
		t.Errorf("the figures are %+v", s)
	}
	running := send(t, p, ask(t, "GET", "/"))
	if s := p.Stats().Targets[0]; s.InFlight != 1 {
		t.Errorf("%d are in flight", s.InFlight)
	}
	_ = read(t, running)
}

func TestHistoryIsBounded(t *testing.T) {
	p := pooled(t, first, nil, 1, 1)
	m := p.balance.all()[0]
	for range 50 {
		p.balance.failed(m, "no")
		p.balance.reached(m)
	}
	c := m.condition
	if len(c.history) != maxHistory || c.history[maxHistory-1].State != Healthy || c.history[0].At.After(c.history[1].At) {
		t.Errorf("%d changes are remembered", len(c.history))
	}
}

func TestAnAddressThatIsGoneDoesNotRest(t *testing.T) {
	names := &turning{}
	p := open(t, settings("http://app.test"), Options{Resolver: names})
	learn := func(ips ...string) {
		names.to(nil, ips...)
		p.lines.learn(p.seats[0].named.site.names, names.ips)
	}
	learn("192.0.2.1", "192.0.2.2")
	gone := p.balance.all()[1]
	p.balance.failed(gone, "no")
	learn("192.0.2.1")
	p.balance.failed(gone, "no")
	if n := p.balance.resting.Load(); n != 0 {
		t.Errorf("%d rest", n)
	}
}
