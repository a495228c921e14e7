package export

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"proxycache/backend/flow"
)

// shells are those whose quoting a pasted command meets.
var shells = []string{"sh", "dash", "bash"}

// runShell runs line from a file: one argument would not hold the longest.
func runShell(t testing.TB, shell, line string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "line.sh")
	if err := os.WriteFile(file, []byte(line+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, shell, file)
	var errs bytes.Buffer
	c.Stderr = &errs
	if err := c.Run(); err != nil {
		t.Fatalf("%s: %v\n%s\n%.2000s", shell, err, errs.String(), line)
	}
}

// sentFields are those of h that the command decides on, in their order.
func sentFields(h heard) []string {
	var out []string
	for _, f := range h.fields {
		switch strings.ToLower(f.Name) {
		case "host", "content-length", "accept-encoding", "connection":
		default:
			out = append(out, f.Name+": "+f.Value)
		}
	}
	return out
}

func TestTheCommandSendsTheSameRequest(t *testing.T) {
	w := openWire(t)
	long := bytes.Repeat([]byte("0123456789abcdef"), 16<<10) // 256 KiB: more than an argument holds
	for name, c := range map[string]struct {
		method, target string
		fields         []string
		body           []byte
	}{
		"plain":                      {"GET", "/", nil, nil},
		"query":                      {"GET", "/v1/items?q=a%20b&c='d'&e=$HOME`id`&&=", []string{"Accept: */*"}, nil},
		"globbing":                   {"GET", "/a{1,2}[3-4]?x[]=1", nil, nil},
		"dots":                       {"GET", "/a/../b/./c", nil, nil},
		"encoded dots":               {"GET", "/a/%2E%2e/b", nil, nil},
		"two slashes":                {"GET", "//a//b?", nil, nil},
		"fragment on the wire":       {"GET", "/a#b?c", nil, nil},
		"bytes that are no UTF-8":    {"GET", "/caf\xe9?\xff", nil, nil},
		"UTF-8 on the wire":          {"GET", "/café", nil, nil},
		"asterisk":                   {"OPTIONS", "*", nil, nil},
		"head":                       {"HEAD", "/x", []string{"Accept: text/html"}, nil},
		"head with a body":           {"HEAD", "/x", nil, []byte("b")},
		"get with a body":            {"GET", "/_search", []string{"Content-Type: application/json"}, []byte(`{"q":1}`)},
		"post":                       {"POST", "/p", []string{"Content-Type: text/plain"}, []byte("it's\n$HOME `id` \\n %s \"q\" !x\n\n")},
		"post without a body":        {"POST", "/p", nil, nil},
		"post with a body of none":   {"POST", "/p", []string{"Content-Length: 0"}, nil},
		"put":                        {"PUT", "/p", nil, []byte("x")},
		"odd method":                 {"M-SEARCH", "/p", nil, nil},
		"at sign":                    {"POST", "/p", nil, []byte("@/etc/passwd")},
		"dash":                       {"POST", "/p", nil, []byte("-d\x00")},
		"unicode":                    {"POST", "/p", nil, []byte(`{"name":"Zoë ☂ 日本"}`)},
		"carriage returns":           {"POST", "/p", nil, []byte("a\r\nb\r\n")},
		"every byte":                 {"POST", "/p", nil, everyByte()},
		"only NUL":                   {"POST", "/p", nil, []byte{0}},
		"digits after an odd byte":   {"POST", "/p", nil, []byte("\x01234\\567%d'")},
		"long":                       {"POST", "/p", nil, long},
		"fields in order":            {"GET", "/", []string{"b: 2", "A: 1", "b: 3", "X-Odd-CASE: kept", "User-Agent: me/1"}, nil},
		"an empty field":             {"GET", "/", []string{"X-Empty:", "X-Full: 1"}, nil},
		"quotes in a field":          {"GET", "/", []string{`X-Quote: it's "here" \ and $HOME @x`}, nil},
		"odd bytes in a field":       {"GET", "/", []string{"X-Latin: caf\xe9 100%\\"}, nil},
		"its own content type":       {"POST", "/p", []string{"content-type: a/b"}, []byte("x")},
		"credentials":                {"GET", "/", []string{"Authorization: Basic eDp5", "Cookie: a=b; c=d", "Cookie: e=f"}, nil},
		"connection cannot take all": {"GET", "/", []string{"Connection: keep-alive, Cookie", "Cookie: a=b"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := captured(w.address, c.method, c.target, c.body, c.fields...)
			line := Curl(r, c.body)
			for _, shell := range shells {
				runShell(t, shell, line)
				all := w.take()
				if len(all) != 1 {
					t.Fatalf("%s sent %d requests\n%s", shell, len(all), line)
				}
				checkSent(t, r, all[0], c.body)
				if t.Failed() {
					t.Fatalf("%s ran\n%.2000s", shell, line)
				}
			}
		})
	}
}

// checkSent compares what the origin heard with the recorded request.
func checkSent(t testing.TB, r *flow.Record, got heard, body []byte) {
	t.Helper()
	if want := r.Method + " " + r.Target + " HTTP/1.1"; got.line != want {
		t.Errorf("the origin heard %q, want %q", got.line, want)
	}
	if !bytes.Equal(got.body, body) {
		t.Errorf("the origin heard the body %.200q, want %.200q", got.body, body)
	}
	if host := got.fields.Get("Host"); host != r.Authority {
		t.Errorf("Host is %q, want %q", host, r.Authority)
	}
	var want []string
	for _, f := range endToEnd(r, fieldsOf(r.RequestHead)) {
		want = append(want, f.Name+": "+f.Value)
	}
	if fields := sentFields(got); !slices.Equal(fields, want) {
		t.Errorf("the fields are %q, want %q", fields, want)
	}
	recorded := fieldsOf(r.RequestHead)
	if recorded.Has("Content-Length") && recorded.Get("Content-Length") != got.fields.Get("Content-Length") {
		t.Errorf("Content-Length is %q, was %q", got.fields.Get("Content-Length"), recorded.Get("Content-Length"))
	}
}

func everyByte() []byte {
	b := make([]byte, 0, 512)
	for i := range 256 {
		b = append(b, byte(i))
	}
	for i := range 256 {
		b = append(b, byte(255-i))
	}
	return b
}

// A body and a field value of the characters that shells and curl read something into.
func TestAnyBodyAndFieldSurviveTheShells(t *testing.T) {
	w := openWire(t)
	special := rapid.SampledFrom([]string{
		"'", `"`, `\`, "\n", "\r", "\t", "$", "`", "@", "%", "!", "*", "~", "#", ";", "&", "|", "-", "0", "7", "a",
		" ", "$(id)", "${HOME}", `\n`, `'\''`, "é", "日", "\x00", "\x1b", "\x7f", "\xff", "\u2028", "\u0085",
	})
	text := rapid.Custom(func(t *rapid.T) string { return strings.Join(rapid.SliceOfN(special, 0, 12).Draw(t, "parts"), "") })
	noLines := strings.NewReplacer("\r", "", "\n", "", "\x00", "")
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		body := []byte(text.Draw(rt, "body"))
		value := strings.Trim(noLines.Replace(text.Draw(rt, "value")), " \t")
		r := captured(w.address, "POST", "/any", body, "Content-Type: a/b", "X-Any: "+value)
		line := Curl(r, body)
		n++
		shell := shells[n%len(shells)]
		runShell(t, shell, line)
		all := w.take()
		if len(all) != 1 || !bytes.Equal(all[0].body, body) || strings.Trim(all[0].fields.Get("X-Any"), " \t") != value {
			rt.Fatalf("%s sent %q, want the body %q and the value %q\n%s", shell, all, body, value, line)
		}
	})
}

func TestHowTheCommandReads(t *testing.T) {
	for _, c := range []struct {
		name string
		r    *flow.Record
		body string
		want string
	}{
		{"a browser's request", captured("shop.localhost:8080", "GET", "/v1/items?x=1", nil,
			"User-Agent: b/1", "Accept: */*", "Accept-Encoding: gzip, br", "Accept-Encoding: zstd", "Connection: keep-alive"),
			"", `curl 'http://shop.localhost:8080/v1/items?x=1' \
  -H 'User-Agent: b/1' \
  -H 'Accept: */*' \
  --compressed`},
		{"a form", captured("a", "POST", "/", []byte("a=1"), "User-Agent: b", "Accept: */*", "Content-Type: application/x-www-form-urlencoded"),
			"a=1", `curl 'http://a/' \
  -H 'User-Agent: b' \
  -H 'Accept: */*' \
  -H 'Content-Type: application/x-www-form-urlencoded' \
  --data-raw 'a=1'`},
		{"identity is not what --compressed asks for", captured("a", "GET", "/", nil, "User-Agent: b", "Accept: c", "Accept-Encoding: identity"),
			"", `curl 'http://a/' \
  -H 'User-Agent: b' \
  -H 'Accept: c' \
  -H 'Accept-Encoding: identity'`},
		{"bytes", captured("a", "PUT", "/", []byte{0, 'a'}, "User-Agent: b", "Accept: c", "Content-Type: d"),
			"\x00a", `printf '\000a' |
curl 'http://a/' \
  -X PUT \
  -H 'User-Agent: b' \
  -H 'Accept: c' \
  -H 'Content-Type: d' \
  --data-binary @-`},
		{"a WebSocket", captured("a", "GET", "/ws", nil, "User-Agent: b", "Accept: c", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
			"", `curl 'http://a/ws' \
  --http1.1 \
  -H 'Connection: Upgrade' \
  -H 'Upgrade: websocket' \
  -H 'User-Agent: b' \
  -H 'Accept: c' \
  -H 'Sec-WebSocket-Version: 13'`},
		{"a tunnel", &flow.Record{Door: flow.Tunnel, Method: "CONNECT", Scheme: "https", Authority: "bank.example:443"}, "", `curl 'https://bank.example:443/'`},
	} {
		if got := Curl(c.r, []byte(c.body)); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
}

func TestAHostOfItsOwnIsKept(t *testing.T) {
	for _, c := range []struct {
		scheme, authority, host string
		kept                    bool
	}{
		{"http", "a:8080", "a:8080", false},
		{"http", "a:8080", "b", true},
		{"http", "a:80", "a:80", true}, // curl leaves the usual port out
		{"http", "a:80", "a", false},
		{"https", "[::1]:443", "[::1]", false},
		{"https", "a:80", "a:80", false},
	} {
		r := &flow.Record{Method: "GET", Scheme: c.scheme, Authority: c.authority, Target: "/", RequestHead: []byte("GET / HTTP/1.1\r\nhost: " + c.host + "\r\n\r\n")}
		if got := strings.Contains(Curl(r, nil), "host: "); got != c.kept {
			t.Errorf("%s://%s with Host %s: kept %v", c.scheme, c.authority, c.host, got)
		}
	}
}
