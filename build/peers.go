package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// peer is a reverse proxy in front of the origin.
type peer struct {
	name   string
	bar    bool // a bar is about it: part of the quick run
	secure bool // speaks TLS and HTTP/2, too
	keeps  bool // keeps all that passes
	paced  bool // its latency at half load is of interest
	build  func(context.Context) error
	start  func(context.Context, site) (*server, error)
}

func peers() []peer {
	return []peer{
		{name: "nginx", bar: true, secure: true, paced: true, start: startNginx},
		{name: "haproxy", secure: true, paced: true, start: startHAProxy},
		{name: "caddy", bar: true, secure: true, paced: true, build: buildCaddy, start: startCaddy},
		{name: "goproxy", paced: true, build: buildGoproxy, start: startGoproxy},
		{name: "mitmdump", start: startMitmdump},
		{name: "mitmdump-w", bar: true, keeps: true, start: startMitmdumpWriting},
		{name: "mockttp", bar: true, keeps: true, build: func(ctx context.Context) error { return npmCI(ctx, "build/peers") }, start: startMockttp},
		{name: "proxycache-off", bar: true, secure: true, paced: true, start: startCaptureOff},
		{name: "proxycache-ten", bar: true, paced: true, start: startTenModules},
		{name: "proxycache-on", bar: true, secure: true, keeps: true, paced: true, start: startCaptureOn},
	}
}

func namesOf(peers []peer) []string {
	var out []string
	for _, p := range peers {
		out = append(out, p.name)
	}
	return out
}

const nginxConf = `daemon off; worker_processes 1; worker_rlimit_nofile 65536; pid HOME/pid; error_log HOME/error.log;
events { worker_connections 24000; }
http {
  access_log off; keepalive_requests 1000000000; keepalive_timeout 120s;
  client_body_temp_path HOME/t; proxy_temp_path HOME/t; fastcgi_temp_path HOME/t; uwsgi_temp_path HOME/t; scgi_temp_path HOME/t;
`

const originConf = nginxConf + `
  sendfile on; open_file_cache max=100; default_type application/json;
  server {
    listen ADDRESS; root HOME;
    location = /cached { add_header Cache-Control "max-age=3600"; alias HOME/1k; }
    location = /unique { return 200 '"${request_id}FILL"'; }
  }
}`

const proxyConf = nginxConf + `
  upstream origin { server ORIGIN; keepalive 64; keepalive_requests 1000000000; }
  server {
    listen ADDRESS; listen SECURE ssl http2; ssl_certificate PEM; ssl_certificate_key PEM;
    location / { proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_max_temp_file_size 0; }
  }
}`

func startOrigin(ctx context.Context, at site) (*server, error) {
	text := strings.Replace(originConf, "FILL", strings.Repeat("x", unique.size-len(`""`)-32), 1) // behind the request's id
	u, err := at.fill("origin", text)
	if err != nil {
		return nil, err
	}
	for _, t := range append(others, kilobyte) {
		body := strings.Repeat("x", max(t.size-2, 0))
		if t.size > 0 {
			body = `"` + body + `"`
		}
		if err := os.WriteFile(filepath.Join(u.home, t.path), []byte(body), 0o644); err != nil {
			return nil, err
		}
	}
	return u.start(ctx, "nginx", "-c", u.file, "-p", u.home)
}

func startNginx(ctx context.Context, at site) (*server, error) {
	u, err := at.fill("nginx", proxyConf)
	if err != nil {
		return nil, err
	}
	return u.start(ctx, "nginx", "-c", u.file, "-p", u.home)
}

const haproxyConf = `global
  maxconn 24000
  no strict-limits
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 120s
  timeout server 120s
  http-reuse always
frontend front
  bind ADDRESS
  bind SECURE ssl crt PEM alpn h2,http/1.1
  default_backend origin
backend origin
  server origin ORIGIN
`

func startHAProxy(ctx context.Context, at site) (*server, error) {
	u, err := at.fill("haproxy", haproxyConf)
	if err != nil {
		return nil, err
	}
	return u.start(ctx, "haproxy", "-db", "-f", u.file)
}

// By default Caddy keeps 32 idle connections to an origin: half of the load's would be dialled anew.
const caddyConf = `{
	admin off
	auto_https off
	persist_config off
}
http://ADDRESS {
	reverse_proxy ORIGIN {
		transport http {
			keepalive_idle_conns_per_host 64
		}
	}
}
https://SECURE {
	tls PEM PEM
	reverse_proxy ORIGIN {
		transport http {
			keepalive_idle_conns_per_host 64
		}
	}
}
`

var (
	caddy   = filepath.Join("build", "cache", "caddy")
	goproxy = filepath.Join("build", "cache", "goproxy")
)

func buildCaddy(ctx context.Context) error {
	return unlessSame("caddy-built", []string{"build/caddy.mod", "build/caddy.sum"}, caddy, func() error {
		return step("building Caddy, a peer (once; some minutes)", func(out io.Writer) error {
			return cmd(ctx, out, ".", "go", "build", "-modfile=build/caddy.mod", "-trimpath", "-ldflags", "-s -w", "-o", caddy, "github.com/caddyserver/caddy/v2/cmd/caddy")
		})
	})
}

func startCaddy(ctx context.Context, at site) (*server, error) {
	u, err := at.fill("caddy", caddyConf)
	if err != nil {
		return nil, err
	}
	return u.start(ctx, "env", "HOME="+u.home, "XDG_DATA_HOME="+u.home, "XDG_CONFIG_HOME="+u.home, caddy, "run", "--adapter", "caddyfile", "--config", u.file)
}

func buildGoproxy(ctx context.Context) error {
	return cmd(ctx, io.Discard, ".", "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", goproxy, "./build/peers/goproxy")
}

func startGoproxy(ctx context.Context, at site) (*server, error) {
	u, err := at.fill("goproxy", "")
	if err != nil {
		return nil, err
	}
	return u.start(ctx, goproxy, u.address, at.origin)
}

func startMitmdump(ctx context.Context, at site) (*server, error) { return mitmdump(ctx, at) }

func startMitmdumpWriting(ctx context.Context, at site) (*server, error) {
	return mitmdump(ctx, at, "-w", "flows")
}

func mitmdump(ctx context.Context, at site, more ...string) (*server, error) {
	u, err := at.fill("mitmdump", "")
	if err != nil {
		return nil, err
	}
	args := []string{"-C", u.home, "mitmdump", "-q", "--set", "confdir=" + u.home, "--mode", "reverse:http://" + at.origin, "--listen-host", "127.0.0.1", "-p", port(u.address)}
	return u.start(ctx, "env", append(args, more...)...)
}

func startMockttp(ctx context.Context, at site) (*server, error) {
	u, err := at.fill("mockttp", "")
	if err != nil {
		return nil, err
	}
	s, err := u.start(ctx, "node", filepath.Join("build", "peers", "mockttp.js"), port(u.address), at.origin)
	if err == nil {
		s.warm = 4 // its code is compiled while it runs
	}
	return s, err
}
