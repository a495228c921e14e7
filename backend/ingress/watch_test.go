package ingress

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// The time of a client that has ended its side may be over in the moment in which its exchange is: the
// next one, which it sent along, has a time of its own.
func TestAFarewellIsToOneExchange(t *testing.T) {
	c := &client{}
	in := &c.in
	in.client = c
	first, second := &turn{client: c}, &turn{client: c}
	c.turn = first
	w := &in.watch
	w.ended, w.wanted, w.set = true, true, true
	w.since, w.delay = time.Now().Add(-time.Hour), farewell

	c.mu.Lock() // whoever ends an exchange waits here
	var looked sync.WaitGroup
	looked.Go(in.look)
	eventually(t, "the time is found to be over", func() bool {
		if !w.mu.TryLock() {
			return true // it is being looked at
		}
		defer w.mu.Unlock()
		return !w.set
	})
	answered := make(chan struct{})
	go func() {
		in.unwatch()
		close(answered)
	}()
	select {
	case <-answered:
	case <-time.After(50 * time.Millisecond): // it waits for the first to be ended
		c.mu.Unlock()
		receive(t, answered, "the end of the first")
		c.mu.Lock()
	}
	c.turn = second
	c.mu.Unlock()
	looked.Wait()
	if second.ctx.Err() != nil || second.hasLeft.Load() {
		t.Error("the second exchange was ended with the first's time")
	}
}

// kept is how much the watch of a connection holds of what came early.
func (c *client) kept() (bytes, room int) {
	c.in.watch.mu.Lock()
	defer c.in.watch.mu.Unlock()
	return len(c.in.ahead), cap(c.in.ahead)
}

func (c *client) keeps(t *testing.T, bytes int) {
	t.Helper()
	eventually(t, fmt.Sprintf("the watch reads %d bytes ahead", bytes), func() bool {
		got, _ := c.kept()
		return got == bytes
	})
}

// silent waits for the client's leaving, or for the test's end: before the answer, or in the middle of an
// event stream. What was asked goes to entered, and the end of the exchange to over.
func silent(t *testing.T, entered chan<- string, over chan *problem.Problem) flow.HandlerFunc {
	return func(x *flow.Exchange) *flow.Response {
		entered <- x.Request.Target
		r := text(200, "ok")
		switch x.Request.Target {
		case "/waiting":
			select {
			case <-x.Context().Done():
			case <-t.Context().Done():
			}
		case "/events":
			body, send := io.Pipe()
			for _, ctx := range []context.Context{x.Context(), t.Context()} {
				context.AfterFunc(ctx, func() { _ = send.CloseWithError(ctx.Err()) })
			}
			r = unknown(body)
			r.Header.Set("Content-Type", "text/event-stream")
		default:
			return r
		}
		r.Body = &watched{r.Body, x, over}
		return r
	}
}

func to(target string) string { return "GET " + target + " HTTP/1.1\r\nHost: shop.test\r\n\r\n" }

// Who has sent something early may leave behind it.
func TestAClientThatEndsBehindEarlyBytesEndsTheExchange(t *testing.T) {
	for name, early := range map[string][]string{
		"a byte":          {"\n"},
		"an empty line":   {"\r\n"},
		"garbage":         {"\x00\xff"},
		"a request":       {get},
		"two, in pieces":  {get[:3], get[3:], get[:9], get[9:]},
		"nearly the most": {strings.Repeat("x", defaults.head.Head-1)},
	} {
		for _, target := range []string{"/waiting", "/events"} {
			t.Run(name+target, func(t *testing.T) {
				inBubble(t, func(t *testing.T, serve func(flow.HandlerFunc) *talk) {
					entered, over := make(chan string, 1), make(chan *problem.Problem, 1)
					c := serve(silent(t, entered, over))
					c.say(to(target))
					<-entered
					if target == "/events" {
						c.answerHead()
					}
					for _, piece := range early {
						time.Sleep(time.Hour)
						c.say(piece)
					}
					time.Sleep(time.Hour)
					since := time.Now()
					_ = c.Close()
					p := receive(t, over, "the end of the exchange")
					if took := time.Since(since); p == nil || p.Kind != problem.ClientLeft || took != farewell {
						t.Errorf("after %v: %v", took, p)
					}
				})
			})
		}
	}
}

// answerHead reads the head of an answer whose body is to come.
func (c *talk) answerHead() {
	c.t.Helper()
	if _, err := http.ReadResponse(c.in, &http.Request{Method: "GET"}); err != nil {
		c.t.Fatal(err)
	}
}

// needsState is for tests in which the end lies behind bytes that are not read. There must be few of
// them: an end comes when the system has taken what is before it.
func needsState(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells of it")
	}
}

func TestAClientThatLeavesBehindEarlyBytesOnTheWire(t *testing.T) {
	most := defaults.head.Head
	ends := func(c *talk) error { return c.CloseWrite() }
	resets := func(c *talk) error { _ = c.Conn.(*net.TCPConn).SetLinger(0); return c.Close() }
	for _, one := range []struct {
		name   string
		early  int
		leave  func(*talk) error
		target string
		after  time.Duration
	}{
		{"a byte, then the end", 1, ends, "/waiting", farewell},
		{"a byte, then a reset", 1, resets, "/waiting", 0},
		{"a byte, then a reset of a stream", 1, resets, "/events", 0},
		{"as much as is kept, then the end", most, ends, "/events", farewell},
		{"as much as is kept, then a reset", most, resets, "/waiting", 0},
		{"more than is kept, then the end", most + 9<<10, ends, "/waiting", farewell},
		{"more than is kept, then a reset", most + 9<<10, resets, "/events", 0},
	} {
		t.Run(one.name, func(t *testing.T) {
			if one.early >= most {
				needsState(t)
			}
			entered, over := make(chan string, 1), make(chan *problem.Problem, 1)
			h := open(t, silent(t, entered, over))
			c := h.dial()
			c.say(to(one.target))
			receive(t, entered, "the request")
			c.say(strings.Repeat("x", one.early))
			h.served(c).keeps(t, min(one.early, most))
			since := time.Now()
			if err := one.leave(c); err != nil {
				t.Fatal(err)
			}
			p := receive(t, over, "the end of the exchange")
			if took := time.Since(since); p == nil || p.Kind != problem.ClientLeft || took < one.after || one.after == 0 && took > farewell/2 {
				t.Errorf("after %v: %v", took, p)
			}
		})
	}
}

func TestAClientThatLeavesBehindEarlyBytesInTLS(t *testing.T) {
	most := defaults.head.Head
	for name, early := range map[string]int{"a byte": 1, "more than is kept": most + 9<<10} {
		t.Run(name, func(t *testing.T) {
			if early > most {
				needsState(t)
			}
			entered, over := make(chan string, 1), make(chan *problem.Problem, 1)
			h := open(t, silent(t, entered, over))
			c := h.dial()
			served := h.served(c)
			secure := tls.Client(c.Conn, &tls.Config{RootCAs: h.roots(), ServerName: "localhost"})
			for _, text := range []string{to("/waiting"), strings.Repeat("x", early)} {
				if _, err := io.WriteString(secure, text); err != nil {
					t.Fatal(err)
				}
				if text == to("/waiting") {
					receive(t, entered, "the request")
				}
			}
			served.keeps(t, min(early, most))
			if err := secure.Close(); err != nil {
				t.Fatal(err)
			}
			if p := receive(t, over, "the end of the exchange"); p == nil || p.Kind != problem.ClientLeft {
				t.Errorf("the problem is %v", p)
			}
		})
	}
}

// What is left of the bytes that came early does not keep the next exchange from being watched.
func TestTheNextExchangeIsWatchedBehindEarlyBytes(t *testing.T) {
	on := make(chan bool)
	entered, over := make(chan string, 1), make(chan *problem.Problem, 1)
	wait := silent(t, entered, over)
	h := open(t, func(x *flow.Exchange) *flow.Response {
		if x.Request.Target == "/first" {
			entered <- x.Request.Target
			<-on
			return ok(x)
		}
		return wait(x)
	})
	c := h.dial()
	c.say(to("/first"))
	receive(t, entered, "the first request")
	early := to("/waiting") + strings.Repeat(get, 500)
	c.say(early)
	served := h.served(c)
	served.keeps(t, len(early))
	on <- true
	c.hear(okAnswer)
	receive(t, entered, "the second request")
	if left, _ := served.kept(); left == 0 {
		t.Fatal("nothing is left of what came early")
	}
	c.say(get)
	_ = c.Close()
	if p := receive(t, over, "the end of the second exchange"); p == nil || p.Kind != problem.ClientLeft {
		t.Errorf("the problem is %v", p)
	}
}

// Requests that come in pieces while the one before is worked on are read ahead as far as the limit
// goes, and answered whole and in order, also where the client has ended its side behind them.
func TestRequestsSentEarlyInPiecesAreAnsweredWhole(t *testing.T) {
	limit := defaults.head.Head
	post := func(n, length int) string {
		return fmt.Sprintf("POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s", n, length, strings.Repeat(string(rune('a'+n)), length))
	}
	for name, lengths := range map[string][]int{
		"one of 10 KB":               {10 << 10},
		"several":                    {10, 3 << 10, 0, 10 << 10, 300},
		"one longer than is kept":    {3 * limit},
		"several longer than that":   {limit / 2, limit / 2, limit / 2, limit, 7, limit},
		"one that fills what can be": {limit - len(post(1, limit)) + limit},
	} {
		for way, last := range map[string]func(*talk){
			"and stays": func(c *talk) {},
			"and ends":  func(c *talk) { _ = c.CloseWrite() },
		} {
			t.Run(name+" "+way, func(t *testing.T) {
				entered, on := make(chan bool, 1), make(chan bool)
				h := open(t, func(x *flow.Exchange) *flow.Response {
					if x.Request.Target == "/first" {
						entered <- true
						<-on
					}
					body, err := io.ReadAll(x.Request.Body)
					if err != nil {
						t.Error(err)
					}
					return text(200, x.Request.Target+string(body))
				})
				c := h.dial()
				c.say(to("/first"))
				receive(t, entered, "the first request")
				served := h.served(c)
				var all strings.Builder
				for i, length := range lengths {
					all.WriteString(post(i+1, length))
				}
				early := all.String()
				for sent := 0; sent < len(early); {
					piece := early[sent:min(len(early), sent+7001)]
					c.say(piece)
					sent += len(piece)
					served.keeps(t, min(sent, limit))
				}
				if _, room := served.kept(); room > limit+limit/2 {
					t.Errorf("%d bytes are taken for what came early", room)
				}
				last(c)
				on <- true
				if _, body := c.answer("GET"); body != "/first" {
					t.Fatalf("the first answer is %q", body)
				}
				for i, length := range lengths {
					if _, body := c.answer("POST"); body != fmt.Sprintf("/%d", i+1)+strings.Repeat(string(rune('a'+i+1)), length) {
						t.Fatalf("answer %d has %d bytes", i+1, len(body))
					}
				}
				if way == "and ends" {
					c.hearEnd()
					return
				}
				c.say(to("/after"))
				if _, body := c.answer("GET"); body != "/after" {
					t.Fatalf("the last answer is %q", body)
				}
			})
		}
	}
}

// A head that waits for its body is sent by a clock, and may be what meets a client that has gone.
func TestAHeadThatCannotLeaveEndsTheExchange(t *testing.T) {
	h := openQuiet(t, ok)
	near, far := net.Pipe()
	_ = far.Close()
	c := newClient(h.Server, &bound{}, near)
	one := &turn{client: c}
	c.begin(one)
	c.out.open(one)
	c.out.head(flow.NewResponse(200, "", nil), nil, true)
	eventually(t, "the exchange is ended", func() bool { return one.hasLeft.Load() && one.ctx.Err() != nil })
	c.out.close()
	c.reader.Release()
}
