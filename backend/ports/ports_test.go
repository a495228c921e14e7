package ports

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// serveVariable makes this program a web server for the tests, at its value: it prints its port and serves
// until its input ends.
const serveVariable = "PROXYCACHE_TEST_SERVE"

func TestMain(m *testing.M) {
	if os.Getenv(serveVariable) != "" {
		serveUntilTold()
		return
	}
	goleak.VerifyTestMain(m)
}

func serveUntilTold() {
	l, err := net.Listen("tcp", os.Getenv(serveVariable))
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr().(*net.TCPAddr).Port)
	go func() { _ = http.Serve(l, http.NotFoundHandler()) }()
	_, _ = bufio.NewReader(os.Stdin).ReadByte()
}

// startServer is another process that serves HTTP, run in dir.
func startServer(t *testing.T, dir string) (pid, port int) {
	t.Helper()
	return startServerAt(t, dir, "127.0.0.1:0")
}

func startServerAt(t *testing.T, dir, address string) (pid, port int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self)
	c.Dir, c.Env, c.Stderr = dir, append(os.Environ(), serveVariable+"="+address), os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = c.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if port, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
		t.Fatal(err)
	}
	return c.Process.Pid, port
}

// listening is what Listening tells of one port. The servers of other tests that run meanwhile are not
// asked.
func listening(t *testing.T, port int) Port {
	t.Helper()
	all, err := listeners(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all = once(all)
	i := slices.IndexFunc(all, func(l listener) bool { return int(l.address.Port()) == port })
	if i < 0 {
		t.Fatalf("port %d is not among %v", port, all)
	}
	var f Finder
	return f.describe(t.Context(), all[i:i+1])[0]
}

func TestAServerOfAnotherProcessIsFoundWithItsNameAndFolder(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pid, port := startServer(t, dir)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	want := Port{Port: port, Address: "127.0.0.1", PID: pid, Process: filepath.Base(self), Detail: dir, HTTP: true}
	if got := listening(t, port); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestOurOwnPortsAreFoundAndLeftAlone(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	called := make(chan struct{}, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if c, err := l.Accept(); err == nil {
			called <- struct{}{}
			_ = c.Close()
		}
	}()
	got := listening(t, l.Addr().(*net.TCPAddr).Port)
	if got.PID != os.Getpid() || got.HTTP {
		t.Errorf("got %+v, want process %d, not asked", got, os.Getpid())
	}
	_ = l.Close()
	<-done
	select {
	case <-called:
		t.Error("it was called")
	default:
	}
}

func TestOwner(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("%s (pid %d)", filepath.Base(self), os.Getpid())
	for address, want := range map[string]string{
		"127.0.0.1:" + port: name,
		"0.0.0.0:" + port:   name,
		":" + port:          name,
		"[::]:" + port:      name,
		"localhost:" + port: name,
		"127.0.0.9:" + port: "", // another address: it could be listened on
		"127.0.0.1:0":       "",
		"nonsense":          "",
		"":                  "",
	} {
		if got := Owner(address); got != want {
			t.Errorf("Owner(%q) = %q, want %q", address, got, want)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := Owner("127.0.0.1:" + port); got != "" {
		t.Errorf("the port is free and has the owner %q", got)
	}
}

func at(address string, pid int) listener { return listener{netip.MustParseAddrPort(address), pid} }

func TestOneServerIsThereOnce(t *testing.T) {
	got := once([]listener{
		at("[::]:3000", 7), at("0.0.0.0:3000", 7), // both families
		at("127.0.0.1:80", 12), at("127.0.0.1:80", 11), at("127.0.0.1:80", 13), // workers that share a socket
		at("[::1]:5000", 5), at("127.0.0.1:5000", 6), // two servers on one port
		at("192.168.1.5:9000", 8), at("[::1]:9000", 8), at("127.0.0.1:9000", 8), // the nearest address
		at("0.0.0.0:22", 0),
		at("127.0.0.1:81", 0), at("127.0.0.1:81", 9), // known before unknown
	})
	want := []listener{
		at("0.0.0.0:22", 0), at("127.0.0.1:80", 11), at("127.0.0.1:81", 9), at("0.0.0.0:3000", 7),
		at("127.0.0.1:5000", 6), at("[::1]:5000", 5), at("127.0.0.1:9000", 8),
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestDetail(t *testing.T) {
	for _, c := range []struct {
		name, args, dir, want string
	}{
		{"node", "node server.js --port 3000", "/home/me/shop", "server.js in /home/me/shop"},
		{"node", "node --inspect /home/me/shop/node_modules/.bin/vite", "/home/me/shop", "node_modules/.bin/vite in /home/me/shop"},
		{"node", "node /opt/tool/x.js", "/home/me", "/opt/tool/x.js in /home/me"},
		{"node.exe", "node app.js", "", "app.js"},
		{"python3.11", "python3 -m http.server 8000", "/tmp", "http.server in /tmp"},
		{"python3.11", "python3 -c print(1)", "/tmp", "/tmp"},
		{"java", "java -Xmx1g -jar app.jar", "/srv", "app.jar in /srv"},
		{"deno", "deno run --allow-net main.ts", "/srv", "main.ts in /srv"},
		{"nginx", "nginx: master process", "/", "/"},
		{"node", "node", "/srv", "/srv"},
		{"node", "node -m", "/srv", "/srv"},
		{"", "", "", ""},
	} {
		p := process{name: c.name, args: strings.Fields(c.args), dir: c.dir}
		if got := p.detail(); got != c.want {
			t.Errorf("%s in %q: %q, want %q", c.args, c.dir, got, c.want)
		}
	}
}

// This one comes first in order, and is not in the way.
func TestAnotherProgramIsTheOwnerBeforeThisOne(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("127.0.0.2 is not there")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	pid, _ := startServerAt(t, t.TempDir(), "127.0.0.2:"+port)
	if got := Owner("0.0.0.0:" + port); !strings.HasSuffix(got, fmt.Sprintf("(pid %d)", pid)) {
		t.Errorf("the owner is %s, want pid %d", got, pid)
	}
}
