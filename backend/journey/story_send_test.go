package journey

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"proxycache/backend/core"
)

// longest is how long a story waits for what must come.
const longest = 15 * time.Second

// exchange is a request of a story and what became of it.
type exchange struct {
	number  int // in the story
	method  string
	conn    net.Conn
	done    chan struct{} // closed when the answer is there
	answer  clientAnswer
	interim []clientAnswer // that no want has looked at
	failed  error          // why there is no answer, where the story cannot go on
}

// clientAnswer is an answer as a client sees it. Status 0 is a connection that ended without one.
type clientAnswer struct {
	status int
	header http.Header
	body   string
	broken bool // the body did not end
}

// isSending reads what may stand behind send: "3", "&" or "3 &".
func isSending(rest string) bool {
	times, _, err := sending(rest)
	return err == nil && 0 < times && times <= 100
}

func sending(rest string) (times int, aside bool, err error) {
	rest, aside = strings.CutSuffix(rest, "&")
	if rest = strings.TrimSpace(rest); rest == "" {
		return 1, aside, nil
	}
	times, err = strconv.Atoi(rest)
	return times, aside, err
}

func (s *telling) send(one section) error {
	times, aside, err := sending(strings.TrimPrefix(one.name, "send"))
	if err != nil {
		return stop{err}
	}
	var several []*exchange
	method, wire := requestOf(one.text)
	before := s.words.origin.count()
	for range times {
		s.sent++
		e, err := begin(address(s.house.proxy()), method, wire)
		if err != nil {
			return stop{err}
		}
		e.number = s.sent
		several = append(several, e)
	}
	if aside {
		s.unawaited = append(s.unawaited, several)
		return s.arrive(several, before)
	}
	return s.look(several)
}

// arrive waits until the requests are where they wait: at the origin, or in the program for another one.
func (s *telling) arrive(several []*exchange, before int) error {
	for _, e := range several {
		if !within(longest, func() bool { return s.rowOf(e) != nil }) {
			return stop{fmt.Errorf("it did not arrive at the program")}
		}
	}
	within(200*time.Millisecond, func() bool {
		return s.words.origin.count() >= before+len(several) || several[0].isDone()
	})
	return nil
}

// look waits for the answers, which are those that what follows looks at.
func (s *telling) look(several []*exchange) error {
	s.last = several
	for _, e := range several {
		<-e.done
		if e.failed != nil {
			return stop{fmt.Errorf("exchange %d: %w", e.number, e.failed)}
		}
	}
	return nil
}

func (s *telling) await(section) error {
	if len(s.unawaited) == 0 {
		return stop{fmt.Errorf("nothing is on its way: write send & before")}
	}
	oldest := s.unawaited[0]
	s.unawaited = s.unawaited[1:]
	return s.look(oldest)
}

// requestOf is what goes out for a request of a story, which has a connection of its own.
func requestOf(text string) (method, wire string) {
	head, body, _ := strings.Cut(text, "\n\n")
	body = strings.TrimSuffix(body, "\n")
	lines := strings.Split(strings.TrimSuffix(head, "\n"), "\n")
	method, target, _ := strings.Cut(lines[0], " ")
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", method, target)
	if u, err := url.Parse(target); err == nil && u.Host != "" {
		fmt.Fprintf(&b, "Host: %s\r\n", u.Host)
	}
	for _, line := range lines[1:] {
		b.WriteString(line + "\r\n")
	}
	if body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("Connection: close\r\n\r\n" + body)
	return method, b.String()
}

// begin sends a request and reads its answer aside.
func begin(proxy, method, wire string) (*exchange, error) {
	c, err := net.Dial("tcp", proxy)
	if err != nil {
		return nil, err
	}
	if err := c.SetDeadline(time.Now().Add(longest)); err != nil {
		return nil, err
	}
	e := &exchange{method: method, conn: c, done: make(chan struct{})}
	if _, err := io.WriteString(c, wire); err != nil {
		return nil, err
	}
	go func() {
		defer close(e.done)
		defer e.leave()
		e.failed = e.read(bufio.NewReader(c))
	}()
	return e, nil
}

// leave closes the connection: to the other side the client goes.
func (e *exchange) leave() { _ = e.conn.Close() }

func (e *exchange) isDone() bool {
	select {
	case <-e.done:
		return true
	default:
		return false
	}
}

func (e *exchange) read(in *bufio.Reader) error {
	for {
		r, err := http.ReadResponse(in, &http.Request{Method: e.method})
		if isTimeout(err) {
			return fmt.Errorf("no answer came within %s", longest)
		}
		if err != nil {
			return nil // it ended without an answer
		}
		one := clientAnswer{status: r.StatusCode, header: r.Header}
		if r.StatusCode < 200 && r.StatusCode != http.StatusSwitchingProtocols {
			e.interim = append(e.interim, one)
			continue
		}
		body, err := io.ReadAll(r.Body)
		if isTimeout(err) {
			return fmt.Errorf("the answer did not end within %s", longest)
		}
		one.body, one.broken = string(body), err != nil
		e.answer = one
		return nil
	}
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

// send writes a request onto a connection of its own, and returns the answer.
func send(t *testing.T, h *house, text string) (*http.Response, string) {
	t.Helper()
	method, wire := requestOf(text)
	e, err := begin(address(h.proxy()), method, wire)
	if err != nil {
		t.Fatal(err)
	}
	<-e.done
	if e.failed != nil || e.answer.status == 0 || e.answer.broken {
		t.Fatalf("%s is answered %+v, %v", strings.SplitN(text, "\n", 2)[0], e.answer, e.failed)
	}
	return &http.Response{StatusCode: e.answer.status, Header: e.answer.header}, e.answer.body
}

// rowOf finds what the program has recorded of e, by its connection; nil while there is nothing.
func (s *telling) rowOf(e *exchange) *core.Exchange {
	rows := s.house.rows("").Rows
	for i := len(rows) - 1; i >= 0; i-- {
		x, err := s.house.Exchange(s.t.Context(), rows[i].Seq)
		if err == nil && x.ClientConnection.Remote == e.conn.LocalAddr().String() {
			return &x
		}
	}
	return nil
}

// recorded is what the X-ray shows of the last exchange, once it is over: of several at once, the one
// that came last.
func (s *telling) recorded() (out core.Exchange, err error) {
	if len(s.last) == 0 {
		return out, stop{fmt.Errorf("there is no exchange yet: write send before")}
	}
	for _, e := range s.last {
		var x *core.Exchange
		if !within(longest, func() bool { x = s.rowOf(e); return x != nil && x.Row.Micros >= 0 }) {
			return out, stop{fmt.Errorf("exchange %d is not over", e.number)}
		}
		if x.Row.Seq > out.Row.Seq {
			out = *x
		}
	}
	return out, nil
}
