package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

const benchConfig = `version = 1

[[listen]]
address = "ADDRESS"
accept = ["reverse"]

[tls]
certificates = [{ cert = "PEM", key = "PEM" }]

[upstreams.origin]
targets = [{ url = "http://ORIGIN" }]

[[routes]]
name = "all"
to = "origin"
`

// tenModules run for every exchange and find nothing to do.
var tenModules = strings.Repeat(`
  [[routes.cells]]
  use = "headers"
  request_remove = ["X-Nobody-Sends-This"]

  [[routes.cells]]
  use = "headers"
  response_remove = ["X-Nobody-Answers-This"]

  [[routes.cells]]
  use = "fault"
  percent = 0.0

  [[routes.cells]]
  use = "mock"
  when = 'path = "/nobody/asks/this"'

  [[routes.cells]]
  use = "headers"
  when = 'request.header.X-Nobody-Sends-This = yes'
  request_set = { X-Seen = "yes" }
`, 2)

func startCaptureOn(ctx context.Context, at site) (*server, error) {
	return startProxycache(ctx, at, benchConfig)
}

func startCaptureOff(ctx context.Context, at site) (*server, error) {
	return withoutCapture(ctx, at, benchConfig)
}

func startTenModules(ctx context.Context, at site) (*server, error) {
	return withoutCapture(ctx, at, benchConfig+tenModules)
}

func withoutCapture(ctx context.Context, at site, config string) (*server, error) {
	s, err := startProxycache(ctx, at, config)
	if err != nil {
		return nil, err
	}
	if err := s.call(ctx, "setRecording", "false", nil); err != nil {
		s.discard()
		return nil, err
	}
	return s, nil
}

func startProxycache(ctx context.Context, at site, config string) (*server, error) {
	u, err := at.fill("proxycache", config)
	if err != nil {
		return nil, err
	}
	u.secure = u.address // one port speaks all
	args := []string{"serve", "--dir", u.home, "--ui", "127.0.0.1:0"}
	if at.profile != "" {
		args = append(args, "--cpuprofile", at.profile)
	}
	memory := filepath.Join(u.home, "memory.json")
	s, err := u.start(ctx, at.program, append(args, "--memstats", memory)...)
	if err != nil {
		return nil, err
	}
	s.memory, s.lost = memory, s.lostExchanges
	if err := s.announced(ctx); err != nil {
		s.discard()
		return nil, err
	}
	return s, nil
}

var interfaceLine = regexp.MustCompile(`interface +(http://\S+)/\?key=(\S+)`)

// announced waits until Proxycache has told where its interface is: its proxy may listen before.
func (s *server) announced(ctx context.Context) error {
	for range 200 {
		if interfaceLine.MatchString(s.output.String()) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return fmt.Errorf("proxycache did not announce its interface: %s", s.output)
}

// call calls a function of Proxycache's interface.
func (s *server) call(ctx context.Context, function, argument string, answer any) error {
	match := interfaceLine.FindStringSubmatch(s.output.String())
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, match[1]+"/api/call/"+function, strings.NewReader(argument))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+match[2])
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("calling %s: %d %s", function, response.StatusCode, text.String())
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text.Bytes(), answer)
}

// lostExchanges is how many a capturing proxy did not keep of those it served.
func (s *server) lostExchanges(ctx context.Context) (int64, error) {
	var status struct {
		Recording       bool
		Exchanges, Lost int64
	}
	if err := s.call(ctx, "status", "null", &status); err != nil || !status.Recording {
		return 0, err
	}
	if status.Exchanges+status.Lost < s.served {
		return 0, fmt.Errorf("proxycache served %d requests, but keeps %d exchanges and lost %d", s.served, status.Exchanges, status.Lost)
	}
	return status.Lost, nil
}

// spent is what Proxycache allocated while it served.
type spent struct {
	objects, bytes float64 // a request
	gc             float64 // share of its CPU time
}

func readSpent(s *server) (spent, error) {
	text, err := os.ReadFile(s.memory)
	if err != nil {
		return spent{}, err
	}
	var m struct {
		Objects, Bytes float64
		GC             float64 `json:"gc_seconds"`
		CPU            float64 `json:"cpu_seconds"`
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return spent{}, err
	}
	if m.CPU <= 0 || s.served == 0 {
		return spent{}, errors.New(s.memory + " tells of no work")
	}
	n := float64(s.served)
	return spent{objects: m.Objects / n, bytes: m.Bytes / n, gc: m.GC / m.CPU}, nil
}
