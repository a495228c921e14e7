package journey

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"proxycache/backend/cli"
	"proxycache/backend/config"
	"proxycache/backend/core"
)

// readme is the text of README.md.
func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// blocks are the fenced blocks of a language, in order.
func blocks(text, language string) []string {
	var out []string
	for _, match := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(text, -1) {
		out = append(out, match[1])
	}
	return out
}

// command runs the command line of the program.
func command(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	if code := cli.Run(t.Context(), args, cli.Program{Version: "test", Assets: fstest.MapFS{}, Out: &out, Err: &out}); code != cli.Good {
		t.Fatalf("proxycache %s: exit %d: %s", strings.Join(args, " "), code, &out)
	}
	return out.String()
}

// The curl lines of the README work on a first start, with nothing changed but the port and, since no
// test leaves this machine, the servers' addresses.
func TestTheCurlLinesOfTheReadmeWork(t *testing.T) {
	w := openWire(t)
	secure, ca := tlsOrigin(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("secret")) }))
	dir := t.TempDir()
	text := strings.Replace(string(config.Default()), "127.0.0.1:8080", "127.0.0.1:0", 1) + "\n[forward]\nca = \"" + filepath.ToSlash(ca) + "\"\n"
	if err := os.WriteFile(filepath.Join(dir, "config.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, dir: dir}
	h.start()
	t.Cleanup(h.stop)
	exported := filepath.Join(t.TempDir(), "ca.pem")
	here := strings.NewReplacer("127.0.0.1:8080", strings.TrimPrefix(h.proxy(), "http://"), "https://example.com", secure.URL,
		"http://example.com", "http://"+w.address, "ca.pem", exported)
	tried := 0
	for _, block := range blocks(readme(t), "sh") {
		for line := range strings.Lines(block) {
			words := strings.Fields(here.Replace(line))
			switch {
			case len(words) > 0 && words[0] == "curl":
				tried++
				if out := run(t, "curl", append([]string{"-sS", "--fail"}, words[1:]...)...); out == "" {
					t.Errorf("%q answers nothing", strings.TrimSpace(line))
				}
			case len(words) > 1 && words[0] == "proxycache":
				command(t, append(words[1:], "--dir", dir)...)
			}
		}
	}
	if tried < 3 {
		t.Errorf("only %d curl lines were found: there are three ways to get traffic in", tried)
	}
	if n := len(h.rows("").Rows); n != tried {
		t.Errorf("%d exchanges were recorded of %d", n, tried)
	}
}

func TestTheConfigurationsOfTheReadmeCanBePutInForce(t *testing.T) {
	found := blocks(readme(t), "toml")
	if len(found) == 0 {
		t.Fatal("the README shows no configuration")
	}
	for _, block := range found {
		file := filepath.Join(t.TempDir(), "config.toml")
		if err := os.WriteFile(file, append(config.Default(), block...), 0o600); err != nil {
			t.Fatal(err)
		}
		if list, err := core.CheckFile(file); err != nil || len(list) > 0 {
			t.Errorf("%v %v in\n%s", err, list, block)
		}
	}
}

func TestTheCommandsOfTheReadmeAreThere(t *testing.T) {
	_, list, _ := strings.Cut(readme(t), "## On the command line")
	n := 0
	for line := range strings.Lines(blocks(list, "")[0]) {
		words := strings.Fields(strings.TrimSpace(line))
		if len(words) < 2 || words[0] != "proxycache" || words[1] == "open" {
			continue
		}
		n++
		args := []string{words[1]}
		if words[1] == "ca" {
			args = append(args, words[2])
		}
		if out := command(t, append(args, "--help")...); !strings.Contains(out, "proxycache "+strings.Join(args, " ")) {
			t.Errorf("the help of %q is %s", args, out)
		}
	}
	if n < 6 {
		t.Errorf("only %d commands were found", n)
	}
}

// The keys of the README are those of the window: the traffic page names its actions in one place.
func TestTheKeysOfTheReadmeAreTheWindows(t *testing.T) {
	actions, err := os.ReadFile("../../frontend/src/features/traffic/actions.ts")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"r", "e", "c", "m", "x", "/", "j", "k"} {
		if !strings.Contains(readme(t), "`"+key+"`") {
			t.Errorf("the README does not tell of %q", key)
		}
		if !strings.Contains(string(actions), "'"+key+"'") {
			t.Errorf("the window has no key %q", key)
		}
	}
}
