package upstream

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// busy is how many exchanges the targets of p have.
func busy(p *Pool) (n int64) {
	for _, m := range p.balance.all() {
		n += m.inFlight.Load()
	}
	return n
}

func TestExchangesOfATargetAreCountedUntilTheyEnd(t *testing.T) {
	handler := func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/up":
			c, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer c.Close()
			_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		case "/half":
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		case "/none":
			w.WriteHeader(http.StatusNoContent)
		default:
			_, _ = io.WriteString(w, strings.Repeat("x", 100_000))
		}
	}
	ends := map[string]func(*flow.Response){
		"read":   func(r *flow.Response) { _, _ = io.Copy(io.Discard, r.Body) },
		"closed": func(r *flow.Response) { _ = r.Body.Close() },
		"both": func(r *flow.Response) {
			_, _ = io.Copy(io.Discard, r.Body)
			_ = r.Body.Close()
			_ = r.Body.Close()
		},
	}
	pools := map[string]string{"http": serve1(t, handler), "h2c": "h2c://" + serveH2C(t, handler)}
	for name, url := range pools {
		for how, end := range ends {
			p := open(t, settings(url, url), Options{})
			for _, path := range []string{"/", "/half", "/none"} {
				r := send(t, p, ask(t, "GET", path))
				if n := busy(p); path == "/" && n != 1 {
					t.Errorf("%s: while it runs %d are counted", name, n)
				}
				end(r)
				if how == "read" && name == "h2c" { // the end of the body is not the end of the stream
					_ = r.Body.Close()
				}
				if n := busy(p); n != 0 {
					t.Errorf("%s %s, %s: %d are left", name, path, how, n)
				}
			}
		}
	}
	p := open(t, settings(pools["http"], pools["http"]), Options{})
	r := send(t, p, ask(t, "GET", "/up", "Connection: Upgrade", "Upgrade: x"))
	if busy(p) != 1 {
		t.Error("an upgraded connection is not counted")
	}
	_ = r.Upgraded.Close()
	_ = r.Upgraded.Close()
	if n := busy(p); n != 0 {
		t.Errorf("after an upgrade %d are left", n)
	}
}

func TestExchangesThatFailAreNotLeftCounted(t *testing.T) {
	stuck := make(chan struct{})
	ends := serve(t, func(p *peer) { p.head() })
	waits := serve(t, func(p *peer) {
		p.head()
		stuck <- struct{}{}
		p.rest()
	})
	for _, address := range []string{nowhere(t), ends} {
		p := open(t, settings("http://"+address, "http://"+address), Options{})
		for range 3 {
			if _, err := p.Send(ask(t, "GET", "/")); err == nil {
				t.Error("it was answered")
			}
		}
		if n := busy(p); n != 0 {
			t.Errorf("%d are left", n)
		}
	}
	p := open(t, settings("http://"+waits, "http://"+waits), Options{})
	ctx, leave := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := p.Send(askIn(ctx, flow.Reverse, "GET", "http://shop.localhost/")); problem.KindOf(err) != problem.ClientLeft {
			t.Errorf("it failed with %v", err)
		}
	})
	within(t, stuck, "the request arrives")
	if busy(p) != 1 {
		t.Errorf("while it waits %d are counted", busy(p))
	}
	leave()
	all.Wait()
	if n := busy(p); n != 0 {
		t.Errorf("%d are left", n)
	}
}

func TestSentTellsWhetherTheTargetGotAnything(t *testing.T) {
	full := settings("http://" + serve(t, answering))
	full.MaxConnections, full.Queue = 1, 0
	fullPool := open(t, full, Options{})
	held := send(t, fullPool, withBody(ask(t, "POST", "/"), strings.NewReader("x"), 1))
	defer held.Body.Close()
	cases := []struct {
		name string
		pool *Pool
		x    *flow.Exchange
		want bool
	}{
		{"answered", openTo(t, "http://"+serve(t, answering)), ask(t, "GET", "/"), true},
		{"answered over HTTP/2", openTo(t, "h2c://"+serveH2C(t, clinic)), ask(t, "GET", "/up"), true},
		{"cut short", openTo(t, "http://"+serve(t, func(p *peer) { p.head() })), ask(t, "GET", "/"), true},
		{"nothing listens", openTo(t, "http://"+nowhere(t)), ask(t, "GET", "/"), false},
		{"no connection to be had", fullPool, ask(t, "GET", "/"), false},
		{"the client's body fails at once", openTo(t, "http://"+serve(t, answering)), withBody(ask(t, "POST", "/"), failing{io.ErrUnexpectedEOF}, 4), false},
	}
	for _, c := range cases {
		c.x.Sent = true // of another try
		if r, err := c.pool.Send(c.x); err == nil {
			_ = r.Body.Close()
		}
		if c.x.Sent != c.want {
			t.Errorf("%s: sent is %v", c.name, c.x.Sent)
		}
	}
	p := openTo(t, "http://"+serve(t, answering))
	for range 2 { // by asking, the second time
		x := ask(t, "GET", "/")
		_ = read(t, send(t, p, x))
		if !x.Sent {
			t.Error("sent on an idle connection is not noted")
		}
	}
}

func TestTheTimeToTheFirstByteIsObserved(t *testing.T) {
	slow := serve(t, func(p *peer) {
		for p.head() != "" {
			<-time.After(30 * time.Millisecond)
			p.ok("slow")
		}
	})
	s := settings("http://"+slow, "http://"+serve(t, answering))
	s.Balance = leastTime
	p := open(t, s, Options{})
	at := map[string]int{}
	for range 40 {
		x := ask(t, "GET", "/")
		_ = read(t, send(t, p, x))
		at[x.Target]++
	}
	if at[slow] > 5 {
		t.Errorf("the slow one was asked %d times of 40", at[slow])
	}
	for _, m := range p.Stats().Targets {
		if m.Address == slow && (m.EWMA < 20*time.Millisecond || m.EWMA > time.Second) || m.Weight != 1 || m.State != Healthy || m.InFlight != 0 {
			t.Errorf("the figures are %+v", m)
		}
	}
}
