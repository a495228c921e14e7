package engine

import (
	"io"
	"reflect"
	"strconv"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/policy"
	"proxycache/backend/problem"
)

// meter writes the trail of one cell: its time, and what it changed on the way there and back.
type meter struct {
	walk  *walk
	place int // among the cells of the route
	cell  *cell
	next  policy.Next // goOn, made once
	passage
	visits
}

// passage is one exchange on its way through one cell.
type passage struct {
	x       *flow.Exchange
	step    int
	handed  bool
	entered time.Duration
	joined  time.Duration // what x.Joined was when a time of the cell's own began

	back    *flow.Response // what came back from behind the cell
	backAt  time.Duration
	backErr error
}

// asked is a request at a moment. Header edits copy (flow.Header), so keeping the slice is enough.
type asked struct {
	method, scheme, authority, target string
	header                            flow.Header
	body                              io.ReadCloser
}

func askedOf(r *flow.Request) asked {
	return asked{r.Method, r.Scheme, r.Authority, r.Target, r.Header, r.Body}
}

func (a *asked) line() string { return a.method + " " + a.scheme + "://" + a.authority + a.target }

func (m *meter) apply() (*flow.Response, error) {
	returned := false
	defer func() {
		if !returned && m.back != nil { // it panics: nobody will close what it was given back
			_ = m.back.Body.Close()
		}
	}()
	response, err := m.cell.policy.Apply(m.x, m.next)
	returned = true
	m.finish(response, err)
	return response, err
}

// goOn is the rest of the route, as the cell sees it.
func (m *meter) goOn(x *flow.Exchange) (*flow.Response, error) {
	if x.Origin() != nil && m.walk.of != x { // who forks may come when m serves another exchange: only what never changes is read
		return m.walk.route.fork(x, m.place+1)
	}
	if m.x != x {
		return nil, problem.New(problem.Internal, "Running cell %q: it handed an exchange on after its turn was over. Report this with what its log says.", m.cell.id)
	}
	m.leave()
	m.back, m.backErr = m.walk.from(m.place+1, x)
	m.come()
	return m.back, m.backErr
}

// leave notes the moment and the changes when the cell hands the exchange on.
func (m *meter) leave() {
	s := &m.x.Trail[m.step]
	m.walk.now = m.x.Since()
	if m.handed { // it repeats: what was behind it meanwhile is not its own time
		s.Before += m.own(m.backAt)
	} else {
		s.Before = m.own(m.entered)
	}
	m.handed = true
	was, now := &m.walk.asked, m.x.Request
	line := was.method != now.Method || was.target != now.Target || was.authority != now.Authority || was.scheme != now.Scheme
	body := !sameBody(was.body, now.Body)
	if !line && !body && was.header.Is(now.Header) {
		return
	}
	before := *was
	*was = askedOf(now)
	d := flow.Delta{Header: flow.Edits(before.header, now.Header), Body: body}
	if line {
		d.Line = [2]string{before.line(), was.line()}
	}
	if line || body || len(d.Header) > 0 { // else the fields were copied
		s.Request = &d
	}
}

// come notes what the cell is given back.
func (m *meter) come() {
	m.x.Resume(m.step)
	m.backAt, m.joined = m.walk.now, m.x.Joined()
}

// own is the cell's own time since a moment: without that of the forks it waited for and joined.
func (m *meter) own(since time.Duration) time.Duration {
	return max(0, m.walk.now-since-(m.x.Joined()-m.joined))
}

func (m *meter) finish(response *flow.Response, err error) {
	m.x.Resume(m.step)
	s := &m.x.Trail[m.step]
	m.walk.now = m.x.Since()
	if !m.handed {
		s.Before = m.own(m.entered)
	} else {
		s.After = m.own(m.backAt)
	}
	if response != nil {
		m.compare(s, response)
	}
	m.conclude(response, err)
}

// conclude says in one word what the cell did, where it has not said so itself.
func (m *meter) conclude(response *flow.Response, err error) {
	s := &m.x.Trail[m.step]
	if s.Verdict == "" {
		s.Verdict = m.verdict(s, response, err)
	}
	m.note(s.Verdict)
}

// compare notes what the cell made of the response, where one came back to it.
func (m *meter) compare(s *flow.Step, response *flow.Response) {
	was, now := m.walk.given, flow.GivenBy(response)
	back := m.handed && m.back != nil
	if brought := m.x.Brought(); brought != nil && !m.handed { // it asked by a fork
		was, back = *brought, true
	}
	body := !sameBody(was.Body, now.Body)
	if !body && was.Status == now.Status && was.Header.Is(now.Header) {
		return
	}
	m.walk.given = now
	if !back {
		return
	}
	d, line := flow.Delta{Header: flow.Edits(was.Header, now.Header), Body: body}, was.Status != now.Status
	if line {
		d.Line = [2]string{strconv.Itoa(was.Status), strconv.Itoa(now.Status)}
	}
	if line || body || len(d.Header) > 0 {
		s.Response = &d
	}
}

func (m *meter) verdict(s *flow.Step, response *flow.Response, err error) flow.Verdict {
	switch {
	case err != nil && !m.handed, err != nil && m.backErr == nil:
		return flow.Failed
	case response != nil && (!m.handed || response != m.back):
		return flow.Answered
	case s.Request != nil || s.Response != nil:
		return flow.Changed
	}
	return flow.Passed
}

// sameBody tells whether the same bytes come from a and b, as far as that shows. It compares without
// the panic that comparing two values of an incomparable type is.
func sameBody(a, b io.ReadCloser) bool {
	a, b = bare(a), bare(b)
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	t := reflect.TypeOf(a)
	return t == reflect.TypeOf(b) && (!t.Comparable() || a == b)
}

// bare is the body whose bytes those around it pass on as they are.
func bare(body io.ReadCloser) io.ReadCloser {
	for {
		around, ok := body.(interface{ Same() io.ReadCloser })
		if !ok {
			return body
		}
		body = around.Same()
	}
}
