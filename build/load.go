package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// server is a process under load.
type server struct {
	address string
	process *exec.Cmd
	output  *bytes.Buffer
	note    func(*server) string // tells of the work done; may be nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// startServer starts a program and waits until its address accepts connections.
func startServer(ctx context.Context, address, name string, args ...string) (*server, error) {
	s := &server{address: address, process: exec.CommandContext(ctx, name, args...), output: &bytes.Buffer{}}
	s.process.Stdout, s.process.Stderr = s.output, s.output
	s.process.Cancel = func() error { return s.process.Process.Signal(os.Interrupt) }
	if err := s.process.Start(); err != nil {
		return nil, err
	}
	for range 200 {
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

func (s *server) stop() {
	_ = s.process.Process.Signal(os.Interrupt) // it may have ended by itself
	_ = s.process.Wait()
}

// loaded is what a load did.
type loaded struct {
	requests int64
	errors   int64
	took     time.Duration
	cpu      time.Duration
	note     string
}

func (l loaded) rate() float64   { return float64(l.requests) / l.took.Seconds() }
func (l loaded) micros() float64 { return float64(l.cpu.Microseconds()) / float64(l.requests) }

var (
	requestsIn = regexp.MustCompile(`(\d+) requests in`)
	otherThan2 = regexp.MustCompile(`Non-2xx or 3xx responses: (\d+)`)
	socketErrs = regexp.MustCompile(`connect (\d+), read (\d+), write (\d+), timeout (\d+)`)
)

func load(ctx context.Context, s *server) (loaded, error) {
	if _, err := wrk(ctx, s, time.Second); err != nil { // warm
		return loaded{}, err
	}
	before, err := cpuTime(s.process.Process.Pid)
	if err != nil {
		return loaded{}, err
	}
	start := time.Now()
	out, err := wrk(ctx, s, loadTime)
	if err != nil {
		return loaded{}, err
	}
	result := loaded{took: time.Since(start)}
	settle(s.process.Process.Pid)
	after, err := cpuTime(s.process.Process.Pid)
	if err != nil {
		return loaded{}, err
	}
	result.cpu = after - before
	if s.note != nil {
		result.note = s.note(s)
	}
	result.requests = number(requestsIn.FindStringSubmatch(out))
	result.errors = number(otherThan2.FindStringSubmatch(out))
	for _, n := range socketErrs.FindStringSubmatch(out) {
		result.errors += number([]string{"", n})
	}
	if result.requests == 0 {
		return loaded{}, fmt.Errorf("wrk did not get one answer: %s", out)
	}
	return result, nil
}

func wrk(ctx context.Context, s *server, d time.Duration) (string, error) {
	var out bytes.Buffer
	err := cmd(ctx, &out, ".", "wrk", "-t1", "-c64", fmt.Sprintf("-d%ds", int(d.Seconds())), "http://"+s.address+"/1k.json")
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, out.String())
	}
	return out.String(), nil
}

func number(match []string) int64 {
	if len(match) < 2 {
		return 0
	}
	n, err := strconv.ParseInt(match[1], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// cpuTime is the user and system time of a process and its children, from /proc.
func cpuTime(pid int) (time.Duration, error) {
	const tick = 10 * time.Millisecond // USER_HZ is 100 on Linux
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, err
	}
	// The name in parentheses may hold anything; fields 14 and 15 of proc(5) are 11 and 12 behind it.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 13 {
		return 0, errors.New("/proc has another form than expected")
	}
	total := time.Duration(number([]string{"", fields[11]})+number([]string{"", fields[12]})) * tick
	children, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "task", strconv.Itoa(pid), "children"))
	if err != nil {
		return total, nil // a kernel without the list of children
	}
	for _, child := range strings.Fields(string(children)) {
		n, err := strconv.Atoi(child)
		if err != nil {
			continue
		}
		if t, err := cpuTime(n); err == nil {
			total += t
		}
	}
	return total, nil
}

// settle waits until a process has finished what the load left it to do: it then uses next to no CPU.
func settle(pid int) {
	before, err := cpuTime(pid)
	for range 60 {
		time.Sleep(500 * time.Millisecond)
		now, e := cpuTime(pid)
		if err != nil || e != nil || now-before <= 10*time.Millisecond {
			return
		}
		before = now
	}
}

var interfaceLine = regexp.MustCompile(`interface +(http://\S+)/\?key=(\S+)`)

// captured asks Proxycache how many exchanges it kept and lost.
func captured(s *server) string {
	match := interfaceLine.FindStringSubmatch(s.output.String())
	if match == nil {
		return ", its interface was not announced"
	}
	request, err := http.NewRequest(http.MethodPost, match[1]+"/api/call/status", strings.NewReader("null"))
	if err != nil {
		return ", " + err.Error()
	}
	request.Header.Set("Authorization", "Bearer "+match[2])
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return ", " + err.Error()
	}
	defer answer.Body.Close()
	var status struct{ Exchanges, Lost int64 }
	if err := json.NewDecoder(answer.Body).Decode(&status); err != nil {
		return ", " + err.Error()
	}
	return fmt.Sprintf(", %d exchanges kept, %d lost", status.Exchanges, status.Lost)
}
