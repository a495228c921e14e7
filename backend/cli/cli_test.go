package cli

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"proxycache/backend/core"
)

// called runs the command line and returns its exit code and what it said.
func called(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = Run(t.Context(), args, Program{
		Version: "1.2.3", Assets: fstest.MapFS{"index.html": {}}, Out: &o, Err: &e,
		Window: func(context.Context, core.Options) error { o.WriteString("a window\n"); return nil },
	})
	return code, o.String(), e.String()
}

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestWhatTheCommandsSayAndReturn(t *testing.T) {
	good := file(t, "good.toml", "version = 1\n[[listen]]\naddress = \"127.0.0.1:0\"\naccept = [\"reverse\"]\n")
	bad := file(t, "bad.toml", "version = 1\n[[listen]]\naddress = \"127.0.0.1:0\"\naccept = [\"revers\"]\n")
	unset := file(t, "unset.toml", "version = 1\n[[listen]]\naddress = \"127.0.0.1:${NOT_SET_ANYWHERE}\"\naccept = [\"reverse\"]\n")
	dir := t.TempDir()
	for _, c := range []struct {
		name      string
		args      []string
		code      int
		out, errs string
	}{
		{"no command opens the window", []string{"--dir", dir}, Good, "a window", ""},
		{"version", []string{"version"}, Good, "1.2.3", ""},
		{"a good file", []string{"check", good}, Good, "nothing is wrong", ""},
		{"a bad file, with its place", []string{"check", bad}, Failed, "", bad + ":4:1: listen.1.accept: "},
		{"a variable that is not set, with its place", []string{"check", unset}, Failed, "", unset + ":3:1: listen.1.address: "},
		{"a file that is not there", []string{"check", "nowhere.toml"}, Failed, "", "nowhere.toml"},
		{"check without a file", []string{"check"}, Misuse, "", "--help"},
		{"an unknown command", []string{"serv"}, Misuse, "", "--help"},
		{"an unknown flag", []string{"serve", "--prot", "1"}, Misuse, "", "--prot"},
		{"the authority", []string{"ca", "show", "--dir", dir}, Good, "fingerprint", ""},
		{"its certificate", []string{"ca", "export", "--dir", dir}, Good, "BEGIN CERTIFICATE", ""},
		{"completion", []string{"completion", "bash"}, Good, "proxycache", ""},
		{"completion of no shell", []string{"completion"}, Good, "zsh", ""},
		{"completion of an unknown shell", []string{"completion", "nope"}, Misuse, "", "nope"},
		{"what the authority can", []string{"ca"}, Good, "export", ""},
		{"what the authority cannot", []string{"ca", "shwo"}, Misuse, "", "shwo"},
		{"help on a command", []string{"help", "ca", "show"}, Good, "fingerprint", ""},
		{"help on none", []string{"help", "nope"}, Misuse, "", "nope"},
		{"help with examples", []string{"serve", "--help"}, Good, "PROXYCACHE_LISTEN_0_ADDRESS", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, errs := called(t, c.args...)
			if code != c.code || !strings.Contains(out, c.out) || !strings.Contains(errs, c.errs) {
				t.Errorf("exit %d, want %d\nout: %s\nwant in it: %s\nerr: %s\nwant in it: %s", code, c.code, out, c.out, errs, c.errs)
			}
		})
	}
}

// What is checked is what would be put in force: the files that are named are read, too.
func TestCheckReadsTheFilesThatAreNamed(t *testing.T) {
	path := file(t, "config.toml", `version = 1

[[listen]]
address = "127.0.0.1:0"
accept = ["reverse"]

[tls]
certificates = [
  { cert = "cert.pem", key = "key.pem" },
]

[upstreams.shop]
targets = [{ url = "https://127.0.0.1:3000" }]
ca = "ours.pem"

[forward]
client_cert = "${NOT_SET_ANYWHERE:-client.pem}"
`)
	code, _, errs := called(t, "check", path)
	folder := filepath.Dir(path)
	for _, want := range []string{
		path + ":9:5: tls.certificates.1.cert: Reading the certificate " + folder + "/cert.pem: ",
		path + ":14:1: upstreams.shop.ca: Reading the trusted authority " + folder + "/ours.pem: ",
		path + ":17:1: forward.client_cert: Reading the client certificate " + folder + "/client.pem: ",
		"3 problems",
	} {
		if !strings.Contains(errs, filepath.FromSlash(want)) {
			t.Errorf("%q is not in what was said:\n%s", want, errs)
		}
	}
	if code != Failed {
		t.Errorf("exit %d, want %d", code, Failed)
	}

	dir := t.TempDir()
	if code, _, errs := called(t, "ca", "show", "--dir", dir); code != Good {
		t.Fatal(errs)
	}
	var both []byte // a certificate and its key, PEM
	for _, name := range []string{"ca.pem", "ca-key.pem"} {
		text, err := os.ReadFile(filepath.Join(dir, "authority", name))
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, text...)
	}
	for _, name := range []string{"cert.pem", "key.pem", "ours.pem", "client.pem"} {
		if err := os.WriteFile(filepath.Join(folder, name), both, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if code, out, errs := called(t, "check", path); code != Good {
		t.Errorf("exit %d with files that are good: %s%s", code, out, errs)
	}
}

func TestTheExportedCertificateHoldsNoKey(t *testing.T) {
	dir, to := t.TempDir(), filepath.Join(t.TempDir(), "ca.pem")
	if code, _, errs := called(t, "ca", "export", to, "--dir", dir); code != Good {
		t.Fatal(errs)
	}
	text, err := os.ReadFile(to)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "BEGIN CERTIFICATE") || strings.Contains(string(text), "PRIVATE") {
		t.Errorf("the file holds %s", text)
	}
}

func TestServeEndsWithItsContextAndSaysWhereItWas(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.toml"), []byte("version = 1\n[[listen]]\naddress = \"127.0.0.1:0\"\naccept = [\"reverse\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	out := &waiting{word: "Ctrl+C", found: cancel}
	var errs bytes.Buffer
	code := Run(ctx, []string{"serve", "--dir", dir, "--ui", "127.0.0.1:0"}, Program{
		Version: "1.2.3", Assets: fstest.MapFS{"index.html": {}}, Out: out, Err: &errs,
	})
	if code != Good {
		t.Errorf("exit %d: %s", code, errs.String())
	}
	for _, word := range []string{"Proxycache 1.2.3", "proxy      http://127.0.0.1:", "interface  http://127.0.0.1:", "/?key=", dir} {
		if !strings.Contains(out.String(), word) {
			t.Errorf("%q is not in\n%s", word, out.String())
		}
	}
}

// waiting calls found once what it waits for was written.
type waiting struct {
	bytes.Buffer
	word  string
	found func()
}

func (w *waiting) Write(p []byte) (int, error) {
	n, err := w.Buffer.Write(p)
	if strings.Contains(w.String(), w.word) {
		w.found()
	}
	return n, err
}

func TestServeOnAPortInUseFailsWithTheHolder(t *testing.T) {
	dir := t.TempDir()
	l := listen(t)
	if err := os.WriteFile(filepath.Join(dir, "config.toml"), []byte("version = 1\n[[listen]]\naddress = \""+l+"\"\naccept = [\"reverse\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, errs := called(t, "serve", "--dir", dir, "--ui", "127.0.0.1:0")
	if code != Failed || !strings.Contains(errs, l) || !strings.Contains(errs, "pid") {
		t.Errorf("exit %d: %s", code, errs)
	}
}

// listen holds an address until the test ends.
func listen(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}
