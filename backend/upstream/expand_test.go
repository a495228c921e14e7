package upstream

import (
	"context"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"proxycache/backend/schema"
)

// members are what the targets are called.
func (p *Pool) members() string {
	var out []string
	for _, m := range p.balance.all() {
		out = append(out, m.shown)
	}
	return strings.Join(out, " ")
}

// sentTo are the targets of so many exchanges, each once.
func sentTo(t *testing.T, p *Pool, n int) string {
	t.Helper()
	var out []string
	for range n {
		x := ask(t, "GET", "/")
		_ = read(t, send(t, p, x))
		if !slices.Contains(out, x.Target) {
			out = append(out, x.Target)
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

// onEach serves on the same port of several addresses of this machine.
func onEach(t *testing.T, ips ...string) (port string) {
	t.Helper()
	for _, ip := range ips {
		_, port, _ = net.SplitHostPort(serveOn(t, net.JoinHostPort(ip, portOr0(port)), answering))
	}
	return port
}

func portOr0(port string) string {
	if port == "" {
		return "0"
	}
	return port
}

func TestANameWithSeveralAddressesIsSeveralTargets(t *testing.T) {
	port := onEach(t, "127.0.0.1", "127.0.0.2", "127.0.0.3")
	at := func(n string) string { return "127.0.0." + n + ":" + port }
	names := &turning{}
	names.to(nil, "127.0.0.1", "::1", "127.0.0.2")
	s := settings("http://app.test:" + port)
	s.Host = "upstream"
	p := open(t, s, Options{Resolver: names})
	x := ask(t, "GET", "/")
	if body := read(t, send(t, p, x)); !strings.Contains(body, "Host: app.test:"+port) {
		t.Errorf("the first request is %q", body)
	}
	if got, want := p.members(), at("1")+" "+at("2"); got != want {
		t.Fatalf("the targets are %s, want %s", got, want)
	}
	if got, want := sentTo(t, p, 4), at("1")+" "+at("2"); got != want {
		t.Errorf("exchanges went to %s", got)
	}
	if body := get(t, p, "/"); !strings.Contains(body, "Host: app.test:"+port) {
		t.Errorf("a later request is %q", body)
	}
	kept := p.balance.all()[1]
	look := func(ips ...string) {
		t.Helper()
		n := names.count()
		names.to(nil, ips...)
		p.lines.lookNow(p.balance.all()[0].site)
		names.answered(t, p, n)
	}
	look("127.0.0.2", "127.0.0.3")
	if got, want := sentTo(t, p, 4), at("2")+" "+at("3"); got != want || p.balance.all()[0] != kept {
		t.Errorf("after it has moved exchanges went to %s", got)
	}
	look("127.0.0.3")
	if got := p.members(); got != "app.test:"+port {
		t.Errorf("of a name with one address the targets are %s", got)
	}
	if got := sentTo(t, p, 2); got != "app.test:"+port {
		t.Errorf("exchanges went to %s", got)
	}
	for _, m := range p.Stats().Targets {
		if m.Address == at("1") || m.Open > 0 && m.Address == at("2") {
			t.Errorf("of an address that is gone is told %+v", m)
		}
	}
}

func TestAnAddressThatFailsIsLookedUpAndTheNextTried(t *testing.T) {
	port := onEach(t, "127.0.0.1")
	names := &turning{}
	names.to(nil, "127.0.0.1", "127.0.0.2")
	p := open(t, settings("http://app.test:"+port), Options{Resolver: names})
	_ = get(t, p, "/")
	n := names.count()
	if got := sentTo(t, p, 4); got != "127.0.0.1:"+port {
		t.Errorf("exchanges went to %s", got)
	}
	names.answered(t, p, n)
	for _, m := range p.Stats().Targets {
		if m.Address == "127.0.0.2:"+port && m.State != Unhealthy {
			t.Errorf("the one that fails is %s", m.State)
		}
	}
}

func TestTLSAsksForTheNameOfAnAddress(t *testing.T) {
	ours := newAuthority(t)
	s := settings("https://app.test:" + serveTLS(t, ours.leaf(t, -1, 1, "app.test"), func(w http.ResponseWriter, r *http.Request) {}))
	s.CA = ours.file
	names := &turning{}
	names.to(nil, "127.0.0.1", "127.0.0.2") // nothing listens at the second
	p := open(t, s, Options{Resolver: names})
	for range 3 {
		x := ask(t, "GET", "/")
		_ = read(t, send(t, p, x))
		if x.TargetConn.TLS.SNI != "app.test" {
			t.Errorf("TLS asks for %q", x.TargetConn.TLS.SNI)
		}
	}
	if len(p.balance.all()) != 2 {
		t.Errorf("the targets are %s", p.members())
	}
}

func TestAddressesOfANameAreCheckedAndLiveOnInAnEditedPool(t *testing.T) {
	port := onEach(t, "127.0.0.1", "127.0.0.2")
	names := &turning{}
	names.to(nil, "127.0.0.1", "127.0.0.2")
	s := settings("http://app.test:" + port)
	var h HealthCheck
	schema.Defaults(&h)
	h.Type, h.Interval = "tcp", schema.Duration(time.Minute)
	s.Health = []HealthCheck{h}
	one := open(t, s, Options{Resolver: names})
	_ = get(t, one, "/")
	for end := time.Now().Add(patience); one.states() != "127.0.0.1:"+port+" healthy, 127.0.0.2:"+port+" healthy"; {
		if time.Now().After(end) {
			t.Fatalf("the states are %s", one.states())
		}
	}
	s.Balance = roundRobin
	two := open(t, s, Options{Resolver: names, Before: one})
	if two.states() != one.states() {
		t.Errorf("after an edit: %s", two.states())
	}
	gone := two.balance.all()[1]
	names.to(nil, "127.0.0.1")
	n := names.count()
	two.lines.lookNow(two.balance.all()[0].site)
	for end := time.Now().Add(patience); two.members() != "app.test:"+port; {
		if time.Now().After(end) {
			t.Fatalf("asked %d times, the targets are %s", names.count()-n, two.members())
		}
	}
	two.balance.mu.Lock()
	defer two.balance.mu.Unlock()
	if gone.end != nil {
		t.Error("an address that is gone is checked")
	}
}

func TestOnlyTheFamilyOfTheFirstAddressIsUsed(t *testing.T) {
	names := &turning{}
	p := open(t, settings("http://app.test"), Options{Resolver: names})
	for _, c := range []struct {
		ips  []string
		want string
	}{
		{[]string{"192.0.2.2", "192.0.2.1", "2001:db8::1"}, "192.0.2.1:80 192.0.2.2:80"},
		{[]string{"2001:db8::1", "192.0.2.2", "2001:db8::2"}, "[2001:db8::1]:80 [2001:db8::2]:80"},
		{[]string{"2001:db8::1", "192.0.2.2"}, "app.test:80"},
	} {
		names.to(nil, c.ips...)
		ips, _, _ := names.Lookup(context.Background(), "app.test")
		p.lines.learn(p.seats[0].named.site.names, ips)
		if got := p.members(); got != c.want {
			t.Errorf("of %v the targets are %s", c.ips, got)
		}
	}
}
