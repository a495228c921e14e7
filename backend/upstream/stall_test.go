package upstream

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// zeros are a body without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// stalling is how long the targets of these tests may take nothing: longer than a busy machine may leave one
// that takes a little at a time without a processor.
const stalling = time.Second

// hasty makes p give its targets up after stalling.
func hasty(p *Pool) *Pool {
	p.lines.patience = stalling
	return p
}

// layerTo is a pool for an origin on a bare layer of TLS, which has shaken hands.
func layerTo(t *testing.T, do func(p *peer)) *Pool {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return layerOn(t, l, do)
}

func layerOn(t *testing.T, l net.Listener, do func(p *peer)) *Pool {
	t.Helper()
	ours := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{ours.leaf(t, -1, 1, "localhost")}, NextProtos: []string{protocol1}}
	serveListener(t, tls.NewListener(l, config), func(p *peer) {
		if p.Conn.(*tls.Conn).Handshake() == nil {
			do(p)
		}
	})
	_, port, _ := net.SplitHostPort(l.Addr().String())
	s := settings("https://localhost:" + port)
	s.CA = ours.file
	return open(t, s, Options{})
}

// untilEnd has the origins of a test hold what they have until the test is over.
func untilEnd(t *testing.T) (hold func()) { return func() { <-t.Context().Done() } }

func TestATargetThatTakesNothingEndsTheExchange(t *testing.T) {
	t.Parallel()
	upload := func(length int64) func(*testing.T) *flow.Exchange {
		return func(t *testing.T) *flow.Exchange { return withBody(ask(t, "POST", "/"), zeros{}, length) }
	}
	head := func(t *testing.T) *flow.Exchange { return ask(t, "GET", "/", "X: "+strings.Repeat("x", 24<<20)) }
	bare := func(do func(*peer)) func(*testing.T) *Pool {
		return func(t *testing.T) *Pool {
			hold := untilEnd(t)
			return openTo(t, "http://"+serve(t, func(p *peer) { do(p); hold() }))
		}
	}
	layer := func(do func(*peer)) func(*testing.T) *Pool {
		return func(t *testing.T) *Pool {
			hold := untilEnd(t)
			return layerTo(t, func(p *peer) { do(p); hold() })
		}
	}
	handler := func(hold func()) http.HandlerFunc { return func(http.ResponseWriter, *http.Request) { hold() } }
	nothing := func(*peer) {}
	once := func(p *peer) { p.head(); p.ok("") }
	for _, c := range []struct {
		name  string
		pool  func(*testing.T) *Pool
		ask   func(*testing.T) *flow.Exchange
		first bool // the connection has had an exchange before
	}{
		{"a length", bare(nothing), upload(1 << 40), false},
		{"chunks", bare(nothing), upload(-1), false},
		{"a length after another exchange", bare(once), upload(1 << 40), true},
		{"a head", bare(nothing), head, false},
		{"a head after another exchange", bare(once), head, true},
		{"a length by TLS", layer(nothing), upload(1 << 40), false},
		{"a length by TLS after another exchange", layer(once), upload(1 << 40), true},
		{"a head by TLS", layer(nothing), head, false},
		{"a length by HTTP/2", func(t *testing.T) *Pool { return openTo(t, "h2c://"+serveH2C(t, handler(untilEnd(t)))) }, upload(1 << 40), false},
		{"chunks by HTTP/2 and TLS", func(t *testing.T) *Pool { return openTLS(t, handler(untilEnd(t)), nil) }, upload(-1), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := hasty(c.pool(t))
			if c.first {
				get(t, p, "/")
			}
			x, since := c.ask(t), time.Now()
			failed := make(chan error, 1)
			go func() {
				r, err := p.Send(x)
				if err == nil {
					_ = r.Body.Close()
				}
				failed <- err
			}()
			err := within(t, failed, "the end of the exchange")
			got := problem.Of(err)
			if got == nil || got.Kind != problem.ReadTimeout || !strings.HasPrefix(got.Message, "Sending the request to ") || !strings.Contains(got.Message, ": it has taken nothing of it for "+stalling.String()+". ") {
				t.Errorf("the problem is %v", got)
			}
			if took := time.Since(since); took < stalling {
				t.Errorf("it ended after %v", took)
			}
			if s := p.Stats(); s.Faults != (Faults{Timeout: 1}) {
				t.Errorf("the faults are %+v", s.Faults)
			}
		})
	}
}

// A target that answers before it has all of the request, and then does nothing more.
func TestATargetThatTakesNothingAfterItsHeadEndsTheExchange(t *testing.T) {
	t.Parallel()
	hold := untilEnd(t)
	for name, p := range map[string]*Pool{
		"HTTP/1": openTo(t, "http://"+serve(t, func(p *peer) {
			p.head()
			p.say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun")
			hold()
		})),
		"HTTP/2": openTo(t, "h2c://"+serveH2C(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "begun") // the client's side is what is looked at
			w.(http.Flusher).Flush()
			hold()
		})),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := send(t, hasty(p), withBody(ask(t, "POST", "/"), zeros{}, 1<<40))
			defer r.Body.Close()
			failed := make(chan error, 1)
			go func() {
				_, err := io.ReadAll(r.Body)
				failed <- err
			}()
			if err := within(t, failed, "the end of the answer"); problem.KindOf(err) != problem.ReadTimeout || !strings.Contains(err.Error(), "it has taken nothing of it for "+stalling.String()) {
				t.Errorf("the answer ended with %v", err)
			}
			if s := p.Stats(); s.Faults != (Faults{Timeout: 1}) {
				t.Errorf("the faults are %+v", s.Faults)
			}
		})
	}
}

// Nobody is held by such a target longer than he wants to be.
func TestAClientThatLeavesATargetThatTakesNothing(t *testing.T) {
	t.Parallel()
	hold := untilEnd(t)
	p := openTo(t, "h2c://"+serveH2C(t, func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		hold()
	}))
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	x := withBody(askIn(ctx, flow.Reverse, "POST", "http://shop.localhost/"), zeros{}, 1<<40)
	r := send(t, p, x)
	failed := make(chan error, 1)
	go func() {
		_, err := io.ReadAll(r.Body)
		failed <- err
	}()
	time.Sleep(stalling / 10) // until the windows are closed
	leave()
	if err := within(t, failed, "the end of the answer"); problem.KindOf(err) != problem.ClientLeft {
		t.Errorf("the answer ended with %v", err)
	}
	_ = r.Body.Close()
}

// While the answer goes on, its request may wait.
func TestATargetThatAnswersAndTakesNothingIsNotGivenUp(t *testing.T) {
	t.Parallel()
	const words = 20
	hold := untilEnd(t)
	for name, p := range map[string]*Pool{
		"HTTP/1": openTo(t, "http://"+serve(t, func(p *peer) {
			p.head()
			p.say("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", words)
			for range words {
				p.say(".")
				time.Sleep(stalling / 10)
			}
			hold()
		})),
		"HTTP/2": openTo(t, "h2c://"+serveH2C(t, func(w http.ResponseWriter, _ *http.Request) {
			for range words {
				_, _ = io.WriteString(w, ".")
				w.(http.Flusher).Flush()
				time.Sleep(stalling / 10)
			}
		})),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := send(t, hasty(p), withBody(ask(t, "POST", "/"), zeros{}, 1<<40))
			if got := read(t, r); got != strings.Repeat(".", words) {
				t.Errorf("answered %q", got)
			}
		})
	}
}

// A client may be slow, too: its silence is not the target's.
func TestAClientThatSendsLittleIsNotTheTargetsFault(t *testing.T) {
	t.Parallel()
	taking := func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(body)
	}
	for name, p := range map[string]*Pool{
		"HTTP/1": openTLS(t, taking, func(s *Settings) { s.HTTP2 = false }),
		"HTTP/2": openTLS(t, taking, nil),
	} {
		hasty(p)
		for _, length := range []int64{3, smallBody + 3, -1} {
			t.Run(fmt.Sprint(name, " ", length), func(t *testing.T) {
				t.Parallel()
				body, client := io.Pipe()
				sent := bytes.Repeat([]byte("x"), int(max(length, 3)))
				go func() {
					_, err := client.Write(sent[:2])
					time.Sleep(stalling + stalling/2)
					_, more := client.Write(sent[2:])
					_ = client.CloseWithError(errors.Join(err, more)) // nil is the end
				}()
				if got := read(t, send(t, p, withBody(ask(t, "POST", "/"), body, length))); got != string(sent) {
					t.Errorf("answered %d bytes", len(got))
				}
			})
		}
	}
}

// A connection that has left HTTP may rest, and its target may take its time.
func TestAnUpgradedConnectionMayRest(t *testing.T) {
	t.Parallel()
	const bulk = 16 << 20 // more than the system holds
	hold := untilEnd(t)
	goOn := make(chan struct{})
	echo := func(p *peer) {
		p.head()
		p.say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		select {
		case <-goOn:
		case <-t.Context().Done():
		}
		_, _ = io.CopyN(io.Discard, p.in, bulk)
		p.say("taken")
		hold()
	}
	for name, p := range map[string]*Pool{"in the clear": openTo(t, "http://"+serve(t, echo)), "by TLS": layerTo(t, echo)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := send(t, hasty(p), ask(t, "GET", "/", "Connection: Upgrade", "Upgrade: echo"))
			defer r.Upgraded.Close()
			wrote := make(chan error, 1)
			go func() {
				_, err := r.Upgraded.Write(make([]byte, bulk))
				wrote <- err
			}()
			select {
			case err := <-wrote:
				t.Fatalf("the write ended with %v before anything was taken", err)
			case <-time.After(2 * stalling):
			}
			goOn <- struct{}{}
			if err := within(t, wrote, "the end of the write"); err != nil {
				t.Error(err)
			}
			said := make([]byte, 5)
			if _, err := io.ReadFull(r.Upgraded, said); err != nil || string(said) != "taken" {
				t.Errorf("heard %q, %v", said, err)
			}
		})
	}
}

// A target that answers while it takes the request stops taking it when nobody takes the answer: its client
// is slow, and that is no fault of the target's.
func TestATargetWaitsForWhoReadsItsAnswer(t *testing.T) {
	const size = 48 << 20
	for name, echo := range map[string]func() string{
		"HTTP/1": func() string {
			return "http://" + serve(t, func(p *peer) {
				p.head()
				p.say("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size)
				_, _ = io.CopyN(p.Conn, p.in, size)
			})
		},
		"HTTP/2": func() string {
			return "h2c://" + serveH2C(t, func(w http.ResponseWriter, r *http.Request) {
				_ = http.NewResponseController(w).Flush()
				_, _ = io.Copy(w, r.Body)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := hasty(openTo(t, echo()))
			r := send(t, p, withBody(ask(t, "POST", "/"), io.LimitReader(zeros{}, size), size))
			time.Sleep(3 * stalling) // the client takes nothing
			n, err := io.Copy(io.Discard, r.Body)
			_ = r.Body.Close()
			if n != size || p.Stats().Faults != (Faults{}) {
				t.Errorf("%d of %d bytes came, %v: %+v", n, int64(size), err, p.Stats().Faults)
			}
		})
	}
}
