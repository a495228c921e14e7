package engine

import (
	"slices"

	"proxycache/backend/flow"
	"proxycache/backend/http1"
)

// lastHop answers an OPTIONS or TRACE that may take no further hop, as its final recipient (RFC 9110
// §7.6.2); nil for all others.
func lastHop(x *flow.Exchange) *flow.Response {
	if n, ok := x.Request.MaxForwards(); !ok || n > 0 {
		return nil
	}
	step := x.Enter("upstream/", "upstream")
	x.Trail[step].Verdict, x.Trail[step].Why = flow.Answered, "Max-Forwards is 0: it may take no further hop"
	if x.Request.Method == "TRACE" {
		return flow.NewResponse(200, "message/http", received(x.Request))
	}
	return &flow.Response{Status: 200, Proto: "HTTP/1.1", Body: flow.NoBody}
}

// received is the head of a request without what a page should not get to see (RFC 9110 §9.3.8).
func received(r *flow.Request) []byte {
	fields := slices.DeleteFunc(r.Header.Clone(), func(f flow.Field) bool {
		return flow.EqualFold(f.Name, "Authorization") || flow.EqualFold(f.Name, "Proxy-Authorization") || flow.EqualFold(f.Name, "Cookie")
	})
	return http1.AppendRequest(nil, r.Method, r.Target, "HTTP/1.1", fields)
}
