package programs

import (
	"bytes"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"proxycache/backend/problem"
)

func TestTheLineForShSendsCurlThroughTheProxy(t *testing.T) {
	origin := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "secret") }))
	defer origin.Close()
	var mu sync.Mutex
	var heard []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		heard = append(heard, r.Method+" "+r.RequestURI)
		mu.Unlock()
		if r.Method == http.MethodConnect {
			tunnel(t, w, origin.Listener.Addr().String())
			return
		}
		_, _ = io.WriteString(w, "open")
	}))
	defer proxy.Close()
	dir := filepath.Join(t.TempDir(), `it's a "folder" $HOME`)
	bundle := filepath.Join(dir, "bundle.pem")
	if err := WriteBundle(bundle, certificate(origin)); err != nil {
		t.Fatal(err)
	}
	set, unset, err := TerminalLine("sh", proxy.URL, filepath.Join(dir, "ca.pem"), bundle)
	if err != nil {
		t.Fatal(err)
	}
	const ask = "curl -sS http://plain.invalid/a; curl -sS https://example.com/b"
	for _, shell := range []string{"sh", "dash", "bash"} {
		got := shellOutput(t, shell, set+"\n"+ask+"\nprintf ' %s' \"$SSL_CERT_FILE\" \"$NODE_EXTRA_CA_CERTS\"\n"+unset+"\nenv | grep -v ^PWD= | grep -ci -e proxy -e bundle.pem")
		if want := "opensecret " + bundle + " " + filepath.Join(dir, "ca.pem") + "0\n"; got != want {
			t.Errorf("%s: got %q, want %q\n%s", shell, got, want, set)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	once := "GET http://plain.invalid/a CONNECT example.com:443 "
	if got := strings.Join(heard, " ") + " "; got != strings.Repeat(once, 3) {
		t.Errorf("the proxy heard %q", got)
	}
}

// shellOutput runs text in an environment without what could be inherited.
func shellOutput(t *testing.T, shell, text string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), shell, "-c", text)
	c.Env = []string{"PATH=" + os.Getenv("PATH")}
	var errs bytes.Buffer
	c.Stderr = &errs
	out, _ := c.Output() // grep -c of nothing ends with 1
	if errs.Len() > 0 {
		t.Errorf("%s: %s", shell, errs.String())
	}
	return string(out)
}

func tunnel(t *testing.T, w http.ResponseWriter, address string) {
	target, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return
	}
	defer target.Close()
	client, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	defer client.Close()
	_, _ = io.WriteString(client, "HTTP/1.1 200 OK\r\n\r\n")
	var back sync.WaitGroup
	back.Go(func() { _, _ = io.Copy(client, target) })
	_, _ = io.Copy(target, client)
	_ = target.Close()
	back.Wait()
}

func certificate(s *httptest.Server) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
}

func TestLinesOfOtherShells(t *testing.T) {
	for _, c := range []struct {
		shell      string
		sets, ends []string
	}{
		{"fish",
			[]string{`set -gx HTTP_PROXY 'http://p'; set -gx http_proxy 'http://p'; `, `set -gx DENO_CERT '/it\'s \\ "a" $x.pem'; `, `; set -gx AWS_CA_BUNDLE '/b'`},
			[]string{"set -e HTTP_PROXY http_proxy HTTPS_PROXY", " AWS_CA_BUNDLE"}},
		{"powershell",
			[]string{`$env:HTTP_PROXY = 'http://p'; $env:http_proxy = 'http://p'; `, `$env:DENO_CERT = '/it''s \ "a" $x.pem'; `, `; $env:AWS_CA_BUNDLE = '/b'`},
			[]string{"Remove-Item Env:HTTP_PROXY, Env:http_proxy, ", " -ErrorAction SilentlyContinue"}},
	} {
		set, unset, err := TerminalLine(c.shell, "http://p", `/it's \ "a" $x.pem`, "/b")
		if err != nil {
			t.Errorf("%s: %v", c.shell, err)
		}
		for _, part := range c.sets {
			if !strings.Contains(set, part) {
				t.Errorf("%s: %q is not in\n%s", c.shell, part, set)
			}
		}
		for _, part := range c.ends {
			if !strings.Contains(unset, part) {
				t.Errorf("%s: %q is not in\n%s", c.shell, part, unset)
			}
		}
		if strings.Contains(set+unset, "\n") {
			t.Errorf("%s: it is not one line", c.shell)
		}
	}
	if set, _, err := TerminalLine("powershell", "http://p", "/it\u2019s", "/b"); err != nil || !strings.Contains(set, "'/it\u2019\u2019s'") {
		t.Errorf("a curly quote ends PowerShell's string: %s, %v", set, err)
	}
}

func TestEveryVariableIsSetAndRemovedInEveryShell(t *testing.T) {
	for _, shell := range []string{"sh", "fish", "powershell"} {
		set, unset, err := TerminalLine(shell, "http://p", "/ca", "/b")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range strings.Fields("HTTP_PROXY http_proxy HTTPS_PROXY https_proxy NODE_EXTRA_CA_CERTS SSL_CERT_FILE CURL_CA_BUNDLE " +
			"REQUESTS_CA_BUNDLE GIT_SSL_CAINFO CARGO_HTTP_CAINFO AWS_CA_BUNDLE DENO_CERT npm_config_proxy npm_config_https_proxy") {
			if !strings.Contains(set, name) || !strings.Contains(unset, name) {
				t.Errorf("%s: %s is not in both of\n%s\n%s", shell, name, set, unset)
			}
		}
	}
}

func TestAnUnknownShellIsRefused(t *testing.T) {
	_, _, err := TerminalLine("tcsh", "http://p", "/ca", "/b")
	if problem.KindOf(err) != problem.Invalid || !strings.Contains(err.Error(), "tcsh") {
		t.Error(err)
	}
}
