package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// loadTime is how long each peer is loaded.
const loadTime = 6 * time.Second

// runBench measures one thing beside its peers, in one run on one machine: figures of different runs
// do not compare.
func runBench(ctx context.Context, args []string) error {
	if len(args) != 1 || args[0] != "capture" {
		return errors.New("say what to measure: go run ./build bench capture")
	}
	if runtime.GOOS != "linux" {
		return errors.New("the benchmark reads CPU time from /proc: run it on Linux")
	}
	if err := buildApp(ctx); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "proxycache-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	return benchCapture(ctx, dir)
}

// peer is a reverse proxy in front of the origin.
type peer struct {
	name  string
	start func(ctx context.Context, dir, origin string) (*server, error)
}

// benchCapture loads each proxy with wrk -t1 -c64 against a 1 KB answer and tells the CPU time of its
// whole process tree per request, what is written afterwards included.
func benchCapture(ctx context.Context, dir string) error {
	origin, err := startNginx(ctx, dir, "origin", originConf)
	if err != nil {
		return err
	}
	defer origin.stop()
	peers := []peer{
		{"nginx", func(ctx context.Context, dir, origin string) (*server, error) {
			return startNginx(ctx, dir, "peer", strings.ReplaceAll(proxyConf, "ORIGIN", origin))
		}},
		{"mitmdump -w", startMitmdump},
		{"proxycache, capture on", startProxycache},
	}
	direct, err := load(ctx, origin)
	if err != nil {
		return err
	}
	say("%-24s %9.0f req/s", "origin, direct", direct.rate())
	var base float64
	for _, p := range peers {
		result, err := measure(ctx, dir, p, origin.address)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		if base == 0 {
			base = result.micros()
		}
		say("%-24s %9.0f req/s  %8.1f µs CPU a request  %6.1f × nginx  %d errors%s", p.name, result.rate(), result.micros(), result.micros()/base, result.errors, result.note)
	}
	return profileNote(ctx, dir)
}

func measure(ctx context.Context, dir string, p peer, origin string) (loaded, error) {
	s, err := p.start(ctx, dir, origin)
	if err != nil {
		return loaded{}, err
	}
	defer s.stop()
	return load(ctx, s)
}

const originConf = `
  server { listen ADDRESS; location / { root ROOT; default_type application/json; } }`

const proxyConf = `
  upstream origin { server ORIGIN; keepalive 64; }
  server { listen ADDRESS; location / { proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; } }`

func startNginx(ctx context.Context, dir, name, conf string) (*server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	home := filepath.Join(dir, name)
	if err := os.MkdirAll(home, 0o755); err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // nginx's workers run as another user
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(home, "1k.json"), []byte(`{"kilobyte":"`+strings.Repeat("x", 1010)+`"}`), 0o644); err != nil {
		return nil, err
	}
	text := "daemon off; worker_processes 1; pid HOME/pid; error_log HOME/error.log;\nevents { worker_connections 1024; }\n" +
		"http { access_log off; keepalive_requests 1000000; client_body_temp_path HOME/t; proxy_temp_path HOME/t; fastcgi_temp_path HOME/t; uwsgi_temp_path HOME/t; scgi_temp_path HOME/t;" + conf + "\n}\n"
	text = strings.NewReplacer("HOME", home, "ROOT", home, "ADDRESS", address).Replace(text)
	file := filepath.Join(home, "nginx.conf")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return nil, err
	}
	return startServer(ctx, address, "nginx", "-c", file, "-p", home)
}

func startMitmdump(ctx context.Context, dir, origin string) (*server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	_, port, _ := strings.Cut(address, ":")
	return startServer(ctx, address, "mitmdump", "-q", "--set", "confdir="+filepath.Join(dir, "mitm"), "--mode", "reverse:http://"+origin,
		"--listen-host", "127.0.0.1", "-p", port, "-w", filepath.Join(dir, "flows"))
}

const benchConfig = `version = 1

[[listen]]
address = "ADDRESS"
accept = ["reverse"]

[upstreams.origin]
targets = [{ url = "http://ORIGIN" }]

[[routes]]
name = "all"
to = "origin"

  [[routes.cells]]
  use = "requestid"
`

// profileOf is where the CPU profile of the measured run goes.
func profileOf(dir string) string { return filepath.Join(dir, "cpu.prof") }

func startProxycache(ctx context.Context, dir, origin string) (*server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	home := filepath.Join(dir, "proxycache")
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, err
	}
	text := strings.NewReplacer("ADDRESS", address, "ORIGIN", origin).Replace(benchConfig)
	if err := os.WriteFile(filepath.Join(home, "config.toml"), []byte(text), 0o600); err != nil {
		return nil, err
	}
	s, err := startServer(ctx, address, binary(), "serve", "--dir", home, "--ui", "127.0.0.1:0", "--cpuprofile", profileOf(dir))
	if err != nil {
		return nil, err
	}
	s.note = captured
	return s, nil
}

// profileNote shows where the time of the product went.
func profileNote(ctx context.Context, dir string) error {
	say("\nWhere it goes (go tool pprof -top, cumulative):")
	var out strings.Builder
	if err := cmd(ctx, &out, ".", "go", "tool", "pprof", "-top", "-cum", "-nodecount=45", binary(), profileOf(dir)); err != nil {
		return fmt.Errorf("%w: %s", err, out.String())
	}
	_, err := io.WriteString(os.Stdout, out.String())
	return err
}
