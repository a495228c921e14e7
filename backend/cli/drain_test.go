package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"time"
)

func TestWhatATerminalHearsOfTheEnd(t *testing.T) {
	for _, c := range []struct {
		requests int
		left     time.Duration
		want     string
	}{
		{0, time.Minute, ""},
		{1, 24600 * time.Millisecond, "waiting for 1 request, 25 s left; Ctrl+C ends it now"},
		{3, 10 * time.Second, "waiting for 3 requests, 10 s left; Ctrl+C ends them now"},
		{3, -time.Second, "waiting for 3 requests, 0 s left; Ctrl+C ends them now"},
	} {
		if got := waitingFor(c.requests, c.left); got != c.want {
			t.Errorf("%d, %v: %q", c.requests, c.left, got)
		}
	}
}

// screen is what a program prints, as it does.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{} // a write came
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() {
		select {
		case s.more <- struct{}{}:
		default:
		}
	}()
	return s.text.Write(p)
}

// find waits for a text and returns its first group.
func (s *screen) find(t *testing.T, pattern string) string {
	t.Helper()
	until := time.After(20 * time.Second)
	for {
		s.mu.Lock()
		found := regexp.MustCompile(pattern).FindStringSubmatch(s.text.String())
		s.mu.Unlock()
		if found != nil {
			return found[1]
		}
		select {
		case <-s.more:
		case <-until:
			t.Fatalf("%q never came:\n%s", pattern, s.text.String())
		}
	}
}

// served is `serve` on free ports until first is called.
type served struct {
	out   *screen
	first context.CancelFunc
	code  chan int
}

func serve(t *testing.T, config string) *served {
	t.Helper()
	dir := t.TempDir()
	text := "version = 1\n[[listen]]\naddress = \"127.0.0.1:0\"\naccept = [\"reverse\"]\n" + config
	if err := os.WriteFile(filepath.Join(dir, "config.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, first := context.WithCancel(t.Context())
	s := &served{&screen{more: make(chan struct{}, 1)}, first, make(chan int, 1)}
	go func() {
		s.code <- Run(ctx, []string{"serve", "--dir", dir, "--ui", "127.0.0.1:0"}, Program{
			Version: "1.2.3", Assets: fstest.MapFS{"index.html": {}}, Out: s.out, Err: s.out,
		})
	}()
	s.out.find(t, "(Ctrl)")
	return s
}

// send gives this process a signal, which is the second one for what is served.
func send(t *testing.T, which os.Signal) {
	t.Helper()
	heard := make(chan os.Signal, 1) // where nobody listens any more, it would end this process
	signal.Notify(heard, which)
	t.Cleanup(func() { signal.Stop(heard) })
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := self.Signal(which); err != nil {
		t.Fatal(err)
	}
}

func TestServeWaitsForRequestsAndASecondSignalEndsThem(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot send itself Ctrl+C there")
	}
	for _, second := range []os.Signal{nil, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(fmt.Sprint(second), func(t *testing.T) {
			entered, on := make(chan bool, 1), make(chan bool)
			origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				entered <- true
				select {
				case <-on:
				case <-r.Context().Done():
				}
				_, _ = io.WriteString(w, "whole")
			}))
			defer origin.Close()
			s := serve(t, fmt.Sprintf("[limits]\ndrain = \"1m\"\n[upstreams.origin]\ntargets = [{ url = %q }]\n[[routes]]\nname = \"all\"\nto = \"origin\"\n", origin.URL))
			defer s.first()
			proxy := s.out.find(t, `proxy +(http://\S+)`)
			heard := make(chan string, 1)
			go func() {
				answer, err := http.Get(proxy + "/slow")
				if err != nil {
					heard <- "cut"
					return
				}
				defer answer.Body.Close()
				body, _ := io.ReadAll(answer.Body) // what came of it is compared
				heard <- string(body)
			}()
			<-entered
			s.first()
			if said := s.out.find(t, `waiting for 1 request, (\d+) s left`); !strings.Contains("59 60", said) {
				t.Errorf("%s s are left", said)
			}
			want := "cut"
			if second == nil {
				want = "whole"
				on <- true
			} else {
				send(t, second)
			}
			if got := <-heard; got != want {
				t.Errorf("the client heard %q", got)
			}
			if got := <-s.code; got != Good {
				t.Errorf("exit %d:\n%s", got, s.out.text.String())
			}
		})
	}
}

// What is open to the interface holds up neither the end of the proxy nor a second signal.
func TestTheProxyEndsBesideItsInterface(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot send itself Ctrl+C there")
	}
	for _, c := range []struct {
		name, said string
		second     os.Signal
	}{
		{"a connection that says nothing", "", nil},
		{"half a call", "POST /api/call/status HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{", nil},
		{"half a call and a second signal", "POST /api/call/status HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{", os.Interrupt},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := serve(t, "")
			defer s.first()
			proxy := s.out.find(t, `proxy +http://(\S+)`)
			ui, key := s.out.find(t, `interface +http://([^/]+)`), s.out.find(t, `\?key=(\S+)`)
			open, err := net.Dial("tcp", ui)
			if err != nil {
				t.Fatal(err)
			}
			defer open.Close()
			if c.said != "" {
				if _, err := fmt.Fprintf(open, c.said, ui, key); err != nil {
					t.Fatal(err)
				}
			}
			began := time.Now()
			s.first()
			for deadline := began.Add(3 * time.Second); ; time.Sleep(20 * time.Millisecond) {
				again, err := net.Dial("tcp", proxy)
				if err != nil {
					break
				}
				_ = again.Close()
				if time.Now().After(deadline) {
					t.Fatal("the proxy still accepts")
				}
			}
			if c.second != nil {
				send(t, c.second)
			}
			if got := <-s.code; got != Good {
				t.Errorf("exit %d:\n%s", got, s.out.text.String())
			}
			if took := time.Since(began); c.second != nil && took > grace-time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// With nohup a program shall outlive its terminal.
func TestAHangupThatIsIgnoredStaysSo(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no SIGHUP")
	}
	if !slices.Contains(endings(), os.Signal(syscall.SIGHUP)) {
		t.Error("a hangup ends nothing")
	}
	signal.Ignore(syscall.SIGHUP)
	defer signal.Reset(syscall.SIGHUP)
	if slices.Contains(endings(), os.Signal(syscall.SIGHUP)) {
		t.Error("one that is ignored is listened to")
	}
}
