package upstream

import (
	"strings"
	"testing"

	"proxycache/backend/flow"
	"proxycache/backend/schema"
)

// cookieSet is the Set-Cookie for the client of x alone, and the pair in it.
func cookieSet(x *flow.Exchange) (field, pair string) {
	field = x.Private.Get("Set-Cookie")
	pair, _, _ = strings.Cut(field, ";")
	return field, pair
}

func sticking(t *testing.T, change func(*Settings)) *Pool {
	s := settings("http://"+serve(t, answering), "http://"+serve(t, answering), "http://"+serve(t, answering))
	s.Sticky = []Sticky{{Cookie: "at"}}
	if change != nil {
		change(&s)
	}
	return open(t, s, Options{})
}

func TestAClientComesBackToItsTarget(t *testing.T) {
	p := sticking(t, nil)
	x := ask(t, "GET", "/")
	r := send(t, p, x)
	_ = read(t, r)
	field, pair := cookieSet(x)
	if !strings.HasPrefix(pair, "at=") || !strings.HasSuffix(field, "; Path=/; HttpOnly; SameSite=Lax") || strings.Contains(field, x.Target) {
		t.Fatalf("the cookie is %q", field)
	}
	if r.Header.Has("Set-Cookie") {
		t.Errorf("what others may get has the cookie: %v", r.Header)
	}
	for range 5 {
		back := ask(t, "GET", "/", "Cookie: other=1; "+pair)
		back.Private.Add("Set-Cookie", "of an attempt before")
		r := send(t, p, back)
		_ = read(t, r)
		if back.Target != x.Target || r.Header.Has("Set-Cookie") || len(back.Private) > 0 {
			t.Errorf("it came to %s with %v and %v, not to %s", back.Target, r.Header, back.Private, x.Target)
		}
		if got := fact(back, "picked"); got != "sticky: the cookie names "+x.Target {
			t.Errorf("the trail says %q", got)
		}
	}
	seen := map[string]bool{}
	for range 3 {
		forged := ask(t, "GET", "/", "Cookie: at="+x.Target)
		r := send(t, p, forged)
		_ = read(t, r)
		seen[forged.Target] = true
		if !forged.Private.Has("Set-Cookie") || r.Header.Has("Set-Cookie") {
			t.Error("who forges a cookie keeps it")
		}
	}
	if len(seen) != 3 {
		t.Errorf("a forged cookie binds: %v", seen)
	}
}

func TestTheStickyCookieIsSecureWhereTheClientCameByTLS(t *testing.T) {
	p := sticking(t, func(s *Settings) { s.Sticky[0].TTL = schema.Duration(60_000_000_000) })
	x := ask(t, "GET", "/")
	x.ClientConn.TLS = &flow.TLS{}
	r := send(t, p, x)
	_ = read(t, r)
	if field, _ := cookieSet(x); !strings.HasSuffix(field, "; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure") {
		t.Errorf("the cookie is %q", field)
	}
}

func TestWhatBecomesOfABoundClient(t *testing.T) {
	cases := []struct {
		name   string
		change func(*target, *flow.Exchange)
		stays  bool
	}{
		{"nothing changes", func(*target, *flow.Exchange) {}, true},
		{"its target drains", func(m *target, _ *flow.Exchange) { m.duty = drain }, true},
		{"its target is off", func(m *target, _ *flow.Exchange) { m.duty = off }, false},
		{"its target is unhealthy", func(m *target, _ *flow.Exchange) { m.unfit.Store(true) }, false},
		{"its target could not be reached", func(m *target, x *flow.Exchange) { m.rests.Store(x.Started.UnixNano() + int64(rest)) }, false},
		{"a cell avoids it", func(m *target, x *flow.Exchange) { x.Avoid = []string{m.shown} }, false},
		{"a cell bars it", func(m *target, x *flow.Exchange) { x.Bars = []flow.Bar{{Target: m.shown}} }, false},
	}
	for _, c := range cases {
		p := pooled(t, weightedRoundRobin, func(s *Settings) { s.Sticky = []Sticky{{Cookie: "at", Secret: "s"}} }, 1, 1, 1)
		b := &p.balance
		m := b.all()[1]
		x := askIn(t.Context(), flow.Reverse, "GET", "http://shop.localhost/", "Cookie: at="+m.token)
		c.change(m, x)
		b.mu.Lock()
		b.renew(b.all())
		b.mu.Unlock()
		if got := b.pick(x, nil); (got == m) != c.stays {
			t.Errorf("%s: it comes to %s", c.name, got.shown)
		}
	}
}

func TestABackupKeepsNobodyWhileAnotherCanTakeRequests(t *testing.T) {
	cases := []struct {
		name    string
		primary func(*target, *flow.Exchange)
		stays   bool
	}{
		{"the primary is well", func(*target, *flow.Exchange) {}, false},
		{"it is unhealthy", func(m *target, _ *flow.Exchange) { m.unfit.Store(true) }, true},
		{"it drains", func(m *target, _ *flow.Exchange) { m.duty = drain }, true},
		{"it could not be reached", func(m *target, x *flow.Exchange) { m.rests.Store(x.Started.UnixNano() + int64(rest)) }, true},
		{"a cell avoids it", func(m *target, x *flow.Exchange) { x.Avoid = []string{m.shown} }, true},
		{"a cell bars it", func(m *target, x *flow.Exchange) { x.Bars = []flow.Bar{{Target: m.shown}} }, true},
		{"it is a backup, too", func(m *target, _ *flow.Exchange) { m.backup = true }, true},
	}
	for _, c := range cases {
		p := pooled(t, first, func(s *Settings) {
			s.Sticky = []Sticky{{Cookie: "at", Secret: "s"}}
			s.Targets[1].Backup, s.Targets[2].Backup = true, true
		}, 1, 1, 1)
		b := &p.balance
		m := b.all()[2]
		x := askIn(t.Context(), flow.Reverse, "GET", "http://shop.localhost/", "Cookie: at="+m.token)
		c.primary(b.all()[0], x)
		b.mu.Lock()
		b.renew(b.all())
		b.mu.Unlock()
		if got := b.pick(x, nil); (got == m) != c.stays {
			t.Errorf("%s: it comes to %s", c.name, got.shown)
		}
	}
}

func TestTheKeyOfCookiesOutlivesAnEdit(t *testing.T) {
	token := func(p *Pool) string { return p.balance.all()[0].token }
	s := settings("http://192.0.2.1", "http://192.0.2.2")
	s.Sticky = []Sticky{{Cookie: "at"}}
	one := open(t, s, Options{})
	if two := open(t, s, Options{Before: one}); token(one) != token(two) {
		t.Error("a made key does not live on")
	}
	if two := open(t, s, Options{}); token(one) == token(two) {
		t.Error("two pools make the same key")
	}
	s.Sticky[0].Secret = "ours"
	if a, b := open(t, s, Options{Before: one}), open(t, s, Options{}); token(a) != token(b) || token(a) == token(one) {
		t.Error("the secret of the settings does not decide")
	}
}
