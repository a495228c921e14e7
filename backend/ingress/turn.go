package ingress

import (
	"errors"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/http1"
	"proxycache/backend/problem"
)

// turn is one request of a connection and its answer. It serves the next request of its connection
// again where nobody can hold anything of it.
type turn struct {
	client  *client
	head    *http1.Head
	request flow.Request
	body    requestBody
	framed  http1.BodyWriter // the answer's
	x       flow.Exchange
	ctx     span // ends when the client leaves; modules may give x a shorter one
	door    flow.Door

	say      func(status int, h flow.Header) // interim, made once
	asking   asking                          // of a tunnel; nil else
	admitted bool                            // counted as being answered
	answered bool                            // the client was told before the exchange began that its bytes pass
	complete bool                            // the whole answer was written

	expects atomic.Bool // the client waits for 100 (Continue)
	hasLeft atomic.Bool
}

func (c *client) newTurn(head *http1.Head) *turn {
	t := c.spare
	if c.spare = nil; t == nil {
		t = &turn{client: c}
		t.body.turn, t.say = t, t.interim
	}
	t.head, t.door = head, flow.Reverse
	t.request = flow.Request{
		Method: head.Method, Scheme: c.scheme, Target: head.Target, Proto: head.Proto, Header: head.Header,
		Body: flow.NoBody, ContentLength: max(-1, head.Length), ExpectContinue: head.Expect, RawHead: head.Raw,
		Tolerated: head.Tolerated,
	}
	t.expects.Store(head.Expect)
	if head.Length == 0 {
		t.body.complete.Store(true)
		return t
	}
	t.body.from.Open(c.reader, head)
	t.body.buffered = head.Length > 0 && int64(len(c.reader.Buffered())) >= head.Length
	t.request.Body = &t.body
	return t
}

// address finds the door and the place the request names, by the form of its target (RFC 9112 §3.2).
func (t *turn) address() *refusal {
	c, r := t.client, &t.request
	accept := c.bound.ways.Load()
	var scheme, rest string
	absolute := t.head.Target[0] != '/'
	if absolute {
		scheme, rest, absolute = strings.Cut(t.head.Target, "://")
	}
	if absolute {
		if refused := t.absolute(strings.ToLower(scheme), rest); refused != nil {
			return refused
		}
		t.door = flow.Forward
		t.head.Close = t.head.Close || t.head.Proto == "HTTP/1.0" // who speaks to a proxy so has no say (RFC 9112 §9.3)
	} else {
		r.Authority = t.head.Header.Get("Host")
	}
	switch {
	case c.via != "":
		r.Authority, r.Dial = c.inside(r.Authority)
		r.Scheme = c.scheme
		t.door = flow.Forward
		if c.scheme == "https" {
			t.door = flow.Intercept
		}
	case absolute && !accept.forward:
		return &refusal{403, notForward}
	case absolute && !accept.login.admitsRequest(t.head.Header):
		return &refusal{407, notAdmitted}
	case !absolute && !accept.reverse:
		return &refusal{403, notReverse}
	case r.Authority == "": // HTTP/1.0 without Host
		r.Authority = c.facts.Local
	}
	return nil
}

const notForward = "This address does not take proxy requests: its listener does not accept \"forward\"."

const notReverse = "This address takes proxy requests only: its listener does not accept \"reverse\". Set it as the proxy of your program instead of opening it."

// absolute reads the absolute-form. It names the target in place of Host (RFC 9112 §3.2.2).
func (t *turn) absolute(scheme, rest string) *refusal {
	r := &t.request
	if scheme != "http" && scheme != "https" {
		return &refusal{400, "The proxy passes http:// and https:// on, and not " + scheme + "://."}
	}
	r.Scheme = scheme
	at := strings.IndexAny(rest, "/?")
	switch {
	case at < 0 && r.Method == "OPTIONS": // RFC 9112 §3.2.4
		r.Authority, r.Target = rest, "*"
	case at < 0:
		r.Authority, r.Target = rest, "/"
	case rest[at] == '?':
		r.Authority, r.Target = rest[:at], "/"+rest[at:]
	default:
		r.Authority, r.Target = rest[:at], rest[at:]
	}
	return nil
}

// inside is the authority of a request inside a CONNECT. The host it names stands when it is the
// CONNECT's; another one does not lead elsewhere: the client chose its target by CONNECT. Who looks names
// up by itself chose an address, which is to be dialled, and says the name only here.
func (c *client) inside(named string) (authority, dial string) {
	host, port := flow.SplitAuthority(c.via)
	if isAddress(host) {
		dial = c.via
	}
	if h, p := flow.SplitAuthority(named); dial != "" && named != "" || plainHost(h) == plainHost(host) && p == port {
		return named, dial
	}
	if defaultPort(c.scheme) == port {
		return strings.TrimSuffix(c.via, ":"+port), dial
	}
	return c.via, dial
}

func defaultPort(scheme string) string {
	if scheme == "https" {
		return "443"
	}
	return "80"
}

// run has the request answered, and tells whether the connection may be used again.
func (t *turn) run() (again bool) {
	c := t.client
	c.in.phase = inBody
	if !c.server.acquire() {
		return t.decline()
	}
	t.admitted = true
	t.open()
	again = t.answer(c.server.options.Handler.Handle(&t.x))
	if again && t.head.Length == 0 && t.ctx.reopen() {
		t.reset()
		c.spare = t
	}
	return again
}

// reset makes t, of which nobody holds anything, ready for newTurn: no reader of the request's body, and
// nobody who waits for the end of its context.
func (t *turn) reset() {
	t.x.Release()
	t.body.complete.Store(false)
	t.head, t.complete = nil, false
}

// open makes the exchange and begins to watch for the client's leaving.
func (t *turn) open() {
	c := t.client
	t.x.Start(&t.ctx, t.door, &t.request)
	t.x.Client, t.x.Trusted, t.x.ClientConn = c.address, c.trusted(), c.facts
	t.x.Interim = t.say
	c.out.open(t)
	c.begin(t)
	if t.body.buffered || t.body.complete.Load() {
		c.in.watchFor(t.x.Started)
	}
}

// answer gives the response to the client, ends the exchange, and tells whether the connection may
// be used again.
func (t *turn) answer(r *flow.Response) (again bool) {
	c := t.client
	switch {
	case t.ctx.Err() != nil:
	case r.Cut:
		c.cut()
	case r.Upgraded != nil:
		t.upgrade(r)
	default:
		again = t.give(r)
	}
	t.close(r)
	return r.Upgraded == nil && t.finish(again)
}

// give writes a response that is no upgrade, in the words that the client understands.
func (t *turn) give(r *flow.Response) (again bool) {
	switch {
	case t.answered: // nothing can be said any more
	case t.asking != nil:
		t.asking.failed(t, r)
	default:
		return t.write(r)
	}
	return false
}

// finish brings the connection to the next request, or to its end; again says that the answer let it
// go on.
func (t *turn) finish(again bool) bool {
	c := t.client
	switch {
	case !t.complete || t.hasLeft.Load():
		return false
	case again && t.finishReading():
		return true
	case !t.body.complete.Load() || c.unread():
		c.linger()
	}
	return false
}

// release says that the exchange is not being answered any more.
func (t *turn) release() {
	if t.admitted {
		t.admitted = false
		t.client.server.release()
	}
}

// close ends the exchange in the order its watchers rely on: the last moment and the reason are
// there before the response's body is closed, and no byte of the request comes after that.
func (t *turn) close(r *flow.Response) {
	c, x := t.client, &t.x
	x.Timing.Done = x.Since()
	c.in.ended = x.Started.Add(x.Timing.Done)
	if !t.complete && !r.Cut && t.ctx.Err() != nil {
		c.server.endedEarly(x, r, &t.request, t.hasLeft.Load())
	}
	if t.complete && t.head.Length != 0 && !t.body.touched.Load() && t.readable() {
		t.readUnasked()
		c.in.ended = time.Time{} // that may have taken its time
	}
	if t.head.Length != 0 {
		_ = t.body.Close()
	}
	closeAll(x, r)
	t.ctx.cancel()
	c.in.unwatch()
	c.out.close()
	c.end()
	t.release()
}

// closeAll closes what the exchange held. Errors there concern bodies that nobody reads any more.
func closeAll(x *flow.Exchange, r *flow.Response) {
	if r.Upgraded != nil {
		_ = r.Upgraded.Close()
	}
	_ = r.Body.Close()
	_ = x.Request.Body.Close()
}

// endedEarly says why an exchange had no end of its own: its client left, or a shutdown cut it off. The
// pool behind us sees no difference between the two.
func (s *Server) endedEarly(x *flow.Exchange, r *flow.Response, asked *flow.Request, clientLeft bool) {
	switch {
	case !clientLeft && (x.Problem == nil || x.Problem.Kind == problem.ClientLeft && s.draining.Load()):
		x.Problem = problem.New(problem.Terminated, "Answering %s %s: the proxy was closed before the answer was complete. Send it again.", asked.Method, asked.URL())
		r.Cut = true // on purpose, and by nobody's fault
	case x.Problem == nil:
		x.Problem = problem.New(problem.ClientLeft, "Answering %s %s: the client left before the answer was complete. Send it again.", asked.Method, asked.URL())
	}
}

// whyNotTaken is why the answer to a client that reads nothing was given up.
func (s *Server) whyNotTaken(asked *flow.Request, err error) *problem.Problem {
	return problem.Wrap(problem.ClientLeft, err, "Answering %s %s: the client took nothing of the answer for %s. See what it is busy with, or raise write_timeout in [limits].", asked.Method, asked.URL(), s.limits.Load().writeTimeout)
}

// whyBroken is why a response ended before its end.
func whyBroken(r *flow.Request, err error, sent int64) *problem.Problem {
	if p, ok := errors.AsType[*problem.Problem](err); ok {
		return p
	}
	return problem.Wrap(problem.Terminated, err, "Passing on the answer to %s %s: it broke off after %d bytes: %v. Look at the server's log, or send it again.", r.Method, r.URL(), sent, err)
}

// lost ends the exchange because its answer could not be written.
func (t *turn) lost(err error) {
	if errors.Is(err, os.ErrDeadlineExceeded) && t.x.Problem == nil {
		t.x.Problem = t.client.server.whyNotTaken(&t.request, err)
	}
	t.client.left()
}

// left ends the exchange because the client is gone. Any goroutine may call it.
func (c *client) left() {
	c.mu.Lock()
	t, over := c.turn, c.over
	c.mu.Unlock()
	if t == nil {
		return
	}
	if !over { // else we closed the connection
		t.hasLeft.Store(true)
	}
	t.ctx.cancel()
}
