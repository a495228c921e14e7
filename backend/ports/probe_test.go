package ports

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
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

func portOf(s *httptest.Server) netip.AddrPort { return s.Listener.Addr().(*net.TCPAddr).AddrPort() }

func TestProbingTellsHTTPFromTheRest(t *testing.T) {
	var asked atomic.Int32
	web := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
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
		{"a web server", listener{portOf(web), 1}, true},
		{"one that refuses", listener{serveTCP(t, "HTTP/1.0 501 no\r\n\r\n"), 1}, true},
		{"one that wants TLS and says so", listener{portOf(secure), 1}, true},
		{"one that greets", listener{serveTCP(t, "SSH-2.0-OpenSSH_9.2\r\n"), 1}, false},
		{"one that is silent", listener{serveTCP(t, ""), 1}, false},
		{"our own", listener{portOf(web), os.Getpid()}, false},
		{"a database", at("127.0.0.1:6379", 1), false},
		{"one that only others reach", at("192.0.2.1:80", 1), false},
		{"one that is gone", at("127.0.0.1:1", 1), false},
	}
	var found []listener
	for _, c := range all {
		found = append(found, c.listener)
	}
	start := time.Now()
	var f Finder
	got := f.ask(t.Context(), found)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	for _, c := range all {
		if got[c.listener].http != c.want {
			t.Errorf("%s: %+v, want %v", c.what, got[c.listener], c.want)
		}
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the application was asked %d times: it need not know", n)
	}
}

func TestAServerIsAskedOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var calls atomic.Int32
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			calls.Add(1)
			_, _ = c.Read(make([]byte, 1024)) // closing with bytes unread would take the answer back
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
			_ = c.Close()
		}
	})
	server := listener{l.Addr().(*net.TCPAddr).AddrPort(), 1}
	var f Finder
	for range 5 {
		if !f.ask(t.Context(), []listener{server})[server].http {
			t.Fatal("it speaks HTTP")
		}
	}
	if n := calls.Load(); n != 1 {
		t.Errorf("it was asked %d times", n)
	}
	f.ask(t.Context(), nil) // it is gone
	f.ask(t.Context(), []listener{server})
	if n := calls.Load(); n != 2 {
		t.Errorf("after it had been away it was asked %d times in all", n)
	}
	_ = l.Close()
	serving.Wait()
}

func TestOneThatDoesNotAnswerIsAskedLessAndLess(t *testing.T) {
	now := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	var a answer
	for _, pause := range []time.Duration{5, 10, 20, 40} {
		if !a.due(now) {
			t.Fatalf("it is not asked at %v", now)
		}
		a = a.after(false, now)
		now = now.Add(pause * time.Second)
		if a.due(now.Add(-1)) {
			t.Errorf("it is asked before %d seconds are over", pause)
		}
	}
	if a = a.after(true, now); a.due(now.Add(24 * time.Hour)) {
		t.Error("it answered and is asked again")
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
