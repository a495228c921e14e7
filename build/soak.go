package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const soakUsage = `options behind "go run ./build bench soak":
  -for 30m                       how long the load lasts
  -clients 32                    how many ask at once
  -program build/bin/proxycache  this Proxycache instead of the one that is built first`

// soakConfig has each module that keeps something, with little room for it.
const soakConfig = `version = 1

[[listen]]
address = "ADDRESS"
accept = ["reverse"]

[capture]
max_exchanges = 20000
body_cap = "4KiB"

[upstreams.items]
targets = [TARGETS]
balance = "p2c"
SETTINGS

[[routes]]
name = "items"
to = "items"

  [[routes.cells]]
  use = "ratelimit"
  limit = 800
  window = "1s"
  key = "header:X-Client"

  [[routes.cells]]
  use = "cache"
  memory = "16MiB"

  [[routes.cells]]
  use = "compress"

  [[routes.cells]]
  use = "breaker"
  scope = "target"
  open_for = "2s"
  recover_for = "2s"

  [[routes.cells]]
  use = "retry"
`

const soakPool = `health = [{ path = "/healthz", interval = "1s", timeout = "1s", rise = 2, fall = 2 }]
`

// soak is one run: clients that know what each answer must be, and targets that die and return.
type soak struct {
	server  *server
	targets []*dying
	deaths  atomic.Int64

	answered, limited, failed, left atomic.Int64
	wrong                           atomic.Int64
	mu                              sync.Mutex
	first                           []string // wrong answers
	reasons                         map[string]int
	samples                         []sample
}

// sample is what the proxy takes at a moment.
type sample struct {
	at         time.Duration
	resident   int64 // bytes
	goroutines int64
}

func runSoak(ctx context.Context, args []string) error {
	var site site
	set := flag.NewFlagSet("bench soak", flag.ContinueOnError)
	set.SetOutput(io.Discard)
	duration := set.Duration("for", 30*time.Minute, "")
	clients := set.Int("clients", 32, "")
	set.StringVar(&site.program, "program", "", "")
	if err := set.Parse(args); err != nil || set.NArg() > 0 || *clients < 1 || *duration < time.Minute {
		return errors.New(soakUsage)
	}
	if site.program == "" {
		site.program = headless()
		if err := buildHeadless(ctx); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp("", "proxycache-soak-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	site.dir = dir
	s := &soak{}
	defer s.end()
	if err := s.open(ctx, site); err != nil {
		return err
	}
	if err := s.run(ctx, *duration, *clients); err != nil {
		return err
	}
	return s.judge(ctx)
}

func (s *soak) open(ctx context.Context, at site) error {
	var urls []string
	for range 3 {
		t, err := newDying()
		if err != nil {
			return err
		}
		s.targets = append(s.targets, t)
		urls = append(urls, fmt.Sprintf("{ url = %q }", "http://"+t.address))
	}
	var err error
	s.server, err = startProxycache(ctx, at, strings.NewReplacer("TARGETS", strings.Join(urls, ", "), "SETTINGS", soakPool).Replace(soakConfig))
	return err
}

func (s *soak) end() {
	for _, t := range s.targets {
		t.die()
	}
	if s.server != nil {
		s.server.discard()
	}
}

// run loads the proxy for the time and then lets it come to rest.
func (s *soak) run(ctx context.Context, duration time.Duration, clients int) error {
	loading, stop := context.WithTimeout(ctx, duration)
	defer stop()
	var all sync.WaitGroup
	for n := range clients {
		all.Go(func() { s.ask(loading, fmt.Sprint("client-", n%8)) })
	}
	all.Go(func() { s.kill(loading) })
	began := time.Now()
	every := time.NewTicker(10 * time.Second)
	defer every.Stop()
	for loading.Err() == nil {
		select {
		case <-loading.Done():
		case <-every.C:
			if err := s.sample(ctx, time.Since(began)); err != nil {
				return err
			}
		}
	}
	all.Wait()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	settle(s.server.pid())
	time.Sleep(20 * time.Second) // kept connections are let go by their clients, and what waits for them ends
	return s.sample(ctx, time.Since(began))
}

var goroutines = regexp.MustCompile(`(?m)^go_goroutines (\d+)`)

func (s *soak) sample(ctx context.Context, at time.Duration) error {
	match := interfaceLine.FindStringSubmatch(s.server.output.String())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, match[1]+"/metrics", nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+match[2])
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("asking for the metrics: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	got, err := residentOf(s.server.pid())
	if err != nil {
		return err
	}
	now := sample{at: at, resident: got, goroutines: number(goroutines.FindStringSubmatch(string(text)))}
	s.samples = append(s.samples, now)
	say("  %6s  %5.1f MB  %4d goroutines  %d answered, %d limited, %d failed, %d left, %d wrong; targets died %d times",
		at.Round(time.Second), float64(now.resident)/1e6, now.goroutines, s.answered.Load(), s.limited.Load(), s.failed.Load(), s.left.Load(), s.wrong.Load(), s.deaths.Load())
	return nil
}

// residentOf is what a process has resident, in bytes.
func residentOf(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text))
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}

// judge holds the run to what it is for.
func (s *soak) judge(ctx context.Context) error {
	lost, err := s.server.lostExchanges(ctx)
	if err != nil {
		return err
	}
	loaded := s.samples[:len(s.samples)-1]
	third := len(loaded) / 3
	resident := func(of []sample) int64 { return medianOf(of, func(s sample) int64 { return s.resident }) }
	middle, late := resident(loaded[third:2*third]), resident(loaded[2*third:])
	rest := s.samples[len(s.samples)-1].goroutines
	var faults []string
	check := func(holds bool, format string, args ...any) {
		say("  %s", fmt.Sprintf(format, args...))
		if !holds {
			faults = append(faults, fmt.Sprintf(format, args...))
		}
	}
	check(s.answered.Load() > 0 && s.wrong.Load() == 0, "%d answers were right, %d wrong %v", s.answered.Load(), s.wrong.Load(), s.first)
	check(lost == 0, "%d exchanges were lost", lost)
	check(float64(late) <= 1.15*float64(middle), "memory: %.1f MB in the last third, %.1f MB in the one before", float64(late)/1e6, float64(middle)/1e6)
	check(rest < 100, "%d goroutines at rest", rest)
	check(s.failed.Load()*20 < s.answered.Load(), "%d requests failed while targets died %d times: %v", s.failed.Load(), s.deaths.Load(), s.reasons)
	if len(faults) > 0 {
		return errors.New(strings.Join(faults, "; "))
	}
	return nil
}

// kill lets targets die and return, never all at once.
func (s *soak) kill(ctx context.Context) {
	for ctx.Err() == nil {
		t := s.targets[rand.IntN(len(s.targets))]
		if alive := slices.DeleteFunc(slices.Clone(s.targets), func(t *dying) bool { return !t.alive() }); len(alive) < 2 {
			t = nil
		}
		if t != nil && t.alive() {
			t.die()
			s.deaths.Add(1)
		}
		wait(ctx, time.Duration(1+rand.IntN(6))*time.Second)
		for _, t := range s.targets {
			if !t.alive() && rand.IntN(2) == 0 {
				_ = t.live() // the next round tries again
			}
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// ask is one client.
func (s *soak) ask(ctx context.Context, name string) {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	zipf := rand.NewZipf(rand.New(rand.NewPCG(rand.Uint64(), 1)), 1.1, 8, 50_000)
	for ctx.Err() == nil {
		key := fmt.Sprint(zipf.Uint64())
		asking, cancel := ctx, context.CancelFunc(func() {})
		if rand.IntN(200) == 0 { // who changes his mind
			asking, cancel = context.WithTimeout(ctx, time.Duration(rand.IntN(3000))*time.Microsecond)
		}
		s.one(asking, transport, name, key)
		cancel()
	}
}

func (s *soak) one(ctx context.Context, transport *http.Transport, name, key string) {
	method, sent := http.MethodGet, io.Reader(nil)
	if rand.IntN(20) == 0 {
		method, sent = http.MethodPost, strings.NewReader(key)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+s.server.address+"/item/"+key, sent)
	if err != nil {
		s.blame("%v", err)
		return
	}
	request.Header.Set("X-Client", name)
	response, err := transport.RoundTrip(request)
	if err != nil {
		s.broke(ctx)
		return
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		s.broke(ctx)
	case response.StatusCode == http.StatusTooManyRequests:
		s.limited.Add(1)
		if response.Header.Get("Retry-After") == "" {
			s.blame("429 without Retry-After")
		}
		wait(ctx, 10*time.Millisecond)
	case response.StatusCode >= 500:
		s.failed.Add(1)
		s.why(response)
	case response.StatusCode != http.StatusOK || !bytes.Equal(body, itemOf(key)):
		s.blame("%s /item/%s: %d, %.40q of %d bytes", method, key, response.StatusCode, body, len(body))
	default:
		s.answered.Add(1)
	}
}

// broke counts an exchange without a whole answer: of a client that left, or of a target that died.
func (s *soak) broke(ctx context.Context) {
	if ctx.Err() != nil {
		s.left.Add(1)
	} else {
		s.failed.Add(1)
	}
}

// why counts what a failed exchange is said to have failed for (RFC 9209).
func (s *soak) why(r *http.Response) {
	reason, _, _ := strings.Cut(r.Header.Get("Proxy-Status"), "; details")
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reasons == nil {
		s.reasons = map[string]int{}
	}
	s.reasons[fmt.Sprint(r.StatusCode, " ", reason)]++
}

func (s *soak) blame(format string, args ...any) {
	s.wrong.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.first) < 5 {
		s.first = append(s.first, fmt.Sprintf(format, args...))
	}
}
