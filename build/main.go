// The task runner of Proxycache: one plain Go program that builds, runs and checks it on every
// system. From the project's root: go run ./build COMMAND.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
)

// tags are the build tags of every build, vet and test, so that SQLite is compiled once.
const tags = "desktop,production,webkit2_41,sqlite_fts5"

// headlessTags are those of the program without a window.
const headlessTags = "headless,sqlite_fts5"

type command struct {
	name, help string
	needs      []need
	run        func(ctx context.Context, args []string) error
}

func commands() []command {
	return []command{
		{"run", "build what changed and open the window (or serve it to a browser where there is no display)", buildNeeds(), runApp},
		{"test", "check everything: floors, format, vet, staticcheck, unit tests, front end, journeys", testNeeds(), runTests},
		{"build", "build the program into build/bin, with its window and without", buildNeeds(), func(ctx context.Context, _ []string) error {
			return errors.Join(buildApp(ctx), buildHeadless(ctx))
		}},
		{"bindings", "generate frontend/wailsjs from the Go methods the window may call", buildNeeds(), func(ctx context.Context, _ []string) error { return bindings(ctx) }},
		{"bench", "measure beside its peers: bench proxy, bench proxy quick, bench capture", benchNeeds(), runBench},
		{"doctor", "say what is installed and what is missing", nil, doctor},
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := dispatch(ctx, os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "\n%s %v\n", red("✗"), err)
		os.Exit(1)
	}
}

func dispatch(ctx context.Context, args []string) error {
	root, err := projectRoot()
	if err != nil {
		return err
	}
	if err := os.Chdir(root); err != nil {
		return fmt.Errorf("entering %s: %w", root, err)
	}
	if len(args) > 0 {
		for _, c := range commands() {
			if c.name == args[0] {
				if err := provide(ctx, c.needs); err != nil {
					return err
				}
				return c.run(ctx, args[1:])
			}
		}
	}
	usage()
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("there is no command %q: choose one of the above", args[0])
}

func usage() {
	fmt.Println("go run ./build COMMAND")
	for _, c := range commands() {
		fmt.Printf("  %-9s %s\n", c.name, c.help)
	}
}

// projectRoot is the folder with go.mod, at or above the working directory.
func projectRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "wails.json")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("this is not the Proxycache folder: change to the folder that has wails.json in it")
		}
		dir = parent
	}
}

// binary is where build puts the program.
func binary() string { return inBin("proxycache") }

func headless() string { return inBin("proxycache-headless") }

func inBin(name string) string {
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join("build", "bin", name)
}
