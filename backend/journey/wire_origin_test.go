package journey

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// reply is what a scripted origin does about a request.
type reply struct {
	bytes string
	then  ending
}

// ending is what becomes of the origin's connection after its bytes.
type ending int

const (
	stays  ending = iota
	closes        // in order
	resets        // at once
)

// script answers the n-th request of a case, counted over all connections from 0.
type script func(n int, m *spoken) reply

// echoes is the answer that says what was heard.
func echoes(_ int, m *spoken) reply { return reply{bytes: answerTo(m)} }

func answerTo(m *spoken) string {
	body := m.echo()
	if m.method == "HEAD" {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(body))
	}
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// rawOrigin is an origin on bare TCP that keeps every byte it gets, reads it by the strict grammar and
// answers by a script. One case at a time.
type rawOrigin struct {
	address string

	mu     sync.Mutex
	script script
	early  func(head string) reply // answers a head whose body has not come yet; nil for none
	conns  []*originConn           // of the case
	heard  []*spoken               // of the case, complete ones
}

type originConn struct {
	net.Conn
	log   []byte // all that came
	used  int    // of log, by complete requests
	wrong error  // a byte that must not have been forwarded
	ended bool   // the proxy ended it
	early bool   // its request was answered before it was complete
}

func openRawOrigin(t *testing.T, secure *tls.Config) *rawOrigin {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if secure != nil {
		l = tls.NewListener(l, secure)
	}
	o := &rawOrigin{address: l.Addr().String(), script: echoes}
	t.Cleanup(func() { _ = l.Close(); o.begin(nil, nil) })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go o.serve(o.adopt(c))
		}
	}()
	return o
}

// adopt makes a connection one of the case, in the order in which they came.
func (o *rawOrigin) adopt(conn net.Conn) *originConn {
	c := &originConn{Conn: conn}
	o.mu.Lock()
	o.conns = append(o.conns, c)
	o.mu.Unlock()
	return c
}

// catchUp waits until every connection that was made before it is adopted: one that the system still
// holds would be taken for one of the next case.
func (o *rawOrigin) catchUp() {
	last, err := net.Dial("tcp", o.address)
	if err != nil {
		return // it does not listen any more
	}
	defer last.Close()
	adopted := func() bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return slices.ContainsFunc(o.conns, func(c *originConn) bool { return c.RemoteAddr().String() == last.LocalAddr().String() })
	}
	for end := time.Now().Add(patience); !adopted() && time.Now().Before(end); {
		time.Sleep(100 * time.Microsecond)
	}
}

// begin starts a case: what was heard before is forgotten and the connections of before are closed.
func (o *rawOrigin) begin(s script, early func(string) reply) {
	o.catchUp()
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range o.conns {
		_ = c.Close()
	}
	if s == nil {
		s = echoes
	}
	o.script, o.early, o.conns, o.heard = s, early, nil, nil
}

func (o *rawOrigin) serve(c *originConn) {
	defer c.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := c.Read(buf)
		if n > 0 && bytes.Contains(buf[:n], []byte(finder)) {
			o.forget(c)
			return
		}
		if !o.take(c, buf[:n], err != nil) {
			return
		}
	}
}

// forget takes out a connection that is none of the case.
func (o *rawOrigin) forget(c *originConn) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.conns = slices.DeleteFunc(o.conns, func(one *originConn) bool { return one == c })
}

// take reads what came, and tells whether the connection goes on.
func (o *rawOrigin) take(c *originConn, p []byte, ended bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !slices.Contains(o.conns, c) { // of a case that is over
		return false
	}
	c.log = append(c.log, p...)
	c.ended = c.ended || ended
	for c.wrong == nil && c.used < len(c.log) {
		m, n, err := strict{}.read(c.log[c.used:], ended)
		c.wrong = err
		if n == 0 {
			break
		}
		c.used += n
		o.heard = append(o.heard, m)
		if c.early {
			c.early = false
			continue
		}
		if !o.answer(c, o.script(len(o.heard)-1, m)) {
			return false
		}
	}
	if head, _, ok := bytes.Cut(c.log[c.used:], []byte("\r\n\r\n")); ok && o.early != nil {
		early := o.early
		o.early, c.early = nil, true
		return o.answer(c, early(string(head)))
	}
	return !ended && c.wrong == nil
}

func (o *rawOrigin) answer(c *originConn, r reply) bool {
	_, _ = io.WriteString(c, r.bytes) // a proxy that hung up shows at the client
	if r.then == resets {
		if tcp, ok := c.Conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
	}
	return r.then == stays
}

// state is what the origin has heard so far.
type originState struct {
	heard    []string // complete requests as tables write them
	requests []*spoken
	conns    int
	wrong    error
	partial  string // bytes of a request that is not complete
	open     bool   // its connection is still open
}

func (o *rawOrigin) state() originState {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := originState{conns: len(o.conns), requests: o.heard}
	for _, m := range o.heard {
		s.heard = append(s.heard, m.echo())
	}
	for _, c := range o.conns {
		if c.wrong != nil {
			s.wrong = fmt.Errorf("%w; in all %.300q", c.wrong, c.log)
		}
		if rest := c.log[c.used:]; len(rest) > 0 && c.wrong == nil {
			s.partial = string(rest)
			s.open = s.open || !c.ended
		}
	}
	return s
}

// rawClient speaks bytes to the proxy and reads answers by the strict grammar.
type rawClient struct {
	net.Conn
	in    []byte
	ended bool  // the proxy ended the connection
	fault error // how, when not in order
}

const patience = 5 * time.Second

// dialRaw connects to the proxy at http://host:port.
func dialRaw(t *testing.T, proxy string) *rawClient {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(proxy, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &rawClient{Conn: c}
}

var errSilent = errors.New("nothing came for " + patience.String())

// more reads once.
func (c *rawClient) more() error {
	if c.ended {
		return io.EOF
	}
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	buf := make([]byte, 32<<10)
	n, err := c.Read(buf)
	_ = c.SetReadDeadline(time.Time{}) // whoever goes on with the connection has his own patience
	c.in = append(c.in, buf[:n]...)
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return errSilent
	case err != nil:
		c.ended = true
		if err != io.EOF {
			c.fault = err
		}
	}
	return nil
}

var errCut = errors.New("the connection ended inside an answer")

// next reads one answer to a request of that method; io.EOF when the connection ended before it.
func (c *rawClient) next(method string) (*spoken, error) {
	for {
		m, n, err := strict{response: true, method: method}.read(c.in, c.ended && c.fault == nil)
		if err != nil {
			return nil, err
		}
		if n > 0 {
			c.in = c.in[n:]
			return m, nil
		}
		if c.ended && len(c.in) == 0 {
			return nil, io.EOF
		}
		if c.ended {
			return nil, errCut
		}
		if err := c.more(); err != nil {
			return nil, err
		}
	}
}
