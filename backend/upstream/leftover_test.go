package upstream

import (
	"bufio"
	"crypto/tls"
	"net"
	"strings"
	"testing"
)

func TestWhatATLSOriginSaysUnaskedIsNoAnswer(t *testing.T) {
	ours := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{ours.leaf(t, -1, 1, "localhost")}, NextProtos: []string{protocol1}}
	body := strings.Repeat("x", 9000)
	const forged = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
	cases := map[string]func(*peer){
		"in the record of the body": func(p *peer) {
			p.say("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s%s", len(body), body, forged)
		},
		"in a record behind it": func(p *peer) {
			p.say("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			p.say(forged)
		},
	}
	for name, first := range cases {
		t.Run(name, func(t *testing.T) {
			said := make(chan bool, 1)
			address := serve(t, func(p *peer) {
				c := tls.Server(p.Conn, config)
				inside := &peer{c, bufio.NewReader(c), p.n, p.t}
				if p.n == 1 {
					if inside.head() != "" {
						first(inside)
						said <- true
					}
				}
				answering(inside)
			})
			_, port, _ := net.SplitHostPort(address)
			s := settings("https://localhost:" + port)
			s.CA = ours.file
			pool := open(t, s, Options{})
			if got := get(t, pool, "/first"); got != body {
				t.Fatalf("the first answer has %d bytes", len(got))
			}
			<-said // else it would come when the second request was sent, and nobody could tell
			if got := get(t, pool, "/second"); !strings.HasPrefix(got, "GET /second ") {
				t.Errorf("the second answer is %q", got)
			}
		})
	}
}
