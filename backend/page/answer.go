package page

import (
	"math"
	"strconv"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// statuses gives each kind of problem in the proxy path its status; the others are ours: 500.
var statuses = map[problem.Kind]int{
	problem.BadRequest:             400,
	problem.SlowClient:             408,
	problem.NoRoute:                404,
	problem.ClientLeft:             499, // never reaches anybody; the number nginx logs for it
	problem.Limited:                429,
	problem.Unavailable:            503,
	problem.Overloaded:             503,
	problem.DestinationUnavailable: 503,
	problem.Forbidden:              403,
	problem.DNS:                    502,
	problem.Refused:                502,
	problem.Terminated:             502,
	problem.Unreachable:            502,
	problem.TLSFailed:              502,
	problem.TLSCert:                502,
	problem.BadResponse:            502,
	problem.Timeout:                504,
	problem.ReadTimeout:            504,
	problem.Loop:                   508,
}

// crowded is when a client may ask again of what is crowded: connections become free all the time.
const crowded = time.Second

var titles = map[int]string{
	400: "Bad request", 403: "Forbidden", 404: "No route", 408: "Request timeout", 429: "Too many requests", 500: "Internal error", 502: "Bad gateway", 503: "Unavailable",
	504: "Gateway timeout", 508: "Loop detected", 499: "Client left",
}

// Answer is the proxy's own answer to an exchange that failed for reason p: a small page in the form
// the client asked for, with the reason, the id, and Proxy-Status (RFC 9209).
func Answer(x *flow.Exchange, p *problem.Problem) *flow.Response {
	status, ok := statuses[p.Kind]
	if !ok {
		status = 500
	}
	says := Page{Status: status, Title: titles[status], Detail: p.Message, ID: x.ID.String(), Kind: string(p.Kind)}
	contentType, body := says.In(x.Request.Header.Joined("Accept"))
	r := flow.NewResponse(status, contentType, body)
	r.Header.Add("Cache-Control", "no-store")
	r.Header.Add("Proxy-Status", ProxyStatus(errorOf(p), p.Message))
	wait := p.RetryAfter
	if wait == 0 && p.Kind == problem.Overloaded {
		wait = crowded
	}
	if wait > 0 {
		r.Header.Add("Retry-After", strconv.FormatFloat(math.Ceil(wait.Seconds()), 'f', 0, 64))
	}
	if x.Request.Method == "HEAD" {
		r.Body = flow.NoBody
	}
	return r
}

// errorOf is the kind as RFC 9209 §2.3 registers it.
func errorOf(p *problem.Problem) string {
	if p.Kind == problem.SlowClient {
		return string(problem.BadRequest)
	}
	if _, known := statuses[p.Kind]; !known || p.Kind == problem.Unavailable || p.Kind == problem.Forbidden || p.Kind == problem.ClientLeft {
		return "proxy_internal_error"
	}
	return string(p.Kind)
}
