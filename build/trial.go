package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// way is what a client speaks to a peer.
type way int

const (
	plain  way = iota // HTTP/1.1
	secure            // HTTP/1.1 in TLS
	h2                // HTTP/2 in TLS
)

// trial is one kind of load.
type trial struct {
	name  string
	over  way
	size  int // of an answer's body
	conns int
	path  string
}

var (
	kilobyte = trial{"h1 1 KB", plain, 1 << 10, 64, "/1k"}
	// A capture may keep equal bodies once; no two of these are equal.
	unique = trial{"h1 1 KB, all differ", plain, 1 << 10, 64, "/unique"}
)

// others are what a full run loads besides.
var others = []trial{
	{"h1 0 B", plain, 0, 64, "/0"},
	unique,
	{"h1 64 KB", plain, 64 << 10, 64, "/64k"},
	{"h1 10 MB", plain, 10 << 20, 8, "/10m"},
	{"TLS 1 KB", secure, 1 << 10, 64, "/1k"},
	{"h2 1 KB", h2, 1 << 10, 8, "/1k"}, // 8 streams on each connection
}

// loaded is what a load did.
type loaded struct {
	requests int64
	errors   int64
	took     time.Duration
	cpu      time.Duration
	lost     int64 // exchanges that a capturing Proxycache did not keep
}

func (l loaded) rate() float64   { return float64(l.requests) / l.took.Seconds() }
func (l loaded) micros() float64 { return float64(l.cpu.Microseconds()) / float64(l.requests) }

func (l loaded) trouble() string {
	out := ""
	if l.errors > 0 {
		out += red(fmt.Sprintf("  %d errors", l.errors))
	}
	if l.lost > 0 {
		out += red(fmt.Sprintf("  %d lost", l.lost))
	}
	return out
}

var errSilent = errors.New("there was not one answer")

// load runs one trial against s and counts the CPU time of its whole process tree, what it finishes
// afterwards included.
func load(ctx context.Context, s *server, t trial, seconds int) (loaded, error) {
	warm, err := generate(ctx, s, t, s.warm)
	if err != nil && !errors.Is(err, errSilent) { // a slow peer's first answer may take longer
		return loaded{}, err
	}
	settle(s.pid())
	before, err := cpuTime(s.pid())
	if err != nil {
		return loaded{}, err
	}
	result, err := generate(ctx, s, t, seconds)
	if err != nil {
		return loaded{}, err
	}
	settle(s.pid())
	after, err := cpuTime(s.pid())
	if err != nil {
		return loaded{}, err
	}
	s.served += warm.requests + result.requests
	result.cpu = after - before
	if s.lost != nil {
		result.lost, err = s.lost(ctx)
	}
	return result, err
}

// generate keeps the trial's number of requests under way for so many seconds.
func generate(ctx context.Context, s *server, t trial, seconds int) (loaded, error) {
	if t.over == h2 {
		return runH2load(ctx, s, t, seconds)
	}
	url := "http://" + s.address
	if t.over == secure {
		url = "https://" + s.secure
	}
	var out bytes.Buffer
	start := time.Now()
	err := cmd(ctx, &out, ".", "wrk", "-t1", fmt.Sprintf("-c%d", t.conns), fmt.Sprintf("-d%ds", seconds), url+t.path)
	if err != nil {
		return loaded{}, fmt.Errorf("%w: %s", err, out.String())
	}
	result := loaded{took: time.Since(start)}
	result.requests = number(requestsIn.FindStringSubmatch(out.String()))
	result.errors = number(otherThan2.FindStringSubmatch(out.String()))
	if match := socketErrs.FindStringSubmatch(out.String()); match != nil {
		for i := range match[1:] {
			result.errors += number(match[i:])
		}
	}
	if result.requests == 0 {
		return loaded{}, fmt.Errorf("%w: wrk: %s", errSilent, out.String())
	}
	return result, nil
}

func runH2load(ctx context.Context, s *server, t trial, seconds int) (loaded, error) {
	var out bytes.Buffer
	start := time.Now()
	err := cmd(ctx, &out, ".", "h2load", "-t1", fmt.Sprintf("-c%d", t.conns), "-m8", fmt.Sprintf("-D%d", seconds), "https://"+s.secure+t.path)
	if err != nil {
		return loaded{}, fmt.Errorf("%w: %s", err, out.String())
	}
	result := loaded{took: time.Since(start), requests: number(succeeded2.FindStringSubmatch(out.String()))}
	if match := h2Failures.FindStringSubmatch(out.String()); match != nil {
		result.errors = number(match) + number(match[1:])
	}
	if !bytes.Contains(out.Bytes(), []byte("Application protocol: h2")) {
		return loaded{}, fmt.Errorf("h2load did not get HTTP/2: %s", out.String())
	}
	if result.requests == 0 {
		return loaded{}, fmt.Errorf("%w: h2load: %s", errSilent, out.String())
	}
	return result, nil
}

var (
	requestsIn = regexp.MustCompile(`(\d+) requests in`)
	otherThan2 = regexp.MustCompile(`Non-2xx or 3xx responses: (\d+)`)
	socketErrs = regexp.MustCompile(`connect (\d+), read (\d+), write (\d+), timeout (\d+)`)
	succeeded2 = regexp.MustCompile(`status codes: (\d+) 2xx`)
	h2Failures = regexp.MustCompile(`(\d+) failed, \d+ errored, (\d+) timeout`)
)

// number is the first group of a match.
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
