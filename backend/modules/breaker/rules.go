package breaker

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// rules say what is a bad result, and when there are too many.
type rules struct {
	errorRatio, statusRatio float64 // 0 for not looked at
	statuses                []statuses
	slow                    time.Duration // 0 for not looked at
	slowRatio               float64       // of the answers that may be slow

	window  time.Duration
	minimum int

	openFor    time.Duration
	probing    bool // else by a ramp
	recoverFor time.Duration
	probes     int
}

func rulesOf(s *Settings) rules {
	r := rules{
		errorRatio: s.ErrorRatio, statusRatio: s.StatusRatio,
		slow: time.Duration(s.LatencyAbove), slowRatio: 1 - s.LatencyQuantile,
		window: time.Duration(s.Window), minimum: s.Minimum,
		openFor: time.Duration(s.OpenFor), probing: s.Recovery == byProbes,
		recoverFor: time.Duration(s.RecoverFor), probes: s.Probes,
	}
	for _, written := range s.Statuses {
		if st, ok := parseStatuses(written); ok {
			r.statuses = append(r.statuses, st)
		}
	}
	return r
}

// statuses is a status, or a whole class of them.
type statuses struct{ low, high int }

func parseStatuses(written string) (statuses, bool) {
	if class, ok := strings.CutSuffix(written, "xx"); ok {
		n, err := strconv.Atoi(class)
		return statuses{n * 100, n*100 + 99}, err == nil && 1 <= n && n <= 5
	}
	n, err := strconv.Atoi(written)
	return statuses{n, n}, err == nil && 100 <= n && n <= 599
}

// result is what came of an exchange.
type result struct{ failed, badStatus, slow bool }

// resultOf is what came of x, which took so long until its answer began; behind are the steps of the
// cells behind this one. counts is false where that says nothing about the server: the client left, or
// the server was not asked, or it failed and a cell answered in its place.
func (r *rules) resultOf(x *flow.Exchange, behind flow.Trail, response *flow.Response, err error, took time.Duration) (out result, counts bool) {
	sent := lastSent(behind)
	out.slow = r.slow > 0 && took > r.slow
	if err == nil {
		status := response.Status
		out.badStatus = slices.ContainsFunc(r.statuses, func(s statuses) bool { return s.low <= status && status <= s.high })
		return out, sent != nil && answeredBy(sent, status) && !response.Cut
	}
	out.failed = true
	return out, sent != nil && serversFault(x, err)
}

// lastSent is the step in which a server was asked last; nil where none was. What a cache, a limit or a
// mock answers has no such step, and of those who wait for one fetch only the first has it.
func lastSent(steps flow.Trail) *flow.Step {
	for i := len(steps) - 1; i >= 0; i-- {
		if steps[i].Module == "upstream" {
			return &steps[i]
		}
	}
	return nil
}

// answeredBy tells whether the server of a step gave the answer with that status. A 304 may become the
// 200 of a cache, which the server has said is good; but a failure is told in the step, and is no success
// where a cache makes it good.
func answeredBy(sent *flow.Step, status int) bool {
	if sent.Verdict != flow.Picked {
		return false
	}
	for _, f := range sent.Facts {
		if f.Name == "status" { // of a 5xx, by the engine
			return f.Value == strconv.Itoa(status)
		}
	}
	return true
}

// serversFault tells that an exchange failed by the server or the way to it.
func serversFault(x *flow.Exchange, err error) bool {
	switch problem.KindOf(err) {
	case problem.DNS, problem.Refused, problem.Terminated, problem.Timeout, problem.ReadTimeout,
		problem.Unreachable, problem.TLSFailed, problem.TLSCert, problem.BadResponse:
		return x.Context().Err() == nil
	}
	return false
}

// bad tells that a result alone speaks against the server.
func (r *rules) bad(one result) bool {
	return one.failed && r.errorRatio > 0 || one.badStatus && r.statusRatio > 0 || one.slow
}

// grain is how far a share times a number of results may be off: 0.28 of 25 is more than 7 to the
// machine, and 1 - 0.9 less than 0.1.
const grain = 1e-9

// reaches tells that n of all are that share of them, or more.
func reaches(n, all int, share float64) bool {
	return n > 0 && float64(n) >= (share-grain)*float64(all)
}

// trigger says which one holds, with the numbers; "" for none. least is how many results it needs.
func (r *rules) trigger(t tally, least int) string {
	if t.all < least || t.all == 0 {
		return ""
	}
	all := float64(t.all)
	switch {
	case r.errorRatio > 0 && reaches(t.failed, t.all, r.errorRatio):
		return fmt.Sprintf("error ratio %.2f of %.2f over %d", float64(t.failed)/all, r.errorRatio, t.all)
	case r.statusRatio > 0 && reaches(t.badStatus, t.all, r.statusRatio):
		return fmt.Sprintf("status ratio %.2f of %.2f over %d", float64(t.badStatus)/all, r.statusRatio, t.all)
	case r.slow > 0 && float64(t.slow) > (r.slowRatio+grain)*all:
		return fmt.Sprintf("%d of %d answers took more than %s, %s may", t.slow, t.all, r.slow, percent(r.slowRatio))
	}
	return ""
}
