package http1

import (
	"fmt"

	"proxycache/backend/flow"
)

// Error says why a message is refused and with which status a server answers it: 400, 414, 431, 501
// or 505 for a request, always 502 for a response.
type Error struct {
	Status int
	Reason string // a sentence for people without the full stop; names the rule's section

	// Lenient is what had to be tolerated for the head to pass; 0 where nothing helps.
	Lenient flow.Tolerance
}

func (e *Error) Error() string { return e.Reason }

func refuse(status int, format string, args ...any) *Error {
	return &Error{Status: status, Reason: fmt.Sprintf(format, args...)}
}

// unless says which tolerance lets pass what e is about.
func (e *Error) unless(t flow.Tolerance) *Error {
	e.Lenient = t
	return e
}

// final says that no tolerance helps.
func (e *Error) final() *Error {
	if e != nil {
		e.Lenient = 0
	}
	return e
}

func bad(format string, args ...any) *Error { return refuse(400, format, args...) }

// excerpt keeps what a peer sent short enough for a sentence.
func excerpt(s string) string {
	if len(s) > 40 {
		return fmt.Sprintf("%q…", s[:40])
	}
	return fmt.Sprintf("%q", s)
}
