//go:build unix

package upstream

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"proxycache/backend/flow"
)

// BenchmarkSend is an exchange on a connection that is kept, with an answer of 1 KB. cpu-µs/op is the
// processor time of the whole process, the origin with it: BenchmarkSockets says what that and the
// sockets cost.
func BenchmarkSend(b *testing.B) {
	address := benchOrigin(b)
	s := settings("http://" + address)
	p, err := New("shop", s, Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer p.Close()
	for _, body := range []string{"", strings.Repeat("x", 512)} {
		name := "GET"
		if body != "" {
			name = "POST"
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			begun := processorTime(b)
			for b.Loop() {
				x := askIn(b.Context(), flow.Reverse, name, "http://shop.localhost/v1/items?x=1", "User-Agent: bench", "Accept: */*", "X-A: 1", "X-B: 2")
				if body != "" {
					withBody(x, strings.NewReader(body), int64(len(body)))
				}
				r, err := p.Send(x)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, r.Body); err != nil {
					b.Fatal(err)
				}
				_ = r.Body.Close()
			}
			b.ReportMetric((processorTime(b)-begun)/float64(b.N), "cpu-µs/op")
		})
	}
}

// BenchmarkSockets is what BenchmarkSend's conversation costs without us.
func BenchmarkSockets(b *testing.B) {
	c, err := net.Dial("tcp", benchOrigin(b))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	request := []byte("GET / HTTP/1.1\r\nHost: shop.localhost\r\n\r\n")
	buf := make([]byte, 4096)
	begun := processorTime(b)
	for b.Loop() {
		if _, err := c.Write(request); err != nil {
			b.Fatal(err)
		}
		if _, err := c.Read(buf); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric((processorTime(b)-begun)/float64(b.N), "cpu-µs/op")
}

// BenchmarkNetHTTP is the same exchange by the client of the standard library.
func BenchmarkNetHTTP(b *testing.B) {
	url := "http://" + benchOrigin(b) + "/"
	t := &http.Transport{}
	defer t.CloseIdleConnections()
	b.ReportAllocs()
	begun := processorTime(b)
	for b.Loop() {
		r, err := t.RoundTrip(httptest.NewRequest(http.MethodGet, url, nil))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			b.Fatal(err)
		}
		_ = r.Body.Close()
	}
	b.ReportMetric((processorTime(b)-begun)/float64(b.N), "cpu-µs/op")
}

// benchOrigin answers every read with one whole response.
func benchOrigin(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	answer := []byte("HTTP/1.1 200 OK\r\nServer: bench\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\n\r\n" + strings.Repeat("x", 1024))
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				buf := make([]byte, 4096)
				for {
					if _, err := c.Read(buf); err != nil {
						return
					}
					if _, err := c.Write(answer); err != nil {
						return
					}
				}
			}()
		}
	}()
	return l.Addr().String()
}

// processorTime is what the process has used, in microseconds.
func processorTime(b *testing.B) float64 {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e3
}

// BenchmarkPick is the choice among 10 targets, with the line that tells of it.
func BenchmarkPick(b *testing.B) {
	for _, way := range []string{roundRobin, weightedRoundRobin, leastConn, leastTime, random, p2c, first, byHash} {
		p := pooled(b, way, func(s *Settings) {
			if way == byHash {
				s.Hash = "client_ip"
			}
		}, 1, 2, 1, 1, 1, 3, 1, 1, 1, 1)
		x := askIn(b.Context(), flow.Reverse, "GET", "http://shop.localhost/")
		r := p.balance.roster.Load()
		for i, m := range r.all {
			m.observe(time.Duration(i+1)*time.Millisecond, x.Started.UnixNano())
		}
		b.Run(way, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.balance.choose(r.usable, x)
			}
		})
		b.Run(way+"/told", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				x.Trail[0].Facts = x.Trail[0].Facts[:0]
				p.balance.pick(x, nil)
			}
		})
	}
}

// BenchmarkPickParallel is the choice by all processors at once.
func BenchmarkPickParallel(b *testing.B) {
	for _, way := range []string{weightedRoundRobin, leastConn, p2c} {
		p := pooled(b, way, nil, 1, 2, 1, 1, 1, 3, 1, 1, 1, 1)
		r := p.balance.roster.Load()
		b.Run(way, func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				x := askIn(b.Context(), flow.Reverse, "GET", "http://shop.localhost/")
				for pb.Next() {
					p.balance.choose(r.usable, x)
				}
			})
		})
	}
}
