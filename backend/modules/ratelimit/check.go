package ratelimit

import (
	"math"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"proxycache/backend/policy"
	"proxycache/backend/problem"
	"proxycache/backend/redis"
	"proxycache/backend/schema"
)

const (
	// longestTurn is how long the last of a leaky bucket's burst may wait.
	longestTurn = 10 * time.Minute
	// longestRefill is how long an empty bucket may take to be full.
	longestRefill = 366 * 24 * time.Hour
)

func defaultName(i, of int) string {
	if of == 1 {
		return "default"
	}
	return "limit-" + strconv.Itoa(i+1)
}

// Check is for an entry of limits, and for the single limit.
func (l *Limit) Check() []*problem.Problem {
	var out problem.List
	wrong := func(where, format string, args ...any) {
		out = append(out, problem.New(problem.Invalid, format, args...).At(where))
	}
	if strings.IndexFunc(l.Name, func(c rune) bool { return c < ' ' || c > '~' || c == '"' || c == '\\' }) >= 0 {
		wrong("name", "the name %q stands in fields of the answer: use printable ASCII without quotes and backslashes", l.Name)
	}
	if _, err := parseKey(l.Key, addressing{}); err != nil {
		out = append(out, problem.Of(err).At("key"))
	}
	switch {
	case !l.bucket() && (l.Average != 0 || l.Burst != 0):
		wrong("algorithm", "average and burst belong to a bucket: set algorithm to token_bucket or leaky_bucket, or write limit and window")
	case l.NoDelay && l.Algorithm != leakyBucket:
		wrong("nodelay", "only a leaky bucket delays: remove nodelay, or set algorithm to leaky_bucket")
	case l.Algorithm == slidingLog && l.Requests > mostLogged:
		wrong("limit", "a log keeps the time of each request, and at most %d of them: use sliding_window for more", mostLogged)
	case l.bucket():
		l.checkBucket(wrong)
	}
	return out
}

func (l *Limit) checkBucket(wrong func(where, format string, args ...any)) {
	switch {
	case l.Average == 0:
		wrong("average", "a bucket needs its average: write how many requests pass in a period, as average = 100")
		return
	case time.Duration(l.Period)/time.Microsecond < time.Duration(l.Average):
		wrong("average", "%d in %s is more than a million a second, which no bucket counts: use a smaller average", l.Average, l.Period)
		return
	}
	if turns(l.quota(), l.interval()) > int64(longestRefill) {
		wrong("burst", "a burst of %d takes more than a year to come back: use a smaller burst or a larger average", l.Burst)
	} else if l.Algorithm == leakyBucket && !l.NoDelay && turns(l.Burst, l.interval()) > int64(longestTurn) {
		wrong("burst", "the last of a burst of %d would wait longer than %s: use a smaller burst, or nodelay", l.Burst, schema.Duration(longestTurn))
	}
}

// turns is how long n requests take, in nanoseconds; the largest number where that is too long to tell.
func turns(n, interval int64) int64 {
	hi, lo := bits.Mul64(uint64(n), uint64(interval))
	if hi > 0 || lo > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(lo)
}

func (l *Limit) bucket() bool { return l.Algorithm == tokenBucket || l.Algorithm == leakyBucket }

// quota is how many pass when nothing has come for long.
func (l *Limit) quota() int64 {
	switch {
	case l.Algorithm == leakyBucket:
		return l.Burst + 1
	case l.Algorithm == tokenBucket && l.Burst > 0:
		return l.Burst
	case l.Algorithm == tokenBucket:
		return l.Average
	}
	return l.Requests
}

// interval is the time a bucket takes for one request, in nanoseconds, rounded up so that never more
// pass than was promised.
func (l *Limit) interval() int64 {
	return (int64(l.Period) + l.Average - 1) / max(l.Average, 1)
}

// Check is for what stands across the settings.
func (s *Settings) Check() []*problem.Problem {
	var out problem.List
	if len(s.Limits) == 0 {
		out = append(out, s.Limit.Check()...)
	} else {
		var none Limit
		schema.Defaults(&none)
		if s.Limit != none {
			out = append(out, problem.New(problem.Invalid, "there are a single limit and a list of them: move the single one into limits").At("limits"))
		}
	}
	seen := map[string]bool{}
	for i, l := range s.all() {
		if seen[l.Name] {
			out = append(out, problem.New(problem.Invalid, "two limits are called %q: give each a name of its own", l.Name).At("limits."+strconv.Itoa(i+1)+".name"))
		}
		seen[l.Name] = true
	}
	if s.Store != inMemory {
		if err := redis.Check(s.Store); err != nil {
			out = append(out, problem.Wrap(problem.Invalid, err, "%v; or write memory, to count here", err).At("store"))
		}
	}
	return out
}

// Policy makes the running policy. What was counted before an edit goes on counting where name,
// algorithm, window and key of a limit are as they were.
func (s *Settings) Policy(env policy.Env) (policy.Policy, error) {
	kept := policy.Kept(env, "counts", func() *counts { return &counts{table: newTable(s.MaxKeys)} })
	l := &limiter{Settings: *s, counts: kept}
	for _, limit := range s.all() {
		r, err := newRule(limit, addressing{depth: s.Depth, prefix: s.IPv6Prefix}, kept.table)
		if err != nil {
			return nil, problem.Of(err).At("key")
		}
		l.rules = append(l.rules, r)
	}
	l.policies = policiesOf(l.rules)
	if s.Store == inMemory {
		return l, nil
	}
	pool, err := redis.Open(s.Store)
	if err != nil {
		return nil, problem.Wrap(problem.Invalid, err, "%v", err).At("store")
	}
	l.shared = newShared(pool, env.Cell, &kept.failures)
	return l, nil
}
