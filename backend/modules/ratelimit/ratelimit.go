// Package ratelimit lets so many requests pass for each client, and answers the others itself.
//
// What each algorithm promises for one key, with q its quota, w its window, and T the time that a
// bucket takes for one request (period/average):
//
//	token_bucket    in any time t at most burst + t/T requests pass
//	leaky_bucket    requests leave at least T apart; with nodelay, in any time t at most burst + 1 + t/T
//	fixed_window    at most q in each window; windows begin at multiples of w since 1970, UTC
//	sliding_window  at most q in each such window, and in any time t ≤ w at most q·(1 + t/w) + 1: it
//	                counts the window before as if its requests had been spread evenly, without the
//	                last part of one, so that who comes at an even pace is never refused
//	sliding_log     at most q in any time w
//	concurrency     never more than q at once, from the request's head to the end of the answer's body
//
// All limits of a cell are asked at once, and a request that one of them refuses uses up none.
//
// The state of a key is 24 bytes, found by a 64-bit hash with a secret seed: of a million keys two
// share their count with a chance of 3 in 100 million. A log needs 8 bytes a request besides.
package ratelimit

import (
	"proxycache/backend/policy"
	"proxycache/backend/schema"
)

// Module is its entry in the palette.
var Module = policy.Module{
	Name: "ratelimit", Title: "Rate limit", Summary: "Lets so many requests pass for each client, and answers the others itself.",
	Icon: "gauge", Stage: policy.Guard, Figure: "limited",
	Settings: func() policy.Settings { return new(Settings) },
}

// The algorithms, as a document names them.
const (
	tokenBucket   = "token_bucket"
	leakyBucket   = "leaky_bucket"
	fixedWindow   = "fixed_window"
	slidingWindow = "sliding_window"
	slidingLog    = "sliding_log"
	concurrency   = "concurrency"
)

const (
	mostLimits = 8      // of a cell: `max` of limits
	mostLogged = 10_000 // requests in one log
	inMemory   = "memory"
)

// Limit is one limit. Buckets read average, period and burst; the others limit and window.
type Limit struct {
	Name      string          `toml:"name" title:"Name" help:"What the trail and the fields of the answer call it; empty takes default, or limit-2 for the second of several." max:"40" placeholder:"default"`
	Algorithm string          `toml:"algorithm" title:"Algorithm" help:"How it counts: windows and the log take limit and window, buckets average, period and burst, concurrency takes limit." default:"sliding_window" oneof:"token_bucket,leaky_bucket,fixed_window,sliding_window,sliding_log,concurrency"`
	Requests  int64           `toml:"limit" title:"Limit" help:"How many requests pass in a window, or at once with concurrency." default:"100" min:"1" max:"1000000000" unit:"requests"`
	Window    schema.Duration `toml:"window" title:"Window" help:"The time in which so many pass." default:"1m" min:"1ms" max:"31d"`
	Average   int64           `toml:"average" title:"Average" help:"Buckets: how many requests pass in a period in the long run." default:"0" min:"0" max:"1000000000" unit:"requests"`
	Period    schema.Duration `toml:"period" title:"Period" help:"Buckets: the time of the average." default:"1s" min:"1ms" max:"31d"`
	Burst     int64           `toml:"burst" title:"Burst" help:"Token bucket: how many may come at once, 0 for as many as the average. Leaky bucket: how many more than the one at its turn may wait, 0 for none." default:"0" min:"0" max:"1000000000" unit:"requests"`
	NoDelay   bool            `toml:"nodelay" title:"No delay" help:"Leaky bucket: a burst passes at once instead of waiting for its turn." default:"false"`
	Key       string          `toml:"key" title:"Key" help:"Whose requests are counted together: client_ip, header:NAME, cookie:NAME, path, host, all, or a text with such words and values in places, as ${client_ip} ${method}." default:"client_ip" max:"400"`
}

// Settings are the limits, and what becomes of a request that one of them refuses.
type Settings struct {
	Limit
	Limits     []Limit `toml:"limits" title:"Several limits" help:"Each of these has to let a request pass, and one that any refuses uses up none; they take the place of the single limit." max:"8"`
	Depth      int     `toml:"depth" title:"Depth" help:"Which address in X-Forwarded-For is the client's, counted from the right, where the peer is trusted; 0 takes the address of the connection." default:"0" min:"0" max:"32"`
	IPv6Prefix int     `toml:"ipv6_prefix" title:"IPv6 prefix" help:"So many first bits of an IPv6 address are one client: a household usually has a /64." default:"64" min:"1" max:"128" unit:"bits"`
	Headers    string  `toml:"headers" title:"Fields" help:"What answers say of the limit: RateLimit and RateLimit-Policy of the IETF draft, X-RateLimit-Limit, -Remaining and -Reset, or nothing." default:"draft" oneof:"draft,x,none"`
	Status     int     `toml:"status" title:"Status" help:"The status of the answer to a request that is refused." default:"429" min:"400" max:"599"`
	DryRun     bool    `toml:"dry_run" title:"Dry run" help:"Notes and counts what would be refused or delayed, and lets it go on at once." default:"false"`
	MaxKeys    int64   `toml:"max_keys" title:"Keys" help:"How many keys are remembered in memory at most; beyond that an idle one goes, else one of the oldest." default:"1000000" min:"1" max:"10000000"`
	Store      string  `toml:"store" title:"Store" help:"Where it counts: memory, or the address of a Redis server that several Proxycaches share." default:"memory" placeholder:"redis://127.0.0.1:6379/0"`
}

// all are the limits in force, each with a name.
func (s *Settings) all() []Limit {
	limits := append([]Limit{}, s.Limits...)
	if len(limits) == 0 {
		limits = append(limits, s.Limit)
	}
	for i := range limits {
		if limits[i].Name == "" {
			limits[i].Name = defaultName(i, len(limits))
		}
	}
	return limits
}
