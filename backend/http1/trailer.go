package http1

import "proxycache/backend/flow"

// Trailer is h without the fields that a trailer section may not have (RFC 9110 §6.5.1), for those that come
// by another protocol.
func Trailer(h flow.Header) flow.Header { return permitted(h.Clone()) }
