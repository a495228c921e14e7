package ports

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// serveTCP answers each connection with answer and keeps it open until the test ends.
func serveTCP(t *testing.T, answer string) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	ended := make(chan struct{})
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				_, _ = c.Write([]byte(answer))
				<-ended
				_ = c.Close()
			})
		}
	})
	t.Cleanup(func() { close(ended); _ = l.Close(); serving.Wait() })
	return l.Addr().(*net.TCPAddr).AddrPort()
}

func TestProbingTellsHTTPFromTheRest(t *testing.T) {
	var mu sync.Mutex
	var heard []string
	web := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, r.Method+" "+r.RequestURI)
	}))
	defer web.Close()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	all := []struct {
		what string
		listener
		want bool
	}{
		{"a web server", listener{web.Listener.Addr().(*net.TCPAddr).AddrPort(), 1}, true},
		{"one that refuses", listener{serveTCP(t, "HTTP/1.0 501 no\r\n\r\n"), 1}, true},
		{"one that wants TLS and says so", listener{secure.Listener.Addr().(*net.TCPAddr).AddrPort(), 1}, true},
		{"one that greets", listener{serveTCP(t, "SSH-2.0-OpenSSH_9.2\r\n"), 1}, false},
		{"one that is silent", listener{serveTCP(t, ""), 1}, false},
		{"our own", listener{web.Listener.Addr().(*net.TCPAddr).AddrPort(), 99}, false},
		{"a database", at("127.0.0.1:6379", 1), false},
		{"one that only others reach", at("192.0.2.1:80", 1), false},
		{"one that is gone", at("127.0.0.1:1", 1), false},
	}
	var listeners []listener
	for _, c := range all {
		listeners = append(listeners, c.listener)
	}
	start := time.Now()
	got := probe(t.Context(), listeners, 99)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	for i, c := range all {
		if got[i] != c.want {
			t.Errorf("%s: %v, want %v", c.what, got[i], c.want)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(heard) > 1 || slices.ContainsFunc(heard, func(s string) bool { return !strings.HasPrefix(s, "OPTIONS ") }) {
		t.Errorf("the application heard %q", heard)
	}
}

func TestWhereToAsk(t *testing.T) {
	for address, want := range map[string]string{
		"127.0.0.1:80": "127.0.0.1:80",
		"127.0.0.7:80": "127.0.0.7:80",
		"0.0.0.0:80":   "127.0.0.1:80",
		"[::]:80":      "[::1]:80",
		"[::1]:80":     "[::1]:80",
		"10.0.0.1:80":  "",
	} {
		if got := reachable(netip.MustParseAddrPort(address)); got != want {
			t.Errorf("%s is asked at %q, want %q", address, got, want)
		}
	}
}
