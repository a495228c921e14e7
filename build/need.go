package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// need is something that must be on the machine.
type need struct {
	name  string
	why   string
	found func() bool
	apt   []string // Debian and Ubuntu
	brew  string   // what to type on macOS; "" where it comes with the system
	win   string   // what to type on Windows; "" where it comes with the system
	linux bool     // is of use on Linux only
}

func program(name, why, apt, brew, win string) need {
	return need{name: name, why: why, apt: strings.Fields(apt), brew: brew, win: win, found: func() bool {
		_, err := exec.LookPath(name)
		return err == nil
	}}
}

func library(pkg, why, apt string) need {
	return need{name: pkg, why: why, apt: []string{apt, "pkg-config"}, linux: true, found: func() bool {
		return exec.Command("pkg-config", "--exists", pkg).Run() == nil
	}}
}

func buildNeeds() []need {
	return []need{
		program("gcc", "compiles SQLite", "gcc libc6-dev", "xcode-select --install", "winget install -e --id BrechtSanders.WinLibs.POSIX.UCRT"),
		program("npm", "builds the interface; Node 20 or newer", "nodejs npm", "brew install node", "winget install -e --id OpenJS.NodeJS.LTS"),
		library("gtk+-3.0", "draws the window", "libgtk-3-dev"),
		library("webkit2gtk-4.1", "draws the window", "libwebkit2gtk-4.1-dev"),
	}
}

func testNeeds() []need {
	onLinux := func(n need) need { n.linux = true; return n }
	return append(buildNeeds(),
		program("git", "tells which files belong to the project", "git", "xcode-select --install", "winget install -e --id Git.Git"),
		program("curl", "is a client in the journeys", "curl", "", ""),
		onLinux(program("chromium", "shows the interface in the journeys", "chromium", "", "")),
		onLinux(program("Xvfb", "gives the real window a display in its journey", "xvfb", "", "")),
		onLinux(program("xdotool", "types into the real window", "xdotool", "", "")),
		onLinux(program("import", "takes the picture of the real window", "imagemagick", "", "")),
		onLinux(program("dbus-run-session", "the real window wants a session bus", "dbus", "", "")),
		onLinux(program("openssl", "is a TLS server in the journeys", "openssl", "", "")),
		onLinux(program("brotli", "reads what was compressed", "brotli", "", "")),
		onLinux(program("nghttp", "is a client over HTTP/2 in the tests", "nghttp2-client", "", "")),
		onLinux(program("redis-server", "is what several share in the tests", "redis-server", "", "")),
		onLinux(program("memcached", "is what several share in the tests", "memcached", "", "")),
		onLinux(program("promtool", "checks the metrics", "prometheus", "", "")),
	)
}

func benchNeeds() []need {
	return append(buildNeeds(),
		program("wrk", "makes the load", "wrk", "brew install wrk", ""),
		program("nginx", "is the origin and a peer", "nginx-light", "brew install nginx", ""),
		program("h2load", "makes the load over HTTP/2", "nghttp2-client", "brew install nghttp2", ""),
		program("haproxy", "is a peer", "haproxy", "brew install haproxy", ""),
		program("mitmdump", "is a peer", "mitmproxy", "brew install mitmproxy", ""),
		program("varnishd", "is a peer of the cache", "varnish", "brew install varnish", ""),
	)
}

func (n need) concerns() bool { return !n.linux || runtime.GOOS == "linux" }

func missing(needs []need) []need {
	var out []need
	for _, n := range needs {
		if n.concerns() && !n.found() {
			out = append(out, n)
		}
	}
	return out
}

// provide installs what is missing where it can, and says what to type where it cannot.
func provide(ctx context.Context, needs []need) error {
	lacking := missing(needs)
	if len(lacking) == 0 {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil || runtime.GOOS != "linux" {
		return errors.New(instructions(lacking))
	}
	packages := aptPackages(lacking)
	say("Missing on this machine:")
	for _, n := range lacking {
		say("  %-18s %s", n.name, n.why)
	}
	if err := aptInstall(ctx, packages); err != nil {
		return fmt.Errorf("%w\nInstall them yourself and try again: apt-get install %s", err, strings.Join(packages, " "))
	}
	if still := missing(lacking); len(still) > 0 {
		return fmt.Errorf("%s is still not found after installing %s: put it on the PATH and try again", still[0].name, strings.Join(still[0].apt, " "))
	}
	return nil
}

func aptPackages(needs []need) []string {
	seen := map[string]bool{}
	var out []string
	for _, n := range needs {
		for _, p := range n.apt {
			if !seen[p] {
				seen[p] = true
				out = append(out, p)
			}
		}
	}
	return out
}

func aptInstall(ctx context.Context, packages []string) error {
	say("Installing with apt-get%s: %s", map[bool]string{true: "", false: " (by sudo)"}[os.Geteuid() == 0], strings.Join(packages, " "))
	if err := step("apt-get update", func(out io.Writer) error { return asRoot(ctx, out, "apt-get", "update", "-q") }); err != nil {
		return err
	}
	return step("apt-get install", func(out io.Writer) error {
		return asRoot(ctx, out, "apt-get", append([]string{"install", "-y", "-q", "--no-install-recommends"}, packages...)...)
	})
}

func asRoot(ctx context.Context, out io.Writer, name string, args ...string) error {
	if os.Geteuid() != 0 {
		name, args = "sudo", append([]string{"DEBIAN_FRONTEND=noninteractive", name}, args...)
	}
	c := exec.CommandContext(ctx, name, args...)
	c.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, out, out // sudo asks for the password on the terminal itself
	return c.Run()
}

// instructions tell what to type on a system whose packages this program does not install.
func instructions(needs []need) string {
	var b strings.Builder
	b.WriteString("something is missing; install it and try again:")
	for _, n := range needs {
		how := map[string]string{"darwin": n.brew, "windows": n.win}[runtime.GOOS]
		if how == "" {
			how = "install " + n.name + " with your package manager (Debian calls it " + strings.Join(n.apt, " ") + ")"
		}
		fmt.Fprintf(&b, "\n  %-18s %s\n  %-18s → %s", n.name, n.why, "", how)
	}
	return b.String()
}

func doctor(context.Context, []string) error {
	groups := []struct {
		title string
		needs []need
	}{{"to build and run", buildNeeds()}, {"to test", testNeeds()[len(buildNeeds()):]}, {"to bench", benchNeeds()[len(buildNeeds()):]}}
	lacking := 0
	for _, g := range groups {
		say("%s", g.title)
		for _, n := range g.needs {
			switch {
			case !n.concerns():
			case n.found():
				say("  %s %-18s %s", green("✓"), n.name, dim(n.why))
			default:
				lacking++
				say("  %s %-18s %s", red("✗"), n.name, n.why)
			}
		}
	}
	say("%s %s, %s/%s", dim("go"), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if lacking > 0 {
		say("%d missing. On Debian and Ubuntu the command that needs one installs it; elsewhere it says how.", lacking)
	}
	return nil
}
