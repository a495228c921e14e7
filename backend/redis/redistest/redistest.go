// Package redistest gives tests a Redis server.
package redistest

import (
	"fmt"
	"net"
	"os/exec"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// Unit starts a Redis inside the test. Its clock stands unless the test moves it.
func Unit(t testing.TB) *miniredis.Miniredis {
	t.Helper()
	return miniredis.RunT(t)
}

// Start starts a redis-server of this machine on a free port, which ends with the test, and returns its
// address. Without the program the test is skipped, which says so.
func Start(t testing.TB) (address string, server *exec.Cmd) {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("there is no redis-server on this machine: apt-get install redis-server")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close() // to be taken by the server
	server = exec.Command(program, "--port", fmt.Sprint(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", t.TempDir())
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	at := fmt.Sprintf("127.0.0.1:%d", port)
	for range 200 {
		if c, err := net.DialTimeout("tcp", at, time.Second); err == nil {
			_ = c.Close()
			return "redis://" + at + "/0", server
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatal("redis-server did not begin to listen")
	return "", nil
}
