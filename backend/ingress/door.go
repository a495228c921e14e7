package ingress

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/http1"
	"proxycache/backend/problem"
)

// mostToldASecond bounds the requests that are told of though they were answered here: what a scanner of ports
// says shall not push out what was recorded.
const mostToldASecond = 50

// allowance counts what was told in a second.
type allowance struct {
	mu     sync.Mutex
	second int64
	told   int
}

func (a *allowance) take(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if second := now.Unix(); second != a.second {
		a.second, a.told = second, 0
	}
	a.told++
	return a.told <= mostToldASecond
}

// turnedAway tells of a request that was answered here and not given to the handler: it would be seen nowhere
// else. sent is the answer with its head as it was sent; nil where none was.
func (c *client) turnedAway(q *flow.Request, door flow.Door, why *refusal, sent *flow.Response) {
	if sent == nil || !c.server.allowance.take(time.Now()) {
		return
	}
	x := flow.NewExchange(context.Background(), door, q)
	if by := c.in.headBy; why.status == 408 && !by.IsZero() {
		x.Started = by.Add(-c.bounds.headerTimeout)
	}
	x.Client, x.Trusted, x.ClientConn = c.address, c.trusted(), c.facts
	x.Problem = problem.New(why.problem(), "%s", why.why)
	c.server.options.TurnedAway(x, sent)
}

// problem is the kind of the problem that a refusal is.
func (r *refusal) problem() problem.Kind {
	switch r.status {
	case 403:
		return problem.Forbidden
	case 408:
		return problem.SlowClient
	case 503:
		return problem.Overloaded
	}
	return problem.BadRequest
}

// fromHead is a request whose head was read, and refused for what it asks.
func (c *client) fromHead(head *http1.Head) (*flow.Request, flow.Door) {
	q := &flow.Request{
		Method: head.Method, Scheme: c.scheme, Target: head.Target, Proto: head.Proto, Header: slices.Clone(head.Header),
		Body: flow.NoBody, RawHead: head.Raw,
	}
	if head.Method == "CONNECT" {
		q.Authority, q.Target = head.Target, ""
		return q, flow.Tunnel
	}
	return q, c.locate(q, head.Header.Get("Host"))
}

// fromBytes is what can be told of a request that is none, or whose head did not end: as much of it as came.
func (c *client) fromBytes() (*flow.Request, flow.Door) {
	raw := headOf(c.reader.Buffered(), c.bounds.head.Head)
	q := &flow.Request{Scheme: c.scheme, Proto: "HTTP/1.1", Body: flow.NoBody, RawHead: raw}
	line, fields, _ := strings.Cut(string(raw), "\n")
	words := strings.Fields(line)
	if len(words) > 0 && http1.IsToken(words[0]) {
		q.Method = strings.Clone(words[0]) // without the rest of the text, which raw has
	}
	if len(words) > 1 && visible(words[1]) {
		q.Target = strings.Clone(words[1])
	}
	host := ""
	for line := range strings.Lines(fields) {
		name, value, _ := strings.Cut(line, ":")
		if value = strings.TrimSpace(value); flow.EqualFold(strings.TrimSpace(name), "Host") && visible(value) {
			host = strings.Clone(value)
			break
		}
	}
	return q, c.locate(q, host)
}

// locate finds where q wants to go as well as its target and host tell, and by which door.
func (c *client) locate(q *flow.Request, host string) flow.Door {
	q.Authority = host
	if scheme, rest, absolute := strings.Cut(q.Target, "://"); absolute && !strings.HasPrefix(q.Target, "/") {
		at := len(rest)
		if i := strings.IndexAny(rest, "/?"); i >= 0 {
			at = i
		}
		if scheme = strings.ToLower(scheme); scheme == "https" || scheme == "http" {
			q.Scheme = scheme
		}
		q.Authority, q.Target = rest[:at], rest[at:]
		if i := strings.LastIndexByte(q.Authority, '@'); i >= 0 { // what is before it is a secret
			q.Authority = q.Authority[i+1:]
		}
		return flow.Forward
	}
	switch {
	case c.via != "":
		q.Authority = c.via
	case host == "":
		q.Authority = c.facts.Local
	}
	switch {
	case c.via != "" && c.scheme == "https":
		return flow.Intercept
	case c.via != "":
		return flow.Forward
	}
	return flow.Reverse
}

// headOf is a copy of the head that text begins with, as far as it is there, and of most bytes.
func headOf(text []byte, most int) []byte {
	text = text[:min(len(text), most)]
	for end := 0; ; {
		i := bytes.IndexByte(text[end:], '\n')
		if i < 0 {
			return bytes.Clone(text)
		}
		line := bytes.TrimRight(text[end:end+i], "\r")
		if end += i + 1; len(line) == 0 && len(bytes.TrimSpace(text[:end])) > 0 {
			return bytes.Clone(text[:end])
		}
	}
}

// visible tells that s is a word in ASCII.
func visible(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}
