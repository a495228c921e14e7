package programs

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"time"

	"proxycache/backend/problem"
)

// Setup is what a program is started with.
type Setup struct {
	ProxyAddress string // host:port
	SPKI         string // base64 of the SHA-256 of the authority's public key
	ProfileDir   string // a profile of its own, made when it is not there
	StartURL     string // the first page; may be empty
}

// Running is a program that was started here.
type Running struct {
	Done <-chan struct{} // closed when it has ended
	stop context.CancelFunc
}

// patience is how long a program has to end by itself before it is killed.
const patience = 3 * time.Second

// Launch starts the program with a profile of its own, so that neither its settings nor its trust
// reach the person's usual one. It ends with ctx, with Stop, or when its window is closed.
func Launch(ctx context.Context, p Program, s Setup) (*Running, error) {
	if !p.Installed {
		return nil, problem.New(problem.NotFound, "Starting %s: it is not installed. Install it, or choose another program.", p.Name)
	}
	if err := os.MkdirAll(s.ProfileDir, 0o700); err != nil {
		return nil, problem.Wrap(problem.Unavailable, err, "Starting %s: making its profile: %v. Make the folder writable.", p.Name, err)
	}
	ctx, stop := context.WithCancel(ctx)
	c := exec.CommandContext(ctx, p.Path, flags(s, runtime.GOOS, os.Geteuid())...)
	family, err := startFamily(c)
	if err != nil {
		stop()
		return nil, problem.Wrap(problem.Unavailable, err, "Starting %s (%s): %v. Start it once by itself to see what is wrong.", p.Name, p.Path, err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer stop()
		_ = c.Wait() // how a browser ends is its own affair
		family.end()
	}()
	return &Running{Done: done, stop: stop}, nil
}

// Stop ends the program and what it started, and waits for that.
func (r *Running) Stop() {
	r.stop()
	<-r.Done
}

// flags are Chromium's. The bypass list takes localhost back, which it would leave out by itself; the
// key list trusts what our authority signs and nothing else; the rest keeps the browser from calls of its
// own, which would stand between the person's.
func flags(s Setup, system string, euid int) []string {
	out := []string{
		"--user-data-dir=" + s.ProfileDir,
		"--proxy-server=http://" + s.ProxyAddress,
		"--proxy-bypass-list=<-loopback>",
		"--ignore-certificate-errors-spki-list=" + s.SPKI,
		"--no-first-run",
		"--no-default-browser-check",
		"--disable-background-networking",
		"--disable-component-update",
		"--disable-domain-reliability",
		"--disable-default-apps",
		"--disable-component-extensions-with-background-pages",
		"--allow-browser-signin=false",
		"--disable-sync",
		"--no-pings",
		"--disable-features=NetworkTimeServiceQuerying,OptimizationHints,MediaRouter,Translate",
	}
	if system == "linux" && euid == 0 { // its sandbox refuses to start as root
		out = append(out, "--no-sandbox")
	}
	if s.StartURL != "" {
		out = append(out, s.StartURL)
	}
	return out
}
