package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
)

func runApp(ctx context.Context, args []string) error {
	if err := buildApp(ctx); err != nil {
		return err
	}
	if runtime.GOOS == "linux" && os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
		say("There is no display here: serving the same interface to a browser instead.")
		args = append([]string{"serve"}, args...)
	}
	c := exec.CommandContext(ctx, binary(), args...)
	c.Stdin, c.Stdout, c.Stderr = os.Stdin, os.Stdout, os.Stderr
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	if err := c.Run(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("proxycache ended with %w: its words are above", err)
	}
	return nil
}

func buildApp(ctx context.Context) error {
	if err := frontend(ctx); err != nil {
		return err
	}
	return step("go build (the first time compiles SQLite and WebKit's bindings: about two minutes)", func(out io.Writer) error {
		ld := "-s -w"
		if runtime.GOOS == "windows" {
			ld += " -H windowsgui"
		}
		return cmd(ctx, out, ".", "go", "build", "-trimpath", "-tags", tags, "-ldflags", ld, "-o", binary(), ".")
	})
}

// buildHeadless builds the program for servers: without a window, and without the libraries of one.
func buildHeadless(ctx context.Context) error {
	if err := frontend(ctx); err != nil {
		return err
	}
	return step("go build, without a window", func(out io.Writer) error {
		return cmd(ctx, out, ".", "go", "build", "-trimpath", "-tags", headlessTags, "-ldflags", "-s -w", "-o", headless(), ".")
	})
}

// bindings runs the program built with Wails' `bindings` tag, which writes frontend/wailsjs and ends.
func bindings(ctx context.Context) error {
	return step("generating frontend/wailsjs", func(out io.Writer) error {
		exe := filepath.Join("build", "bin", "bindings"+filepath.Ext(binary()))
		if err := cmd(ctx, out, ".", "go", "build", "-tags", "bindings,webkit2_41,sqlite_fts5", "-o", exe, "."); err != nil {
			return err
		}
		dir, err := os.MkdirTemp("", "proxycache-bindings-") // the program opens a core: not the user's
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		c := exec.CommandContext(ctx, exe, "--dir", dir)
		c.Env = append(os.Environ(), "tsoutputtype=interfaces", "PROXYCACHE_LISTEN_0_ADDRESS=127.0.0.1:0")
		c.Stdout, c.Stderr = out, out
		return c.Run()
	})
}

// frontend installs the packages and builds the interface, each only when its inputs changed.
func frontend(ctx context.Context) error {
	if err := npmCI(ctx, "frontend"); err != nil {
		return err
	}
	return unlessSame("interface", []string{"frontend/src", "frontend/public", "frontend/wailsjs", "frontend/index.html", "frontend/vite.config.ts", "frontend/package-lock.json"},
		"frontend/dist/index.html", func() error {
			return step("vite build", func(out io.Writer) error {
				return cmd(ctx, out, "frontend", "npm", "run", "--silent", "build")
			})
		})
}

func npmCI(ctx context.Context, dir string) error {
	return unlessSame("npm-"+filepath.Base(dir), []string{dir + "/package-lock.json", dir + "/package.json"}, dir+"/node_modules/.package-lock.json", func() error {
		return step("npm ci in "+dir, func(out io.Writer) error {
			return cmd(ctx, out, dir, "npm", "ci", "--no-audit", "--no-fund", "--silent")
		})
	})
}

// unlessSame does the work unless result is there and the inputs are those of the last time.
func unlessSame(name string, inputs []string, result string, do func() error) error {
	sum, err := hash(inputs)
	if err != nil {
		return err
	}
	stamp := filepath.Join("build", "cache", name)
	if was, err := os.ReadFile(stamp); err == nil && string(was) == sum {
		if _, err := os.Stat(result); err == nil {
			return nil
		}
	}
	if err := do(); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(stamp), 0o755); err != nil {
		return err
	}
	return os.WriteFile(stamp, []byte(sum), 0o644)
}

// hash is over the names and contents of all files under the inputs; an input may be missing.
func hash(inputs []string) (string, error) {
	var files []string
	for _, in := range inputs {
		err := filepath.WalkDir(in, func(path string, d fs.DirEntry, err error) error {
			if os.IsNotExist(err) {
				return nil
			}
			if err == nil && d.Type().IsRegular() {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			return "", err
		}
	}
	sort.Strings(files)
	h := sha256.New()
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %d\n", strings.ReplaceAll(f, "\\", "/"), len(text))
		h.Write(text)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
