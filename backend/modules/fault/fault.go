// Package fault makes a share of the exchanges slow or broken, to see what depends on them.
package fault

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/policy"
	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

// Module is its entry in the palette.
var Module = policy.Module{
	Name: "fault", Title: "Fault", Summary: "Makes a share of requests slow or broken.",
	Icon: "zap", Stage: policy.Guard, Figure: "hit",
	Settings: func() policy.Settings { return new(Settings) },
}

// Settings say whom it hits and how. An exchange that is hit waits first; then it is answered, cut,
// or goes on.
type Settings struct {
	Percent float64         `toml:"percent" title:"Share" help:"How many of the requests are hit." default:"100" min:"0" max:"100" unit:"%"`
	Delay   schema.Duration `toml:"delay" title:"Delay" help:"Waits before anything else." default:"0s" min:"0s" max:"10m"`
	Jitter  schema.Duration `toml:"jitter" title:"Jitter" help:"Waits up to so much longer or shorter, anew for each request." default:"0s" min:"0s" max:"10m"`
	Status  int             `toml:"status" title:"Answer" help:"Answers with this status instead of the server; 0 asks the server." default:"0" min:"0" max:"999" placeholder:"503"`
	Cut     bool            `toml:"cut" title:"Cut the connection" help:"Closes the client's connection without an answer." default:"false"`
}

func (s *Settings) Explain() string {
	var acts []string
	if s.Delay > 0 || s.Jitter > 0 {
		wait := "waits " + s.Delay.String()
		if s.Jitter > 0 {
			wait += " ± " + s.Jitter.String()
		}
		acts = append(acts, wait)
	}
	switch {
	case s.Cut:
		acts = append(acts, "cuts the connection")
	case s.Status > 0:
		acts = append(acts, "answers "+strconv.Itoa(s.Status))
	}
	if len(acts) == 0 {
		return "does nothing until it has a delay, a status or a cut"
	}
	return fmt.Sprintf("%s for %s %% of the requests", strings.Join(acts, ", then "), strconv.FormatFloat(s.Percent, 'g', -1, 64))
}

func (s *Settings) Check() []*problem.Problem {
	var out []*problem.Problem
	if s.Status != 0 && s.Status < 200 {
		out = append(out, problem.New(problem.Invalid, "%d is no status of an answer: write one from 200 to 999, or 0 for none", s.Status).At("status"))
	}
	if s.Cut && s.Status != 0 {
		out = append(out, problem.New(problem.Invalid, "a connection that is cut gets no status: remove one of both").At("cut"))
	}
	return out
}

func (s *Settings) Policy(policy.Env) (policy.Policy, error) {
	return policy.OneWay(breaker{*s}.enter), nil
}

// breaker is the running policy.
type breaker struct{ Settings }

func (b breaker) enter(x *flow.Exchange) (*flow.Response, error) {
	wait := b.wait()
	if wait == 0 && !b.Cut && b.Status == 0 || !b.hits() {
		return nil, nil
	}
	if wait > 0 {
		x.Note("delay", wait.Round(time.Microsecond).String())
		if err := pause(x, wait); err != nil {
			return nil, err
		}
	}
	switch {
	case b.Cut:
		x.Note("cut", "the client's connection")
		return &flow.Response{Proto: "HTTP/1.1", Body: flow.NoBody, Cut: true}, nil
	case b.Status > 0:
		return b.answer(x), nil
	}
	x.Verdict(flow.Changed) // the engine sees headers and bodies, not time
	return nil, nil
}

func (b breaker) hits() bool { return rand.Float64()*100 < b.Percent }

// wait is evenly spread over delay ± jitter, and never below zero.
func (b breaker) wait() time.Duration {
	spread := (2*rand.Float64() - 1) * float64(b.Jitter)
	return max(0, time.Duration(b.Delay)+time.Duration(spread))
}

func pause(x *flow.Exchange, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-x.Context().Done():
		return problem.Wrap(problem.ClientLeft, x.Context().Err(), "Delaying %s %s on purpose: the client left. Make the delay shorter than the client's patience.", x.Request.Method, x.Request.URL())
	}
}

func (b breaker) answer(x *flow.Exchange) *flow.Response {
	x.Note("status", strconv.Itoa(b.Status))
	text := fmt.Sprintf("%d on purpose: a fault of Proxycache answered, not the server.\nExchange %s\n", b.Status, x.ID)
	if b.Status == 204 || b.Status == 304 {
		text = ""
	}
	r := flow.NewResponse(b.Status, "text/plain; charset=utf-8", []byte(text))
	r.Header.Add("Cache-Control", "no-store")
	if x.Request.Method == "HEAD" {
		r.Body = flow.NoBody
	}
	return r
}
