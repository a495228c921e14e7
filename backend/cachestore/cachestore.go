// Package cachestore keeps responses for a cache: in memory, on a disk, in a server that several share.
package cachestore

import (
	"io"
	"regexp"
	"time"

	"proxycache/backend/flow"
)

// Response is a stored response without its body (RFC 9111 §3). It is not changed once it was put; what
// a validation brings is another one put in its place. Stores encode the exported fields by name, so
// that one more does not make older ones unreadable.
type Response struct {
	Key  string   // under which it is found; at most 64 KiB
	URL  string   // scheme://authority/path?query, for purging
	Tags []string // of Surrogate-Key and Cache-Tag, for purging

	Status  int
	Reason  string
	Proto   string
	Header  flow.Header // without the fields that are not stored (RFC 9111 §3.1)
	Trailer flow.Header
	// Vary are the request fields that choose among the responses of a primary key, lower case. A
	// response without a status is nothing but them: the mark that others are found by.
	Vary []string

	Requested, Received time.Time     // request_time and response_time (RFC 9111 §4.2.3)
	InitialAge          time.Duration // corrected_initial_age (§4.2.3)
	Lifetime            time.Duration // freshness_lifetime (§4.2.1)
	Rule                string        // what gave Lifetime, in words: "s-maxage=60"
	Heuristic           bool
	AlwaysValidate      bool          // no-cache
	MustRevalidate      bool          // must-revalidate, or proxy-revalidate, or s-maxage (§5.2.2)
	StaleWhile          time.Duration // stale-while-revalidate (RFC 5861 §3)
	StaleIfError        time.Duration // stale-if-error (RFC 5861 §4)

	// Drop is when the store may let it go: it cannot be used even stale from then on.
	Drop time.Time
	// Purged says that it was purged softly: it is stale, whatever its lifetime says.
	Purged bool
}

// Object is a stored response on its way out. Close ends the reading of its body; an object that is
// replaced, purged or pushed out meanwhile can be read to its end.
type Object struct {
	*Response
	Body Body
}

// Body is random access to the bytes of a stored body. Memory's is a bytes.Reader's worth of cost.
type Body interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Writer takes the body of a response that is being stored. Nothing can be found before Commit, and
// everything can after it; without it, nothing is left. Exactly one of Commit and Abort is called.
type Writer interface {
	io.Writer
	// Commit ends the body. Of the response, what was not known at Put may be given anew: trailer, drop.
	Commit(*Response) error
	Abort()
}

// Selection says which responses are purged. Exactly one field is set.
type Selection struct {
	URL    string // exactly this one, all its variants
	Prefix string // every URL that begins so
	Tag    string
	Match  *regexp.Regexp // of the URL
}

// Store keeps responses by key. Its methods may be called at any time by any goroutine. An error means
// that the store failed, not that nothing was found; who asks goes on without it.
type Store interface {
	// Get is the response under key, or nil. Its body must be closed.
	Get(key string) (*Object, error)
	// Put begins to store r; size is what its body will have, or -1 when only the end will tell. The
	// writer is nil where there is no room for it.
	Put(r *Response, size int64) (Writer, error)
	// Update puts r in the place of was, which was read under the same key, and keeps its body, as a
	// validation does (RFC 9111 §4.3.4). Where there is none, or another by now, or was has been purged
	// softly since it was read, it does nothing: r says nothing of these.
	Update(r, was *Response) error
	Delete(key string) error
	// Purge drops what is selected, or marks it as Purged when soft; n is how many there were, -1 where
	// the store cannot tell.
	Purge(s Selection, soft bool) (n int, err error)
	Stats() Stats
	io.Closer
}

// Resizer is a store whose capacity can be changed while it is used. What is too much then leaves as it
// would for newcomers.
type Resizer interface {
	// Resize makes capacity, in bytes, what the store has from now on.
	Resize(capacity int64)
}

// same tells whether r, which is stored, is the response that was read as was.
func (r *Response) same(was *Response) bool {
	return r.Key == was.Key && r.Purged == was.Purged && r.Received.Equal(was.Received) && r.Requested.Equal(was.Requested) &&
		r.Header.Get("ETag") == was.Header.Get("ETag")
}

// Stats are a store's figures at a moment.
type Stats struct {
	Entries, Bytes, Capacity int64 // -1 where the store cannot tell
	Evicted, Failed          int64 // since it was opened
	Down                     bool  // it failed a moment ago and is not asked
}
