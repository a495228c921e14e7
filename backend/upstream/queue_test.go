package upstream

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

// limited is a pool with at most limit connections.
func limited(t *testing.T, url string, limit int, change func(s *Settings)) *Pool {
	t.Helper()
	s := settings(url)
	s.MaxConnections = limit
	if change != nil {
		change(&s)
	}
	return open(t, s, Options{})
}

// queued waits until n exchanges are in the queue.
func queued(t *testing.T, p *Pool, n int) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if p.Stats().Waiting == n {
			return
		}
	}
	t.Fatalf("%d exchanges wait, not %d", p.Stats().Waiting, n)
}

func TestExchangesBeyondTheLimitTakeTheirTurn(t *testing.T) {
	goOn := make(chan struct{})
	var mu sync.Mutex
	var order []string
	p := limited(t, "http://"+serve(t, func(p *peer) {
		for {
			head := p.head()
			if head == "" {
				return
			}
			mu.Lock()
			order = append(order, strings.Fields(head)[1])
			mu.Unlock()
			<-goOn
			p.ok("")
		}
	}), 1, nil)
	var all sync.WaitGroup
	for i := range 5 {
		x := ask(t, "GET", fmt.Sprintf("/%d", i))
		all.Go(func() {
			r, err := p.Send(x)
			if err != nil {
				t.Error(err)
				return
			}
			_ = r.Body.Close()
			if told := fact(x, "queue"); (told != "") != (i > 0) || i > 0 && !strings.HasPrefix(told, "waited ") {
				t.Errorf("exchange %d tells %q of the queue", i, told)
			}
		})
		if i > 0 {
			queued(t, p, i)
		} else {
			for p.Stats().Open == 0 {
			}
		}
	}
	if u := p.Stats(); u.Open != 1 || u.InUse() != 1 || u.Waiting != 4 {
		t.Errorf("while they wait: %+v", u.Usage)
	}
	close(goOn)
	all.Wait()
	if got := strings.Join(order, ""); got != "/0/1/2/3/4" {
		t.Errorf("the order is %s", got)
	}
	if u := p.Stats(); u.Open != 1 || u.Idle != 1 || u.Waiting != 0 || u.Opened != 1 || u.Reused != 4 {
		t.Errorf("after all: %+v", u.Usage)
	}
}

func TestTheQueueHasItsBounds(t *testing.T) {
	goOn := make(chan struct{})
	p := limited(t, "http://"+serve(t, func(p *peer) {
		p.head()
		<-goOn
		p.ok("")
	}), 1, func(s *Settings) { s.Queue, s.QueueTimeout = 1, schema.Duration(50*time.Millisecond) })
	var all sync.WaitGroup
	all.Go(func() { _, _ = p.Send(ask(t, "GET", "/")) })
	for p.Stats().Open == 0 {
	}
	patient := p.balance.all()[0].site
	if e := p.lines.enter(patient, need{}); e.waiter == nil {
		t.Fatalf("the first gets %+v", e)
	} else {
		got := refused(t, p, ask(t, "GET", "/"), problem.Overloaded)
		if !strings.Contains(got, "all 1 are in use, and 1 exchanges wait already") {
			t.Errorf("the message is %q", got)
		}
		p.lines.leave(patient, e.waiter)
	}
	got := refused(t, p, ask(t, "GET", "/"), problem.Overloaded)
	if !strings.Contains(got, "were in use for 50ms") {
		t.Errorf("the message is %q", got)
	}
	if u := p.Stats(); u.Waiting != 0 || u.Faults.Crowded != 2 {
		t.Errorf("after it: %+v", u.Usage)
	}
	close(goOn)
	all.Wait()
}

func TestAFullTargetPassesToTheNext(t *testing.T) {
	goOn := make(chan struct{})
	slow := serve(t, func(p *peer) {
		p.head()
		<-goOn
		p.ok("slow")
	})
	s := settings("http://"+slow, "http://"+serve(t, answering))
	s.MaxConnections, s.Queue = 1, 0
	p := open(t, s, Options{})
	var all sync.WaitGroup
	all.Go(func() {
		if r, err := p.Send(ask(t, "GET", "/")); err != nil {
			t.Error(err)
		} else {
			_ = r.Body.Close()
		}
	})
	for p.Stats().Open == 0 {
	}
	for range 4 {
		if body := get(t, p, "/"); !strings.HasPrefix(body, "GET / ") {
			t.Errorf("answered %q", body)
		}
	}
	if p.balance.all()[0].rests.Load() != 0 {
		t.Error("a target that has much to do is taken for one that cannot be reached")
	}
	close(goOn)
	all.Wait()
}

func TestAClientThatLeavesTheQueueTakesNothingWithIt(t *testing.T) {
	goOn := make(chan struct{})
	p := limited(t, "http://"+serve(t, func(p *peer) {
		for p.head() != "" {
			<-goOn
			p.ok("")
		}
	}), 1, nil)
	var all sync.WaitGroup
	all.Go(func() {
		if r, err := p.Send(ask(t, "GET", "/")); err == nil {
			_ = r.Body.Close()
		}
	})
	for p.Stats().Open == 0 {
	}
	ctx, cancel := context.WithCancel(t.Context())
	x := ask(t, "GET", "/")
	x.WithContext(ctx)
	all.Go(func() {
		if _, err := p.Send(x); problem.KindOf(err) != problem.ClientLeft {
			t.Errorf("who left is told %v", err)
		}
	})
	queued(t, p, 1)
	all.Go(func() {
		if r, err := p.Send(ask(t, "GET", "/")); err != nil {
			t.Error(err)
		} else {
			_ = r.Body.Close()
		}
	})
	queued(t, p, 2)
	cancel()
	queued(t, p, 1)
	close(goOn)
	all.Wait()
}

func TestAnUpgradeTakesThePlaceOfAnIdleHTTP2Connection(t *testing.T) {
	p := openTLS(t, func(w http.ResponseWriter, r *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			_, _ = io.WriteString(w, r.Proto)
			return
		}
		defer c.Close()
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nraw")
	}, func(s *Settings) { s.MaxConnections = 1 })
	for range 2 {
		if body := get(t, p, "/"); body != "HTTP/2.0" {
			t.Errorf("answered %q", body)
		}
		r := send(t, p, ask(t, "GET", "/", "Connection: Upgrade", "Upgrade: x"))
		if u := p.Stats(); u.Open != 1 || u.Shared != 0 {
			t.Errorf("while it is open: %+v", u.Usage)
		}
		_ = r.Upgraded.Close()
	}
}

func TestManyExchangesShareOneHTTP2ConnectionWithinTheLimit(t *testing.T) {
	const streams = 250 // that a server of net/http allows at once
	var now atomic.Int64
	full, goOn := make(chan struct{}), make(chan struct{})
	p := openTLS(t, func(w http.ResponseWriter, r *http.Request) {
		if now.Add(1) == streams {
			close(full)
		}
		<-goOn
		_, _ = io.Copy(w, r.Body)
	}, func(s *Settings) { s.MaxConnections = 1 })
	var all sync.WaitGroup
	for range 2 * streams {
		all.Go(func() {
			r, err := p.Send(withBody(ask(t, "POST", "/"), strings.NewReader("body"), -1))
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				t.Error(err)
			}
			_ = r.Body.Close()
		})
	}
	within(t, full, "all streams are in use")
	queued(t, p, streams)
	close(goOn)
	all.Wait()
	if u := p.Stats(); u.Opened != 1 || u.Open != 1 || u.Waiting != 0 || u.Reused != 2*streams-1 {
		t.Errorf("the figures are %+v", u.Usage)
	}
}

func TestAnHTTP2ConnectionThatEndsGivesItsPlace(t *testing.T) {
	p := openTLS(t, func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Connection", "close") }, func(s *Settings) { s.MaxConnections = 1 })
	for range 3 {
		_ = get(t, p, "/") // each connection ends with a GOAWAY
	}
	if u := p.Stats(); u.Open > 1 || u.Opened < 2 {
		t.Errorf("the figures are %+v", u.Usage)
	}
}

// TestTheLimitHoldsAndNobodyIsForgotten lets many exchanges, some of which leave or fail, fight for few
// connections: never are there more, all end, and nothing is left counted.
func TestTheLimitHoldsAndNobodyIsForgotten(t *testing.T) {
	const limit, exchanges = 3, 1500
	p := limited(t, "http://"+serve(t, func(p *peer) {
		for {
			head := p.head()
			switch {
			case head == "":
				return
			case strings.Contains(head, "/close"):
				p.say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
				return
			case strings.Contains(head, "/break"):
				return
			}
			p.ok("ok")
		}
	}), limit, func(s *Settings) { s.Queue = exchanges })
	var all sync.WaitGroup
	var answered atomic.Int64
	for i := range exchanges {
		all.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			x := ask(t, "GET", []string{"/", "/", "/", "/close", "/break", "/leave"}[i%6])
			x.WithContext(ctx)
			if i%6 == 5 {
				time.AfterFunc(time.Duration(rand.IntN(3000))*time.Microsecond, cancel)
			}
			r, err := p.Send(x)
			if n := p.Stats().Open; n > limit {
				t.Errorf("%d connections are open", n)
			}
			if err != nil {
				if kind := problem.KindOf(err); kind != problem.ClientLeft && kind != problem.Terminated {
					t.Errorf("%s: %v", x.Request.Target, err)
				}
				return
			}
			_, _ = io.Copy(io.Discard, r.Body)
			_ = r.Body.Close()
			answered.Add(1)
		})
	}
	all.Wait()
	if u := p.Stats(); u.Open > limit || u.Open != u.Idle || u.Waiting != 0 || answered.Load() < exchanges/2 {
		t.Errorf("%d answered, figures %+v", answered.Load(), u.Usage)
	}
	_ = p.Close()
	if u := p.Stats(); u.Open != 0 {
		t.Errorf("after the end %d are counted", u.Open)
	}
}

func TestWhatIsGivenToWhoLeavesGoesOn(t *testing.T) {
	var l lines
	l.open(dialing{MaxIdle: 1, MaxConnections: 1, Queue: 2, IdleTimeout: schema.Duration(time.Minute)})
	defer l.close()
	s := l.at(origin{"http", "a", "80", ""})
	if e := l.enter(s, need{}); e.conn != nil || e.waiter != nil || e.full {
		t.Fatalf("the first gets %+v", e)
	}
	first, second := l.enter(s, need{}).waiter, l.enter(s, need{}).waiter
	l.release(s) // to the first, which leaves at the same time
	l.leave(s, first)
	if c, ok := <-second.granted; c != nil || !ok || s.open != 1 {
		t.Errorf("the second is given %v, %d are open", c, s.open)
	}
	c := piped(&l, s.origin) // which the second opens
	third := l.enter(s, need{}).waiter
	l.put(c)
	l.leave(s, third)
	if len(s.idle) != 1 || s.open != 1 {
		t.Errorf("%d idle, %d open", len(s.idle), s.open)
	}
	if e := l.enter(s, need{}); e.conn != c {
		t.Errorf("who comes when one is idle gets %+v", e)
	}
	c.end()
	if s.open != 0 {
		t.Errorf("%d are open", s.open)
	}
}

func TestAConnectionThatWasClosedMeanwhileLeavesItsPlace(t *testing.T) {
	goOn := make(chan struct{})
	p := limited(t, "http://"+serve(t, func(p *peer) {
		p.head()
		p.ok("")
		<-goOn
	}), 1, nil)
	_ = get(t, p, "/")
	close(goOn)
	unquiet(t, p)
	s := p.balance.all()[0].site
	e := p.lines.enter(s, need{})
	if g := p.lines.checked(s, e.conn); e.conn == nil || g != (grant{}) || p.Stats().Open != 1 {
		t.Errorf("it gives %+v, %d are open", g, p.Stats().Open)
	}
	p.lines.release(s)
}

func TestWhoWaitsTooLongIsSentAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := settings("http://127.0.0.1:1")
		s.MaxConnections = 1
		p, err := New("shop", s, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		target := p.balance.all()[0]
		if _, err := p.admit(ask(t, "GET", "/"), target, need{}); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if _, err := p.admit(ask(t, "GET", "/"), target, need{}); problem.KindOf(err) != problem.Overloaded || time.Since(began) != 10*time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
		var all sync.WaitGroup
		for i := range 3 {
			all.Go(func() {
				x := ask(t, "GET", "/")
				if _, err := p.admit(x, target, need{}); err != nil || fact(x, "queue") != fmt.Sprintf("waited %ds for a connection", i+1) {
					t.Errorf("number %d: %q, %v", i, fact(x, "queue"), err)
				}
			})
			synctest.Wait()
		}
		for range 3 {
			time.Sleep(time.Second)
			p.lines.release(target.site)
			synctest.Wait()
		}
		all.Wait()
		p.lines.release(target.site)
		if u := p.Stats(); u.Open != 0 {
			t.Errorf("%d are counted", u.Open)
		}
	})
}
