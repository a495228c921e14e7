//go:build !windows

package programs

import (
	"bufio"
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"proxycache/backend/problem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a browser that tells its flags through a pipe and runs script; the pipe ends when it and
// all it started have ended.
func fake(t *testing.T, script string) (p Program, pipe string) {
	t.Helper()
	dir := t.TempDir()
	pipe = filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "browser")
	text := "#!/bin/sh\nexec 3>'" + pipe + "'\nprintf '%s\\n' \"$@\" >&3\n" + script + "\n"
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return Program{ID: "fake", Name: "Fake", Installed: true, Path: path}, pipe
}

// launch starts p and reads its flags, up to the page.
func launch(ctx context.Context, t *testing.T, p Program, pipe string) (*Running, string, *bufio.Reader) {
	t.Helper()
	profile := filepath.Join(t.TempDir(), "profiles", "fake")
	run, err := Launch(ctx, p, Setup{ProxyAddress: "127.0.0.1:1", SPKI: "spki", ProfileDir: profile, StartURL: "http://start/"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(run.Stop)
	if info, err := os.Stat(profile); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the profile is %v, %v", info, err)
	}
	f, err := os.Open(pipe) // waits for the other end
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	in := bufio.NewReader(f)
	var all strings.Builder
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatalf("it told %q and then %v", all.String(), err)
		}
		all.WriteString(line)
		if strings.HasPrefix(line, "http://start/") {
			return run, all.String(), in
		}
	}
}

func ended(t *testing.T, run *Running, in io.Reader) {
	t.Helper()
	select {
	case <-run.Done:
	case <-time.After(30 * time.Second):
		t.Fatal("it never ended")
	}
	if _, err := io.ReadAll(in); err != nil { // waits for all that hold the pipe
		t.Error(err)
	}
}

func TestAStartedProgramGetsItsFlagsAndEndsWithAllItStarted(t *testing.T) {
	p, pipe := fake(t, "sleep 600 &\nwait")
	run, told, in := launch(t.Context(), t, p, pipe)
	if !strings.Contains(told, "--proxy-server=http://127.0.0.1:1\n") || !strings.Contains(told, "--ignore-certificate-errors-spki-list=spki\n") {
		t.Errorf("it was started with %s", told)
	}
	select {
	case <-run.Done:
		t.Fatal("it is over already")
	default:
	}
	run.Stop()
	ended(t, run, in)
	run.Stop() // once more does no harm
}

func TestAProgramEndsWithItsContext(t *testing.T) {
	p, pipe := fake(t, "sleep 600 &\nwait")
	ctx, cancel := context.WithCancel(t.Context())
	run, _, in := launch(ctx, t, p, pipe)
	cancel()
	ended(t, run, in)
}

func TestAProgramThatDoesNotListenIsKilled(t *testing.T) {
	p, pipe := fake(t, "trap '' TERM\necho deaf >&3\nsleep 600 &\nwait\nwait")
	run, _, in := launch(t.Context(), t, p, pipe)
	if line, err := in.ReadString('\n'); line != "deaf\n" {
		t.Fatal(line, err)
	}
	run.Stop()
	ended(t, run, in)
}

func TestDoneTellsThatAPersonClosedIt(t *testing.T) {
	p, pipe := fake(t, "exit 3")
	run, _, in := launch(t.Context(), t, p, pipe)
	ended(t, run, in)
}

func TestWhatCannotBeStartedSaysWhy(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(broken, []byte("no program"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		p    Program
		dir  string
		kind problem.Kind
	}{
		{Program{Name: "Chrome"}, t.TempDir(), problem.NotFound},
		{Program{Name: "Chrome", Installed: true, Path: broken}, t.TempDir(), problem.Unavailable},
		{Program{Name: "Chrome", Installed: true, Path: "/bin/true"}, filepath.Join(broken, "x"), problem.Unavailable},
	} {
		_, err := Launch(t.Context(), c.p, Setup{ProfileDir: c.dir})
		if problem.KindOf(err) != c.kind || !strings.Contains(err.Error(), "Starting Chrome") {
			t.Errorf("%+v: %v", c.p, err)
		}
	}
}
