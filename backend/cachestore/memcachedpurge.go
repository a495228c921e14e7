package cachestore

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"

	"github.com/bradfitz/gomemcache/memcache"
)

// generation is two numbers that nothing else has; never 0. When hard is another than it was, a response is
// gone; when soft is, it was purged softly. Memcached may forget a generation: all that carried it is gone
// then, for another begins.
type generation struct{ hard, soft uint64 }

const (
	generationSize = 16

	allGeneration = "proxycache:g"
	urlGeneration = "proxycache:g:u:" // and the hash of the URL
	tagGeneration = "proxycache:g:t:" // and the hash of the tag
)

func newGeneration() generation { return generation{rand.Uint64() | 1, rand.Uint64() | 1} }

func (g generation) append(to []byte) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(to, g.hard), g.soft)
}

func parseGeneration(b []byte) generation {
	if len(b) != generationSize {
		return generation{}
	}
	return generation{binary.BigEndian.Uint64(b), binary.BigEndian.Uint64(b[8:])}
}

// generationKeys are where the generations lie that count for r.
func generationKeys(r *Response) []string {
	keys := append(make([]string, 0, 2+len(r.Tags)), allGeneration, urlGeneration+hashOf(r.URL).String())
	for _, tag := range r.Tags {
		keys = append(keys, tagGeneration+hashOf(tag).String())
	}
	return keys
}

// generations are those that count for r, empty where there is none.
func (c *cached) generations(r *Response) ([]generation, error) {
	keys := generationKeys(r)
	var found map[string]*memcache.Item
	err := c.ask("reading a generation from", func() (err error) {
		found, err = c.client.GetMulti(keys)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make([]generation, len(keys))
	for i, key := range keys {
		if item := found[key]; item != nil {
			out[i] = parseGeneration(item.Value)
		}
	}
	return out, nil
}

// begin begins a generation, or is the one that another has just begun.
func (c *cached) begin(key string) (generation, error) {
	g := newGeneration()
	err := c.ask("beginning a generation in", func() error {
		err := c.client.Add(&memcache.Item{Key: key, Value: g.append(nil)})
		if !errors.Is(err, memcache.ErrNotStored) {
			return err
		}
		item, err := c.client.Get(key)
		if err == nil {
			g = parseGeneration(item.Value)
		}
		return err
	})
	return g, err
}

// Purge begins another generation: of the URL, of the tag, or of all, for Memcached cannot find what has
// a prefix. It cannot tell how many responses that were.
func (c *cached) Purge(s Selection, soft bool) (int, error) {
	key := allGeneration
	switch {
	case s == Selection{}:
		return 0, nil
	case s.URL != "":
		key = urlGeneration + hashOf(s.URL).String()
	case s.Tag != "":
		key = tagGeneration + hashOf(s.Tag).String()
	}
	return -1, c.ask("purging in", func() error {
		if soft {
			return c.soften(key)
		}
		return c.client.Set(&memcache.Item{Key: key, Value: newGeneration().append(nil)})
	})
}

// soften changes the soft number of a generation alone. One that is not there has nothing to mark; nor has
// one that somebody changes at the same time, for that marks the same responses or drops them.
func (c *cached) soften(key string) error {
	item, err := c.client.Get(key)
	if err != nil {
		return ignore(err, memcache.ErrCacheMiss)
	}
	g := parseGeneration(item.Value)
	g.soft = newGeneration().soft
	item.Value = g.append(nil)
	if err := c.client.CompareAndSwap(item); err != nil && !ofItem(err) {
		return err
	}
	return nil
}
