package upstream

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

// turning is a resolver whose answer changes.
type turning struct {
	mu    sync.Mutex
	asked int
	ips   []netip.Addr
	ttl   time.Duration
	err   error
}

func (r *turning) Lookup(context.Context, string) ([]netip.Addr, time.Duration, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	return append([]netip.Addr(nil), r.ips...), r.ttl, r.err
}

func (r *turning) to(err error, ips ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ips, r.err = nil, err
	for _, ip := range ips {
		r.ips = append(r.ips, netip.MustParseAddr(ip))
	}
}

func (r *turning) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

// answered waits until r was asked more than n times, and the answers have taken effect.
func (r *turning) answered(t *testing.T, p *Pool, n int) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		p.lines.mu.Lock()
		running := p.balance.all()[0].site.names.running
		p.lines.mu.Unlock()
		if r.count() > n && !running {
			return
		}
	}
	t.Fatalf("it was looked up %d times", r.count())
}

func TestConnectionsFollowTheName(t *testing.T) {
	first := serveOn(t, "127.0.0.1:0", answering)
	_, port, _ := net.SplitHostPort(first)
	second := serveOn(t, "127.0.0.2:"+port, answering)
	names := &turning{}
	names.to(nil, "127.0.0.1")
	s := settings("http://app.test:" + port)
	s.ResolveEvery = schema.Duration(time.Nanosecond)
	p := open(t, s, Options{Resolver: names})
	remote := func() string {
		t.Helper()
		x := ask(t, "GET", "/")
		n := names.count()
		_ = read(t, send(t, p, x))
		names.answered(t, p, n)
		return x.TargetConn.Remote
	}
	for range 3 {
		if got := remote(); got != first {
			t.Errorf("sent to %s", got)
		}
	}
	if u := p.Stats(); u.Opened != 1 {
		t.Errorf("an answer that stays opened %d connections", u.Opened)
	}
	names.to(errors.New("no name server"))
	_ = remote()
	if got := remote(); got != first || p.Stats().Opened != 1 {
		t.Errorf("after a look-up that failed it is sent to %s", got)
	}
	names.to(nil, "127.0.0.2")
	_ = remote() // the one that finds out
	if got := remote(); got != second {
		t.Errorf("after the name has moved it is sent to %s", got)
	}
	if u := p.Stats(); u.Open != 1 {
		t.Errorf("%d connections are open", u.Open)
	}
}

func TestABusyConnectionIsNotKeptWhenTheNameHasMoved(t *testing.T) {
	gone := make(chan struct{})
	address := serve(t, func(p *peer) {
		defer close(gone)
		p.head()
		p.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
		p.say("body")
		p.rest()
	})
	_, port, _ := net.SplitHostPort(address)
	names := &turning{}
	names.to(nil, "127.0.0.1")
	p := open(t, settings("http://app.test:"+port), Options{Resolver: names})
	r := send(t, p, ask(t, "GET", "/"))
	names.to(nil, "192.0.2.1")
	p.lines.lookNow(p.balance.all()[0].site)
	names.answered(t, p, 1)
	if body := read(t, r); body != "body" {
		t.Errorf("the exchange that ran reads %q", body)
	}
	within(t, gone, "the connection ends with it")
	if u := p.Stats(); u.Open != 0 {
		t.Errorf("the figures are %+v", u.Usage)
	}
}

func TestAnHTTP2ConnectionEndsWhenTheNameHasMoved(t *testing.T) {
	address := serveH2C(t, func(http.ResponseWriter, *http.Request) {})
	_, port, _ := net.SplitHostPort(address)
	names := &turning{}
	names.to(nil, "127.0.0.1")
	p := open(t, settings("h2c://app.test:"+port), Options{Resolver: names})
	_ = get(t, p, "/")
	names.to(nil, "192.0.2.1")
	p.lines.lookNow(p.balance.all()[0].site)
	names.answered(t, p, 1)
	for end := time.Now().Add(patience); p.Stats().Open > 0; {
		if time.Now().After(end) {
			t.Fatalf("it is kept: %+v", p.Stats().Usage)
		}
	}
}

func TestAnAddressThatDoesNotAnswerIsLookedUpAtOnce(t *testing.T) {
	_, port, _ := net.SplitHostPort(nowhere(t))
	names := &turning{}
	names.to(nil, "127.0.0.1")
	p := open(t, settings("http://app.test:"+port), Options{Resolver: names})
	if got := refused(t, p, ask(t, "GET", "/"), problem.Refused); !strings.Contains(got, "app.test:"+port) {
		t.Errorf("the message is %q", got)
	}
	names.answered(t, p, 1)
}

// TestANameIsLookedUpWhenItsAnswerEnds, or every resolve_every where that is sooner, or not known.
func TestANameIsLookedUpWhenItsAnswerEnds(t *testing.T) {
	for _, c := range []struct {
		ttl  time.Duration
		want int // in 100 s
	}{
		{0, 3},
		{time.Second, 99},
		{5 * time.Second, 19},
		{20 * time.Second, 4},
		{10 * time.Minute, 3},
	} {
		t.Run(c.ttl.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				names := &turning{ttl: c.ttl}
				names.to(nil, "192.0.2.1")
				p, err := New("shop", settings("http://app.test"), Options{Resolver: names})
				if err != nil {
					t.Fatal(err)
				}
				defer p.Close()
				at := p.balance.all()[0]
				if _, err := p.lookUp(t.Context(), ask(t, "GET", "/"), at); err != nil {
					t.Fatal(err)
				}
				use := func() {
					p.lines.mu.Lock()
					p.lines.lookAgain(at.site, time.Now())
					p.lines.mu.Unlock()
					synctest.Wait()
				}
				for range 100 { // used once a second
					use()
					time.Sleep(time.Second)
				}
				if n := names.count() - 1; n != c.want {
					t.Errorf("in 100 s it was looked up %d times", n)
				}
				n := names.count()
				time.Sleep(time.Hour)
				if names.count() != n {
					t.Errorf("without use it was looked up: %d times", names.count()-n)
				}
			})
		})
	}
}

// TestAnAnswerThatFailsIsAskedForLater: as where nobody says when.
func TestAnAnswerThatFailsIsAskedForLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		names := &turning{ttl: time.Second}
		names.to(errors.New("no name server"))
		p, err := New("shop", settings("http://app.test"), Options{Resolver: names})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		for range 100 {
			p.lines.mu.Lock()
			p.lines.lookAgain(p.balance.all()[0].site, time.Now())
			p.lines.mu.Unlock()
			time.Sleep(time.Second)
		}
		if n := names.count(); n != 3 {
			t.Errorf("in 100 s it was looked up %d times", n)
		}
	})
}

func TestWhatIsNotLookedUpAgain(t *testing.T) {
	never := settings("http://app.test")
	never.ResolveEvery = 0
	for _, s := range []Settings{never, settings("http://127.0.0.1:1"), settings("http://[::1]:1"), settings("http://localhost:1"), settings("unix:/x"), through(t, "socks5://127.0.0.1:1", "http://app.test")} {
		if p := open(t, s, Options{}); p.balance.all()[0].site.names != nil {
			t.Errorf("%s is", s.Targets[0].URL)
		}
	}
}
