package ingress

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

func TestATakenPortNamesItsHolderAndChangesNothing(t *testing.T) {
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	h := open(t, ok)
	before := h.address()
	talk := h.dial()
	err = h.Configure(Settings{Listen: []Listener{{Address: "127.0.0.1:0", Accept: everything}, {Address: "localhost:0", Accept: everything}, {Address: other.Addr().String(), Accept: everything}}})
	p := problem.Of(err)
	if p == nil || p.Kind != problem.Conflict || p.Where != "listen.3.address" || !strings.Contains(p.Message, "taken by node (pid 4711)") {
		t.Fatalf("the problem is %v", err)
	}
	if got := h.Listeners(); len(got) != 1 || got[0].Address != before {
		t.Errorf("it listens on %v", got)
	}
	talk.say(get)
	talk.hear(okAnswer) // no Connection: close
	_ = other.Close()
	h.configure(Settings{Listen: []Listener{{Address: other.Addr().String(), Accept: everything}}})
	if h.address() != other.Addr().String() {
		t.Errorf("it listens on %s", h.address())
	}
}

func TestSettingsThatCannotHoldAreProblems(t *testing.T) {
	for _, c := range []struct {
		name  string
		s     Settings
		kind  problem.Kind
		where string
	}{
		{"an address of another computer", Settings{Listen: []Listener{{Address: "192.0.2.1:0", Accept: everything}}}, problem.Unavailable, "listen.1.address"},
		{"no port", Settings{Listen: []Listener{{Address: "127.0.0.1", Accept: everything}}}, problem.Unavailable, "listen.1.address"},
		{"an unknown way", Settings{Listen: []Listener{{Address: "127.0.0.1:0", Accept: []string{"socks"}}}}, problem.Invalid, "listen.1.accept"},
		{"no host", Settings{PassThrough: []string{"https://bank.test"}}, problem.Invalid, "pass_through"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := openQuiet(t, ok)
			p := problem.Of(h.Configure(c.s))
			if p == nil || p.Kind != c.kind || p.Where != c.where {
				t.Errorf("the problem is %+v", p)
			}
			if n := len(h.Listeners()); n != 0 {
				t.Errorf("%d listeners", n)
			}
		})
	}
}

func TestNewListenersKeepTheConnectionsOfThoseThatGo(t *testing.T) {
	h := open(t, ok)
	old := h.address()
	idle, busy := h.dial(), h.dial()
	busy.say("GET / HTTP/1.1\r\nHo")
	h.served(idle)
	h.served(busy)
	h.configure(Settings{Listen: []Listener{{Address: "localhost:0", Accept: []string{"reverse"}}}})
	if now := h.Listeners()[0]; now.Address == old || len(now.Accept) != 1 {
		t.Errorf("it listens on %v", now)
	}
	if c, err := net.Dial("tcp", old); err == nil {
		_ = c.Close()
		t.Error("the old address still accepts")
	}
	busy.say("st: a\r\n\r\n")
	idle.say(get)
	for _, talk := range []*talk{busy, idle} {
		if r, body := talk.answer("GET"); body != "ok" || !r.Close {
			t.Errorf("heard %q, closes: %v", body, r.Close)
		}
		talk.hearEnd()
	}
	talk := h.dial()
	talk.say(get)
	talk.hear(okAnswer)
}

func TestWhatAListenerAcceptsChangesWithoutNewPorts(t *testing.T) {
	h := open(t, ok)
	before, talk := h.address(), h.dial()
	h.configure(Settings{Listen: []Listener{{Address: "127.0.0.1:0", Accept: []string{"forward"}}}})
	if h.address() != before {
		t.Errorf("it moved from %s to %s", before, h.address())
	}
	talk.say(get)
	if r, _ := talk.answer("GET"); r.StatusCode != 403 {
		t.Errorf("the open connection still gets %d", r.StatusCode)
	}
}

// From one address to all: the new one cannot be bound while the old one is.
func TestAPortIsTakenOverFromOurOwnListener(t *testing.T) {
	h := open(t, ok)
	_, port := flow.SplitAuthority(h.address())
	talk := h.dial()
	h.served(talk)
	h.configure(Settings{Listen: []Listener{{Address: "0.0.0.0:" + port, Accept: everything}}})
	if got := h.address(); got != "0.0.0.0:"+port {
		t.Errorf("it listens on %s", got)
	}
	talk.say(get)
	talk.answer("GET")

	err := h.Configure(Settings{Listen: []Listener{{Address: "127.0.0.1:" + port, Accept: everything}, {Address: "192.0.2.1:0", Accept: everything}}})
	if err == nil || len(h.Listeners()) != 1 || h.address() != "0.0.0.0:"+port {
		t.Fatalf("after %v it listens on %v", err, h.Listeners())
	}
	c, err := net.Dial("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	again := newTalk(t, c)
	again.say(get)
	again.hear(okAnswer)
}

func TestShutdownEndsWhatIsIdleAndLetsTheRestFinish(t *testing.T) {
	entered, on := make(chan bool), make(chan bool)
	h := open(t, func(x *flow.Exchange) *flow.Response {
		if x.Request.Target == "/slow" {
			entered <- true
			<-on
		}
		return ok(x)
	})
	idle, slow := h.dial(), h.dial()
	idle.say(get)
	idle.hear(okAnswer)
	slow.say("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
	receive(t, entered, "the slow request")
	ended := make(chan error, 1)
	address := h.address()
	go func() { ended <- h.Shutdown(context.Background()) }()
	idle.hearEnd()
	if c, err := net.Dial("tcp", address); err == nil {
		_ = c.Close()
		t.Error("it still accepts")
	}
	if err := h.Configure(Settings{}); problem.KindOf(err) != problem.Unavailable {
		t.Errorf("configuring it now gives %v", err)
	}
	on <- true
	if r, body := slow.answer("GET"); body != "ok" || !r.Close {
		t.Errorf("the slow one heard %q, closes: %v", body, r.Close)
	}
	if err := receive(t, ended, "the end of the shutdown"); err != nil {
		t.Error(err)
	}
}

func TestShutdownCutsWhatDoesNotEndInTime(t *testing.T) {
	over := make(chan *problem.Problem, 2)
	entered := make(chan bool, 2)
	h := open(t, func(x *flow.Exchange) *flow.Response {
		entered <- true
		r := ok(x)
		<-x.Context().Done()
		r.Body = &watched{r.Body, x, over}
		return r
	})
	talk := h.dial()
	talk.say(get)
	receive(t, entered, "the request")
	go func() { // the same over HTTP/2
		answer, err := h.through("h2").Get("https://shop.test/")
		if err == nil {
			_ = answer.Body.Close()
		}
	}()
	receive(t, entered, "the second request")
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if err := h.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	for range 2 {
		if p := receive(t, over, "the end of the exchange"); p == nil || p.Kind != problem.Terminated {
			t.Errorf("the problem is %v", p)
		}
	}
}

func TestShutdownDoesNotWaitForWhatHasNoEnd(t *testing.T) {
	tunnel, targets, _ := tunnels(t)
	h := open(t, func(x *flow.Exchange) *flow.Response {
		if x.Door == flow.Tunnel {
			return tunnel(x)
		}
		return ok(x)
	})
	talk := h.dial()
	talk.say("CONNECT db.test:22 HTTP/1.1\r\nHost: db.test:22\r\n\r\n\x00")
	talk.hear(connected)
	target := newTalk(t, receive(t, targets, "the target"))
	target.hear("\x00")
	idle, err := http.NewRequest(http.MethodGet, "https://shop.test/", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, body := do(t, h.through("h2"), idle); body != "ok" { // its connection stays open
		t.Errorf("heard %q", body)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := h.Shutdown(ctx); err != nil || ctx.Err() != nil {
		t.Errorf("the shutdown: %v, %v", err, ctx.Err())
	}
	target.hearEnd()
}

func TestShutdownLetsAnHTTP2RequestFinish(t *testing.T) {
	entered, on := make(chan bool), make(chan bool)
	h := open(t, func(x *flow.Exchange) *flow.Response {
		entered <- true
		<-on
		return ok(x)
	})
	got := make(chan string, 1)
	client := h.through("h2")
	go func() {
		answer, err := client.Get("https://shop.test/")
		if err != nil {
			got <- err.Error()
			return
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			got <- err.Error()
			return
		}
		got <- string(body)
	}()
	receive(t, entered, "the request")
	ended := make(chan error, 1)
	go func() { ended <- h.Shutdown(context.Background()) }()
	eventually(t, "the shutdown began", h.draining.Load)
	on <- true
	if body := receive(t, got, "the answer"); body != "ok" {
		t.Errorf("heard %q", body)
	}
	if err := receive(t, ended, "the end of the shutdown"); err != nil {
		t.Error(err)
	}
}

func TestPassThroughPatterns(t *testing.T) {
	p, err := readPatterns([]string{"bank.test", "*.pay.test", "10.0.0.1", "::1", "Upper.Test."})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{
		"bank.test": true, "BANK.test": true, "bank.test.": true, "www.bank.test": false,
		"pay.test": false, "a.pay.test": true, "a.b.PAY.test": true, "xpay.test": false,
		"10.0.0.1": true, "::ffff:10.0.0.1": true, "10.0.0.2": false, "[::1]": true, "::1": true, "upper.test": true, "": false,
	} {
		if got := p.match(host); got != want {
			t.Errorf("%q passes: %v", host, got)
		}
	}
	for _, bad := range []string{"", "*", "*.", "a b", "http://a", "a:443", "a.*.b", "*a.test"} {
		if _, err := readPatterns([]string{bad}); problem.KindOf(err) != problem.Invalid {
			t.Errorf("%q gives %v", bad, err)
		}
	}
}
