package ratelimit

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"proxycache/backend/redis"
)

// lease is for how long a request in flight is counted in Redis without a word of it: a Proxycache
// that ended without giving its places back holds them so long. renewal is how often it is told.
const (
	lease   = time.Minute
	renewal = 20 * time.Second
)

// asking is how many requests ask at once; the others wait for their turn, which is short. More would
// find no connection in the pool.
const asking = 16

//go:embed decide.lua
var decideText string

const renewText = `local t = redis.call('TIME')
for _, key in ipairs(KEYS) do
  redis.call('ZADD', key, string.format('%.0f', t[1] * 1000000 + t[2] + ARGV[2]), ARGV[1])
  redis.call('PEXPIRE', key, math.ceil(ARGV[2] / 1000))
end`

// shared counts in a Redis server, by its clock.
type shared struct {
	pool     *redis.Pool
	prefix   string // of the keys of the cell; the part in braces puts all into one slot of a cluster
	instance string // tells requests in flight here from those of others
	flights  atomic.Uint64
	gate     chan struct{}
	failures *atomic.Int64
	away     atomic.Bool // it failed when it was last asked
}

func newShared(pool *redis.Pool, cell string, failures *atomic.Int64) *shared {
	instance := make([]byte, 8)
	_, _ = rand.Read(instance) // never fails
	tag := strings.NewReplacer("{", "(", "}", ")").Replace(cell)
	return &shared{pool: pool, gate: make(chan struct{}, asking), failures: failures,
		prefix: "proxycache:ratelimit:{" + tag + "}:", instance: hex.EncodeToString(instance)}
}

// key is where r counts value. Both are hashed: a value may be a secret, or long.
func (s *shared) key(r *rule, value string) string {
	sum := sha256.Sum256([]byte(r.id + "\x00" + value))
	return s.prefix + hex.EncodeToString(sum[:16])
}

// scripts are by how many keys they have.
var scripts, renewals = scriptsOf(decideText), scriptsOf(renewText)

func scriptsOf(text string) (list [mostLimits + 1]*redis.Script) {
	for n := range list {
		list[n] = redis.NewScript(n, text)
	}
	return list
}

// decide asks all limits in one script. member is what the request in flight is known by. The error is
// ctx's where that ends before it is this request's turn.
func (s *shared) decide(ctx context.Context, claims []claim) (all bool, member string, err error) {
	member = s.instance + "-" + strconv.FormatUint(s.flights.Add(1), 36)
	arguments := make([]any, 0, 2+5*len(claims))
	for i := range claims {
		arguments = append(arguments, s.key(claims[i].rule, claims[i].value))
	}
	arguments = append(arguments, member, lease.Microseconds())
	for i := range claims {
		r := claims[i].rule
		arguments = append(arguments, r.scriptName(), r.quota, micros(r.window), micros(r.interval))
	}
	select {
	case s.gate <- struct{}{}:
	case <-ctx.Done():
		return false, member, ctx.Err()
	}
	answer, err := scripts[len(claims)].Do(s.pool, arguments...)
	<-s.gate
	if err == nil {
		all, err = read(claims, answer)
	}
	s.away.Store(err != nil)
	return all, member, err
}

func (r *rule) scriptName() string {
	if r.Algorithm == leakyBucket && !r.NoDelay {
		return "waiting_bucket"
	}
	return r.Algorithm
}

// micros rounds up: a bucket that is slower never lets more pass than was promised.
func micros(nanos int64) int64 { return (nanos + 999) / 1000 }

func read(claims []claim, answer any) (all bool, err error) {
	list, ok := answer.([]any)
	if !ok || len(list) != 5*len(claims) {
		return false, fmt.Errorf("the script answered %v", answer)
	}
	all = true
	for i := range claims {
		var n [5]int64
		for j := range n {
			if n[j], ok = list[5*i+j].(int64); !ok {
				return false, fmt.Errorf("the script answered %v", answer)
			}
		}
		micro := func(n int64) time.Duration { return time.Duration(n) * time.Microsecond }
		claims[i].decision = decision{ok: n[0] == 1, left: n[1], wait: micro(n[2]), frees: micro(n[3]), clears: micro(n[4])}
		all = all && claims[i].ok
	}
	return all, nil
}

// reset forgets one key of each limit, and tells how many were there.
func (s *shared) reset(rules []*rule, value string) (n int64, err error) {
	for _, r := range rules {
		if r.Algorithm == concurrency {
			continue
		}
		answer, err := s.pool.Do("UNLINK", s.key(r, value))
		if err != nil {
			return n, err
		}
		gone, _ := answer.(int64)
		n += gone
	}
	return n, nil
}

// clear forgets all keys of the cell, what is in flight not.
func (s *shared) clear() (n int64, err error) {
	pattern := strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`).Replace(s.prefix) + "*"
	for cursor := "0"; ; {
		answer, err := s.pool.Do("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
		if err != nil {
			return n, err
		}
		page, _ := answer.([]any)
		if len(page) != 2 {
			return n, fmt.Errorf("SCAN answered %v", answer)
		}
		keys, _ := page[1].([]any)
		for _, key := range keys {
			kind, err := s.pool.Do("TYPE", key)
			if err != nil {
				return n, err
			}
			if fmt.Sprintf("%s", kind) == "zset" {
				continue
			}
			if _, err := s.pool.Do("UNLINK", key); err != nil {
				return n, err
			}
			n++
		}
		next, _ := page[0].([]byte)
		if cursor = string(next); cursor == "0" || cursor == "" {
			return n, nil
		}
	}
}

// flight is what a request holds in Redis while it is in flight.
type flight struct {
	shared *shared
	keys   []any
	member string

	mu    sync.Mutex
	over  bool
	timer *time.Timer
}

// fly begins to renew what claims hold for member; nil where none counts concurrency.
func (s *shared) fly(claims []claim, member string) *flight {
	var keys []any
	for i := range claims {
		if claims[i].Algorithm == concurrency {
			keys = append(keys, s.key(claims[i].rule, claims[i].value))
		}
	}
	if len(keys) == 0 {
		return nil
	}
	f := &flight{shared: s, keys: keys, member: member}
	f.mu.Lock()
	f.timer = time.AfterFunc(renewal, f.renew)
	f.mu.Unlock()
	return f
}

func (f *flight) renew() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over {
		return
	}
	if _, err := renewals[len(f.keys)].Do(f.shared.pool, append(append([]any{}, f.keys...), f.member, lease.Microseconds())...); err != nil {
		f.shared.failures.Add(1) // the lease holds for two more tries
	}
	f.timer.Reset(renewal)
}

// land gives the places back. Where that fails the lease ends them.
func (f *flight) land() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.over {
		return
	}
	f.over = true
	f.timer.Stop()
	for _, key := range f.keys {
		if _, err := f.shared.pool.Do("ZREM", key, f.member); err != nil {
			f.shared.failures.Add(1)
			return
		}
	}
}
