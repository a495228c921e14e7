// Package breaker keeps exchanges from a server that does not answer well, until it does again.
//
// It is a machine of three states:
//
//	closed      all exchanges pass, and what comes of them is counted
//	open        none pass, for a set time
//	recovering  some pass, to see how they fare
//
//	closed → open          when a trigger holds over the window, with a minimum of exchanges
//	open → recovering      when its time is over and an exchange comes
//	recovering → closed    when those let through fared well
//	recovering → open      when they did not
//
// There is no other way between the states. There is a machine for each pool, or for each target.
package breaker

import (
	"fmt"
	"strconv"
	"strings"

	"proxycache/backend/policy"
	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

// Module is its entry in the palette.
var Module = policy.Module{
	Name: "breaker", Title: "Circuit breaker", Summary: "Keeps requests from a server that does not answer well, until it does again.",
	Icon: "unplug", Stage: policy.Balance, Figure: "tripped",
	Settings: func() policy.Settings { return new(Settings) },
}

// Settings say when it opens, how it closes again, and what is answered meanwhile.
type Settings struct {
	Scope string `toml:"scope" title:"Scope" help:"What is kept apart: pool has one breaker for all servers of the upstream, target one for each, whose requests the others take." default:"pool" oneof:"pool,target"`

	ErrorRatio      float64         `toml:"error_ratio" title:"Share of failures" help:"Opens when this share of the requests gets no answer: not connected, reset, timed out; 0 does not look at it." default:"0.5" min:"0" max:"1"`
	StatusRatio     float64         `toml:"status_ratio" title:"Share of bad statuses" help:"Opens when this share of the requests is answered with one of the statuses; 0 does not look at it." default:"0.5" min:"0" max:"1"`
	Statuses        []string        `toml:"statuses" title:"Bad statuses" help:"The statuses that are bad: 503, or 5xx for a whole class." default:"5xx"`
	LatencyAbove    schema.Duration `toml:"latency_above" title:"Slow answers" help:"Opens when answers take longer to begin than this, as many of them as the quantile says; 0s does not look at it." default:"0s" min:"0s" max:"1h"`
	LatencyQuantile float64         `toml:"latency_quantile" title:"Quantile" help:"Which share of the answers must be as quick: at 0.95 more than 5 % slow ones open it." default:"0.95" min:"0.01" max:"0.999"`
	Window          schema.Duration `toml:"window" title:"Window" help:"Over how long the shares are taken." default:"10s" min:"100ms" max:"1h"`
	Minimum         int             `toml:"minimum" title:"Least requests" help:"With fewer requests in the window it does not open." default:"20" min:"1" max:"1000000"`

	OpenFor    schema.Duration `toml:"open_for" title:"Open for" help:"How long nothing is let through." default:"30s" min:"10ms" max:"1d"`
	Recovery   string          `toml:"recovery" title:"Recovery" help:"How it closes again: ramp lets through a share that grows evenly, probes a number of requests that must all fare well." default:"ramp" oneof:"ramp,probes"`
	RecoverFor schema.Duration `toml:"recover_for" title:"Ramp" help:"How long the ramp takes from nothing to all; then it closes." default:"10s" min:"10ms" max:"1d"`
	Probes     int             `toml:"probes" title:"Probes" help:"How many requests must fare well with probes, the first bad one opens it again; with a ramp, after how many the shares are looked at." default:"3" min:"1" max:"1000"`

	Fallback            string `toml:"fallback" title:"Meanwhile" help:"What requests get that are not let through: refuse answers 503, answer a text of your own, upstream sends them to another pool, stale has a cache before it give what it still has." default:"refuse" oneof:"refuse,answer,upstream,stale"`
	FallbackUpstream    string `toml:"fallback_upstream" title:"Other pool" help:"The upstream that they are sent to instead." placeholder:"reserve"`
	FallbackStatus      int    `toml:"fallback_status" title:"Status" help:"The status of the answer." default:"503" min:"200" max:"599"`
	FallbackContentType string `toml:"fallback_content_type" title:"Content type" help:"The type of the answer's text." default:"text/plain; charset=utf-8" max:"200"`
	FallbackBody        string `toml:"fallback_body" title:"Answer" help:"The text that is answered." kind:"code"`
}

// Explain tells the settings in a sentence.
func (s *Settings) Explain() string {
	var when []string
	if s.ErrorRatio > 0 {
		when = append(when, percent(s.ErrorRatio)+" get no answer")
	}
	if s.StatusRatio > 0 {
		when = append(when, percent(s.StatusRatio)+" are answered "+strings.Join(s.Statuses, ", "))
	}
	if s.LatencyAbove > 0 {
		when = append(when, fmt.Sprintf("more than %s take over %s", percent(1-s.LatencyQuantile), s.LatencyAbove))
	}
	what := "the upstream"
	if s.Scope == perTarget {
		what = "a server"
	}
	how := fmt.Sprintf("lets them back over %s", s.RecoverFor)
	if s.Recovery == byProbes {
		how = fmt.Sprintf("lets them back after %d good ones", s.Probes)
	}
	return fmt.Sprintf("keeps requests from %s for %s when of at least %d in %s %s, %s, then %s",
		what, s.OpenFor, s.Minimum, s.Window, strings.Join(when, " or "), s.meanwhile(), how)
}

func (s *Settings) meanwhile() string {
	switch s.Fallback {
	case fallbackAnswer:
		return fmt.Sprintf("answers %d with a text meanwhile", s.FallbackStatus)
	case fallbackUpstream:
		return "sends them to " + s.FallbackUpstream + " meanwhile"
	case fallbackStale:
		return "has a cache answer with what it still has meanwhile"
	}
	return "answers 503 meanwhile"
}

// percent is a share as people say it: "50 %", "0.1 %".
func percent(share float64) string { return strconv.FormatFloat(share*100, 'g', 3, 64) + " %" }

const (
	perTarget        = "target"
	byProbes         = "probes"
	fallbackAnswer   = "answer"
	fallbackUpstream = "upstream"
	fallbackStale    = "stale"
)

// Check holds the settings against each other.
func (s *Settings) Check() []*problem.Problem {
	var out []*problem.Problem
	wrong := func(where, format string, args ...any) {
		out = append(out, problem.New(problem.Invalid, format, args...).At(where))
	}
	if s.ErrorRatio == 0 && s.StatusRatio == 0 && s.LatencyAbove == 0 {
		wrong("error_ratio", "nothing opens it: set error_ratio, status_ratio or latency_above")
	}
	for i, status := range s.Statuses {
		if _, ok := parseStatuses(status); !ok {
			wrong(fmt.Sprintf("statuses.%d", i+1), "%q is no status: write one from 100 to 599, or a class as 5xx", status)
		}
	}
	if s.StatusRatio > 0 && len(s.Statuses) == 0 {
		wrong("statuses", "status_ratio is a share of the statuses that stand here: name some, or set status_ratio to 0")
	}
	switch {
	case s.Fallback == fallbackUpstream && s.FallbackUpstream == "":
		wrong("fallback_upstream", "requests are to be sent to another upstream: name it")
	case s.Fallback != fallbackUpstream && s.FallbackUpstream != "":
		wrong("fallback", "the other upstream is used only with fallback = \"upstream\": set that, or remove fallback_upstream")
	case s.Fallback != fallbackAnswer && s.FallbackBody != "":
		wrong("fallback", "the text is answered only with fallback = \"answer\": set that, or remove fallback_body")
	case (s.FallbackStatus == 204 || s.FallbackStatus == 304) && s.FallbackBody != "":
		wrong("fallback_body", "an answer with status %d has no text: choose another status, or remove it", s.FallbackStatus)
	}
	return out
}

// SendsTo names the other pool, which must be there.
func (s *Settings) SendsTo() (key, pool string) {
	if s.Fallback != fallbackUpstream {
		return "", ""
	}
	return "fallback_upstream", s.FallbackUpstream
}

// Policy makes the running policy. The states outlive edits of the settings, other than of the scope.
func (s *Settings) Policy(env policy.Env) (policy.Policy, error) {
	if s.Fallback == fallbackUpstream && !env.HasPool(s.FallbackUpstream) {
		return nil, problem.New(problem.Invalid, "fallback_upstream is %q, and there is no upstream of that name: name one of [upstreams]", s.FallbackUpstream)
	}
	return &breaker{Settings: *s, rules: rulesOf(s), circuits: policy.Kept(env, "circuits of "+s.Scope, newCircuits)}, nil
}
