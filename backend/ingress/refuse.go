package ingress

import (
	"slices"
	"strconv"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/http1"
	"proxycache/backend/page"
)

// refusal is why a request does not become an exchange, and the status that says so.
type refusal struct {
	status int
	why    string // sentences for people
}

// Kinds of errors of RFC 9209 §2.3.
const (
	requestError    = "http_request_error"
	requestDenied   = "http_request_denied"
	ownResponse     = "proxy_internal_response"
	connectionLimit = "connection_limit_reached"
)

// kind is the refusal's as RFC 9209 §2.3 registers it.
func (r *refusal) kind() string {
	switch {
	case r.status == 403 || r.status == 407:
		return requestDenied
	case r.status < 500:
		return requestError
	}
	return ownResponse
}

// page is the refusal in the form that the field Accept asks for, with the header that it has on every
// protocol.
func (r *refusal) page(accept, kind string) (header flow.Header, body []byte) {
	contentType, body := page.Page{Status: r.status, Title: http1.StatusText(r.status), Detail: r.why}.In(accept)
	return flow.Header{
		{Name: "Content-Type", Value: contentType},
		{Name: "Cache-Control", Value: "no-store"},
		{Name: "Proxy-Status", Value: page.ProxyStatus(kind, r.why)},
	}, body
}

// refuse answers what is no request, or one whose header is not known, and ends the connection such
// that the client can read it.
func (c *client) refuse(r *refusal) {
	h, body := r.page("", r.kind())
	q, door := c.fromBytes()
	c.endWith(q, door, r, h, body)
}

// refuseRequest is refuse for a request whose header was read.
func (c *client) refuseRequest(head *http1.Head, r *refusal) {
	h, body := r.page(head.Header.Joined("Accept"), r.kind())
	h.Add("Content-Length", strconv.Itoa(len(body)))
	if head.Method == "HEAD" {
		body = nil
	}
	q, door := c.fromHead(head)
	c.endWith(q, door, r, h, body)
}

// endWith answers q, tells of it, and ends the connection.
func (c *client) endWith(q *flow.Request, door flow.Door, r *refusal, h flow.Header, body []byte) {
	last := c.lastWord(r, h, body)
	heard := c.say(last, body)
	c.turnedAway(q, door, r, last)
	if heard {
		c.linger()
	}
}

// lastWord makes an answer after which the connection closes.
func (c *client) lastWord(r *refusal, h flow.Header, body []byte) *flow.Response {
	c.server.options.Log.Debug("refused a request", "client", c.facts.Remote, "status", r.status, "why", r.why)
	if !h.Has("Content-Length") {
		h.Add("Content-Length", strconv.Itoa(len(body)))
	}
	h.Add("Date", c.server.date())
	h.Add("Connection", "close")
	last := flow.NewResponse(r.status, "", body)
	last.Header = h
	last.RawHead = http1.AppendResponse(nil, "HTTP/1.1", r.status, "", h)
	return last
}

// say sends a last word and its body, and tells whether they could be sent.
func (c *client) say(last *flow.Response, body []byte) bool {
	_, err := c.out.Write(append(slices.Clip(last.RawHead), body...))
	return err == nil
}

// retryAfter is for how many seconds a client that met a limit should wait.
const retryAfter = "1"

// maxLeaving is how many refused connections are given time to read why. More of them are a flood, and
// just closed.
const maxLeaving = 64

// turnAway refuses a connection whose client has too many, without reading from it.
func (c *client) turnAway() {
	g := &c.server.gate
	defer g.leaving.Add(-1)
	if g.leaving.Add(1) > maxLeaving {
		return
	}
	most := strconv.Itoa(c.server.limits.Load().PerClient)
	r := &refusal{503, "The proxy takes at most " + most + " connections of one client at once (connections_per_client). Use one of those that are open, or try again later."}
	h, body := r.page("", connectionLimit)
	h.Add("Retry-After", retryAfter)
	if c.say(c.lastWord(r, h, body), body) {
		c.linger()
	}
}

// overloaded is the answer to a request that comes while as many are under way as may be.
func overloaded(accept string) (r *refusal, h flow.Header, body []byte) {
	r = &refusal{503, "The proxy is answering as many requests as it takes at once (in_flight). Try again in a moment."}
	h, body = r.page(accept, ownResponse)
	h.Add("Retry-After", retryAfter)
	return r, h, body
}

// decline answers a request that must not be begun now. The connection stays of use.
func (t *turn) decline() (again bool) {
	c := t.client
	c.in.ended = time.Time{}
	why, h, body := overloaded(t.head.Header.Joined("Accept"))
	w := newWord(why, h, body)
	again = t.give(w.response)
	c.out.close()
	q, door := c.fromHead(t.head)
	c.turnedAway(q, door, why, w.sent(q.Method))
	return t.finish(again)
}

// word is an answer of ours that is written as others are, and hears with which head.
type word struct {
	response *flow.Response
	body     []byte
	proto    string
	head     []byte
}

func newWord(r *refusal, h flow.Header, body []byte) *word {
	w := &word{response: flow.NewResponse(r.status, "", body), body: body}
	w.response.Header, w.response.Watcher = h, w
	return w
}

// Begins hears the head.
func (w *word) Begins(proto string, head []byte) { w.proto, w.head = proto, slices.Clone(head) }

// sent is the answer to a method as it was sent; nil where it was not.
func (w *word) sent(method string) *flow.Response {
	if w.head == nil {
		return nil
	}
	body := w.body
	if method == "HEAD" {
		body = nil
	}
	out := flow.NewResponse(w.response.Status, "", body)
	out.Proto, out.Header, out.RawHead = w.proto, w.response.Header, w.head
	return out
}
