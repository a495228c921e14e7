package cachestore

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"proxycache/backend/redis"
	"proxycache/backend/redis/redistest"
)

func openRedis(t testing.TB, address string) *shared {
	t.Helper()
	s, err := OpenRedis(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s.(*shared)
}

func TestRedisKeepsTheLaws(t *testing.T) {
	address, _ := redistest.Start(t)
	testStore(t, kind{body: 3 << 20, shared: true, open: func(t *testing.T, _ int64) Store {
		s := openRedis(t, address)
		if _, err := s.do("FLUSHDB"); err != nil {
			t.Fatal(err)
		}
		return s
	}})
}

func TestRedisIsSharedAndLeavesNothingBehind(t *testing.T) {
	server := redistest.Unit(t)
	one, other := openRedis(t, "redis://"+server.Addr()), openRedis(t, "redis://"+server.Addr()+"/0")
	body := noise(2*pieceSize + 5)
	put(t, one, sample("a"), body)
	o := get(t, other, "a")
	if o == nil || !bytes.Equal(content(t, o), body) {
		t.Fatal("what one put the other does not find")
	}
	put(t, other, sample("a"), []byte("small"))
	put(t, other, sample("b"), body)
	if err := one.Delete("b"); err != nil {
		t.Fatal(err)
	}
	w, err := one.Put(sample("c"), -1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(body); err != nil {
		t.Fatal(err)
	}
	w.Abort()
	server.FastForward(grace + time.Second)
	for _, key := range server.Keys() {
		if strings.HasPrefix(key, pieceKey) {
			t.Errorf("%s is left of a body that is not stored any more", key)
		}
	}
	server.FastForward(time.Hour)
	if keys := server.Keys(); len(keys) != 0 {
		t.Errorf("when all is over, left are %q", keys)
	}
}

// A tag that many responses had would grow for ever otherwise.
func TestRedisSetsForgetWhatIsOver(t *testing.T) {
	server := redistest.Unit(t)
	s := openRedis(t, "redis://"+server.Addr())
	for i := range 50 {
		r := sample(fmt.Sprint(i))
		r.Drop = time.Now().Add(time.Millisecond)
		put(t, s, r, nil)
		for !dropped(r, time.Now()) {
		}
	}
	put(t, s, sample("last"), nil)
	members, err := server.ZMembers(tagKey + "shop")
	if err != nil || len(members) > 3 {
		t.Errorf("the set of a tag has %d members, %v", len(members), err)
	}
}

func TestRedisPurgesMoreThanOnePage(t *testing.T) {
	server := redistest.Unit(t)
	s := openRedis(t, "redis://"+server.Addr())
	for i := range 2*atOnce + 3 {
		put(t, s, sample(fmt.Sprint(i)), nil)
	}
	for _, soft := range []bool{true, false} {
		if n, err := s.Purge(Selection{Tag: "shop"}, soft); n != 2*atOnce+3 || err != nil {
			t.Errorf("soft %t: %d purged, %v", soft, n, err)
		}
	}
}

func TestRedisThatIsGoneCostsLittle(t *testing.T) {
	server := redistest.Unit(t)
	s := openRedis(t, "redis://"+server.Addr())
	put(t, s, sample("a"), noise(3*pieceSize))
	o, address := get(t, s, "a"), server.Addr()
	server.Close()
	if _, err := s.Get("a"); err == nil || !strings.Contains(err.Error(), address) {
		t.Errorf("without a server: %v", err)
	}
	if st := s.Stats(); !st.Down || st.Failed != 1 {
		t.Errorf("it says %+v", st)
	}
	began := time.Now()
	for range 1000 {
		if _, err := s.Get("a"); !errors.Is(err, redis.ErrDown) {
			t.Fatalf("it was asked again: %v", err)
		}
	}
	if took := time.Since(began); took > 500*time.Millisecond {
		t.Errorf("a thousand misses took %v", took)
	}
	if w, err := s.Put(sample("b"), 1); w != nil || err != nil {
		t.Errorf("there was room: %v, %v", w, err)
	}
	if _, err := o.Body.ReadAt(make([]byte, 10), 2*pieceSize); err == nil {
		t.Error("a piece came from nowhere")
	}
	if _, err := s.Purge(Selection{URL: "x"}, false); err == nil {
		t.Error("the purge says that it was done")
	}
}

func TestRedisValuesOfOthersAreNotResponses(t *testing.T) {
	server := redistest.Unit(t)
	s := openRedis(t, "redis://"+server.Addr())
	put(t, s, sample("a"), []byte("body"))
	key := objectKey + hashOf("a").String()
	whole, err := server.Get(key)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(whole) {
		if err := server.Set(key, whole[:n]); err != nil {
			t.Fatal(err)
		}
		if o, err := s.Get("a"); o != nil || n > 0 && err == nil {
			t.Fatalf("cut to %d bytes it is %v, %v", n, o, err)
		}
	}
}

func TestRedisAddressIsChecked(t *testing.T) {
	if _, err := OpenRedis("http://x"); err == nil || !strings.Contains(err.Error(), "redis://") {
		t.Errorf("it says: %v", err)
	}
}
