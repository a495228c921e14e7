package cachestore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// cached keeps responses in Memcached, which can neither list what it holds nor find it by anything but its
// key. So a purge is a change of generation: each response carries the generations of all, of its URL and
// of its tags from when it was stored, and is good while these are the same.
type cached struct {
	client  *memcache.Client
	address string
	asking  chan struct{} // a place for each who asks a server
	failing atomic.Int64  // when it failed last, in nanoseconds since 1970; 0 while it answers
	failed  atomic.Int64
	closed  atomic.Bool
}

const (
	memcachedTimeout = time.Second
	// respite is for how long a server that failed is not asked again.
	respite     = time.Second
	askingMost  = 64
	largestItem = 1_000_000 // bytes: Memcached takes 1 MiB with its own bookkeeping, unless told otherwise

	itemKey = "proxycache:o:" // and the hash of the key
)

// errMemcachedDown says that the server failed a moment ago and was not asked.
var errMemcachedDown = errors.New("it failed a moment ago and is not asked again yet")

// OpenMemcached is a store in the Memcached servers at address (memcached://host[:port][,host[:port]…]),
// which need not be there. Responses above 1 MB are not stored. A purge by prefix or expression purges all.
func OpenMemcached(address string) (Store, error) {
	servers, err := parseServers(address)
	if err != nil {
		return nil, err
	}
	client := memcache.NewFromSelector(servers)
	client.Timeout, client.MaxIdleConns = memcachedTimeout, askingMost
	return &cached{client: client, address: address, asking: make(chan struct{}, askingMost)}, nil
}

func (c *cached) down() bool {
	at := c.failing.Load()
	return at != 0 && time.Since(time.Unix(0, at)) < respite
}

// ask lets do talk to a server, if that may be. What a server says of the item alone is no failure.
func (c *cached) ask(doing string, do func() error) error {
	switch {
	case c.closed.Load():
		return errClosed
	case c.down():
		return fmt.Errorf("%s %s: %w", doing, c.address, errMemcachedDown)
	}
	select {
	case c.asking <- struct{}{}:
		defer func() { <-c.asking }()
	default:
		return fmt.Errorf("%s %s: %d others ask it already", doing, c.address, askingMost)
	}
	err := do()
	if err == nil || ofItem(err) {
		if c.failing.Load() != 0 {
			c.failing.Store(0)
		}
		return err
	}
	c.failed.Add(1)
	if !strings.Contains(err.Error(), "SERVER_ERROR") { // it answers: "object too large", "out of memory"
		c.failing.Store(time.Now().UnixNano())
	}
	return fmt.Errorf("%s %s: %w", doing, c.address, err)
}

func ofItem(err error) bool {
	return errors.Is(err, memcache.ErrCacheMiss) || errors.Is(err, memcache.ErrNotStored) || errors.Is(err, memcache.ErrCASConflict)
}

// stored is what an item holds.
type stored struct {
	item     *memcache.Item
	response *Response
	body     []byte
	now      []generation // those that counted when it was read
}

// load is the response under key if its generations are those of now, or nil.
func (c *cached) load(key string) (*stored, error) {
	var item *memcache.Item
	err := c.ask("reading a response from", func() (err error) {
		item, err = c.client.Get(itemKey + hashOf(key).String())
		return err
	})
	if err != nil {
		return nil, ignore(err, memcache.ErrCacheMiss)
	}
	s, marks, err := parseItem(item)
	if err != nil || s.response.Key != key || dropped(s.response, time.Now()) {
		return nil, err
	}
	now, err := c.generations(s.response)
	if err != nil || len(now) != len(marks) {
		return nil, err
	}
	for i, g := range now {
		if g.hard == 0 || g.hard != marks[i].hard {
			return nil, nil
		}
		if g.soft != marks[i].soft && s.response.Status != 0 {
			s.response.Purged = true
		}
	}
	s.now = now
	return s, nil
}

// ignore is err unless it is what is expected.
func ignore(err, expected error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}

func (c *cached) Get(key string) (*Object, error) {
	s, err := c.load(key)
	if s == nil {
		return nil, err
	}
	return &Object{Response: s.response, Body: bytesBody{bytes.NewReader(s.body)}}, nil
}

func (c *cached) Put(r *Response, size int64) (Writer, error) {
	switch {
	case c.closed.Load():
		return nil, errClosed
	case c.down() || size+overhead(r) > largestItem:
		return nil, nil
	}
	return &itemWriter{store: c, response: r, body: make([]byte, 0, max(size, 0))}, nil
}

func (c *cached) Delete(key string) error {
	return ignore(c.ask("deleting a response in", func() error {
		return c.client.Delete(itemKey + hashOf(key).String())
	}), memcache.ErrCacheMiss)
}

// encode makes an item's value.
func (c *cached) encode(r *Response, body []byte) ([]byte, error) {
	marks, err := c.marks(r)
	if err != nil {
		return nil, err
	}
	return appendItem(r, marks, body), nil
}

// marks are the generations that count for r. Where one is missing, it begins.
func (c *cached) marks(r *Response) ([]generation, error) {
	marks, err := c.generations(r)
	if err != nil {
		return nil, err
	}
	for i, key := range generationKeys(r) {
		if marks[i].hard != 0 {
			continue
		}
		if marks[i], err = c.begin(key); err != nil {
			return nil, err
		}
	}
	return marks, nil
}

// appendItem is the value of an item: the head with its length before it, as many generations as the
// response mentions things, and the body.
func appendItem(r *Response, marks []generation, body []byte) []byte {
	head := appendHead(nil, r)
	value := make([]byte, 0, len(head)+len(body)+16*len(marks)+2*binary.MaxVarintLen64)
	value = append(binary.AppendUvarint(value, uint64(len(head))), head...)
	value = binary.AppendUvarint(value, uint64(len(marks)))
	for _, g := range marks {
		value = g.append(value)
	}
	return append(value, body...)
}

func parseItem(item *memcache.Item) (*stored, []generation, error) {
	rest := item.Value
	cut := func(n uint64) []byte {
		if n > uint64(len(rest)) {
			rest = nil
			return nil
		}
		b := rest[:n]
		rest = rest[n:]
		return b
	}
	number := func() uint64 {
		n, size := binary.Uvarint(rest)
		cut(uint64(max(size, 0)))
		return n
	}
	r, err := parseHead(cut(number()))
	marks := make([]generation, 0, 8)
	for n := number(); n > 0; n-- {
		b := cut(generationSize)
		if b == nil {
			return nil, nil, errHead
		}
		marks = append(marks, parseGeneration(b))
	}
	if err != nil || r.Key == "" {
		return nil, nil, errHead
	}
	return &stored{item: item, response: r, body: rest}, marks, nil
}

// expiration is when r's time is over, in the two ways in which Memcached counts seconds.
func expiration(r *Response) int32 {
	left := longest
	if !r.Drop.IsZero() {
		left = min(left, time.Until(r.Drop))
	}
	return int32(max(1, (left+time.Second-1)/time.Second)) // up to thirty days, from now
}

// itemWriter gathers a body.
type itemWriter struct {
	store    *cached
	response *Response
	body     []byte
}

func (w *itemWriter) Write(p []byte) (int, error) {
	if int64(len(w.body)+len(p)) > largestItem {
		return 0, errNoRoom
	}
	w.body = append(w.body, p...)
	return len(p), nil
}

func (w *itemWriter) Commit(r *Response) error {
	if r == nil {
		r = w.response
	}
	if dropped(r, time.Now()) {
		return w.store.Delete(r.Key)
	}
	value, err := w.store.encode(r, w.body)
	switch {
	case err != nil:
		return err
	case len(value) > largestItem:
		return errNoRoom
	}
	return w.store.ask("storing a response in", func() error {
		return w.store.client.Set(&memcache.Item{Key: itemKey + hashOf(r.Key).String(), Value: value, Expiration: expiration(r)})
	})
}

func (w *itemWriter) Abort() { w.body = nil }

// Stats cannot tell what the servers hold.
func (c *cached) Stats() Stats {
	return Stats{Entries: -1, Bytes: -1, Capacity: -1, Failed: c.failed.Load(), Down: c.down()}
}

func (c *cached) Close() error {
	if c.closed.Swap(true) {
		return nil
	}
	return c.client.Close()
}
