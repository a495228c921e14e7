package upstream

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"proxycache/backend/problem"
)

// leaving is an origin that answers once, and stops to listen then. Its connection ends when ended is
// closed, or, where it is nil, with the next request.
func leaving(t *testing.T, ended chan struct{}) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveListener(t, l, func(p *peer) {
		if p.head() == "" {
			return
		}
		_ = l.Close()
		p.ok("first")
		if ended != nil {
			<-ended
			return
		}
		p.head()
	})
	return l.Addr().String()
}

// echoing answers with the method and the body, whose length is told.
func echoing(p *peer) {
	for {
		head := p.head()
		if head == "" {
			return
		}
		method, _, _ := strings.Cut(head, " ")
		body := ""
		if strings.Contains(head, "Content-Length: 10\r\n") {
			body = p.take(10)
		}
		p.ok(method + " " + body)
	}
}

func TestTheNextTargetIsTriedWhenAnIdleConnectionAndItsTargetAreGone(t *testing.T) {
	halves := func() io.Reader { return io.MultiReader(strings.NewReader("hello"), strings.NewReader("world")) }
	whole := func() io.Reader { return strings.NewReader("helloworld") }
	h2 := "h2c://" + serveH2C(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, r.Method+" "+string(body))
	})
	h1 := "http://" + serve(t, echoing)
	cases := []struct {
		name, method, second string
		body                 func() io.Reader
		silently             bool // the connection ends before the request
		want                 string
	}{
		{"sent, and may be repeated", "GET", h1, nil, false, "GET "},
		{"sent with its body", "PUT", h1, whole, false, "PUT helloworld"},
		{"not sent", "POST", h1, nil, true, "POST "},
		{"not sent, with a body", "POST", h1, whole, true, "POST helloworld"},
		{"not sent, with half of a body", "POST", h1, halves, true, "POST helloworld"},
		{"not sent, to a server of HTTP/2", "POST", h2, whole, true, "POST helloworld"},
		{"half of it, to a server of HTTP/2", "POST", h2, halves, true, "POST helloworld"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var ended chan struct{}
			if c.silently {
				ended = make(chan struct{})
			}
			gone := leaving(t, ended)
			s := settings("http://"+gone, c.second)
			s.Balance = first
			p := open(t, s, Options{})
			if body := get(t, p, "/"); body != "first" {
				t.Fatalf("answered %q", body)
			}
			if c.silently {
				close(ended)
				unquiet(t, p)
			}
			x := ask(t, c.method, "/again")
			if c.body != nil {
				withBody(x, c.body(), 10)
			}
			if body := read(t, send(t, p, x)); body != c.want || x.Target == gone {
				t.Errorf("%s answers %q, want %q", x.Target, body, c.want)
			}
			for _, m := range p.Stats().Targets {
				if want := map[bool]State{true: Unhealthy, false: Healthy}[m.Address == gone]; m.State != want {
					t.Errorf("%s is %s, want %s", m.Address, m.State, want)
				}
			}
		})
	}
}

func TestTheOnlyTargetRestsWhenItsIdleConnectionAndItAreGone(t *testing.T) {
	p := openTo(t, "http://"+leaving(t, nil))
	_ = get(t, p, "/")
	refused(t, p, ask(t, "GET", "/"), problem.Refused)
	if s := p.Stats().Targets[0]; s.State != Unhealthy || p.balance.resting.Load() != 1 {
		t.Errorf("it is %s", s.State)
	}
}

func TestWhatMayNotBeRepeatedGoesToNoOtherTarget(t *testing.T) {
	s := settings("http://"+leaving(t, nil), "http://"+serve(t, func(p *peer) { p.t.Error("it was sent twice") }))
	s.Balance = first
	p := open(t, s, Options{})
	_ = get(t, p, "/")
	refused(t, p, withBody(ask(t, "POST", "/"), strings.NewReader("helloworld"), 10), problem.Terminated)
}

// pondering is a resolver that fails after the time it has for a name, or when its own is over.
type pondering map[string]time.Duration

func (d pondering) Lookup(ctx context.Context, host string) ([]netip.Addr, time.Duration, error) {
	select {
	case <-time.After(d[host]):
		return nil, 0, errors.New("no idea")
	case <-ctx.Done():
		return nil, 0, ctx.Err()
	}
}

func TestASilentTargetLeavesTheOthersOneTimeToConnect(t *testing.T) {
	cases := []struct {
		name  string
		takes []time.Duration // until each fails
		tried int
		ends  time.Duration
	}{
		{"none answers", []time.Duration{time.Hour, time.Hour, time.Hour}, 2, 20 * time.Second},
		{"the others share what is left", []time.Duration{6 * time.Second, 8 * time.Second, time.Hour}, 3, 20 * time.Second},
		{"all fail in time", []time.Duration{time.Second, time.Second, time.Second}, 3, 3 * time.Second},
		{"the last fails late", []time.Duration{8 * time.Second, 8 * time.Second, 8 * time.Second}, 3, 20 * time.Second},
	}
	for _, c := range cases {
		synctest.Test(t, func(t *testing.T) {
			slow, names := pondering{}, []string{"a.test", "b.test", "c.test"}
			s := settings()
			s.Balance = first
			for i, name := range names {
				slow[name] = c.takes[i]
				s.Targets = append(s.Targets, Target{URL: "http://" + name, Weight: 1})
			}
			p := open(t, s, Options{Resolver: slow})
			for _, again := range []string{"at first", "while they rest"} {
				began := time.Now()
				x := bare(t)
				_, err := p.Send(x)
				if took := time.Since(began); err == nil || took != c.ends {
					t.Errorf("%s, %s: it ends after %s with %v, want %s", c.name, again, took, err, c.ends)
				}
				if told := fact(x, "stopped"); (told != "") != (c.ends == 20*time.Second) {
					t.Errorf("%s, %s: the trail says %q", c.name, again, told)
				}
				if again != "at first" {
					continue
				}
				for i, name := range names {
					if told := strings.Contains(err.Error(), name); told != (i < c.tried) {
						t.Errorf("%s: of %s is told %v: %v", c.name, name, told, err)
					}
				}
			}
			_ = p.Close()
		})
	}
}

func TestWhatWasLeftOfTheTimeToConnectIsTold(t *testing.T) {
	p := openTo(t, "https://"+serve(t, func(p *peer) { p.rest() }))
	only := p.balance.all()[0]
	_, err := p.dial(probing(t.Context()), only, []string{protocol1}, 30*time.Millisecond)
	if problem.KindOf(err) != problem.Timeout || !strings.Contains(err.Error(), "no answer within the 30ms that other servers had left of connect_timeout (10s)") {
		t.Errorf("it says %v", err)
	}
}

func TestTheTimeOnAnIdleConnectionIsNotThatOfConnecting(t *testing.T) {
	e := effort{connecting: 14 * time.Second}
	p := openTo(t, "http://"+serve(t, answering))
	if got := e.left(p); got != 6*time.Second {
		t.Errorf("%s are left", got)
	}
	x := ask(t, "GET", "/")
	r, reached, err := p.sendTo(x, p.balance.all()[0], &effort{connecting: time.Hour})
	if err == nil || reached || r != nil {
		t.Errorf("a connection is opened without time: %v", err)
	}
	_ = get(t, p, "/")
	r, _, err = p.sendTo(ask(t, "GET", "/"), p.balance.all()[0], &effort{connecting: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	_ = read(t, r)
}
