package ingress

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// defaults are the limits where the settings name none.
var defaults = newBounds(Limits{})

// inBubble tells a story in a bubble, where time passes when everybody waits. serve gives the client
// of a new connection, on a pipe.
func inBubble(t *testing.T, story func(t *testing.T, serve func(flow.HandlerFunc) *talk)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		story(t, func(handler flow.HandlerFunc) *talk { return piped(t, New(Options{Handler: handler})) })
	})
}

// piped is the client of a connection of s. The server ends with the test.
func piped(t *testing.T, s *Server) *talk {
	t.Helper()
	near, far := net.Pipe()
	b := &bound{}
	b.ways.Store(&ways{reverse: true, forward: true, connect: true})
	s.places.take(nil)
	s.take(b, far)
	client := newTalk(t, near)
	if err := near.SetDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = near.Close()
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return client
}

func (c *talk) hearEndAfter(want time.Duration) {
	c.t.Helper()
	since := time.Now()
	c.hearEnd()
	if got := time.Since(since); got < want || got > want+time.Second {
		c.t.Errorf("it ended after %v, want %v", got, want)
	}
}

func TestAConnectionThatSaysNothingEndsWithoutAWord(t *testing.T) {
	inBubble(t, func(t *testing.T, serve func(flow.HandlerFunc) *talk) { serve(ok).hearEndAfter(defaults.keepAlive) })
}

func TestAConnectionIsKeptForTheNextRequest(t *testing.T) {
	inBubble(t, func(t *testing.T, serve func(flow.HandlerFunc) *talk) {
		c := serve(ok)
		for range 3 {
			c.say(get)
			c.hear(okAnswer)
			time.Sleep(defaults.keepAlive - time.Second)
		}
		c.say(get)
		c.hear(okAnswer)
		c.hearEndAfter(defaults.keepAlive)
	})
}

func TestAHeadThatTricklesInGetsItsAnswer(t *testing.T) {
	inBubble(t, func(t *testing.T, serve func(flow.HandlerFunc) *talk) {
		c := serve(ok)
		var trickle sync.WaitGroup
		trickle.Go(func() { // until the server has enough
			for _, b := range []byte(get + get) {
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		})
		since := time.Now()
		r, _ := c.answer("GET")
		if took := time.Since(since); r.StatusCode != 408 || !r.Close || took != defaults.headerTimeout {
			t.Errorf("%d after %v", r.StatusCode, took)
		}
		_ = c.Close()
		trickle.Wait()
	})
}

func TestABodyMayTakeHoursButNotRest(t *testing.T) {
	inBubble(t, func(t *testing.T, serve func(flow.HandlerFunc) *talk) {
		faults := make(chan error, 1)
		c := serve(func(x *flow.Exchange) *flow.Response {
			_, err := io.ReadAll(x.Request.Body)
			faults <- err
			return ok(x)
		})
		c.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\n")
		for range 500 {
			c.say("x")
			time.Sleep(defaults.bodyTimeout - time.Second)
		}
		if err := <-faults; err != nil {
			t.Fatal(err)
		}
		c.hear(okAnswer)
		c.say("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\nx")
		since := time.Now()
		err := <-faults
		if took := time.Since(since); problem.KindOf(err) != problem.SlowClient || took != defaults.bodyTimeout {
			t.Errorf("%v after %v", err, took)
		}
		if r, _ := c.answer("POST"); r.StatusCode != 200 {
			t.Errorf("the handler's answer is lost: %d", r.StatusCode)
		}
	})
}

func TestAStreamMayRunForHours(t *testing.T) {
	inBubble(t, func(t *testing.T, serve func(flow.HandlerFunc) *talk) {
		r, w := io.Pipe()
		c := serve(func(*flow.Exchange) *flow.Response { return unknown(r) })
		c.say(get)
		c.hear("HTTP/1.1 200 OK\r\nDate: today\r\nTransfer-Encoding: chunked\r\n\r\n")
		for range 5 {
			time.Sleep(time.Hour)
			if _, err := io.WriteString(w, "x"); err != nil {
				t.Fatal(err)
			}
			c.hear("1\r\nx\r\n")
		}
		_ = w.Close()
		c.hear("0\r\n\r\n")
	})
}

func TestAClientThatDoesNotReadIsLeft(t *testing.T) {
	inBubble(t, func(t *testing.T, serve func(flow.HandlerFunc) *talk) {
		over := make(chan *problem.Problem, 1)
		var x *flow.Exchange
		c := serve(func(got *flow.Exchange) *flow.Response {
			x = got
			r := ok(x)
			r.Body = &watched{r.Body, x, over}
			return r
		})
		c.say(get)
		if p := <-over; p == nil || p.Kind != problem.ClientLeft || x.Timing.Done < defaults.writeTimeout || x.Timing.Done > defaults.writeTimeout+3*defaults.writeTimeout/slack {
			t.Errorf("after %v: %v", x.Timing.Done, p)
		}
	})
}

// Deadlines for reading a body must not end the watch: the client that only waits has not left.
func TestAPatientClientIsNotTakenForOneThatLeft(t *testing.T) {
	for _, pieces := range [][]string{{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"}, {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n", "hi"}} {
		inBubble(t, func(t *testing.T, serve func(flow.HandlerFunc) *talk) {
			c := serve(func(x *flow.Exchange) *flow.Response {
				for range 4 { // "hi", then its end, again and again
					if _, err := x.Request.Body.Read(make([]byte, 2)); err != nil && err != io.EOF {
						t.Error(err)
					}
					time.Sleep(time.Minute)
					if x.Context().Err() != nil {
						t.Error("it was taken for one that left")
					}
				}
				return ok(x)
			})
			for _, piece := range pieces {
				c.say(piece)
				synctest.Wait()
			}
			c.hear(okAnswer)
			c.say(get)
			c.hear(okAnswer)
		})
	}
}

// half is a pipe's end that can end its own side; the other end is not told.
type half struct{ net.Conn }

func (half) CloseWrite() error { return nil }

// listener is a target that has said all it will, and hears what comes.
type listener struct {
	closed chan struct{}
	once   sync.Once
}

func (l *listener) Read([]byte) (int, error)    { return 0, io.EOF }
func (l *listener) Write(p []byte) (int, error) { return len(p), nil }
func (l *listener) CloseWrite() error           { return nil }
func (l *listener) Close() error                { l.once.Do(func() { close(l.closed) }); return nil }

func TestATunnelWhoseOtherHalfFellSilentEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, far := net.Pipe()
		target := &listener{closed: make(chan struct{})}
		since := time.Now()
		go carry(&joined{Conn: half{client}}, target)
		for range 10 { // the half that is left works on
			time.Sleep(halfOpen - time.Second)
			if _, err := far.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		last := time.Since(since)
		<-target.closed
		if silent := time.Since(since) - last; silent < halfOpen || silent > 2*halfOpen {
			t.Errorf("it ended after %v of silence", silent)
		}
		if _, err := far.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the client sees %v", err)
		}
	})
}

func TestABodyThatNobodyAskedForIsNotWaitedForLong(t *testing.T) {
	for name, c := range map[string]struct{ framing, piece string }{
		"a length": {"Content-Length: 200", "x"},
		"chunks":   {"Transfer-Encoding: chunked", "1\r\nx\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, serve func(flow.HandlerFunc) *talk) {
				over := make(chan *problem.Problem, 1)
				client := serve(func(x *flow.Exchange) *flow.Response {
					r := ok(x)
					r.Body = &watched{r.Body, x, over}
					return r
				})
				since := time.Now()
				client.say("POST / HTTP/1.1\r\nHost: a\r\n" + c.framing + "\r\n\r\n")
				var trickle sync.WaitGroup
				trickle.Go(func() { // each piece in the time that a read has
					for range 200 {
						if _, err := io.WriteString(client, c.piece); err != nil {
							return
						}
						time.Sleep(drainTime - time.Second)
					}
				})
				if r, body := client.answer("POST"); body != "ok" {
					t.Errorf("answered %d %q", r.StatusCode, body)
				}
				<-over
				if took := time.Since(since); took > drainTime {
					t.Errorf("the exchange was over after %v", took)
				}
				client.hearEnd()
				if took := time.Since(since); took > drainTime+lingerTotal {
					t.Errorf("the connection was closed after %v", took)
				}
				_ = client.Close()
				trickle.Wait()
			})
		})
	}
}
