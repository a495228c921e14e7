package http1

import "fmt"

// Error says why a message is refused and with which status a server answers it: 400, 414, 431, 501
// or 505 for a request, always 502 for a response.
type Error struct {
	Status int
	Reason string // a sentence for people without the full stop; names the rule's section
}

func (e *Error) Error() string { return e.Reason }

func refuse(status int, format string, args ...any) *Error {
	return &Error{Status: status, Reason: fmt.Sprintf(format, args...)}
}

func bad(format string, args ...any) *Error { return refuse(400, format, args...) }

// excerpt keeps what a peer sent short enough for a sentence.
func excerpt(s string) string {
	if len(s) > 40 {
		return fmt.Sprintf("%q…", s[:40])
	}
	return fmt.Sprintf("%q", s)
}
