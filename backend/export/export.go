// Package export writes captured exchanges in the forms that other programs read: a cURL command, a
// Postman collection, a HAR file.
package export

import (
	"io"

	"proxycache/backend/flow"
)

// Source is where the exchanges of an export come from.
type Source interface {
	// Records yields them in order. An error ends the export.
	Records(yield func(*flow.Record, error) bool)
	// Body opens a kept body at its beginning; it is asked twice for bodies whose text is to be judged
	// first. problem.NotFound says that it is not there any more.
	Body(flow.Stored) (io.ReadCloser, error)
}

// Options are what a person chooses.
type Options struct {
	// Redact puts Blank in the place of secrets: credentials and cookies, fields and query parameters
	// whose names say that they hold one, and such members of JSON and URL-encoded bodies.
	Redact  bool
	Version string // of Proxycache
}

// Blank stands where a secret was.
const Blank = "redacted"
