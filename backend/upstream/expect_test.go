package upstream

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// patient is a client that waits for 100 (Continue) with its body, as the ingress shows it: the first Read
// asks for it, unless the target's 100 did, and it gets one at most.
type patient struct {
	io.Reader
	come bool // the body did not wait

	mu    sync.Mutex
	told  []string // interim answers, in order
	asked bool
	read  bool
}

func (c *patient) Read(p []byte) (int, error) {
	c.interim(100, nil)
	c.mu.Lock()
	c.read = true
	c.mu.Unlock()
	return c.Reader.Read(p)
}

func (c *patient) Close() error { return nil }

func (c *patient) Ready() bool { return c.come }

func (c *patient) interim(status int, h flow.Header) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if status == 100 && c.asked {
		return
	}
	c.asked = c.asked || status == 100
	c.told = append(c.told, strings.TrimSpace(fmt.Sprint(status, " ", h.Get("X-Of"))))
}

// heard is what the client was told so far, and whether its body was read.
func (c *patient) heard() (told []string, read bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.told), c.read
}

func (c *patient) wasTold(t *testing.T, want ...string) {
	t.Helper()
	if told, _ := c.heard(); !slices.Equal(told, want) {
		t.Errorf("the client was told %q, want %q", told, want)
	}
}

// expecting gives x the body of a client that waits with it.
func expecting(x *flow.Exchange, body string, length int64) *patient {
	c := &patient{Reader: strings.NewReader(body)}
	x.Request.Header.Add("Expect", "100-continue")
	x.Request.Body, x.Request.ContentLength, x.Request.ExpectContinue = c, length, true
	x.Interim = c.interim
	return c
}

func asksOnce(t *testing.T, head string) {
	t.Helper()
	if n := strings.Count(head, "\r\nExpect: 100-continue\r\n"); n != 1 {
		t.Errorf("the target is asked %d times: %q", n, head)
	}
}

// lengths are those of bodies that are sent in different ways.
var lengths = map[string]int64{"small": 5, "large": 1 << 20, "chunked": -1}

func bodyOf(length int64) string {
	if length < 0 {
		return "hello"
	}
	return strings.Repeat("x", int(length))
}

// taking reads a body as its head frames it.
func (p *peer) taking(head string) string {
	if strings.Contains(head, "chunked") {
		return p.chunked(nil)
	}
	_, rest, _ := strings.Cut(head, "Content-Length: ")
	n := 0
	_, _ = fmt.Sscan(rest, &n)
	return p.take(n)
}

func TestABodyThatTheTargetAnswersWithoutIsNeverAskedFor(t *testing.T) {
	for name, length := range lengths {
		for _, answer := range []string{
			"401 Unauthorized\r\nContent-Length: 2\r\n\r\nno",
			"413 Content Too Large\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
			"417 Expectation Failed\r\nContent-Length: 0\r\n\r\n",
			"204 No Content\r\n\r\n",
		} {
			t.Run(name+" "+answer[:3], func(t *testing.T) {
				t.Parallel()
				body := make(chan string, 1)
				p := openTo(t, "http://"+serve(t, func(p *peer) {
					asksOnce(t, p.head())
					p.say("HTTP/1.1 %s", answer)
					body <- p.rest()
				}))
				x := ask(t, "POST", "/")
				c := expecting(x, bodyOf(length), length)
				r := send(t, p, x)
				if text := read(t, r); fmt.Sprint(r.Status) != answer[:3] || text != "no" && text != "" {
					t.Errorf("answered %d %q", r.Status, text)
				}
				if got := within(t, body, "the end of the connection"); got != "" {
					t.Errorf("the target got %d bytes of a body", len(got))
				}
				c.wasTold(t)
				if _, read := c.heard(); read {
					t.Error("the body was read")
				}
				if n := idleCount(p); n != 0 {
					t.Errorf("%d connections are kept though their target waits for a body", n)
				}
				if m := x.Timing; m.Sent < m.SendStart || m.Sent == 0 || m.FirstByte < m.Sent {
					t.Errorf("times %+v", m)
				}
			})
		}
	}
}

func TestATargetsContinueIsTheClients(t *testing.T) {
	for name, length := range lengths {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			type heard struct {
				early bool
				body  string
			}
			got := make(chan heard, 1)
			var c *patient
			p := openTo(t, "http://"+serve(t, func(p *peer) {
				head := p.head()
				asksOnce(t, head)
				p.say("HTTP/1.1 103 Early Hints\r\nX-Of: target\r\n\r\n")
				time.Sleep(20 * time.Millisecond)
				_, read := c.heard()
				p.say("HTTP/1.1 100 Continue\r\nX-Of: target\r\n\r\n")
				got <- heard{read, p.taking(head)}
				p.ok("done")
				answering(p)
			}))
			x := ask(t, "POST", "/")
			c = expecting(x, bodyOf(length), length)
			if text := read(t, send(t, p, x)); text != "done" {
				t.Errorf("answered %q", text)
			}
			if h := within(t, got, "the body"); h.early || h.body != bodyOf(length) {
				t.Errorf("%d bytes arrived, read too early: %v", len(h.body), h.early)
			}
			c.wasTold(t, "103 target", "100 target")
			again := ask(t, "GET", "/")
			_ = read(t, send(t, p, again))
			if !again.TargetConn.Reused {
				t.Error("the connection was not used again")
			}
		})
	}
}

func TestATargetThatKnowsNoExpectationsGetsTheBodyAllTheSame(t *testing.T) {
	for _, late := range []string{"", "HTTP/1.1 100 Continue\r\n\r\n"} {
		for name, length := range lengths {
			t.Run(fmt.Sprintf("%s, late %d", name, len(late)), func(t *testing.T) {
				t.Parallel()
				got := make(chan string, 1)
				p := openTo(t, "http://"+serve(t, func(p *peer) {
					head := p.head()
					asksOnce(t, head)
					got <- p.taking(head)
					p.say("%s", late)
					p.ok("done")
					p.rest()
				}))
				x := ask(t, "POST", "/")
				c := expecting(x, bodyOf(length), length)
				began := time.Now()
				if text := read(t, send(t, p, x)); text != "done" {
					t.Errorf("answered %q", text)
				}
				if took := time.Since(began); took < continueTimeout {
					t.Errorf("it waited for %s only", took)
				}
				if body := within(t, got, "the body"); body != bodyOf(length) {
					t.Errorf("%d bytes arrived", len(body))
				}
				c.wasTold(t, "100")
				if x.Timing.Sent < continueTimeout {
					t.Errorf("the last byte left after %s", x.Timing.Sent)
				}
			})
		}
	}
}

func TestABodyThatHasComeIsSentAlong(t *testing.T) {
	for name, length := range lengths {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := openTo(t, "http://"+serve(t, func(p *peer) {
				head := p.head()
				if strings.Contains(head, "Expect") {
					t.Errorf("the target is asked: %q", head)
				}
				p.ok(fmt.Sprint(len(p.taking(head))))
				p.rest()
			}))
			x := ask(t, "POST", "/")
			expecting(x, bodyOf(length), length).come = true
			if text := read(t, send(t, p, x)); text != fmt.Sprint(len(bodyOf(length))) {
				t.Errorf("answered %q", text)
			}
		})
	}
}

// What was asked on an idle connection that turned out to be closed is asked again: nothing of the body
// has been read.
func TestAskingIsRepeatedOnAnotherConnection(t *testing.T) {
	p := openTo(t, "http://"+serve(t, func(p *peer) {
		head := p.head()
		if p.n == 1 {
			p.ok("first")
			asksOnce(t, p.head())
			return
		}
		asksOnce(t, head)
		p.say("HTTP/1.1 100 Continue\r\n\r\n")
		p.ok(p.taking(head))
		p.rest()
	}))
	_ = get(t, p, "/")
	x := ask(t, "PUT", "/")
	c := expecting(x, "hello", 5)
	if text := read(t, send(t, p, x)); text != "hello" || fact(x, "again") == "" {
		t.Errorf("answered %q; sent again: %q", text, fact(x, "again"))
	}
	c.wasTold(t, "100")
}

func TestAClientThatLeavesWhileTheTargetIsAskedEndsBoth(t *testing.T) {
	for _, target := range []string{"leaves", "stays"} {
		t.Run("the target "+target, func(t *testing.T) {
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			gone := make(chan string, 1)
			p := openTo(t, "http://"+serve(t, func(p *peer) {
				p.head()
				if target == "leaves" {
					return
				}
				leave()
				gone <- p.rest()
			}))
			x := askIn(ctx, flow.Reverse, "PUT", "http://shop.localhost/")
			c := expecting(x, "hello", 5)
			if target == "leaves" {
				refused(t, p, x, problem.Terminated)
			} else {
				refused(t, p, x, problem.ClientLeft)
				if body := within(t, gone, "the end of the connection"); body != "" {
					t.Errorf("the target got %q", body)
				}
			}
			time.Sleep(continueTimeout + 100*time.Millisecond)
			if _, read := c.heard(); read {
				t.Error("the body was read after the exchange")
			}
			c.wasTold(t)
		})
	}
}

func TestASwitchBehindAnExpectationTakesTheBodyFirst(t *testing.T) {
	p := openTo(t, "http://"+serve(t, func(p *peer) {
		asksOnce(t, p.head())
		p.say("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
		p.say("got %s", p.take(5))
	}))
	x := ask(t, "POST", "/", "Connection: Upgrade", "Upgrade: x")
	expecting(x, "hello", 5)
	began := time.Now()
	r := send(t, p, x)
	if r.Upgraded == nil {
		t.Fatalf("answered %d", r.Status)
	}
	if text, err := io.ReadAll(r.Upgraded); string(text) != "got hello" || err != nil {
		t.Errorf("then came %q, %v", text, err)
	}
	if took := time.Since(began); took >= continueTimeout {
		t.Errorf("it took %s", took)
	}
	_ = r.Upgraded.Close()
}
