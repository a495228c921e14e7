package upstream

import (
	"fmt"
	"strings"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// sendToOne sends x to the target there is, or chooses one.
func (p *Pool) sendToOne(x *flow.Exchange) (*flow.Response, error) {
	if t := p.balance.roster.Load().lone; t != nil && len(x.Bars) == 0 {
		response, reached, err := p.sendTo(x, t, &effort{})
		switch {
		case err == nil:
			p.balance.reached(t)
		case !reached && ofTarget(err):
			p.balance.failed(t, short(err).Error())
		}
		return response, err
	}
	return p.sendToSome(x)
}

// sendToSome tries targets in turn until one of them was reached, or the time to connect is over.
func (p *Pool) sendToSome(x *flow.Exchange) (*flow.Response, error) {
	var tried []*target
	var whys []error
	var e effort
	for {
		if len(whys) > 0 && e.left(p) <= 0 {
			x.Note("stopped", fmt.Sprintf("connect_timeout (%s) is over after %d of the targets", p.settings.ConnectTimeout, len(whys)))
			return nil, p.noneReached(whys)
		}
		t := p.balance.pick(x, tried)
		switch {
		case t == nil && len(whys) == 0:
			return nil, p.noneFit(x)
		case t == nil:
			return nil, p.noneReached(whys)
		case len(whys) > 0:
			x.Note("not reached", whys[len(whys)-1].Error())
		}
		t.inFlight.Add(1)
		response, reached, err := p.sendTo(x, t, &e)
		if err == nil {
			p.answered(x, t, response)
			return response, nil
		}
		t.leave()
		p.notAnswered(x, t, reached, err)
		if reached || !another(err) {
			return nil, err
		}
		whys, tried = append(whys, err), append(tried, t)
	}
}

// answered notes what an answer says of its target.
func (p *Pool) answered(x *flow.Exchange, t *target, r *flow.Response) {
	b := &p.balance
	b.reached(t)
	took, what := max(0, x.Timing.FirstByte-x.Timing.SendStart), outcomeOf(r.Status)
	t.learn(x, took, what)
	if why := b.judge(t, what, took); why != "" {
		x.Note("ejected", why)
	}
	t.hold(r)
	if b.sticky != nil && len(b.all()) > 1 {
		b.sticky.bind(x, t, r)
	}
}

// notAnswered notes what a failure says of its target.
func (p *Pool) notAnswered(x *flow.Exchange, t *target, reached bool, err error) {
	if !ofTarget(err) {
		return
	}
	if !reached {
		p.balance.failed(t, short(err).Error())
	}
	t.learn(x, x.Since()-x.Timing.SendStart, gatewayFailed)
	if why := p.balance.judge(t, gatewayFailed, 0); why != "" {
		x.Note("ejected", why)
	}
}

// learn takes the time to the first byte into the mean. A failure is no fast answer: it counts as
// twice the mean at least, so that who fails at once does not draw all requests.
func (m *member) learn(x *flow.Exchange, took time.Duration, what outcome) {
	now := x.Started.Add(x.Since()).UnixNano()
	if what == gatewayFailed {
		took = max(took, time.Duration(2*m.mean(now)*float64(time.Second)), time.Second)
	}
	m.observe(took, now)
}

// noneReached is why several targets that were tried did not get the exchange.
func (p *Pool) noneReached(whys []error) error {
	last := problem.Of(whys[len(whys)-1])
	if len(whys) == 1 {
		return last
	}
	var reasons []string
	for i, why := range whys {
		if i == maxTold {
			reasons = append(reasons, fmt.Sprintf("%d more are no better", len(whys)-i))
			break
		}
		reasons = append(reasons, short(why).Error())
	}
	q := problem.Wrap(last.Kind, last, "Sending to upstream %q: none of %d servers could be reached. %s. Start one of them, or change the targets in %s.", p.name, len(whys), strings.Join(reasons, "; "), p.section())
	return q.After(last.RetryAfter)
}

// kept is why x is not sent to a target that the client named: a cell has barred it.
func (p *Pool) kept(t *target, bar *flow.Bar) error {
	q := problem.New(problem.DestinationUnavailable, "Sending to %s: it may not be asked now (%s). Try again later, or change the cell that bars it.", t.shown, bar.Why)
	return q.After(max(0, time.Until(bar.Until)))
}

// noneFit is why none of the targets takes x.
func (p *Pool) noneFit(x *flow.Exchange) error {
	doing := fmt.Sprintf("Choosing a server of upstream %q: none of them may be asked", p.name)
	now := time.Now()
	var reasons []string
	var soonest time.Time
	b := &p.balance
	b.mu.Lock()
	for _, t := range b.all() {
		why, until := t.why(x)
		if !until.IsZero() && (soonest.IsZero() || until.Before(soonest)) {
			soonest = until
		}
		if len(reasons) < maxTold {
			reasons = append(reasons, t.shown+": "+why)
		}
	}
	if more := len(b.all()) - len(reasons); more > 0 {
		reasons = append(reasons, fmt.Sprintf("%d more are no better", more))
	}
	b.mu.Unlock()
	q := problem.New(problem.DestinationUnavailable, "%s. %s. Mend or start one of them, or change the targets in %s.", doing, strings.Join(reasons, "; "), p.section())
	if soonest.After(now) {
		q = q.After(soonest.Sub(now))
	}
	return q
}

// why says why t does not take x, and until when where that is known. It is called under balance.mu.
func (t *target) why(x *flow.Exchange) (string, time.Time) {
	state, reason := t.now()
	if bar := barred(x, t.shown); bar != nil && t.duty == active {
		return bar.Why, bar.Until
	}
	return fmt.Sprintf("%s (%s)", state, reason), t.condition.ejected
}
