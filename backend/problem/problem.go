// Package problem is the one error of Proxycache: what went wrong, where, and what to do about it.
package problem

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Kind groups problems by who can mend them; each door maps it once to its own words
// (a status code, an exit code, the colour of a field).
type Kind string

const (
	Invalid     Kind = "invalid"     // what a person wrote is not acceptable
	NotFound    Kind = "not_found"   // the thing named does not exist (any more)
	Conflict    Kind = "conflict"    // the thing changed under the caller, or is in use by somebody else
	Forbidden   Kind = "forbidden"   // the caller may not do this
	Unavailable Kind = "unavailable" // something outside is missing: a port, a file, a program, space on a disk
	Internal    Kind = "internal"    // a fault of ours

	// The proxy path. The names are the error types of Proxy-Status (RFC 9209 §2.3) where it has one.
	DNS         Kind = "dns_error"
	Refused     Kind = "connection_refused"
	Terminated  Kind = "connection_terminated"
	Timeout     Kind = "connection_timeout"
	ReadTimeout Kind = "connection_read_timeout"
	Unreachable Kind = "destination_ip_unroutable"
	TLSFailed   Kind = "tls_protocol_error"
	TLSCert     Kind = "tls_certificate_error"
	BadRequest  Kind = "http_request_error" // the client's message is not one
	SlowClient  Kind = "client_timeout"     // the client does not go on with its message
	BadResponse Kind = "http_protocol_error"
	NoRoute     Kind = "destination_not_found"
	Loop        Kind = "proxy_loop_detected"
	Overloaded  Kind = "connection_limit_reached"
	ClientLeft  Kind = "client_left"         // the client closed before the answer was complete
	Limited     Kind = "http_request_denied" // the client asks more often than it may
	// DestinationUnavailable: the server is known not to answer well, and was not asked.
	DestinationUnavailable Kind = "destination_unavailable"
)

// Problem is an error for people. Message starts with what was being done and ends with what to do.
type Problem struct {
	Kind    Kind
	Where   string // the setting or place it is about: "routes.api.cells.2.limit", "config.toml:12:3"; may be empty
	Message string
	Err     error // the cause, kept for errors.Is; its text is not repeated in Message
	// RetryAfter is how long it is of no use to try again; 0 where that is not known.
	RetryAfter time.Duration
	Line       int // 1-based position in a file; 0 when there is none
	Column     int // 1-based, in characters
}

func (p *Problem) Error() string {
	var b strings.Builder
	if p.Line > 0 {
		fmt.Fprintf(&b, "line %d, column %d: ", p.Line, p.Column)
	}
	if p.Where != "" {
		b.WriteString(p.Where + ": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

func (p *Problem) Unwrap() error { return p.Err }

// New makes a problem without a cause. The arguments are fmt.Sprintf's.
func New(kind Kind, format string, args ...any) *Problem {
	return &Problem{Kind: kind, Message: Printable(fmt.Sprintf(format, args...))}
}

// Wrap makes a problem whose cause is err.
func Wrap(kind Kind, err error, format string, args ...any) *Problem {
	return &Problem{Kind: kind, Message: Printable(fmt.Sprintf(format, args...)), Err: err}
}

// Printable is text without control characters, which are written as in Go: what others have said, a
// certificate's name or an answer, must not act on the terminal that shows it. Lines and tabs stay.
func Printable(text string) string {
	if !strings.ContainsFunc(text, acts) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if acts(r) {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func acts(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }

// At returns a copy that says where.
func (p *Problem) At(where string) *Problem {
	q := *p
	q.Where = Printable(where)
	return &q
}

// After returns a copy that says when to try again.
func (p *Problem) After(d time.Duration) *Problem {
	q := *p
	q.RetryAfter = d
	return &q
}

// Of finds the problem in err's chain; an error that holds none is Internal, a nil error nil.
func Of(err error) *Problem {
	if err == nil {
		return nil
	}
	if p, ok := errors.AsType[*Problem](err); ok {
		return p
	}
	return &Problem{Kind: Internal, Message: Printable(err.Error()), Err: err}
}

// KindOf is Of(err).Kind, and "" for nil.
func KindOf(err error) Kind {
	if p := Of(err); p != nil {
		return p.Kind
	}
	return ""
}

// List is several problems as one error; nil when there is none.
type List []*Problem

func (l List) Error() string {
	lines := make([]string, len(l))
	for i, p := range l {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// ListOf is err as a list: of one where it is not a list itself, of none where it is nil.
func ListOf(err error) List {
	switch list, ok := err.(List); {
	case ok:
		return list
	case err == nil:
		return nil
	}
	return List{Of(err)}
}

// Err is l as an error: nil when it is empty.
func (l List) Err() error {
	if len(l) == 0 {
		return nil
	}
	return l
}
