package upstream

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"proxycache/backend/problem"
)

const unaskedAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"

// spokenTo is the new connection of a pool to a server that speaks first, once it has.
func spokenTo(t *testing.T, p *Pool, k *call) *conn {
	t.Helper()
	l, err := p.line(k.x, k.t, idleOrNew, &effort{})
	if err != nil {
		t.Fatal(err)
	}
	c := l.(*conn)
	for end := time.Now().Add(patience); c.quiet(); {
		if time.Now().After(end) {
			t.Fatal("it says nothing")
		}
	}
	return c
}

func TestWhatANewConnectionSaysUnaskedIsNoAnswer(t *testing.T) {
	for first, c := range map[string]struct {
		kind problem.Kind
		why  string
	}{
		unaskedAnswer:        {problem.BadResponse, "it speaks before it is asked"},
		"220 mail ready\r\n": {problem.BadResponse, "it speaks before it is asked"},
		"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00\x40\x00": {problem.BadResponse, "begins with h2c://"}, // SETTINGS
		"\x15\x03\x01\x00\x02\x02\x28":                                 {problem.BadResponse, "begins with https://"},
		"":                                                             {problem.Terminated, "closed the connection"},
	} {
		heard := make(chan string, 1)
		address := serve(t, func(p *peer) {
			if first != "" {
				p.say("%s", first)
				heard <- p.rest()
			}
		})
		p := openTo(t, "http://"+address)
		x := ask(t, "POST", "/")
		k := newCall(p, x, p.seats[0].named)
		_, err := spokenTo(t, p, k).send(k)
		if problem.KindOf(err) != c.kind || !strings.Contains(fmt.Sprint(err), c.why) || x.Sent {
			t.Errorf("after %q: %v, sent %v", first, err, x.Sent)
		}
		if first != "" {
			if got := within(t, heard, "the end of the connection"); got != "" {
				t.Errorf("after %q it was asked %q", first, got)
			}
		}
	}
}

func TestWhatComesBehindAProxysAnswerIsNoAnswerOfTheTarget(t *testing.T) {
	proxy := serve(t, func(p *peer) {
		p.head()
		p.say("HTTP/1.1 200 Connection established\r\n\r\n" + unaskedAnswer)
		if got := p.rest(); got != "" {
			p.t.Errorf("it was asked %q", got)
		}
	})
	p := open(t, through(t, "http://"+proxy, "http://app.test"), Options{})
	if got := refused(t, p, ask(t, "GET", "/"), problem.BadResponse); !strings.Contains(got, "it speaks before it is asked") {
		t.Errorf("told %q", got)
	}
}
