package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// hit is what a cache answers by itself: 1 KB that is fresh for an hour.
var hit = trial{"hit 1 KB", plain, 1 << 10, 64, "/cached"}

// cachePeers answer the same hits.
func cachePeers() []peer {
	return []peer{
		{name: "nginx-cache", start: startNginxCache},
		{name: "varnish", start: startVarnish},
		{name: "proxycache-cache", start: startProxycacheCache},
	}
}

const nginxCacheConf = nginxConf + `
  proxy_cache_path HOME/cache levels=1:2 keys_zone=hits:10m inactive=1h;
  server {
    listen ADDRESS;
    location / { proxy_pass http://ORIGIN; proxy_http_version 1.1; proxy_cache hits; add_header X-Cache-Status $upstream_cache_status; }
  }
}`

func startNginxCache(ctx context.Context, at site) (*server, error) {
	u, err := at.fill("nginx-cache", nginxCacheConf)
	if err != nil {
		return nil, err
	}
	return u.start(ctx, "nginx", "-c", u.file, "-p", u.home)
}

func startVarnish(ctx context.Context, at site) (*server, error) {
	u, err := at.fill("varnish", "")
	if err != nil {
		return nil, err
	}
	return u.start(ctx, "varnishd", "-F", "-j", "none", "-a", u.address, "-b", at.origin, "-n", filepath.Join(u.home, "work"), "-s", "malloc,64m")
}

func startProxycacheCache(ctx context.Context, at site) (*server, error) {
	return withoutCapture(ctx, at, benchConfig+"\n  [[routes.cells]]\n  use = \"cache\"\n")
}

// caching measures what a hit costs, beside other caches.
func (b *bench) caching(ctx context.Context) error {
	for round := range b.rounds {
		for _, p := range b.peers {
			if err := b.measure(ctx, p, hit); err != nil {
				return err
			}
		}
		say("%s round %d of %d", dim("·"), round+1, b.rounds)
	}
	text := b.figures.cpuTable(b.peers, hit, "nginx-cache").String() + "\n" + b.figures.hitBar()
	say("\n%s", text)
	return os.WriteFile(filepath.Join("build", "out", "cache.md"), []byte(text), 0o644)
}

// hitBar holds a hit to what it costs nginx.
func (f *figures) hitBar() string {
	of := f.ratio(hit, "proxycache-cache", "nginx-cache")
	verdict := "PASS"
	switch {
	case of == 0:
		return "Nothing to compare: measure nginx-cache and proxycache-cache in one run.\n"
	case of > 1:
		verdict = "over"
	}
	return fmt.Sprintf("A hit costs %.2f × nginx's; at most 1.00 × is the bar: %s\n", of, verdict)
}
