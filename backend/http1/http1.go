// Package http1 parses and prints HTTP/1.x (RFC 9112). It refuses what the grammar does not allow
// instead of guessing: two readers that guess differently are how requests are smuggled. It knows no
// sockets; Reader and BodyWriter stand on io.Reader and io.Writer.
package http1

import "proxycache/backend/flow"

// Length of a body by RFC 9112 §6.3, besides a number of bytes.
const (
	Chunked    int64 = -1 // the chunked coding tells where it ends
	UntilClose int64 = -2 // the end of the connection is its end; responses only
)

// Limits of a head. The zero value of a field means its default.
type Limits struct {
	Head   int // bytes of a head, and of a trailer section
	Fields int // lines in a header, and in a trailer section
	Target int // bytes of a request target's path and query
}

// DefaultLimits are used where Limits are zero: 64 KiB, 100 fields, a path with its query of 8 KiB.
var DefaultLimits = Limits{Head: 64 << 10, Fields: 100, Target: 8 << 10}

func (l Limits) orDefault() Limits {
	if l.Head <= 0 {
		l.Head = DefaultLimits.Head
	}
	if l.Fields <= 0 {
		l.Fields = DefaultLimits.Fields
	}
	if l.Target <= 0 {
		l.Target = DefaultLimits.Target
	}
	return l
}

// Head is a parsed request or response head. Its strings are slices of one copy of the text. That
// copy and the fields are made for this head alone: they may be kept when the Head itself, which a
// Reader uses again, is gone.
type Head struct {
	// Raw is the text as on the wire, up to and with the blank line, without empty lines that came
	// before it. The strings share its memory: it must not be changed.
	Raw []byte

	Method string // request line
	Target string // request line, in whatever form it was sent
	Status int    // status line, 100 to 999; 0 in a request
	Reason string // status line; may be empty
	Proto  string // "HTTP/1.1" or "HTTP/1.0"; a higher minor version is read as 1.1 (RFC 9110 §2.5)

	Header flow.Header // order, spelling and repeats kept; values without the whitespace around them
	Length int64       // of the body: bytes, Chunked, or UntilClose

	// Close says that the connection carries no message after this one (RFC 9112 §9.3). That is also so
	// after a 101, after CONNECT's 2xx, and after a 204 that announces a body it cannot have.
	Close bool
	// Expect says that the client waits for 100 (Continue) before it sends the body. It is never set in
	// HTTP/1.0 or where no body follows (RFC 9110 §10.1.1).
	Expect bool

	// Tolerated is what is wrong with the form of the head and was let pass. Raw has it as it came; all
	// else is as if the head had been sent right.
	Tolerated flow.Tolerance
}
