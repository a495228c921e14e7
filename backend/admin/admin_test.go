package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"proxycache/backend/core"
)

// open starts a core without routes and its door.
func open(t *testing.T) (*Server, *core.Core) {
	t.Helper()
	dir := t.TempDir()
	config := "version = 1\n[[listen]]\naddress = \"127.0.0.1:0\"\naccept = [\"reverse\", \"forward\", \"connect\"]\n"
	if err := os.WriteFile(filepath.Join(dir, "config.toml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := core.Open(core.Options{Dir: dir, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(Options{
		Core: c, Assets: fstest.MapFS{"index.html": {Data: []byte("<title>Proxycache</title>")}},
		Address: "127.0.0.1:0", KeyFile: filepath.Join(dir, "api-key"), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		for _, err := range []error{s.Close(ctx), <-served, c.Close(ctx)} {
			if err != nil {
				t.Error(err)
			}
		}
	})
	return s, c
}

type ask struct {
	method, path, host, origin, bearer, body string
}

func (a ask) send(t *testing.T, s *Server) (int, string) {
	t.Helper()
	if a.method == "" {
		a.method = http.MethodPost
	}
	request, err := http.NewRequestWithContext(t.Context(), a.method, "http://"+s.address.String()+a.path, strings.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	if a.host != "" {
		request.Host = a.host
	}
	if a.origin != "" {
		request.Header.Set("Origin", a.origin)
	}
	if a.bearer != "" {
		request.Header.Set("Authorization", "Bearer "+a.bearer)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	answer, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

func TestWhoMayPassTheDoor(t *testing.T) {
	s, _ := open(t)
	own := s.address.String()
	port := fmt.Sprint(s.address.Port())
	for _, c := range []struct {
		name   string
		ask    ask
		status int
	}{
		{"with the key", ask{path: "/api/call/status", bearer: s.key, body: "null"}, 200},
		{"by its loopback name", ask{path: "/api/call/status", bearer: s.key, body: "null", host: "localhost:" + port}, 200},
		{"from its own page", ask{path: "/api/call/status", bearer: s.key, body: "null", origin: "http://" + own}, 200},
		{"without a key", ask{path: "/api/call/status", body: "null"}, 401},
		{"with another key", ask{path: "/api/call/status", bearer: s.key + "x", body: "null"}, 401},
		{"without a key, the interface", ask{method: "GET", path: "/"}, 401},
		{"without a key, the metrics", ask{method: "GET", path: "/metrics"}, 401},
		{"with the key, the metrics", ask{method: "GET", path: "/metrics", bearer: s.key}, 200},
		{"without a key, a body", ask{method: "GET", path: "/body/1/response"}, 401},
		{"with the key in the address", ask{method: "GET", path: "/?key=" + s.key}, 303},
		{"under a name that was pointed here", ask{path: "/api/call/status", bearer: s.key, body: "null", host: "evil.example:" + port}, 421},
		{"under its name without the port", ask{path: "/api/call/status", bearer: s.key, body: "null", host: "localhost"}, 421},
		{"from another site's page", ask{path: "/api/call/status", bearer: s.key, body: "null", origin: "http://evil.example"}, 403},
		{"from a page of another port", ask{path: "/api/call/status", bearer: s.key, body: "null", origin: "http://127.0.0.1:1"}, 403},
		{"a method that is not there", ask{path: "/api/call/delete", bearer: s.key, body: "null"}, 404},
		{"an argument that is none", ask{path: "/api/call/exchange", bearer: s.key, body: "{"}, 400},
		{"an argument with a misspelt name", ask{path: "/api/call/exchanges", bearer: s.key, body: `{"fliter":""}`}, 400},
		{"an exchange that is not there", ask{path: "/api/call/exchange", bearer: s.key, body: "77"}, 404},
	} {
		t.Run(c.name, func(t *testing.T) {
			if status, body := c.ask.send(t, s); status != c.status {
				t.Errorf("answered %d, want %d: %s", status, c.status, body)
			}
		})
	}
}

func TestTheKeyIsForItsOwnerAloneAndStays(t *testing.T) {
	s, _ := open(t)
	file := filepath.Join(t.TempDir(), "api-key")
	first, err := readKey(file)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the mode of the key is %v, %v", info.Mode(), err)
	}
	again, err := readKey(file)
	if err != nil || again != first || first == s.key || len(first) < 40 {
		t.Errorf("the key was %q and is %q, %v", first, again, err)
	}
	if err := os.WriteFile(file, []byte("short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readKey(file); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged key: %v", err)
	}
}

func TestAProblemCrossesWhole(t *testing.T) {
	s, _ := open(t)
	status, body := ask{path: "/api/call/checkFilter", bearer: s.key, body: `"status >="`}.send(t, s)
	var told struct{ Problem core.Problem }
	if err := json.Unmarshal([]byte(body), &told); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if status != 400 || told.Problem.Kind != "invalid" || told.Problem.Column == 0 || told.Problem.Message == "" {
		t.Errorf("answered %d with %+v", status, told.Problem)
	}
}

// Whoever uses the proxy must not reach the interface by it, in whatever spelling.
func TestTheDoorIsNotReachableThroughTheProxy(t *testing.T) {
	s, c := open(t)
	status, err := c.Status(t.Context(), core.Nothing{})
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := url.Parse(status.ProxyURL)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(proxy)}}
	defer client.CloseIdleConnections()
	port := s.address.Port()
	for _, host := range []string{"127.0.0.1", "localhost", "127.1", "2130706433", "[::ffff:127.0.0.1]", "0.0.0.0", "127.0.0.2"} {
		t.Run(host, func(t *testing.T) {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, fmt.Sprintf("http://%s:%d/api/call/status", host, port), strings.NewReader("null"))
			if err != nil {
				t.Fatal(err)
			}
			request.Host = s.address.String()
			request.Header.Set("Authorization", "Bearer "+s.key)
			answer, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			body, err := io.ReadAll(answer.Body)
			if err != nil {
				t.Fatal(err)
			}
			if answer.StatusCode < 400 || strings.Contains(string(body), `"proxyUrl"`) {
				t.Errorf("answered %d: %s", answer.StatusCode, body)
			}
		})
	}
}

func TestNewsArriveAsTheyHappen(t *testing.T) {
	s, c := open(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.address.String()+"/api/news", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+s.key)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 1<<20)
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), ":") {
		t.Fatalf("the stream begins with %q", lines.Text())
	}
	status, err := c.Status(t.Context(), core.Nothing{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := http.Get(status.ProxyURL + "/nowhere")
	if err != nil {
		t.Fatal(err)
	}
	_ = got.Body.Close()
	for lines.Scan() {
		var news core.News
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		if err := json.Unmarshal([]byte(data), &news); err != nil {
			t.Fatal(err)
		}
		if len(news.Rows) > 0 {
			if news.Rows[0].Target != "/nowhere" {
				t.Errorf("the news is of %+v", news.Rows[0])
			}
			return
		}
	}
	t.Error("the stream ended without the news")
}

// The methods of this door, of the window's and of the interface are the same.
func TestEveryCallOfTheInterfaceIsThere(t *testing.T) {
	text, err := os.ReadFile("../../frontend/src/api/backend.ts")
	if err != nil {
		t.Fatal(err)
	}
	_, face, ok := strings.Cut(string(text), "export interface Backend {")
	if !ok {
		t.Fatal("backend.ts has no interface Backend")
	}
	face, _, _ = strings.Cut(face, "\n}")
	elsewhere := []string{"bodyURL", "rawURL", "saveExport", "saveAuthority", "copy", "openURL", "listen"}
	var want []string
	for _, match := range regexp.MustCompile(`(?m)^  (\w+)\(`).FindAllStringSubmatch(face, -1) {
		if !slices.Contains(elsewhere, match[1]) {
			want = append(want, match[1])
		}
	}
	slices.Sort(want)
	if got := Calls(); !slices.Equal(got, want) {
		t.Errorf("the calls are\n%v\nthe interface has\n%v", got, want)
	}
}

func TestAnAddressInUseIsTold(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = Open(Options{Address: l.Addr().String(), KeyFile: filepath.Join(t.TempDir(), "key"), Log: slog.New(slog.DiscardHandler)})
	if err == nil || !strings.Contains(err.Error(), "--ui") {
		t.Errorf("the error is %v", err)
	}
}
