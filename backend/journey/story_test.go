package journey

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"proxycache/backend/core"
)

// A story is a .txtar file: `config.toml`, then any number of `send`, `want` and `trail` sections.
// `send` is a request as a person would write it; `want` is the status, the fields that must be there
// and the body; `trail` is what each cell did. ORIGIN stands for a server that answers with what it
// was sent, and PROXY for the proxy.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no story in testdata")
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			t.Parallel()
			tell(t, file)
		})
	}
}

func tell(t *testing.T, file string) {
	story, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	origin := httptest.NewServer(http.HandlerFunc(mirror))
	t.Cleanup(origin.Close)
	var h *house
	var answer *http.Response
	var body string
	sent := 0
	for _, section := range story.Files {
		text := strings.ReplaceAll(string(section.Data), "ORIGIN", strings.TrimPrefix(origin.URL, "http://"))
		if h != nil {
			text = strings.ReplaceAll(text, "PROXY", strings.TrimPrefix(h.proxy(), "http://"))
		}
		switch section.Name {
		case "config.toml":
			h = openHouse(t, text)
		case "send":
			sent++
			answer, body = send(t, h, text)
		case "want":
			compare(t, sent, text, answer, body)
		case "trail":
			if got := trail(h.finished("", sent)); got != text {
				t.Errorf("trail of exchange %d:\n%s\nwant:\n%s", sent, got, text)
			}
		default:
			t.Fatalf("%s has a section %q: write config.toml, send, want or trail", file, section.Name)
		}
	}
}

// mirror answers with what it was sent. The query asks for more: set=NAME:VALUE for a field, status=503
// for a status, size=5000 for a body of that many bytes.
func mirror(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("Server", "mirror")
	wanted := r.URL.Query()
	for _, field := range wanted["set"] {
		name, value, _ := strings.Cut(field, ":")
		w.Header().Set(name, value)
	}
	if status, err := strconv.Atoi(wanted.Get("status")); err == nil {
		w.WriteHeader(status)
	}
	if size, err := strconv.Atoi(wanted.Get("size")); err == nil {
		fmt.Fprint(w, strings.Repeat("x", size))
		return
	}
	fmt.Fprintf(w, "%s %s\n", r.Method, r.RequestURI)
	for _, name := range []string{"X-Env", "X-Request-Id", "Cookie", "Authorization"} {
		if values := r.Header.Values(name); len(values) > 0 {
			fmt.Fprintf(w, "%s: %s\n", name, strings.Join(values, ", "))
		}
	}
	if len(body) > 0 {
		fmt.Fprintf(w, "\n%s\n", body)
	}
}

// send writes the request onto a connection of its own: what is in the story is what goes out.
func send(t *testing.T, h *house, text string) (*http.Response, string) {
	t.Helper()
	head, body, _ := strings.Cut(text, "\n\n")
	body = strings.TrimSuffix(body, "\n")
	lines := strings.Split(strings.TrimSuffix(head, "\n"), "\n")
	method, target, _ := strings.Cut(lines[0], " ")
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", method, target)
	if u, err := url.Parse(target); err == nil && u.Host != "" {
		fmt.Fprintf(&b, "Host: %s\r\n", u.Host)
	}
	for _, line := range lines[1:] {
		b.WriteString(line + "\r\n")
	}
	if body != "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("Connection: close\r\n\r\n" + body)
	c, err := net.Dial("tcp", strings.TrimPrefix(h.proxy(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, b.String()); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	got, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, target, err)
	}
	return answer, string(got)
}

func compare(t *testing.T, sent int, want string, answer *http.Response, body string) {
	t.Helper()
	if answer == nil {
		t.Fatal("a want comes behind a send")
	}
	head, wantBody, hasBody := strings.Cut(want, "\n\n")
	lines := strings.Split(strings.TrimSuffix(head, "\n"), "\n")
	if got := fmt.Sprint(answer.StatusCode); got != lines[0] {
		t.Errorf("exchange %d: status %s, want %s\n%s", sent, got, lines[0], body)
	}
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		got, there := answer.Header[http.CanonicalHeaderKey(name)]
		switch {
		case value == "(none)" && there:
			t.Errorf("exchange %d: %s is %q, want none", sent, name, got)
		case value == "(any)" && there, value == "(none)":
		case strings.Join(got, ", ") != value:
			t.Errorf("exchange %d: %s is %q, want %q", sent, name, strings.Join(got, ", "), value)
		}
	}
	if hasBody && strings.TrimSuffix(body, "\n") != strings.TrimSuffix(wantBody, "\n") {
		t.Errorf("exchange %d: body\n%s\nwant\n%s", sent, body, wantBody)
	}
}

// trail is one line a step: the cell, and what it did.
func trail(x core.Exchange) string {
	var b strings.Builder
	for _, s := range x.Steps {
		fmt.Fprintf(&b, "%s %s", s.Cell, s.Verdict)
		if s.Why != "" {
			fmt.Fprintf(&b, ", %s", s.Why)
		}
		b.WriteByte('\n')
	}
	return b.String()
}
