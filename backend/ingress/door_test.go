package ingress

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

// turned is what was told of a request that was answered at the door.
type turned struct {
	x    *flow.Exchange
	sent *flow.Response
	body string
}

// openDoor is a house that accepts these alone, and what it turns away.
func openDoor(t *testing.T, accept ...string) (*house, chan turned) {
	t.Helper()
	h := openQuiet(t, func(x *flow.Exchange) *flow.Response {
		t.Errorf("%s %s was given to the handler", x.Request.Method, x.Request.URL())
		return ok(x)
	})
	told := make(chan turned, 10)
	h.options.TurnedAway = func(x *flow.Exchange, sent *flow.Response) {
		body, err := io.ReadAll(sent.Body)
		if err != nil {
			t.Error(err)
		}
		told <- turned{x, sent, string(body)}
	}
	h.configure(Settings{Listen: []Listener{{Address: "127.0.0.1:0", Accept: accept}}})
	return h, told
}

func TestWhatIsAnsweredAtTheDoorIsTold(t *testing.T) {
	long := strings.Repeat("a", 9<<10)
	for name, c := range map[string]struct {
		said   string
		kept   string // of what was said, as the head; "" for all of it
		want   string // door, method, URL and target
		status int
		kind   problem.Kind
	}{
		"a space before the colon": {"POST /v1?a=b HTTP/1.1\r\nHost: shop.test\r\nX : 1\r\n\r\nbody", "POST /v1?a=b HTTP/1.1\r\nHost: shop.test\r\nX : 1\r\n\r\n",
			"reverse POST http://shop.test/v1?a=b", 400, problem.BadRequest},
		"two lengths":               {"POST / HTTP/1.1\r\nhost:shop.test\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "", "reverse POST http://shop.test/", 400, problem.BadRequest},
		"no host":                   {"GET /x HTTP/1.1\r\n\r\n", "", "reverse GET http://LOCAL/x", 400, problem.BadRequest},
		"a target that is too long": {"GET /" + long + " HTTP/1.1\r\nHost: shop.test\r\n\r\n", "", "reverse GET http://shop.test/" + long, 414, problem.BadRequest},
		"too many fields":           {"GET / HTTP/1.1\r\nHost: shop.test\r\n" + strings.Repeat("A: b\r\n", 101) + "\r\n", "", "reverse GET http://shop.test/", 431, problem.BadRequest},
		"no HTTP":                   {"\x00\x01hello\r\n\r\n", "", "reverse  http://LOCAL", 400, problem.BadRequest},
		"absolute, with a fault":    {"GET http://far.test/a HTTP/1.1\r\nHost: far.test\r\nHost: far.test\r\n\r\n", "", "forward GET http://far.test/a", 400, problem.BadRequest},
		"a door that is closed":     {"GET http://far.test/a?b HTTP/1.1\r\nHost: other.test\r\n\r\n", "", "forward GET http://far.test/a?b", 403, problem.Forbidden},
		"another scheme":            {"GET ftp://far.test/a HTTP/1.1\r\nHost: far.test\r\n\r\n", "", "forward GET http://far.test/a", 400, problem.BadRequest},
		"a scheme that means something elsewhere": {"GET javascript://far.test/a HTTP/1.1\r\nHost: far.test\r\n\r\n", "", "forward GET http://far.test/a", 400, problem.BadRequest},
		"a user in the target":                    {"GET http://me:geheim@far.test/a HTTP/1.1\r\nHost: far.test\r\n\r\n", "", "forward GET http://far.test/a", 400, problem.BadRequest},
		"a closed CONNECT":                        {"CONNECT far.test:443 HTTP/1.1\r\nHost: far.test:443\r\n\r\n", "", "tunnel CONNECT http://far.test:443", 403, problem.Forbidden},
		"HEAD":                                    {"HEAD http://far.test/ HTTP/1.1\r\nHost: far.test\r\n\r\n", "", "forward HEAD http://far.test/", 403, problem.Forbidden},
	} {
		t.Run(name, func(t *testing.T) {
			h, told := openDoor(t, "reverse")
			talk := h.dial()
			talk.say(c.said)
			_ = talk.Conn.(interface{ CloseWrite() error }).CloseWrite()
			heard, err := io.ReadAll(talk.in)
			if err != nil {
				t.Fatal(err)
			}
			got := receive(t, told, "what was turned away")
			x, q := got.x, got.x.Request
			if where := strings.TrimSpace(fmt.Sprintf("%s %s %s", x.Door, q.Method, q.URL())); where != strings.Replace(c.want, "LOCAL", h.address(), 1) {
				t.Errorf("told of %s", where)
			}
			if c.kept == "" {
				c.kept = c.said
			}
			if string(q.RawHead) != c.kept {
				t.Errorf("its head is %q", q.RawHead)
			}
			if x.Problem == nil || x.Problem.Kind != c.kind || got.sent.Status != c.status || x.Client.String() != talk.LocalAddr().String() || x.ClientConn.Local != h.address() {
				t.Errorf("%d, %v, from %v", got.sent.Status, x.Problem, x.Client)
			}
			if strings.Contains(x.Problem.Message+got.body, "geheim") {
				t.Errorf("a password is told: %s", x.Problem.Message)
			}
			if string(heard) != string(got.sent.RawHead)+got.body || got.sent.Proto != "HTTP/1.1" {
				t.Errorf("the client heard %q\nand told is %q and %q", heard, got.sent.RawHead, got.body)
			}
		})
	}
}

// A head beyond the limit is kept up to it, and one of which no more came as far as it did.
func TestOfAHeadThatDoesNotEndIsToldWhatCame(t *testing.T) {
	turnedAway := func(said string) turned {
		t.Helper()
		h, told := openDoor(t, "reverse")
		h.limitTo(limits(func(l *Limits) { l.HeaderTimeout = schema.Duration(100 * time.Millisecond) }), 1)
		talk := h.dial()
		talk.say(said)
		return receive(t, told, "what was turned away")
	}
	got := turnedAway("GET /slow HTTP/1.1\r\nHost: shop.test\r\nX-Ha")
	if took := time.Since(got.x.Started); took < 100*time.Millisecond {
		t.Errorf("the wait for it counts %v", took)
	}
	if got.sent.Status != 408 || got.x.Problem.Kind != problem.SlowClient || got.x.Request.URL() != "http://shop.test/slow" || !strings.HasSuffix(string(got.x.Request.RawHead), "X-Ha") {
		t.Errorf("%d, %v, %q", got.sent.Status, got.x.Problem, got.x.Request.RawHead)
	}
	got = turnedAway("GET / HTTP/1.1\r\nHost: shop.test\r\nA: " + strings.Repeat("x", 80<<10))
	if got.sent.Status != 431 || len(got.x.Request.RawHead) > 64<<10 || len(got.x.Request.RawHead) < 32<<10 {
		t.Errorf("%d, %d bytes are kept", got.sent.Status, len(got.x.Request.RawHead))
	}
}

func TestWhatHTTP2IsRefusedIsTold(t *testing.T) {
	h, told := openDoor(t, "reverse")
	f := h.frames()
	f.ask(1, false, append([]string{":protocol", "chat"}, shop("CONNECT", "/ws")...)...)
	got := receive(t, told, "what was turned away")
	if q := got.x.Request; got.sent.Status != 501 || got.sent.Proto != "HTTP/2.0" || q.Proto != "HTTP/2.0" || q.Method != "CONNECT" || q.Target != "/ws" || got.x.Problem == nil {
		t.Errorf("%d over %s of %+v, %v", got.sent.Status, got.sent.Proto, got.x.Request, got.x.Problem)
	}
	if head := string(got.sent.RawHead); !strings.HasPrefix(head, "HTTP/1.1 501 Not Implemented\r\n") || !strings.Contains(head, "date: ") || !strings.Contains(got.body, "chat") {
		t.Errorf("answered %q, %q", head, got.body)
	}
}

func TestAsksForAPasswordAreNoExchanges(t *testing.T) {
	h, told := openDoor(t, "forward")
	h.configure(Settings{Listen: []Listener{{Address: "127.0.0.1:0", Accept: []string{"forward"}, Username: "me", Password: "secret"}}})
	talk := h.dial()
	talk.say("GET http://far.test/ HTTP/1.1\r\nHost: far.test\r\n\r\n")
	if r, _ := talk.answer("GET"); r.StatusCode != 407 {
		t.Fatalf("answered %d", r.StatusCode)
	}
	select {
	case got := <-told:
		t.Errorf("told of %d", got.sent.Status)
	default:
	}
}

// A flood of what is no request does not push out what was recorded.
func TestOfAFloodThatIsTurnedAwayOnlyAPartIsTold(t *testing.T) {
	var a allowance
	now := time.Unix(1000, 0)
	for _, c := range []struct {
		at   time.Duration
		ask  int
		told int
	}{{0, 30, 30}, {999 * time.Millisecond, 100, 20}, {time.Second, 100, 50}, {time.Hour, 1, 1}} {
		told := 0
		for range c.ask {
			if a.take(now.Add(c.at)) {
				told++
			}
		}
		if told != c.told {
			t.Errorf("after %v %d of %d are told, want %d", c.at, told, c.ask, c.told)
		}
	}
}

func TestARequestOverTheLimitIsTold(t *testing.T) {
	on := make(chan struct{})
	h := openQuiet(t, func(x *flow.Exchange) *flow.Response { <-on; return ok(x) })
	told := make(chan turned, 1)
	h.options.TurnedAway = func(x *flow.Exchange, sent *flow.Response) {
		body, _ := io.ReadAll(sent.Body) // it is compared
		told <- turned{x, sent, string(body)}
	}
	h.limitTo(limits(func(l *Limits) { l.InFlight = 1 }), 1)
	first, second := h.dial(), h.dial()
	first.say(get)
	eventually(t, "it runs", func() bool { return h.Figures().InFlight == 1 })
	second.say(strings.Replace(get, "GET /", "GET /over", 1))
	r, body := second.answer("GET")
	got := receive(t, told, "what was turned away")
	if r.StatusCode != 503 || got.sent.Status != 503 || got.body != body || got.x.Problem.Kind != problem.Overloaded || got.x.Request.URL() != "http://shop.test/over" ||
		!strings.Contains(string(got.sent.RawHead), "\r\nRetry-After: 1\r\n") {
		t.Errorf("told of %d %q %v, %s", got.sent.Status, got.sent.RawHead, got.x.Problem, got.x.Request.URL())
	}
	close(on)
	first.hear(okAnswer)
	eventually(t, "it is over", func() bool { return h.Figures().InFlight == 0 }) // shortly after its answer is heard
	second.say(get)                                                               // the connection is of use
	second.hear(okAnswer)
}
