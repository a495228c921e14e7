package ingress

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/http1"
	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

// limits are the defaults with a change.
func limits(change func(*Limits)) Limits {
	var l Limits
	schema.Defaults(&l)
	change(&l)
	return l
}

// limited opens a house with limits on as many listeners.
func limited(t *testing.T, l Limits, listeners int, handler flow.HandlerFunc) *house {
	t.Helper()
	h := openQuiet(t, handler)
	h.limitTo(l, listeners)
	return h
}

func (h *house) limitTo(l Limits, listeners int) {
	h.t.Helper()
	s := Settings{Limits: l}
	for range listeners {
		s.Listen = append(s.Listen, Listener{Address: "127.0.0.1:0", Accept: everything})
	}
	h.configure(s)
}

func TestWithoutLimitsTheDefaultsHold(t *testing.T) {
	want := limits(func(*Limits) {})
	b := newBounds(Limits{})
	if b.Limits != want || b.head != http1.DefaultLimits || b.keepAlive != time.Minute {
		t.Errorf("%+v", b)
	}
}

func TestLimitsOfAHeaderHoldFromTheNextRequestOfAnOpenConnection(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*Limits)
		request string
		status  int
	}{
		"header_size":   {func(l *Limits) { l.HeaderSize = 1 << 10 }, "GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 1<<10) + "\r\n\r\n", 431},
		"header_fields": {func(l *Limits) { l.HeaderFields = 3 }, "GET / HTTP/1.1\r\nHost: a\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n", 431},
		"target_size":   {func(l *Limits) { l.TargetSize = 64 }, "GET /" + strings.Repeat("x", 64) + " HTTP/1.1\r\nHost: a\r\n\r\n", 414},
	} {
		t.Run(name, func(t *testing.T) {
			h := open(t, ok)
			talk := h.dial()
			talk.say(c.request)
			talk.hear(okAnswer)
			h.limitTo(limits(c.change), 1)
			talk.say(c.request)
			if r, body := talk.answer("GET"); r.StatusCode != c.status || !r.Close {
				t.Errorf("%d %s", r.StatusCode, body)
			}
			talk.hearEnd()
		})
	}
}

func TestTimesHoldFromTheirNextUse(t *testing.T) {
	change := limits(func(l *Limits) {
		l.KeepAlive, l.HeaderTimeout = schema.Duration(5*time.Second), schema.Duration(2*time.Second)
		l.BodyTimeout = schema.Duration(3 * time.Second)
	})
	for name, story := range map[string]func(*testing.T, *talk){
		"keep_alive": func(t *testing.T, c *talk) { c.hearEndAfter(5 * time.Second) },
		"header_timeout": func(t *testing.T, c *talk) {
			since := time.Now()
			c.say("GET /")
			if r, _ := c.answer("GET"); r.StatusCode != 408 || time.Since(since) != 2*time.Second {
				t.Errorf("%d after %v", r.StatusCode, time.Since(since))
			}
			c.hearEnd()
		},
		"body_timeout": func(t *testing.T, c *talk) {
			since := time.Now()
			c.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nx")
			if r, body := c.answer("POST"); !strings.Contains(body, "came for 3s") || time.Since(since) < 3*time.Second {
				t.Errorf("%d %s after %v", r.StatusCode, body, time.Since(since))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := New(Options{Handler: flow.HandlerFunc(func(x *flow.Exchange) *flow.Response {
					if _, err := io.ReadAll(x.Request.Body); err != nil {
						return text(400, err.Error())
					}
					return ok(x)
				})})
				c := piped(t, s)
				c.say(get)
				c.hear(okAnswer)
				s.limit(change)
				c.say(get)
				c.hear(okAnswer)
				story(t, c)
			})
		})
	}
}

// A connection that waits long gives its buffer back: what comes then must not be lost, however it comes.
func TestARequestAfterALongWaitIsReadWhole(t *testing.T) {
	inBubble(t, func(t *testing.T, serve func(flow.HandlerFunc) *talk) {
		c := serve(func(x *flow.Exchange) *flow.Response {
			body, err := io.ReadAll(x.Request.Body)
			if err != nil {
				t.Error(err)
			}
			return text(200, string(body))
		})
		time.Sleep(2 * dozeAfter) // before the first one, too
		for _, pieces := range [][]string{
			{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok"},
			{"P", "OST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n", "o", "k"},
			{"\r\n", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok"},
		} {
			for _, piece := range pieces {
				c.say(piece)
				synctest.Wait()
			}
			c.hear(okAnswer)
			time.Sleep(2 * dozeAfter)
		}
		c.hearEndAfter(defaults.keepAlive - 2*dozeAfter)
	})
}

func TestFurtherConnectionsWait(t *testing.T) {
	h := limited(t, limits(func(l *Limits) { l.Connections = 1 }), 2, ok)
	first := h.dial()
	first.say(get)
	first.hear(okAnswer)
	var others []*talk
	for _, l := range h.Listeners() {
		c, err := net.Dial("tcp", l.Address)
		if err != nil {
			t.Fatal(err)
		}
		other := newTalk(t, c)
		other.say(get)
		others = append(others, other)
	}
	eventually(t, "both wait", func() bool { return h.Figures().Waited == 2 })
	if f := h.Figures(); f.HTTP1 != 1 || f.Places != 1 || f.Accepted != 1 {
		t.Errorf("%+v", f)
	}
	h.limitTo(limits(func(l *Limits) { l.Connections = 2 }), 2)
	var answered sync.WaitGroup // by one of them, and the other when that has gone
	for _, other := range others {
		answered.Go(func() {
			got := make([]byte, len(okAnswer))
			if _, err := io.ReadFull(other.in, got); err != nil || string(got) != okAnswer {
				t.Errorf("%q, %v", got, err)
			}
			_ = other.Close()
		})
	}
	answered.Wait()
	first.say(get)
	first.hear(okAnswer)
}

// Settings that free a place must wake who waits for one, and a listener that goes must not be kept.
func TestPlaces(t *testing.T) {
	var p places
	p.allow(1)
	done := make(chan struct{})
	if !p.take(done) {
		t.Fatal("the first place is taken")
	}
	got := make(chan bool)
	take := func() { got <- p.take(done) }
	go take()
	p.allow(2)
	if !receive(t, got, "a place by other settings") {
		t.Error("there was one")
	}
	go take()
	p.give()
	if !receive(t, got, "a place that was given back") {
		t.Error("there was one")
	}
	go take()
	close(done)
	if receive(t, got, "the end") {
		t.Error("there was none")
	}
	if limit, waited := p.read(); limit != 2 || waited > 3 || waited < 1 {
		t.Errorf("%d places, %d waited", limit, waited)
	}
}

func TestAClientWithTooManyConnectionsIsToldSo(t *testing.T) {
	h := limited(t, limits(func(l *Limits) { l.PerClient = 1 }), 1, ok)
	first := h.dial()
	first.say(get)
	first.hear(okAnswer)
	second := h.dial()
	second.say(get) // is not read
	r, body := second.answer("GET")
	if r.StatusCode != 503 || r.Header.Get("Retry-After") != "1" || !r.Close || !strings.Contains(body, "connections_per_client") {
		t.Errorf("%d %v %s", r.StatusCode, r.Header, body)
	}
	if got := r.Header.Get("Proxy-Status"); !strings.HasPrefix(got, "proxycache; error=connection_limit_reached; details=") {
		t.Errorf("Proxy-Status is %q", got)
	}
	second.hearEnd()
	list := h.LimitProblems()
	if len(list) != 1 || !strings.HasPrefix(list[0].Message, "1 connection was refused (503): over connections_per_client = 1.") || list[0].Where != "limits.connections_per_client" {
		t.Errorf("%v", list)
	}
	h.gate.leaving.Store(maxLeaving) // a flood is not given time to read
	h.dial().hearEnd()
	h.gate.leaving.Store(0)
	if f := h.Figures(); f.OverPerClient != 2 {
		t.Errorf("%+v", f)
	}
	first.say(get)
	first.hear(okAnswer)
	_ = first.Close()
	eventually(t, "the place is free", func() bool {
		h.gate.mu.Lock()
		defer h.gate.mu.Unlock()
		return len(h.gate.perClient) == 0
	})
	again := h.dial()
	again.say(get)
	again.hear(okAnswer)
}

func TestWhatCountsAsOneClient(t *testing.T) {
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"10.0.0.1", "10.0.0.1", true},
		{"10.0.0.1", "::ffff:10.0.0.1", true},
		{"10.0.0.1", "10.0.0.2", false},
		{"2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true},
		{"2001:db8:1:2::1", "2001:db8:1:3::1", false},
		{"fe80::1%eth0", "fe80::2%eth1", true},
		{"::1", "127.0.0.1", false},
	} {
		if same := origin(netip.MustParseAddr(c.a)) == origin(netip.MustParseAddr(c.b)); same != c.same {
			t.Errorf("%s and %s are one: %v", c.a, c.b, same)
		}
	}
	if origin(netip.Addr{}) != (netip.Addr{}) {
		t.Error("an unknown client is somebody")
	}
}

func TestOverInFlightARequestIsDeclinedAndTheConnectionKept(t *testing.T) {
	entered, on := make(chan bool), make(chan bool)
	h := limited(t, limits(func(l *Limits) { l.InFlight = 1 }), 1, func(x *flow.Exchange) *flow.Response {
		if x.Request.Target == "/slow" {
			entered <- true
			<-on
		}
		return ok(x)
	})
	slow, other := h.dial(), h.dial()
	slow.say("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
	receive(t, entered, "the slow request")
	for _, c := range []struct{ method, rest, contentType string }{
		{"GET", "\r\n", "text/plain; charset=utf-8"},
		{"POST", "Accept: application/json\r\nContent-Length: 4\r\n\r\nbody", "application/problem+json"},
		{"POST", "Accept: text/html\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n", "text/html; charset=utf-8"},
		{"HEAD", "\r\n", "text/plain; charset=utf-8"},
	} {
		other.say(c.method + " / HTTP/1.1\r\nHost: a\r\n" + c.rest)
		r, body := other.answer(c.method)
		if r.StatusCode != 503 || r.Close || r.Header.Get("Retry-After") != "1" || r.Header.Get("Content-Type") != c.contentType || strings.Contains(body, "in_flight") == (c.method == "HEAD") {
			t.Errorf("%s: %d %v %s", c.method, r.StatusCode, r.Header, body)
		}
		if got := r.Header.Get("Proxy-Status"); !strings.HasPrefix(got, "proxycache; error=proxy_internal_response; details=") {
			t.Errorf("Proxy-Status is %q", got)
		}
	}
	request, err := http.NewRequest(http.MethodGet, "https://shop.test/", nil)
	if err != nil {
		t.Fatal(err)
	}
	h2 := h.through("h2")
	if r, _ := do(t, h2, request); r.StatusCode != 503 || r.ProtoMajor != 2 || r.Header.Get("Retry-After") != "1" {
		t.Errorf("HTTP/2: %d %v", r.StatusCode, r.Header)
	}
	on <- true
	slow.hear(okAnswer)
	eventually(t, "nothing is under way", func() bool { return h.Figures().InFlight == 0 })
	other.say(get)
	other.hear(okAnswer)
	eventually(t, "nothing is under way again", func() bool { return h.Figures().InFlight == 0 })
	if r, body := do(t, h2, request); body != "ok" {
		t.Errorf("HTTP/2: %d %s", r.StatusCode, body)
	}
	if f := h.Figures(); f.Highest != 1 || f.OverInFlight != 5 {
		t.Errorf("%+v", f)
	}
}

func TestAHandlerThatPanicsGivesItsPlaceBack(t *testing.T) {
	h := limited(t, limits(func(l *Limits) { l.InFlight = 1 }), 1, func(x *flow.Exchange) *flow.Response {
		if x.Request.Target == "/panic" {
			panic("a fault of ours")
		}
		return ok(x)
	})
	talk := h.dial()
	talk.say("GET /panic HTTP/1.1\r\nHost: a\r\n\r\n")
	talk.hearEnd()
	eventually(t, "nothing is under way", func() bool { return h.Figures().InFlight == 0 })
	talk = h.dial()
	talk.say(get)
	talk.hear(okAnswer)
}

// Tunnels, upgraded connections and event streams go on while a request runs, and end with it.
func TestADrainKeepsWhatHasNoEndUntilTheLastRequestEnds(t *testing.T) {
	entered, on := make(chan bool), make(chan bool)
	tunnel, targets, _ := tunnels(t)
	events, send := io.Pipe()
	h := limited(t, limits(func(l *Limits) { l.InFlight = 2 }), 1, func(x *flow.Exchange) *flow.Response {
		switch {
		case x.Door == flow.Tunnel:
			return tunnel(x)
		case x.Request.Target == "/events":
			r := unknown(events)
			context.AfterFunc(x.Context(), func() { _ = send.CloseWithError(x.Context().Err()) })
			r.Header.Set("Content-Type", "text/event-stream; charset=utf-8")
			return r
		}
		entered <- true
		<-on
		return ok(x)
	})
	connection, stream, slow := h.dial(), h.dial(), h.dial()
	connection.say("CONNECT db.test:22 HTTP/1.1\r\nHost: db.test:22\r\n\r\n\x00")
	connection.hear(connected)
	target := newTalk(t, receive(t, targets, "the target"))
	target.hear("\x00")
	stream.say("GET /events HTTP/1.1\r\nHost: a\r\n\r\n")
	stream.hear("HTTP/1.1 200 OK\r\nDate: today\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n")
	slow.say(get)
	receive(t, entered, "the slow request")
	eventually(t, "they are what they are", func() bool { return h.Left() == Left{Requests: 1, Endless: 2} })
	if f := h.Figures(); f.Tunnels != 2 || f.HTTP1 != 1 || f.InFlight != 2 {
		t.Errorf("%+v", f) // a tunnel that is open is no request
	}
	ended := make(chan error, 1)
	go func() { ended <- h.Shutdown(context.Background()) }()
	eventually(t, "the shutdown began", h.draining.Load)
	connection.say("ping")
	target.hear("ping")
	go func() { _, _ = io.WriteString(send, "data: 1\n\n") }() // read, or cut with the stream
	stream.hear("9\r\ndata: 1\n\n\r\n")
	on <- true
	if r, _ := slow.answer("GET"); !r.Close {
		t.Error("the connection is to go on")
	}
	if err := receive(t, ended, "the end of the shutdown"); err != nil {
		t.Error(err)
	}
	target.hearEnd()
	if left := h.Left(); left != (Left{}) {
		t.Errorf("%+v is left", left)
	}
}

// A stream that ended by itself is an ordinary connection again.
func TestAConnectionIsIdleAfterAnEventStream(t *testing.T) {
	h := open(t, func(*flow.Exchange) *flow.Response {
		r := unknown(strings.NewReader("data: 1\n\n"))
		r.Header.Set("Content-Type", "text/event-stream")
		return r
	})
	talk := h.dial()
	talk.say(get)
	if _, body := talk.answer("GET"); body != "data: 1\n\n" {
		t.Errorf("heard %q", body)
	}
	eventually(t, "it waits", func() bool { return h.served(talk).stage.Load() == waiting })
}

func TestLimitsTellWhatTheyRefusedLately(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Options{})
		if list := s.LimitProblems(); len(list) != 0 {
			t.Errorf("%v", list)
		}
		for range 3 {
			s.gate.overInFlight.add(s.options.Log, "in_flight", 4)
		}
		s.limit(limits(func(l *Limits) { l.InFlight = 500 })) // what was exceeded is told, not what holds now
		list := s.LimitProblems()
		if len(list) != 1 || list[0].Kind != problem.Unavailable || !strings.HasPrefix(list[0].Message, "3 requests were refused (503): over in_flight = 4.") {
			t.Errorf("%v", list)
		}
		time.Sleep(refusedFor)
		if list := s.LimitProblems(); len(list) != 0 {
			t.Errorf("%v is old", list)
		}
	})
}
