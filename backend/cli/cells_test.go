package cli

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"proxycache/backend/admin"
	"proxycache/backend/core"
)

// running starts what `serve` does, with a cell that has a state, and returns the folder and the
// address of its interface.
func running(t *testing.T) (dir, ui string) {
	t.Helper()
	dir = t.TempDir()
	text := "version = 1\n[[listen]]\naddress = \"127.0.0.1:0\"\naccept = [\"reverse\"]\n[upstreams.shop]\ntargets = [{ url = \"http://127.0.0.1:1\" }, { url = \"http://127.0.0.1:1/old\", state = \"off\" }]\n[[routes]]\nname = \"all\"\n[[routes.cells]]\nuse = \"ratelimit\"\nlimit = 1\n[[routes.cells]]\nuse = \"mock\"\n"
	if err := os.WriteFile(filepath.Join(dir, "config.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := core.Open(core.Options{Dir: dir, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ui = l.Addr().String()
	_ = l.Close() // to be taken by the interface
	s, err := admin.Open(admin.Options{Core: c, Address: ui, KeyFile: filepath.Join(dir, "api-key"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve() }()
	t.Cleanup(func() { _ = s.Close(context.Background()); <-ended })
	return dir, ui
}

func TestCellsOfARunningProxycache(t *testing.T) {
	dir, ui := running(t)
	empty := t.TempDir()
	for _, c := range []struct {
		name      string
		args      []string
		code      int
		out, errs string
	}{
		{"all", nil, Good, "all/ratelimit  calm", ""},
		{"one, with its figures", []string{"all/ratelimit"}, Good, "limited_total", ""},
		{"and its actions", []string{"all/ratelimit"}, Good, "reset [", ""},
		{"the pools, too", nil, Good, "upstream/shop  warn  1 of 2 targets can be asked", ""},
		{"one of them", []string{"upstream/shop"}, Good, "127.0.0.1:1/old is off: ", ""},
		{"a pool that is not there", []string{"upstream/other"}, Failed, "", `"upstream/other"`},
		{"an action", []string{"all/ratelimit", "reset"}, Good, ".", ""},
		{"a cell that is not there", []string{"all/cache"}, Failed, "", `"all/cache"`},
		{"an action of a cell without", []string{"all/mock", "reset"}, Failed, "", `module "mock" has no actions`},
		{"an action that is not there", []string{"all/ratelimit", "purge"}, Failed, "", "it knows reset"},
		{"a word that is no argument", []string{"all/ratelimit", "reset", "key"}, Misuse, "", "NAME=VALUE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, errs := called(t, append([]string{"cells", "--dir", dir, "--ui", ui}, c.args...)...)
			if code != c.code || !strings.Contains(out, c.out) || !strings.Contains(errs, c.errs) {
				t.Errorf("%d, %q, %q", code, out, errs)
			}
		})
	}
	for _, c := range []struct {
		name string
		args []string
		errs string
	}{
		{"without a key", []string{"--dir", empty, "--ui", ui}, "proxycache serve"},
		{"where nothing answers", []string{"--dir", dir, "--ui", "127.0.0.1:1"}, "proxycache serve"},
	} {
		if code, _, errs := called(t, append([]string{"cells"}, c.args...)...); code != Failed || !strings.Contains(errs, c.errs) {
			t.Errorf("%s: %d, %q", c.name, code, errs)
		}
	}
}
