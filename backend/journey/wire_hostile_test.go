package journey

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"
)

// hostile is one line of the corpus: what a client sends, and what must come of it.
type hostile struct {
	name string
	// send is what the client sends, byte by byte; {/} is the beginning of a target and {h} the host, as
	// the door wants them.
	send string
	// want are the statuses the client gets, in order: "200 400 close". "400/501" is either, "(400)" may
	// be there, "200h" answers HEAD. Without "close" the connection must go on and serve one more request
	// with its own answer.
	want string
	// heard are the complete requests that the origin gets, as METHOD TARGET BODY; in order, which is also
	// that of the client's answers.
	heard []string
	// cut says that the origin may get the beginning of one more request, on a connection that then ends.
	cut bool
	// shut says that the client ends its side after its last byte.
	shut bool

	script script // nil echoes
	early  func(head string) reply
	check  func(t *testing.T, heard []*spoken, answers []*spoken)
}

// door is a way into the proxy.
type door struct {
	name, prefix, host string
	dial               func(t *testing.T) *rawClient
}

// doorways are the doors of a house in front of one origin.
func doorways(h *house, o *rawOrigin) (reverse, forward, inside door) {
	proxy := h.proxy()
	straight := func(t *testing.T) *rawClient { return dialRaw(t, proxy) }
	return door{"reverse", "/", "shop.test", straight},
		door{"forward", "http://" + o.address + "/", o.address, straight},
		door{"connect", "/", o.address, func(t *testing.T) *rawClient { return dialThrough(t, proxy, o.address) }}
}

// dialThrough is a connection inside a CONNECT.
func dialThrough(t *testing.T, proxy, to string) *rawClient {
	t.Helper()
	c := dialRaw(t, proxy)
	if _, err := fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", to, to); err != nil {
		t.Fatal(err)
	}
	for !strings.HasSuffix(string(c.in), "\r\n\r\n") {
		if err := c.more(); err != nil {
			t.Fatalf("CONNECT got %q, %v", c.in, err)
		}
	}
	if !strings.HasPrefix(string(c.in), "HTTP/1.1 200 ") {
		t.Fatalf("CONNECT got %q", c.in)
	}
	c.in = nil
	return c
}

// secureThrough is TLS inside a CONNECT, in which the proxy reads.
func secureThrough(t *testing.T, h *house, to string) *rawClient {
	t.Helper()
	host, _, err := net.SplitHostPort(to)
	if err != nil {
		t.Fatal(err)
	}
	c := tls.Client(dialThrough(t, h.proxy(), to).Conn, &tls.Config{RootCAs: h.roots(), ServerName: host, NextProtos: []string{"http/1.1"}})
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	return &rawClient{Conn: c}
}

// manner is how the bytes of a case travel.
type manner string

const (
	whole    manner = "whole"
	inPieces manner = "in pieces" // of one byte each
)

// mostInPieces bounds what is sent in pieces.
const mostInPieces = 700

// run plays a case at a door, in both manners.
func (k hostile) run(t *testing.T, o *rawOrigin, d door) {
	if k.plays(t, o, d, whole) && len(k.send) < mostInPieces {
		k.plays(t, o, d, inPieces)
	}
}

func (k hostile) plays(t *testing.T, o *rawOrigin, d door, how manner) bool {
	return t.Run(d.name+", "+string(how)+"/"+k.name, func(t *testing.T) {
		o.begin(k.script, k.early)
		c := d.dial(t)
		defer c.Close()
		go k.speak(c, d, how)
		tokens := strings.Fields(k.want)
		answers, got := k.listen(c, tokens)
		heard := slices.Clone(k.heard)
		if tokens[len(tokens)-1] != "close" {
			heard = append(heard, "GET /after ")
			answer, more := k.after(c, d)
			answers, got = append(answers, answer...), append(got, more...)
			tokens = append(slices.Clone(tokens), "after")
		}
		if !matches(tokens, got) {
			t.Errorf("the client got %q, want %q", strings.Join(got, " "), strings.Join(tokens, " "))
		}
		k.judge(t, o, heard, answers)
	})
}

// speak sends the case. The proxy may hang up before its end.
func (k hostile) speak(c *rawClient, d door, how manner) {
	text := d.fill(k.send)
	step := len(text)
	if how == inPieces {
		step = 1
	}
	for len(text) > 0 {
		n := min(step, len(text))
		if _, err := io.WriteString(c.Conn, text[:n]); err != nil {
			return
		}
		text = text[n:]
	}
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok && k.shut {
		_ = half.CloseWrite()
	}
}

func (d door) fill(text string) string {
	return strings.NewReplacer("{/}", d.prefix, "{h}", d.host).Replace(text)
}

// listen reads as many answers as the case speaks of, or until the connection ends.
func (k hostile) listen(c *rawClient, tokens []string) (answers []*spoken, got []string) {
	most := len(tokens)
	if tokens[most-1] == "close" {
		most += 3 // what should not come
	}
	for i := range most {
		method, suffix := "GET", ""
		if i < len(tokens) && strings.HasSuffix(tokens[i], "h") {
			method, suffix = "HEAD", "h"
		}
		m, err := c.next(method)
		switch {
		case err == io.EOF:
			return answers, append(got, "close")
		case err != nil:
			return answers, append(got, err.Error())
		}
		answers = append(answers, m)
		got = append(got, fmt.Sprint(m.status)+suffix)
	}
	return answers, got
}

// after asks once more and gives what comes.
func (k hostile) after(c *rawClient, d door) (answers []*spoken, got []string) {
	_, _ = io.WriteString(c, d.fill("GET {/}after HTTP/1.1\r\nHost: {h}\r\n\r\n")) // a closed connection says so below
	m, err := c.next("GET")
	switch {
	case err == io.EOF:
		return nil, []string{"close"}
	case err != nil:
		return nil, []string{err.Error()}
	case string(m.body) != "GET /after ":
		return nil, []string{fmt.Sprintf("%d %q instead of the answer to /after", m.status, m.body)}
	}
	return []*spoken{m}, []string{"after"}
}

// matches compares statuses with a pattern of them.
func matches(want, got []string) bool {
	if len(want) == 0 || len(got) == 0 {
		return len(want) == len(got)
	}
	w := want[0]
	if optional := strings.HasPrefix(w, "("); optional {
		if matches(want[1:], got) {
			return true
		}
		w = strings.Trim(w, "()")
	}
	return slices.Contains(strings.Split(w, "/"), got[0]) && matches(want[1:], got[1:])
}

// judge looks at what the origin heard.
func (k hostile) judge(t *testing.T, o *rawOrigin, want []string, answers []*spoken) {
	t.Helper()
	s := o.state()
	for end := time.Now().Add(patience); k.cut && s.open && time.Now().Before(end); s = o.state() {
		time.Sleep(time.Millisecond)
	}
	if s.wrong != nil {
		t.Errorf("the origin got bytes that are no HTTP: %v", s.wrong)
	}
	if !slices.Equal(s.heard, want) {
		t.Errorf("the origin heard %q, want %q", s.heard, want)
	}
	switch {
	case s.partial != "" && !k.cut:
		t.Errorf("the origin got the beginning of another request: %.200q", s.partial)
	case s.open:
		t.Errorf("the origin still waits for the rest of %.200q", s.partial)
	}
	var answered []string
	for _, m := range answers {
		if m.status == 200 && k.script == nil && len(m.body) > 0 {
			answered = append(answered, string(m.body))
		}
	}
	if k.script == nil && k.early == nil && !slices.ContainsFunc(want, func(w string) bool { return strings.HasPrefix(w, "HEAD") }) && !slices.Equal(answered, s.heard) {
		t.Errorf("the client's answers are to %q, the origin heard %q", answered, s.heard)
	}
	if k.check != nil && !t.Failed() {
		k.check(t, s.requests, answers)
	}
}
