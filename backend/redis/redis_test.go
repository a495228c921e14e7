package redis_test

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	redigo "github.com/gomodule/redigo/redis"

	"proxycache/backend/redis"
	"proxycache/backend/redis/redistest"
)

func TestAnAddressIsCheckedWithoutItsPassword(t *testing.T) {
	for address, good := range map[string]bool{
		"redis://127.0.0.1:6379/0": true, "redis://h": true, "rediss://u:p@h:6380/2": true,
		"": false, "memory": false, "http://h": false, "redis://": false, "redis://u:secret@/0": false, "redis://[": false,
	} {
		err := redis.Check(address)
		if (err == nil) != good {
			t.Errorf("%q: %v", address, err)
		}
		if err != nil && errors.Is(err, redis.ErrDown) {
			t.Errorf("%q is down", address)
		}
	}
	if _, err := redis.Open("nonsense"); err == nil {
		t.Error("nonsense was opened")
	}
}

func TestCellsThatNameTheSameServerShareIt(t *testing.T) {
	address := "redis://" + redistest.Unit(t).Addr()
	a, err := redis.Open(address)
	if err != nil {
		t.Fatal(err)
	}
	b, err := redis.Open(address)
	if err != nil || a != b {
		t.Fatalf("%p and %p, %v", a, b, err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := redigo.String(b.Do("PING")); err != nil || got != "PONG" {
		t.Errorf("after one of two was closed: %q, %v", got, err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Do("PING"); err == nil {
		t.Error("it answers though both were closed")
	}
}

func TestAServerThatFailedIsLeftAloneForAMoment(t *testing.T) {
	server := redistest.Unit(t)
	at := server.Addr()
	p, err := redis.Open("redis://:secret@" + at)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	server.RequireAuth("secret")
	if _, err := p.Do("NONSENSE"); err == nil || p.Down() {
		t.Errorf("an error that the server says is %v, down %v", err, p.Down())
	}
	server.Close()
	if _, err := p.Do("PING"); err == nil || errors.Is(err, redis.ErrDown) || !p.Down() {
		t.Errorf("it failed with %v, down %v", err, p.Down())
	}
	began := time.Now()
	if _, err := p.Do("PING"); !errors.Is(err, redis.ErrDown) || time.Since(began) > 100*time.Millisecond {
		t.Errorf("then %v", err)
	}
	if p.Shown() != "redis://:xxxxx@"+at {
		t.Errorf("shown as %s", p.Shown())
	}
}

func TestAScriptIsSentOnce(t *testing.T) {
	address, _ := redistest.Start(t)
	p, err := redis.Open(address)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	s := redis.NewScript(1, `return redis.call("INCRBY", KEYS[1], ARGV[1])`)
	for want := 2; want <= 6; want += 2 {
		if got, err := redigo.Int(s.Do(p, "k", 2)); err != nil || got != want {
			t.Errorf("%d, %v, want %d", got, err, want)
		}
	}
	if text, err := redigo.String(p.Do("INFO", "commandstats")); err != nil || text == "" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestAServerThatWasRestartedIsWellAtOnce(t *testing.T) {
	server := redistest.Unit(t)
	p, err := redis.Open("redis://" + server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var all sync.WaitGroup
	for range 16 { // connections that are kept
		all.Go(func() {
			for range 20 {
				_, _ = p.Do("PING") // the next ones say whether it works
			}
		})
	}
	all.Wait()
	server.Close()
	time.Sleep(1100 * time.Millisecond) // past the time in which a connection is believed without asking
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	for range 32 {
		if got, err := redigo.String(p.Do("PING")); err != nil || got != "PONG" {
			t.Fatalf("%q, %v", got, err)
		}
	}
}

func TestAServerThatSaysNothingStaysDown(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	p, err := redis.Open("redis://" + l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var all sync.WaitGroup
	for range 100 { // more than there are connections
		all.Go(func() { _, _ = p.Do("PING") })
	}
	all.Wait()
	if !p.Down() {
		t.Error("it is asked again at once")
	}
	for p.Down() {
		time.Sleep(20 * time.Millisecond)
	}
	var asked atomic.Int32
	for range 16 {
		all.Go(func() {
			if _, err := p.Do("PING"); !errors.Is(err, redis.ErrDown) {
				asked.Add(1)
			}
		})
	}
	all.Wait()
	if n := asked.Load(); n != 1 {
		t.Errorf("%d waited for it when the respite was over, where one asks for all", n)
	}
}
