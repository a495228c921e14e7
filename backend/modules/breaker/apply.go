package breaker

import (
	"io"
	"slices"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/policy"
	"proxycache/backend/problem"
)

// breaker is the running policy.
type breaker struct {
	Settings
	rules    rules
	circuits *circuits
}

func (b *breaker) Apply(x *flow.Exchange, next policy.Next) (*flow.Response, error) {
	if b.Scope == perTarget && !clientChose(x) {
		return b.applyTargets(x, next)
	}
	now := time.Now()
	c := b.circuits.of(poolOf(x), now)
	if c == nil {
		x.Note("state", "not kept: too many circuits are open")
		return next(x)
	}
	p := c.admit(&b.rules, now)
	x.Note("state", p.state.String())
	if !p.ok {
		return b.instead(x, next, refusal{of: c.name, state: p.state, why: p.why, left: p.left})
	}
	t := trip{breaker: b, x: x, behind: len(x.Trail), circuit: c, pass: p}
	defer t.end()
	response, err := next(x)
	return t.settle(response, err)
}

// clientChose tells that the request itself names its server, which no pool picks.
func clientChose(x *flow.Exchange) bool {
	return x.SendTo == "" && (x.Door == flow.Forward || x.Door == flow.Intercept)
}

// poolOf names what the exchange goes to: the pool of its route, that of a cell before, or the server
// that the client chose.
func poolOf(x *flow.Exchange) string {
	switch {
	case x.SendTo != "":
		return "upstream " + x.SendTo
	case clientChose(x) && x.Request.Dial != "":
		return x.Request.Dial
	case clientChose(x):
		return x.Request.Authority
	}
	return x.Route
}

// trip is one exchange that was let through.
type trip struct {
	*breaker
	x       *flow.Exchange
	behind  int // where the steps of the cells behind this one begin
	circuit *circuit
	pass    pass
	over    bool
}

// end gives the pass back of an exchange that a panic ended.
func (t *trip) end() {
	if !t.over {
		t.circuit.abandon(t.pass)
	}
}

// settle counts what came of it, and passes it on.
func (t *trip) settle(response *flow.Response, err error) (*flow.Response, error) {
	t.over = true
	t.x.Verdict(flow.Passed)
	now := time.Now()
	came, counts := t.rules.resultOf(t.x, t.x.Trail[t.behind:], response, err, now.Sub(t.pass.at))
	if !counts {
		t.circuit.abandon(t.pass)
		return response, err
	}
	if opened := t.circuit.settle(&t.rules, t.pass, now, came); opened != "" {
		t.x.Note("opened", opened)
		t.x.Note("for", t.OpenFor.String())
	}
	if err == nil && t.ErrorRatio > 0 && response.Status != 101 && response.Upgraded == nil && response.Body != flow.NoBody {
		response.Body = &watched{ReadCloser: response.Body, rules: &t.rules, circuit: t.circuit, at: t.pass.at, x: t.x}
	}
	return response, err
}

// watched is the body of an answer: it counts when it breaks off.
type watched struct {
	io.ReadCloser
	rules   *rules
	circuit *circuit
	at      time.Time
	x       *flow.Exchange
}

// Read passes the body on, and counts its first failure.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if err != nil && err != io.EOF && w.circuit != nil {
		if serversFault(w.x, err) {
			w.circuit.spoil(w.rules, w.at, time.Now())
		}
		w.circuit = nil
	}
	return n, err
}

// Ready tells that a Read does not wait.
func (w *watched) Ready() bool { return flow.Ready(w.ReadCloser) }

// Same is the body whose bytes it passes on as they are.
func (w *watched) Same() io.ReadCloser { return w.ReadCloser }

// applyTargets bars the targets whose circuits let nothing through; the pool takes the others.
func (b *breaker) applyTargets(x *flow.Exchange, next policy.Next) (*flow.Response, error) {
	now, behind := time.Now(), len(x.Trail)
	g := gate{breaker: b, x: x, before: x.Bars, at: now}
	defer g.end()
	g.bar()
	response, err := next(x)
	if g.barred > 0 && problem.KindOf(err) == problem.DestinationUnavailable {
		x.Bars = g.before
		return b.instead(x, next, refusal{of: "every server", state: open, why: g.why, left: problem.Of(err).RetryAfter})
	}
	if x.Target == "" { // nobody was asked
		x.Verdict(flow.Passed)
		return response, err
	}
	c := b.circuits.of(x.Target, now)
	if c == nil {
		x.Note("state", "not kept: too many circuits are open")
		return response, err
	}
	t := trip{breaker: b, x: x, behind: behind, circuit: c, pass: g.take(c)}
	return t.settle(response, err)
}

// gate is what the circuits of the targets say to one exchange.
type gate struct {
	*breaker
	x      *flow.Exchange
	before []flow.Bar
	at     time.Time
	barred int
	why    string
	passes []granted // of circuits that are not closed
}

type granted struct {
	circuit *circuit
	pass    pass
}

func (g *gate) bar() {
	troubled := g.circuits.notClosed()
	if len(troubled) == 0 {
		g.x.Note("state", closed.String())
	}
	for _, c := range troubled {
		p := c.admit(&g.rules, g.at)
		g.x.Note(c.name, p.state.String())
		if p.ok {
			g.passes = append(g.passes, granted{c, p})
			continue
		}
		g.barred++
		g.why = p.why
		g.x.Bars = append(slices.Clip(g.x.Bars), flow.Bar{Target: c.name, Why: "its breaker is " + p.state.String() + ": " + p.why, Until: g.at.Add(p.left)})
	}
}

// take is the pass for the circuit of the target that was picked; the others are given back.
func (g *gate) take(c *circuit) pass {
	taken := pass{ok: true, at: g.at}
	for i := range g.passes {
		if g.passes[i].circuit == c {
			taken = g.passes[i].pass
			g.passes = slices.Delete(g.passes, i, i+1)
			break
		}
	}
	return taken
}

// end gives back the passes that were not used.
func (g *gate) end() {
	for _, p := range g.passes {
		p.circuit.abandon(p.pass)
	}
}
