// Package retry sends a request again where the first answer is of no use and sending it again does no
// harm, within a budget that keeps a failing server from being asked much more often than before.
//
// What may be repeated: a request of which the server surely got nothing, and one with an idempotent
// method (RFC 9110 §9.2.2). The body is kept while it is sent, up to a cap; nothing is repeated after
// the head of an answer has gone to the client.
package retry

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"proxycache/backend/policy"
	"proxycache/backend/problem"
	"proxycache/backend/schema"
)

// Module is its entry in the palette.
var Module = policy.Module{
	Name: "retry", Title: "Retry", Summary: "Sends a request again when the answer is of no use and that does no harm.",
	Icon: "repeat", Stage: policy.Balance, Figure: "retried",
	Settings: func() policy.Settings { return new(Settings) },
}

// Settings say what is repeated, how often, how soon, and how much of it all together.
type Settings struct {
	Attempts      int             `toml:"attempts" title:"Attempts" help:"How often a request is sent in all, the first time included." default:"3" min:"1" max:"10"`
	On            []string        `toml:"on" title:"Repeat on" help:"What makes an answer one to repeat the request for, in Envoy's words: 5xx and gateway-error (502, 503, 504) mean failures without an answer, too." default:"connect-failure,refused-stream,gateway-error" oneof:"connect-failure,refused-stream,reset,reset-before-request,gateway-error,5xx,retriable-4xx,429,retriable-status-codes"`
	Statuses      []string        `toml:"statuses" title:"Statuses" help:"The statuses that retriable-status-codes means: 425, or 5xx for a whole class." placeholder:"425"`
	Methods       []string        `toml:"methods" title:"Methods" help:"Methods that may be repeated although the server may have got the request; others are repeated only when it surely got nothing." default:"GET,HEAD,OPTIONS,TRACE,PUT,DELETE"`
	BackOffBase   schema.Duration `toml:"back_off_base" title:"First wait" help:"How long at most to wait before the second attempt; each later wait may be twice as long, and its length is random." default:"25ms" min:"0s" max:"1m"`
	BackOffMax    schema.Duration `toml:"back_off_max" title:"Longest wait" help:"How long at most to wait before any attempt." default:"250ms" min:"0s" max:"10m"`
	PerTryTimeout schema.Duration `toml:"per_try_timeout" title:"Time of an attempt" help:"How long an attempt may take until its answer begins; 0s sets no limit." default:"0s" min:"0s" max:"1h"`
	BudgetPercent float64         `toml:"budget_percent" title:"Budget" help:"How many attempts may be repetitions: of the requests under way, and of those of the last ten seconds." default:"20" min:"0" max:"100" unit:"%"`
	BudgetMinimum int             `toml:"budget_minimum" title:"Least budget" help:"How many repetitions are always allowed, at once and within ten seconds." default:"3" min:"0" max:"10000"`
	BodyCap       schema.Size     `toml:"body_cap" title:"Body" help:"How many bytes of a request's body are kept to be sent again; a request with more is not repeated once more of it was read." default:"64KiB" min:"0" max:"64MiB"`
	RetryAfterMax schema.Duration `toml:"retry_after_max" title:"Longest Retry-After" help:"The longest Retry-After of a server that is waited for; an answer that asks for more goes to the client." default:"2s" min:"0s" max:"10m"`
	HedgeAfter    string          `toml:"hedge_after" title:"Hedge after" help:"Sends a second request beside the first when no answer has begun after so long, and takes the better: a duration, or p95 for what 95 % of the answers take; empty never does." placeholder:"p95"`
	HedgeAtMost   int             `toml:"hedge_at_most" title:"Hedges" help:"How many requests are sent beside the first." default:"1" min:"1" max:"5"`
}

// Explain tells the settings in a sentence.
func (s *Settings) Explain() string {
	out := fmt.Sprintf("sends a request up to %d times on %s", s.Attempts, strings.Join(s.On, ", "))
	if s.Attempts == 1 || len(s.On) == 0 {
		out = "repeats nothing"
	} else {
		out += fmt.Sprintf(", where it surely was not sent or is %s, after up to %s and then up to %s", strings.Join(s.Methods, ", "), s.BackOffBase, s.BackOffMax)
		if len(s.Methods) == 0 {
			out = strings.Replace(out, " or is ", "", 1)
		}
	}
	if s.PerTryTimeout > 0 {
		out += fmt.Sprintf(", with %s an attempt", s.PerTryTimeout)
	}
	if s.HedgeAfter != "" {
		out += fmt.Sprintf(", sends up to %d more beside it after %s", s.HedgeAtMost, s.HedgeAfter)
	}
	return out + fmt.Sprintf(", within a budget of %s %% and at least %d", strconv.FormatFloat(s.BudgetPercent, 'g', -1, 64), s.BudgetMinimum)
}

// Check holds the settings against each other.
func (s *Settings) Check() []*problem.Problem {
	var out []*problem.Problem
	wrong := func(where, format string, args ...any) {
		out = append(out, problem.New(problem.Invalid, format, args...).At(where))
	}
	for i, status := range s.Statuses {
		if _, ok := parseStatuses(status); !ok {
			wrong(fmt.Sprintf("statuses.%d", i+1), "%q is no status: write one from 200 to 599, or a class as 5xx", status)
		}
	}
	byStatus := slices.Contains(s.On, "retriable-status-codes")
	switch {
	case byStatus && len(s.Statuses) == 0:
		wrong("statuses", "retriable-status-codes means the statuses that stand here: name some, or remove it from on")
	case !byStatus && len(s.Statuses) > 0:
		wrong("on", "the statuses count only with retriable-status-codes: add it, or remove them")
	}
	for i, m := range s.Methods {
		if m == "" || strings.ToUpper(m) != m || strings.ContainsAny(m, " ,\t") {
			wrong(fmt.Sprintf("methods.%d", i+1), "%q is no method: write it as GET", m)
		}
	}
	if s.BackOffBase > s.BackOffMax {
		wrong("back_off_max", "the longest wait of %s is shorter than the first of %s: raise it", s.BackOffMax, s.BackOffBase)
	}
	if _, _, ok := parseHedge(s.HedgeAfter); !ok {
		wrong("hedge_after", "%q is no time to wait: write a duration as 200ms, a share from p50 to p99, or nothing", s.HedgeAfter)
	}
	return out
}

// Policy makes the running policy. The budget outlives edits.
func (s *Settings) Policy(env policy.Env) (policy.Policy, error) {
	p := &retrier{
		rules: rulesOf(s), attempts: s.Attempts, perTry: time.Duration(s.PerTryTimeout), bodyCap: int64(s.BodyCap),
		wait:    backOff{base: time.Duration(s.BackOffBase), most: time.Duration(s.BackOffMax), after: time.Duration(s.RetryAfterMax)},
		limits:  limits{share: s.BudgetPercent / 100, least: s.BudgetMinimum},
		budget:  policy.Kept(env, "budget", func() *budget { return new(budget) }),
		atMost:  s.HedgeAtMost,
		latency: policy.Kept(env, "latency", func() *latency { return new(latency) }),
		log:     env.Log,
	}
	p.hedgeAfter, p.hedgeShare, _ = parseHedge(s.HedgeAfter) // checked
	return p, nil
}

// parseHedge reads when to hedge: after a time, or after what a share of the answers takes; neither
// where it is empty.
func parseHedge(written string) (after time.Duration, share float64, ok bool) {
	if written == "" {
		return 0, 0, true
	}
	if digits, found := strings.CutPrefix(written, "p"); found {
		n, err := strconv.Atoi(digits)
		return 0, float64(n) / 100, err == nil && n >= 50 && n <= 99
	}
	var d schema.Duration
	err := d.UnmarshalText([]byte(written))
	return time.Duration(d), 0, err == nil && d > 0
}
