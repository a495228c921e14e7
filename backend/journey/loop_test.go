package journey

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"proxycache/backend/config"
)

// A forward proxy that is the proxy itself gets everything back that it sends.
func TestWhatComesBackToTheProxyEnds(t *testing.T) {
	h := openHouse(t, "pass_through = [\"*.bank.test\"]\n")
	at := strings.TrimPrefix(h.proxy(), "http://")
	_, port, _ := net.SplitHostPort(at)
	passed := 0
	for _, c := range []struct {
		proxy string
		times int // that a request passes until it is known
		why   string
	}{
		{"http://" + at, 2, "it has come back to the proxy that sent it"},
		{"socks5://" + at, 1, "this is a listener of Proxycache itself"},
		{"socks5://localhost:" + port, 1, "this is a listener of Proxycache itself"},
	} {
		h.change(func(d *config.Document) { d.Sections["forward"] = config.Settings{"proxy": c.proxy} })
		for _, way := range []struct{ host, first string }{
			{"ssh.test:22", "SSH-2.0-x\r\n"},      // carried untouched for what its client says
			{"www.bank.test:443", "\x16\x03\x01"}, // for its name
			{"web.test:80", "GET / HTTP/1.1\r\nHost: web.test\r\nConnection: close\r\n\r\n"},
		} {
			client, err := net.Dial("tcp", at)
			if err != nil {
				t.Fatal(err)
			}
			_ = client.SetDeadline(time.Now().Add(20 * time.Second))
			_, _ = fmt.Fprintf(client, "CONNECT %s HTTP/1.1\r\nHost: %[1]s\r\n\r\n%s", way.host, way.first)
			if _, err := io.ReadAll(client); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("%s through %s does not end", way.host, c.proxy)
			}
			_ = client.Close()
			passed += c.times
			why := ""
			for n := passed - c.times; n < passed; n++ {
				if x := h.finished("", n+1); x.Problem != nil {
					why += x.Problem.Message
				}
			}
			if !strings.Contains(why, c.why) {
				t.Errorf("%s through %s: %q, want %q in it", way.host, c.proxy, why, c.why)
			}
			if n := len(h.rows("").Rows); n != passed {
				t.Errorf("%s through %s: %d exchanges, not %d", way.host, c.proxy, n, passed)
			}
		}
	}
}
