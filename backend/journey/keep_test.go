package journey

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"proxycache/backend/core"
)

// childDir names the folder of a core that runs in a process of its own, to be killed or measured.
const childDir = "PROXYCACHE_JOURNEY_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(serveChild(dir))
	}
	os.Exit(m.Run())
}

// serveChild runs a core until its standard input ends, which it does when the parent dies.
func serveChild(dir string) int {
	c, err := core.Open(core.Options{Dir: dir, Version: "test"})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	status, err := c.Status(context.Background(), core.Nothing{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(status.ProxyURL)
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := c.Close(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// child is a core in a process of its own.
type child struct {
	process *exec.Cmd
	stdin   io.Closer
	proxy   string
	dir     string
}

func openChild(t *testing.T, config string) *child {
	t.Helper()
	dir := t.TempDir()
	text := "version = 1\n" + listenAnywhere + config
	if err := os.WriteFile(filepath.Join(dir, "config.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c := &child{process: exec.Command(os.Args[0]), dir: dir}
	c.process.Env = append(os.Environ(), childDir+"="+dir)
	c.process.Stderr = os.Stderr
	in, err := c.process.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.process.Start(); err != nil {
		t.Fatal(err)
	}
	c.stdin = in
	t.Cleanup(func() { _ = in.Close(); _ = c.process.Wait() }) // it may have been killed
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the child did not say where it listens: %v", err)
	}
	c.proxy = strings.TrimSpace(line)
	return c
}

// stop ends it in peace and waits.
func (c *child) stop(t *testing.T) {
	t.Helper()
	if err := errors.Join(c.stdin.Close(), c.process.Wait()); err != nil {
		t.Error(err)
	}
}

func (c *child) reopen(t *testing.T) *house {
	t.Helper()
	h := &house{t: t, dir: c.dir}
	h.start()
	t.Cleanup(h.stop)
	return h
}

// grace is the longest that an exchange that is over may not be on the disk yet.
const grace = 500 * time.Millisecond

func TestKilledInTheMiddleOfTrafficLosesAtMostTheLastBatch(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "answer to "+r.URL.Path)
	}))
	defer origin.Close()
	c := openChild(t, reverseTo(strings.TrimPrefix(origin.URL, "http://")))
	over := loadUntil(t, c.proxy, 2000, 2*time.Second)
	if err := c.process.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	ended := over()
	_ = c.process.Wait() // killed, as it should be

	h := c.reopen(t)
	kept := map[string]int64{}
	for after := int64(0); ; {
		page, err := h.Exchanges(t.Context(), core.ExchangeQuery{After: after, Limit: 500})
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Rows) == 0 {
			break
		}
		for _, row := range page.Rows {
			kept[row.Target] = row.Seq
			after = row.Seq
		}
	}
	must, lost := 0, 0
	for target, at := range ended {
		if at.After(killed.Add(-grace)) {
			continue
		}
		must++
		seq, ok := kept[target]
		if !ok {
			lost++
			continue
		}
		if must%200 == 0 {
			if body := h.body(seq, "response"); string(body) != "answer to "+target {
				t.Errorf("the body of %s is %q", target, body)
			}
		}
	}
	t.Logf("%d requests were over, %d of them %v before the kill, %d are kept", len(ended), must, grace, len(kept))
	if must < 500 {
		t.Errorf("only %d requests were over before the kill: too few to tell", must)
	}
	if lost > 0 {
		t.Errorf("%d of %d exchanges that were over %v before the kill are lost", lost, must, grace)
	}
}

// loadUntil sends about rate requests a second, each to a path of its own, for the time given; it
// goes on until the result is called, which tells when each one was over.
func loadUntil(t *testing.T, proxy string, rate int, warm time.Duration) func() map[string]time.Time {
	t.Helper()
	const clients = 8
	ended := map[string]time.Time{}
	var mu sync.Mutex
	var next atomic.Int64
	var running sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	pace := time.NewTicker(time.Second * 4 / time.Duration(rate))
	for range clients {
		running.Go(func() {
			for ctx.Err() == nil {
				select {
				case <-pace.C:
				case <-ctx.Done():
					return
				}
				for range 4 {
					target := "/" + strconv.FormatInt(next.Add(1), 10)
					if get(ctx, client, proxy+target) {
						mu.Lock()
						ended[target] = time.Now()
						mu.Unlock()
					}
				}
			}
		})
	}
	timer := time.NewTimer(warm)
	<-timer.C
	return func() map[string]time.Time {
		cancel()
		pace.Stop()
		running.Wait()
		client.CloseIdleConnections()
		return ended
	}
}

// get tells whether the whole answer came.
func get(ctx context.Context, client *http.Client, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	answer, err := client.Do(request)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return err == nil && answer.StatusCode == http.StatusOK
}

func TestAGigabytePassesInLittleMemoryAndIsKeptUpToItsCap(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the memory of a process is read from /proc")
	}
	const size, limit = 1 << 30, 64 << 20
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/big" {
			return
		}
		w.Header().Set("Content-Length", strconv.Itoa(size))
		block := make([]byte, 1<<20)
		for i := range block {
			block[i] = byte(i * i >> 7)
		}
		for range size / len(block) {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}))
	defer origin.Close()
	c := openChild(t, reverseTo(strings.TrimPrefix(origin.URL, "http://")))
	if !get(t.Context(), http.DefaultClient, c.proxy+"/warm") {
		t.Fatal("the first request did not get a whole answer")
	}
	before := memory(t, c.process.Process.Pid, "VmRSS")
	answer, err := http.Get(c.proxy + "/big")
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
	if err != nil || n != size {
		t.Fatalf("%d bytes came, %v", n, err)
	}
	if extra := memory(t, c.process.Process.Pid, "VmHWM") - before; extra > limit {
		t.Errorf("%d MiB more memory were used, at most %d are allowed", extra>>20, limit>>20)
	} else {
		t.Logf("%d MiB more memory were used", extra>>20)
	}
	c.stop(t)
	h := c.reopen(t)
	x := h.finished(`path = "/big"`, 1)
	if b := x.Response.Body; b.Size != size || b.Kept != 10<<20 || !b.Truncated {
		t.Errorf("kept as %+v", b)
	}
	if body := h.body(x.Row.Seq, "response"); len(body) != 10<<20 || body[1<<20+77] != byte((77*77)>>7&0xff) {
		t.Errorf("%d bytes are kept, or others than came", len(body))
	}
}

// memory is a figure of /proc/PID/status in bytes.
func memory(t *testing.T, pid int, name string) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatalf("/proc/%d/status has no %s", pid, name)
	return 0
}

func TestABodyThatNeverEndsIsBounded(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		block := make([]byte, 64<<10)
		for r.Context().Err() == nil {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}))
	defer origin.Close()
	h := openHouse(t, "[capture]\nbody_cap = \"1MiB\"\n"+reverseTo(strings.TrimPrefix(origin.URL, "http://")))
	ctx, leave := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.proxy()+"/endless", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, answer.Body, 32<<20); err != nil {
		t.Fatal(err)
	}
	leave()
	_ = answer.Body.Close()
	x := h.finished("", 1)
	if b := x.Response.Body; x.Row.State != "aborted" || b.Kept != 1<<20 || b.Size < 32<<20 {
		t.Errorf("recorded as %s with %+v", x.Row.State, b)
	}
}
