package ingress

import (
	"io"
	"net"
	"strings"
	"testing"

	"proxycache/backend/flow"
)

// One keep-alive request and its answer of 1 KB, with the client's own work in it: see
// BenchmarkBareRoundTrip for that part.
func BenchmarkKeepAliveRequest(b *testing.B) {
	body := []byte(strings.Repeat("x", 1024))
	s := New(Options{Handler: flow.HandlerFunc(func(*flow.Exchange) *flow.Response {
		return flow.NewResponse(200, "text/plain", body)
	})})
	defer s.Shutdown(b.Context())
	if err := s.Configure(Settings{Listen: []Listener{{Address: "127.0.0.1:0", Accept: everything}}}); err != nil {
		b.Fatal(err)
	}
	c, err := net.Dial("tcp", s.Listeners()[0].Address)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	roundTrips(b, c, len("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1024\r\nDate: Mon, 02 Jan 2006 15:04:05 GMT\r\n\r\n")+1024)
}

// The same bytes both ways without HTTP: what the sockets cost.
func BenchmarkBareRoundTrip(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		in, out := make([]byte, 4096), make([]byte, 1130)
		for {
			if _, err := c.Read(in); err != nil {
				return
			}
			if _, err := c.Write(out); err != nil {
				return
			}
		}
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	roundTrips(b, c, 1130)
}

const browserLike = "GET /v1/items?page=2 HTTP/1.1\r\nHost: shop.localhost:8080\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\n" +
	"Accept-Encoding: gzip, br\r\nAccept-Language: en\r\nCookie: session=0123456789abcdef\r\nX-Request-Id: 1\r\n\r\n"

func roundTrips(b *testing.B, c net.Conn, answer int) {
	b.Helper()
	request, got := []byte(browserLike), make([]byte, answer)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		if _, err := c.Write(request); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, got); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	if !strings.HasPrefix(string(got), "HTTP/1.1 200") && got[0] != 0 {
		b.Fatalf("heard %q", got)
	}
}
