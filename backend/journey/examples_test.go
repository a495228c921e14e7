package journey

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"proxycache/backend/core"
)

// asked is one request to an example and what must come of it.
type asked struct {
	send string // as in a story
	want string
	did  []string // steps of the trail that must be there
}

// examples are what the files of docs/examples are said to do.
var examples = map[string][]asked{
	"microservices.toml": {
		{"GET /cart\nHost: shop.localhost:8080", "200\n\nGET /cart\nX-Request-Id: (any)", []string{"common/requestid changed", "shop/retry passed", "upstream/shop picked"}},
		{"GET /me\nHost: users.localhost:8080", "200", []string{"users/breaker passed", "upstream/users picked"}},
		{"GET /\nHost: web.localhost:8080", "200", []string{"upstream/web picked"}},
		{"GET /\nHost: other.localhost", "404", nil},
	},
	"api-gateway.toml": {
		{"GET /v1/items?set=Cache-Control:max-age=60\nHost: api.localhost\nX-API-Key: a", "200\nRateLimit: (any)\nRateLimit-Policy: (any)", []string{"api/cache passed", "upstream/api picked"}},
		{"GET /v1/items?set=Cache-Control:max-age=60\nHost: api.localhost\nX-API-Key: a", "200\nAge: (any)\nCache-Status: (any)", []string{"api/cache answered"}},
		{"GET /v1/items?set=Cache-Control:max-age=60\nHost: api.localhost\nX-API-Key: b", "200\nAge: (none)", []string{"api/cache passed", "upstream/api picked"}},
		{"POST /v1/items?set=Cache-Control:max-age=60\nHost: api.localhost\nX-API-Key: a\n\nbody", "200", []string{"upstream/api picked"}},
		{"GET /v1/items?set=Cache-Control:max-age=60\nHost: api.localhost\nX-API-Key: a", "200\nAge: (none)", []string{"api/cache passed", "upstream/api picked"}},
		{"GET /elsewhere\nHost: api.localhost", "404\n\nThere is nothing here. The API begins at /v1/.", []string{"rest/mock answered"}},
	},
	"static-site.toml": {
		{"GET /page\nHost: site.localhost", "200\nServer: (none)\nX-Content-Type-Options: nosniff", []string{"site/cache passed", "upstream/site picked"}},
		{"GET /page?utm_source=mail\nHost: site.localhost", "200\nX-Content-Type-Options: nosniff\nAge: (any)", []string{"site/cache answered"}},
		{"GET /big?size=5000\nHost: site.localhost\nAccept-Encoding: gzip", "200\nContent-Encoding: gzip\nVary: Accept-Encoding", []string{"site/compress changed"}},
	},
}

var (
	exampleTarget = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)
	exampleListen = regexp.MustCompile(`address = "127\.0\.0\.1:\d+"`)
)

func TestExamplesDoWhatTheySay(t *testing.T) {
	files, err := filepath.Glob("../../docs/examples/*.toml")
	if err != nil || len(files) != len(examples) {
		t.Fatalf("%d examples are told of, there are %v, %v", len(examples), files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			h := openExample(t, string(text))
			for i, one := range examples[filepath.Base(file)] {
				answer, body := send(t, h, one.send+"\n")
				body = regexp.MustCompile(`X-Request-Id: .+`).ReplaceAllString(body, "X-Request-Id: (any)")
				compare(t, i+1, one.want+"\n", answer, body)
				did := strings.Split(trail(h.finished("", i+1)), "\n")
				for _, step := range one.did {
					if !slices.Contains(did, step) {
						t.Errorf("exchange %d: its trail has no %q: %q", i+1, step, did)
					}
				}
			}
		})
	}
}

// openExample runs an example as it stands, but for its addresses: each server of it is a mirror.
func openExample(t *testing.T, text string) *house {
	t.Helper()
	servers := map[string]string{}
	text = exampleTarget.ReplaceAllStringFunc(text, func(url string) string {
		if servers[url] == "" {
			s := httptest.NewServer(http.HandlerFunc(mirror))
			t.Cleanup(s.Close)
			servers[url] = s.URL
		}
		return servers[url]
	})
	dir := t.TempDir()
	text = exampleListen.ReplaceAllString(text, `address = "127.0.0.1:0"`)
	if err := os.WriteFile(filepath.Join(dir, "config.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, dir: dir}
	h.start()
	t.Cleanup(h.stop)
	return h
}

// The pages of the modules show cells, pools, or whole configurations.
func TestTheExamplesOfThePagesStand(t *testing.T) {
	pages, err := filepath.Glob("../../docs/modules/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatalf("%v, %v", pages, err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		found := blocks(string(text), "toml")
		if len(found) == 0 {
			t.Errorf("%s has no example", page)
		}
		for i, block := range found {
			problems, err := core.CheckFile(writeConfig(t, wholeOf(block)))
			if err != nil || len(problems) > 0 {
				t.Errorf("%s, example %d: %v %v", page, i+1, problems, err)
			}
		}
	}
}

// wholeOf makes a configuration of what a page shows of one.
func wholeOf(block string) string {
	const listen = "\n[[listen]]\naddress = \"127.0.0.1:0\"\naccept = [\"reverse\"]\n"
	pools := ""
	for _, name := range []string{"shop", "other", "spare", "backup"} {
		if !strings.Contains(block, "[upstreams."+name+"]") {
			pools += "\n[upstreams." + name + "]\ntargets = [{ url = \"http://127.0.0.1:3000\" }]\n"
		}
	}
	route := "\n[[routes]]\nname = \"shop\"\nto = \"shop\"\n\n"
	switch {
	case strings.HasPrefix(block, "version"):
		return block
	case strings.Contains(block, "[[routes]]"), strings.HasPrefix(block, "[upstreams."):
		return "version = 1\n" + listen + block + pools
	case strings.HasPrefix(block, "[[routes.cells]]"):
		return "version = 1\n" + listen + pools + route + block
	}
	return "version = 1\n" + topOf(block) + listen + pools + route + tablesOf(block)
}

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
