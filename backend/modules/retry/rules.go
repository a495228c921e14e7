package retry

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// rules say which answers are of no use, and which requests may be sent again.
type rules struct {
	on       []string
	statuses []statuses
	methods  []string
}

// statuses is a status, or a whole class of them.
type statuses struct{ low, high int }

func parseStatuses(written string) (statuses, bool) {
	if class, ok := strings.CutSuffix(written, "xx"); ok {
		n, err := strconv.Atoi(class)
		return statuses{n * 100, n*100 + 99}, err == nil && 2 <= n && n <= 5
	}
	n, err := strconv.Atoi(written)
	return statuses{n, n}, err == nil && 200 <= n && n <= 599
}

func rulesOf(s *Settings) rules {
	r := rules{on: s.On, methods: s.Methods}
	for _, written := range s.Statuses {
		if st, ok := parseStatuses(written); ok {
			r.statuses = append(r.statuses, st)
		}
	}
	return r
}

// why says in a few words by which rule the request is to be sent again; "" where the answer is one
// to pass on.
func (r *rules) why(response *flow.Response, err error) string {
	if err != nil {
		return r.whyError(err)
	}
	if response.Status == 101 || response.Upgraded != nil || response.Cut {
		return ""
	}
	return r.whyStatus(response.Status)
}

func (r *rules) whyStatus(status int) string {
	for _, word := range r.on {
		var hit bool
		switch word {
		case "5xx":
			hit = status >= 500 && status <= 599
		case "gateway-error":
			hit = 502 <= status && status <= 504
		case "retriable-4xx":
			hit = status == 409
		case "429":
			hit = status == 429
		case "retriable-status-codes":
			hit = slices.ContainsFunc(r.statuses, func(s statuses) bool { return s.low <= status && status <= s.high })
		}
		if hit {
			return fmt.Sprintf("%s: status %d", word, status)
		}
	}
	return ""
}

// failure is what a problem means for sending again.
type failure int

const (
	lasting    failure = iota // it would be the same again, or is the client's matter
	connecting                // no connection was made
	refused                   // the server said that it did nothing with the request
	broken                    // it may have got the request, and there is no answer
	knownDown                 // the server was not asked: it is known not to answer
)

func failureOf(err error) failure {
	if refusedStream(err) {
		return refused
	}
	switch problem.KindOf(err) {
	case problem.DNS, problem.Refused, problem.Unreachable, problem.Timeout, problem.TLSFailed:
		return connecting
	case problem.Terminated, problem.ReadTimeout, problem.BadResponse:
		return broken
	case problem.DestinationUnavailable:
		return knownDown
	}
	return lasting
}

// streamError is how net/http tells that the server reset a stream: errors.As fills a struct of these
// fields.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (e streamError) Error() string {
	return fmt.Sprintf("stream %d was reset with code %d", e.StreamID, e.Code)
}

const refusedStreamCode = 7 // RFC 9113 §7

// refusedStream tells that an HTTP/2 server said that it did not process the request: by
// REFUSED_STREAM, or by a GOAWAY that leaves the request out (RFC 9113 §8.7).
func refusedStream(err error) bool {
	if s, ok := errors.AsType[streamError](err); ok && s.Code == refusedStreamCode {
		return true
	}
	// What net/http says for the latter has no type of its own.
	for e := err; e != nil; e = errors.Unwrap(e) {
		if strings.Contains(e.Error(), "graceful shutdown GOAWAY") {
			return true
		}
	}
	return false
}

func (r *rules) whyError(err error) string {
	is := failureOf(err)
	if is == lasting {
		return ""
	}
	for _, word := range r.on {
		var hit bool
		switch word {
		case "5xx", "gateway-error": // the client would be answered 502, 503 or 504
			hit = true
		case "connect-failure":
			hit = is == connecting
		case "refused-stream":
			hit = is == refused
		case "reset":
			hit = is == broken || is == refused
		case "reset-before-request":
			hit = is == refused
		}
		if hit {
			return word + ": " + string(problem.KindOf(err))
		}
	}
	return ""
}

// harmless says why the request of x may be sent again; ok is false where it may not.
func (r *rules) harmless(x *flow.Exchange, err error) (why string, ok bool) {
	if err != nil {
		switch is := failureOf(err); {
		case (is == connecting || is == broken) && !x.Sent, is == knownDown:
			return "nothing was sent", true
		case is == refused:
			return "the server did not process it", true
		}
	}
	if slices.Contains(r.methods, x.Request.Method) {
		return x.Request.Method + " may be repeated", true
	}
	return x.Request.Method + " is not among the methods, and the server may have got it", false
}
