package cachestore

import (
	"bytes"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"proxycache/backend/redis"
)

// shared keeps responses in a Redis server that several Proxycaches use. A response is one string, of
// which a body above pieceSize has strings of its own; sorted sets hold, for each URL and tag, who has it.
// A set's members carry the version of the response they speak of, so that one left behind does no harm.
type shared struct {
	pool   *redis.Pool
	failed atomic.Int64
	closed atomic.Bool
}

const (
	// pieceSize is how much of a body one string has.
	pieceSize = 512 << 10
	// headAtOnce is how much is read to find a label and its head; most heads are smaller.
	headAtOnce = 4 << 10
	// longest is for how long a response that has no end is kept in a server.
	longest = 30 * 24 * time.Hour
	// grace is for how long a body can still be read after it was replaced.
	grace = 5 * time.Minute
	// unfinished is for how long pieces are kept whose response never came.
	unfinished = 10 * time.Minute

	objectKey = "proxycache:o:" // and the hash of the key
	pieceKey  = "proxycache:c:" // and the body's name, ":", the number of the piece
	urlKey    = "proxycache:u:" // and the URL
	tagKey    = "proxycache:t:" // and the tag
)

// OpenRedis is a store in the Redis server at address (redis://[name:password@]host[:port][/database]),
// which need not be there. What does not fit there is for its maxmemory-policy to decide.
func OpenRedis(address string) (Store, error) {
	pool, err := redis.Open(address)
	if err != nil {
		return nil, err
	}
	return &shared{pool: pool}, nil
}

// note counts a failure, and says whose it is.
func (s *shared) note(doing string, err error) error {
	if err == nil {
		return nil
	}
	if !errors.Is(err, redis.ErrDown) {
		s.failed.Add(1)
	}
	return fmt.Errorf("%s the Redis server %s: %w", doing, s.pool.Shown(), err)
}

func (s *shared) do(command string, arguments ...any) (any, error) {
	if s.closed.Load() {
		return nil, errClosed
	}
	return s.pool.Do(command, arguments...)
}

func (s *shared) run(script *redis.Script, arguments ...any) (int64, error) {
	if s.closed.Load() {
		return 0, errClosed
	}
	answer, err := script.Do(s.pool, arguments...)
	n, _ := answer.(int64)
	return n, err
}

func (s *shared) Get(key string) (*Object, error) {
	o, err := s.get(key)
	return o, s.note("reading a response from", err)
}

func (s *shared) get(key string) (*Object, error) {
	answer, err := s.do("GET", objectKey+hashOf(key).String())
	if err != nil {
		return nil, err
	}
	value, _ := answer.([]byte)
	if value == nil {
		return nil, nil
	}
	l, ok := parseLabel(value)
	if !ok || len(value) < labelSize+l.headSize {
		return nil, errHead
	}
	r, err := parseHead(value[labelSize : labelSize+l.headSize])
	switch {
	case err != nil:
		return nil, err
	case r.Key != key, dropped(r, time.Now()):
		return nil, nil
	}
	r.Purged = l.state == statePurged
	if inline := value[labelSize+l.headSize:]; l.pieces() == 0 {
		if int64(len(inline)) != l.bodySize {
			return nil, errHead
		}
		return &Object{Response: r, Body: bytesBody{bytes.NewReader(inline)}}, nil
	}
	body := &pieceBody{store: s, body: l.body, size: l.bodySize, held: -1}
	if found, err := body.fetch(0); err != nil || !found {
		return nil, err // the server made room for something else
	}
	return &Object{Response: r, Body: body}, nil
}

func (s *shared) Update(r, was *Response) error {
	return s.note("updating a response in", s.update(r, was))
}

// update replaces what it has read only: where another Proxycache was faster, what is there is another one.
func (s *shared) update(r, was *Response) error {
	old, err := s.labelOf(was)
	if old == nil {
		return err
	}
	if dropped(r, time.Now()) {
		_, err = s.run(purgeScript, objectKey+hashOf(r.Key).String(), old.version, "hard")
		return err
	}
	head := appendHead(nil, r)
	l := *old
	l.version, l.state, l.headSize = newName(), stateOf(r), len(head)
	arguments := s.arguments(r, l, append(l.encode(), head...))
	_, err = s.run(updateScript, append(arguments, old.version, string(old.state))...)
	return err
}

// labelOf is the label of was; nil where that is not what is stored any more.
func (s *shared) labelOf(was *Response) (*label, error) {
	key := objectKey + hashOf(was.Key).String()
	answer, err := s.do("GETRANGE", key, 0, headAtOnce-1)
	if err != nil {
		return nil, err
	}
	value, _ := answer.([]byte)
	l, ok := parseLabel(value)
	if !ok {
		return nil, nil
	}
	end := labelSize + l.headSize
	if len(value) < end {
		if answer, err = s.do("GETRANGE", key, 0, end-1); err != nil {
			return nil, err
		}
		value, _ = answer.([]byte)
		if again, ok := parseLabel(value); !ok || again != l || len(value) < end {
			return nil, nil // it was replaced in between
		}
	}
	r, err := parseHead(value[labelSize:end])
	if err != nil {
		return nil, err
	}
	if r.Purged = l.state == statePurged; !r.same(was) {
		return nil, nil
	}
	return &l, nil
}

// arguments are what both scripts that store take: how many keys, the keys, and value with what belongs
// to it.
func (s *shared) arguments(r *Response, l label, value []byte) []any {
	h, now := hashOf(r.Key), time.Now()
	keys := []any{len(r.Tags) + 2, objectKey + h.String(), urlKey + r.URL}
	for _, tag := range r.Tags {
		keys = append(keys, tagKey+tag)
	}
	life := longest
	if !r.Drop.IsZero() {
		life = min(life, r.Drop.Sub(now))
	}
	milliseconds := max(life.Milliseconds(), 1)
	return append(keys, value, milliseconds, now.UnixMilli(), h.String()+":"+l.version, pieceKey+l.body+":", l.pieces())
}

func (s *shared) Delete(key string) error {
	_, err := s.run(deleteScript, objectKey+hashOf(key).String())
	return s.note("deleting a response in", err)
}

// Stats cannot tell what the server holds.
func (s *shared) Stats() Stats {
	return Stats{Entries: -1, Bytes: -1, Capacity: -1, Failed: s.failed.Load(), Down: s.pool.Down()}
}

func (s *shared) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	return s.pool.Close()
}
