package cachestore

import (
	"testing"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/redis/redistest"
)

// tagged is a response with an entity tag, which was received at.
func tagged(tag string, at time.Time) *Response {
	r := sample("a")
	r.Header = flow.Header{{Name: "ETag", Value: tag}}
	r.Received = at
	return r
}

// lawLateUpdate has a validation come back when what it was about is not there any more.
func lawLateUpdate(t *testing.T, k kind) {
	now := time.Now()
	meanwhile := map[string]*Response{
		"another entity tag": tagged("new", now),
		"another moment":     tagged("old", now.Add(time.Second)),
	}
	for name, next := range meanwhile {
		for _, over := range []bool{false, true} {
			s := k.open(t, room)
			put(t, s, tagged("old", now), []byte("old"))
			was := get(t, s, "a").Response
			put(t, s, next, []byte("new"))
			r := tagged("old", now.Add(2*time.Second))
			if over {
				r.Drop = now.Add(-time.Second)
			}
			if err := s.Update(r, was); err != nil {
				t.Fatal(err)
			}
			o := get(t, s, "a")
			if o == nil || string(content(t, o)) != "new" {
				t.Fatalf("%s, over %t: the new one is not there", name, over)
			}
			sameResponse(t, o.Response, unclocked(next))
		}
	}
	for name, sel := range map[string]Selection{"URL": {URL: "http://shop.test/a"}, "tag": {Tag: "page-a"}} {
		s := k.open(t, room)
		put(t, s, sample("a"), []byte("old"))
		was := get(t, s, "a").Response
		if _, err := s.Purge(sel, false); err != nil {
			t.Fatal(err)
		}
		if err := s.Update(sample("a"), was); err != nil {
			t.Fatal(err)
		}
		if get(t, s, "a") != nil {
			t.Errorf("by %s: a validation brought back what was purged", name)
		}
	}
}

// A soft purge between the reading of what is replaced and the replacing counts.
func TestRedisUpdateSeesASoftPurgeInBetween(t *testing.T) {
	address, _ := redistest.Start(t)
	s := openRedis(t, address)
	put(t, s, sample("a"), []byte("x"))
	old, err := s.labelOf(get(t, s, "a").Response)
	if old == nil || err != nil {
		t.Fatal(old, err)
	}
	if n, err := s.Purge(Selection{Tag: "shop"}, true); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	head := appendHead(nil, sample("a"))
	l := *old
	l.version, l.headSize = newName(), len(head)
	arguments := s.arguments(sample("a"), l, append(l.encode(), head...))
	if n, err := s.run(updateScript, append(arguments, old.version, string(old.state))...); n != 0 || err != nil {
		t.Errorf("it was replaced: %d, %v", n, err)
	}
	if o := get(t, s, "a"); o == nil || !o.Purged {
		t.Error("the soft purge is undone")
	}
}

// A head that is longer than what is read at first is found whole.
func TestRedisUpdatesALongHead(t *testing.T) {
	address, _ := redistest.Start(t)
	s := openRedis(t, address)
	put(t, s, headed(1, 3*headAtOnce), []byte("x"))
	if err := s.Update(headed(2, 2*headAtOnce), get(t, s, "a").Response); err != nil {
		t.Fatal(err)
	}
	if o := get(t, s, "a"); o == nil || o.Header.Get("Number") != "2" || string(content(t, o)) != "x" {
		t.Error("it was not updated")
	}
}

func TestMemcachedUpdateSeesAPurgeInBetween(t *testing.T) {
	address, _ := startMemcached(t)
	c := openMemcached(t, address)
	for _, soft := range []bool{false, true} {
		for _, sel := range []Selection{{Tag: "shop"}, {URL: "http://shop.test/a"}, {Prefix: "http://"}} {
			put(t, c, sample("a"), []byte("x"))
			old, err := c.load("a")
			if old == nil || err != nil {
				t.Fatal(old, err)
			}
			r := sample("a")
			if marks, err := c.marks(r); err != nil || old.outdated(r, marks) {
				t.Errorf("%+v: it is outdated before, %v", sel, err)
			}
			if _, err := c.Purge(sel, soft); err != nil {
				t.Fatal(err)
			}
			if marks, err := c.marks(r); err != nil || !old.outdated(r, marks) {
				t.Errorf("%+v, soft %t: it is not outdated, %v", sel, soft, err)
			}
		}
	}
}
