package cachestore

import (
	"bytes"
	"fmt"
	"net"
	"os/exec"
	"os/user"
	"strings"
	"testing"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

// startMemcached starts a memcached of this machine on a free port, which ends with the test. Without the
// program the test is skipped, which says so.
func startMemcached(t testing.TB) (address string, end func()) {
	t.Helper()
	program, err := exec.LookPath("memcached")
	if err != nil {
		t.Skip("there is no memcached on this machine: apt-get install memcached")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	_ = l.Close() // to be taken by the server
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program, "-l", "127.0.0.1", "-p", port, "-U", "0", "-u", me.Username, "-m", "64")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	end = func() { _ = command.Process.Kill(); _ = command.Wait() }
	t.Cleanup(end)
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		if c, err := net.DialTimeout("tcp", "127.0.0.1:"+port, time.Second); err == nil {
			_ = c.Close()
			return "memcached://127.0.0.1:" + port, end
		}
		<-time.After(10 * time.Millisecond)
	}
	t.Fatal("memcached did not begin to listen")
	return "", nil
}

func openMemcached(t testing.TB, address string) *cached {
	t.Helper()
	s, err := OpenMemcached(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s.(*cached)
}

func TestMemcachedKeepsTheLaws(t *testing.T) {
	address, _ := startMemcached(t)
	testStore(t, kind{body: 900_000, shared: true, coarse: true, open: func(t *testing.T, _ int64) Store {
		s := openMemcached(t, address)
		if err := s.client.FlushAll(); err != nil {
			t.Fatal(err)
		}
		return s
	}})
}

func TestMemcachedIsSpreadOverSeveralServers(t *testing.T) {
	one, end := startMemcached(t)
	other, _ := startMemcached(t)
	s := openMemcached(t, one+","+strings.TrimPrefix(other, "memcached://"))
	for i := range 50 {
		put(t, s, sample(fmt.Sprint(i)), noise(i))
	}
	for i := range 50 {
		wantBody(t, s, fmt.Sprint(i), string(noise(i)))
	}
	end()
	failed := 0
	for i := range 50 {
		if _, err := s.Get(fmt.Sprint(i)); err != nil {
			failed++
		}
		s.failing.Store(0) // as if a moment had passed
	}
	if failed == 0 {
		t.Error("one of two servers is gone, and no key missed it")
	}
}

func TestMemcachedTakesNothingAboveItsLimit(t *testing.T) {
	address, _ := startMemcached(t)
	s := openMemcached(t, address)
	if w, err := s.Put(sample("a"), largestItem); w != nil || err != nil {
		t.Errorf("there was room: %v, %v", w, err)
	}
	put(t, s, sample("a"), noise(largestItem-int(overhead(sample("a")))))
	w, err := s.Put(sample("b"), -1)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil && len(w.(*itemWriter).body) <= largestItem {
		_, err = w.Write(make([]byte, 50_000))
	}
	if err == nil {
		t.Error("a body without end was taken")
	}
	w.Abort()
	if st := s.Stats(); st.Failed != 0 {
		t.Errorf("it failed %d times", st.Failed)
	}
}

// When the server lets a generation go, what carried it must not come back with the next.
func TestMemcachedThatForgetsAGenerationForgetsItsResponses(t *testing.T) {
	address, _ := startMemcached(t)
	s := openMemcached(t, address)
	for _, key := range generationKeys(sample("a")) {
		put(t, s, sample("a"), []byte("x"))
		wantBody(t, s, "a", "x")
		if err := s.client.Delete(key); err != nil {
			t.Fatal(err)
		}
		wantAbsent(t, s, "a")
		other := sample("b")
		other.URL = sample("a").URL
		put(t, s, other, nil) // begins it anew
		wantAbsent(t, s, "a")
	}
}

func TestMemcachedThatIsGoneCostsLittle(t *testing.T) {
	address, end := startMemcached(t)
	s := openMemcached(t, address)
	put(t, s, sample("a"), []byte("x"))
	end()
	if _, err := s.Get("a"); err == nil || !strings.Contains(err.Error(), address) {
		t.Errorf("without a server: %v", err)
	}
	began := time.Now()
	for range 1000 {
		if _, err := s.Get("a"); err == nil {
			t.Fatal("no failure is told")
		}
	}
	if took := time.Since(began); took > 500*time.Millisecond {
		t.Errorf("a thousand misses took %v", took)
	}
	if w, err := s.Put(sample("b"), 1); w != nil || err != nil {
		t.Errorf("there was room: %v, %v", w, err)
	}
	if st := s.Stats(); !st.Down || st.Failed != 1 {
		t.Errorf("it says %+v", st)
	}
}

func TestMemcachedItemsThatWereCutAreNone(t *testing.T) {
	address, _ := startMemcached(t)
	s := openMemcached(t, address)
	body := []byte("body")
	put(t, s, sample("a"), body)
	key := itemKey + hashOf("a").String()
	item, err := s.client.Get(key)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(item.Value) - len(body) {
		if err := s.client.Set(&memcache.Item{Key: key, Value: item.Value[:n]}); err != nil {
			t.Fatal(err)
		}
		if o, _ := s.Get("a"); o != nil {
			t.Fatalf("cut to %d bytes it is a response", n)
		}
	}
}

func TestMemcachedAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"memcached://a":                 "[a:11211]",
		"memcached://a:1,b:2/":          "[a:1 b:2]",
		"memcached://[::1]:5,127.0.0.1": "[[::1]:5 127.0.0.1:11211]",
		"memcached://":                  "",
		"memcached://a,,b":              "",
		"memcached://a/b":               "",
		"memcached://u@a":               "",
		"memcached://a:port":            "",
		"redis://a":                     "",
	} {
		got, err := parseServers(address)
		if want == "" && err == nil || want != "" && fmt.Sprint(got) != want {
			t.Errorf("%q is %v, %v; want %s", address, got, err, want)
		}
		if err != nil && !bytes.Contains([]byte(err.Error()), []byte("write memcached://")) {
			t.Errorf("%q does not say what to write: %v", address, err)
		}
	}
}
