// Package redis reaches a Redis server that several Proxycaches share: quickly, or not at all.
package redis

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gomodule/redigo/redis"
)

const (
	dialTimeout = time.Second
	ioTimeout   = time.Second
	// respite is for how long a server that failed is not asked again: what stands before it goes on
	// without it meanwhile.
	respite   = time.Second
	maxIdle   = 16
	maxActive = 64
	idleFor   = 4 * time.Minute
)

// ErrDown says that the server failed a moment ago and was not asked.
var ErrDown = errors.New("the Redis server failed a moment ago and is not asked again yet")

// Pool is a set of connections to one server. Its methods may be called at any time by any goroutine.
type Pool struct {
	url    string
	conns  *redis.Pool
	failed atomic.Int64 // when it did last, in nanoseconds since 1970; 0 while it answers
	users  int          // under open.mu
}

// open are the pools in use, by address: cells that name the same server share its connections.
var open struct {
	mu    sync.Mutex
	pools map[string]*Pool
}

// Check says what is wrong with an address: redis://[name:password@]host[:port][/database], or rediss://
// for TLS.
func Check(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Scheme != "redis" && u.Scheme != "rediss":
		return fmt.Errorf("%q is no address of a Redis server: write redis://host:6379/0, or rediss:// for TLS", withoutPassword(address))
	case u.Hostname() == "":
		return fmt.Errorf("%q names no host: write redis://host:6379/0", withoutPassword(address))
	}
	return nil
}

// withoutPassword is address as it may be shown.
func withoutPassword(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "the address"
	}
	return u.Redacted()
}

// Open shares the connections to the server at address, which need not be there. Every Open wants a
// Close.
func Open(address string) (*Pool, error) {
	if err := Check(address); err != nil {
		return nil, err
	}
	open.mu.Lock()
	defer open.mu.Unlock()
	p := open.pools[address]
	if p == nil {
		p = &Pool{url: address, conns: &redis.Pool{MaxIdle: maxIdle, MaxActive: maxActive, Wait: true, IdleTimeout: idleFor, Dial: func() (redis.Conn, error) {
			return redis.DialURL(address, redis.DialConnectTimeout(dialTimeout), redis.DialReadTimeout(ioTimeout), redis.DialWriteTimeout(ioTimeout))
		}, TestOnBorrow: alive}}
		if open.pools == nil {
			open.pools = map[string]*Pool{}
		}
		open.pools[address] = p
	}
	p.users++
	return p, nil
}

// alive asks a connection that has not been used for a while: a server that was restarted has closed
// all of them.
func alive(c redis.Conn, since time.Time) error {
	if time.Since(since) < respite {
		return nil
	}
	_, err := c.Do("PING")
	return err
}

// Close gives the share back; the last one ends the connections.
func (p *Pool) Close() error {
	open.mu.Lock()
	defer open.mu.Unlock()
	if p.users--; p.users > 0 {
		return nil
	}
	delete(open.pools, p.url)
	return p.conns.Close()
}

// Shown is the address without its password.
func (p *Pool) Shown() string { return withoutPassword(p.url) }

// Down tells that the server failed and is not asked for a moment.
func (p *Pool) Down() bool {
	failed := p.failed.Load()
	return failed != 0 && time.Since(time.Unix(0, failed)) < respite
}

// Do sends one command. The error is ErrDown where the server was not asked; a redis.Error of the
// server's is no failure of it.
func (p *Pool) Do(command string, arguments ...any) (any, error) {
	return p.with(func(c redis.Conn) (any, error) { return c.Do(command, arguments...) })
}

// asks tells whether the server may be asked. When the respite of one that failed is over, one asks for all:
// the others go on without it until that one knows.
func (p *Pool) asks() bool {
	failed := p.failed.Load()
	switch {
	case failed == 0:
		return true
	case time.Since(time.Unix(0, failed)) < respite:
		return false
	}
	return p.failed.CompareAndSwap(failed, time.Now().UnixNano())
}

func (p *Pool) with(do func(redis.Conn) (any, error)) (any, error) {
	if !p.asks() {
		return nil, ErrDown
	}
	waiting, cancel := context.WithTimeout(context.Background(), 2*dialTimeout)
	defer cancel()
	c, err := p.conns.GetContext(waiting)
	var answer any
	if err == nil {
		answer, err = do(c)
		_ = c.Close() // gives it back; what failed was told by do
	} else {
		c = nil // one that says the error
	}
	_, said := errors.AsType[redis.Error](err)
	switch {
	case err == nil || said:
		if p.failed.Load() != 0 {
			p.failed.Store(0)
		}
	case c != nil || waiting.Err() == nil: // not for want of a connection that others have
		p.failed.Store(time.Now().UnixNano())
	}
	return answer, err
}

// Script is a script that runs in the server as a whole, sent once and named by its sum from then on.
type Script struct{ script *redis.Script }

// NewScript is the script of that text, whose first arguments are so many keys.
func NewScript(keys int, text string) *Script { return &Script{redis.NewScript(keys, text)} }

// Do runs s in p's server.
func (s *Script) Do(p *Pool, keysAndArguments ...any) (any, error) {
	return p.with(func(c redis.Conn) (any, error) { return s.script.Do(c, keysAndArguments...) })
}
