package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
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

func TestServeWaitsForRequestsAndASecondSignalEndsThem(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot send itself Ctrl+C there")
	}
	for _, patient := range []bool{true, false} {
		t.Run(fmt.Sprintf("patient %v", patient), func(t *testing.T) {
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
			dir := t.TempDir()
			text := fmt.Sprintf("version = 1\n[[listen]]\naddress = \"127.0.0.1:0\"\naccept = [\"reverse\"]\n[limits]\ndrain = \"1m\"\n"+
				"[upstreams.origin]\ntargets = [{ url = %q }]\n[[routes]]\nname = \"all\"\nto = \"origin\"\n", origin.URL)
			if err := os.WriteFile(filepath.Join(dir, "config.toml"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			out := &screen{more: make(chan struct{}, 1)}
			ctx, first := context.WithCancel(t.Context())
			defer first()
			code := make(chan int, 1)
			go func() {
				code <- Run(ctx, []string{"serve", "--dir", dir, "--ui", "127.0.0.1:0"}, Program{
					Version: "1.2.3", Assets: fstest.MapFS{"index.html": {}}, Out: out, Err: out,
				})
			}()
			proxy := out.find(t, `proxy +(http://\S+)`)
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
			out.find(t, "(Ctrl)")
			first()
			if said := out.find(t, `waiting for 1 request, (\d+) s left`); !strings.Contains("59 60", said) {
				t.Errorf("%s s are left", said)
			}
			want := "whole"
			if patient {
				on <- true
			} else {
				want = "cut"
				self, err := os.FindProcess(os.Getpid())
				if err != nil {
					t.Fatal(err)
				}
				if err := self.Signal(os.Interrupt); err != nil {
					t.Fatal(err)
				}
			}
			if got := <-heard; got != want {
				t.Errorf("the client heard %q", got)
			}
			if got := <-code; got != Good {
				t.Errorf("exit %d:\n%s", got, out.text.String())
			}
		})
	}
}
