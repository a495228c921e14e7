package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// server is a process under load.
type server struct {
	address string // of HTTP
	secure  string // of TLS; "" where it has none
	home    string // its files; removed with it
	memory  string // where Proxycache writes what it allocated, when it ends
	shared  bool   // belongs to somebody else, who ends it
	served  int64  // requests, all loads together
	warm    int    // seconds of load before the first measured one
	process *exec.Cmd
	output  *output
	lost    func(context.Context) (int64, error) // nil where nothing is kept
	ended   bool
}

// output is what a process says; it may be read while the process runs.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// openFiles starts a program with as many open files as the system lets it have: 10 000 clients are
// 20 000 connections of a proxy that shares none.
const openFiles = `ulimit -Hn 65536 2>/dev/null; ulimit -n "$(ulimit -Hn)"; exec "$@"`

// startServer starts a program and waits until its address accepts connections.
func startServer(ctx context.Context, address, name string, args ...string) (*server, error) {
	s := &server{address: address, output: &output{}, warm: 1}
	s.process = exec.CommandContext(ctx, "sh", append([]string{"-c", openFiles, "sh", name}, args...)...)
	s.process.Stdout, s.process.Stderr = s.output, s.output
	s.process.Cancel = func() error { return s.process.Process.Signal(os.Interrupt) }
	if err := s.process.Start(); err != nil {
		return nil, err
	}
	for range 400 {
		c, err := net.Dial("tcp", address)
		if err == nil {
			return s, c.Close()
		}
		select {
		case <-ctx.Done():
			s.stop()
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	s.stop()
	return nil, fmt.Errorf("%s did not listen on %s: %s", name, address, s.output)
}

func (s *server) pid() int { return s.process.Process.Pid }

func (s *server) stop() {
	if s.shared || s.ended {
		return
	}
	s.ended = true
	_ = s.process.Process.Signal(os.Interrupt) // it may have ended by itself
	_ = s.process.Wait()
}

// discard ends the server and removes its files.
func (s *server) discard() {
	s.stop()
	if s.home != "" {
		_ = os.RemoveAll(s.home) // the whole folder of the run goes at the end anyway
	}
}

// tree is a process and its children.
func tree(pid int) []int {
	out := []int{pid}
	children, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "task", strconv.Itoa(pid), "children"))
	if err != nil {
		return out // a kernel without the list of children
	}
	for _, child := range strings.Fields(string(children)) {
		if n, err := strconv.Atoi(child); err == nil {
			out = append(out, tree(n)...)
		}
	}
	return out
}

// cpuTime is the user and system time of a process and its children, from /proc.
func cpuTime(pid int) (time.Duration, error) {
	const tick = 10 * time.Millisecond // USER_HZ is 100 on Linux
	var total time.Duration
	for _, one := range tree(pid) {
		text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(one), "stat"))
		if err != nil {
			return 0, err
		}
		// The name in parentheses may hold anything; fields 14 and 15 of proc(5) are 11 and 12 behind it.
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if len(fields) < 13 {
			return 0, errors.New("/proc has another form than expected")
		}
		total += time.Duration(number([]string{"", fields[11]})+number([]string{"", fields[12]})) * tick
	}
	return total, nil
}

// settle waits until a process has finished what the load left it to do: twice in a row it then uses
// next to no CPU. Once is not enough, it may be waiting for the disk.
func settle(pid int) {
	before, err := cpuTime(pid)
	for quiet, i := 0, 0; quiet < 2 && i < 150; i++ {
		time.Sleep(200 * time.Millisecond)
		now, e := cpuTime(pid)
		if err != nil || e != nil {
			return
		}
		if quiet++; now-before > 10*time.Millisecond {
			quiet = 0
		}
		before = now
	}
}
