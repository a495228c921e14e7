package upstream

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

// late has the connections of a listener wait before they say the first word.
type late struct {
	net.Listener
	by time.Duration
}

func (l late) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &lateConn{Conn: c, by: l.by}, nil
}

type lateConn struct {
	net.Conn
	by   time.Duration
	once sync.Once
}

func (c *lateConn) Write(p []byte) (int, error) {
	c.once.Do(func() { time.Sleep(c.by) })
	return c.Conn.Write(p)
}

// serveStreams is an origin that speaks HTTP/2 in the clear and allows so many streams, which it says after
// a while.
func serveStreams(t *testing.T, streams int, by time.Duration) (address string) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(time.Millisecond) }))
	s.Listener = late{s.Listener, by}
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Config.HTTP2 = &http.HTTP2Config{MaxConcurrentStreams: streams}
	s.Config.ErrorLog = quietLog
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func TestABurstMeetsAnOriginOfFewStreams(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ streams, requests, connections int }{
		{10, 100, 0}, {1, 5, 0}, {10, 100, 1}, {1, 20, 1}, {250, 100, 1},
	} {
		t.Run(fmt.Sprintf("%d streams, %d requests, at most %d connections", c.streams, c.requests, c.connections), func(t *testing.T) {
			t.Parallel()
			for range 5 {
				s := settings("h2c://" + serveStreams(t, c.streams, 20*time.Millisecond))
				s.MaxConnections, s.Queue, s.QueueTimeout = c.connections, c.requests, schema.Duration(patience)
				p := open(t, s, Options{})
				answers := make(chan error, c.requests)
				for range c.requests {
					x := ask(t, "GET", "/")
					go func() {
						r, err := p.Send(x)
						if err == nil {
							_ = r.Body.Close()
						}
						answers <- err
					}()
				}
				for range c.requests {
					if err := within(t, answers, "an answer"); err != nil {
						t.Error(err)
					}
				}
				if u := p.Stats(); c.connections > 0 && u.Opened > int64(c.connections) {
					t.Errorf("%d connections were opened", u.Opened)
				}
				for _, h := range p.balance.all()[0].site.shared {
					if h.busy() && h.conn.InFlight() == 0 {
						t.Error("a place was not given back")
					}
				}
			}
		})
	}
}

// An origin that accepts and says nothing keeps the exchange that found it, and no others.
func TestASilentOriginGetsNoSecondStream(t *testing.T) {
	t.Parallel()
	hold := untilEnd(t)
	silent := serve(t, func(p *peer) { hold() })
	s := settings("h2c://" + silent)
	s.ResponseTimeout = schema.Duration(settling + settling/2)
	p := open(t, s, Options{})
	refused(t, p, ask(t, "GET", "/"), problem.ReadTimeout)
	x := ask(t, "GET", "/")
	refused(t, p, x, problem.ReadTimeout)
	if x.TargetConn.Reused {
		t.Error("the silent connection was used again")
	}
}
