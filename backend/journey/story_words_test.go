package journey

import (
	"net"
	"os/exec"
	"os/user"
	"regexp"
	"strings"
	"testing"
	"time"

	"proxycache/backend/redis/redistest"
)

// words are what stands for something else in a story. What they stand for is started when a story names it.
type words struct {
	t      *testing.T
	origin *scripted
	proxy  string // "" before the program runs
	known  map[string]string
}

func newWords(t *testing.T) *words {
	return &words{t: t, origin: openScripted(t), known: map[string]string{}}
}

var word = regexp.MustCompile(`\b(ORIGIN[2-9]?|PORT|EVERYPORT|PROXY|DEAD|REDIS|MEMCACHED|DIR)\b`)

func (w *words) replace(text string) string { return word.ReplaceAllStringFunc(text, w.meaning) }

func (w *words) meaning(name string) string {
	if name == "PROXY" {
		return w.proxy
	}
	if _, known := w.known[name]; !known {
		w.known[name] = w.begin(name)
	}
	return w.known[name]
}

func (w *words) begin(name string) string {
	switch name {
	case "DEAD":
		return "127.0.0.1:1"
	case "PORT":
		_, port, _ := strings.Cut(w.meaning("ORIGIN"), ":")
		return port
	case "EVERYPORT":
		_, port, _ := net.SplitHostPort(w.origin.listenAt(w.t, "0.0.0.0:0"))
		return port
	case "DIR":
		return w.t.TempDir()
	case "REDIS":
		url, _ := redistest.Start(w.t)
		return strings.TrimSuffix(strings.TrimPrefix(url, "redis://"), "/0")
	case "MEMCACHED":
		return startMemcached(w.t)
	}
	return w.origin.listen(w.t)
}

// address is a URL without its scheme.
func address(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	return rest
}

// startMemcached starts a memcached of this machine on a free port, which ends with the test. Without the
// program the test is skipped, which says so.
func startMemcached(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("memcached")
	if err != nil {
		t.Skip("there is no memcached on this machine: apt-get install memcached")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := l.Addr().String()
	_ = l.Close() // to be taken by the server
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(at)
	server := exec.Command(program, "-l", "127.0.0.1", "-p", port, "-U", "0", "-u", me.Username, "-m", "64")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	listens := within(5*time.Second, func() bool {
		c, err := net.DialTimeout("tcp", at, time.Second)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	if !listens {
		t.Fatal("memcached did not begin to listen")
	}
	return at
}
