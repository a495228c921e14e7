package demo

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"image/png"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// guest is a client of a demo server that this test started.
type guest struct {
	t      *testing.T
	server *Server
	origin string
	client http.Client
}

func visit(t *testing.T) *guest {
	t.Helper()
	s, err := Start(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableCompression: true}
	g := &guest{t: t, server: s, origin: "http://" + s.Addr()}
	g.client.Transport = transport
	g.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return g
}

// ask sends "METHOD /path" with fields as "Name: value" and returns the answer and its body.
func (g *guest) ask(line, body string, fields ...string) (*http.Response, string) {
	g.t.Helper()
	method, path, _ := strings.Cut(line, " ")
	r, err := http.NewRequestWithContext(g.t.Context(), method, g.origin+path, strings.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.Add(name, value)
	}
	answer, err := g.client.Do(r)
	if err != nil {
		g.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		g.t.Fatalf("%s: %v", line, err)
	}
	return answer, string(text)
}

func TestEachEndpointAnswersAsItSays(t *testing.T) {
	g := visit(t)
	for _, c := range []struct {
		line, body string
		status     int
		kind, has  string
	}{
		{"GET /", "", 200, "text/html; charset=utf-8", "/v1/items"},
		{"GET /v1/items", "", 200, "application/json", `"total": 12`},
		{"GET /v1/items?page=3&size=5", "", 200, "application/json", "Monsooned Malabar"},
		{"GET /v1/items?page=99", "", 200, "application/json", `"items": []`},
		{"GET /v1/items?q=JASMINE", "", 200, "application/json", `"total": 2`},
		{"GET /v1/items?size=0", "", 400, "application/problem+json", "size goes from 1 to 100."},
		{"GET /v1/items/4", "", 200, "application/json", "Nyeri AA"},
		{"GET /v1/items/99", "", 404, "application/problem+json", "no such item"},
		{"GET /v1/items/x", "", 404, "application/problem+json", "no such item"},
		{"POST /v1/items", `{`, 400, "application/problem+json", "no item"},
		{"POST /v1/items", `{"name": " "}`, 422, "application/problem+json", "needs a name"},
		{"PUT /v1/items/99", `{"name": "x"}`, 404, "application/problem+json", "no such item"},
		{"PATCH /v1/items/99", `{"name": "x"}`, 404, "application/problem+json", "no such item"},
		{"DELETE /v1/items/99", "", 404, "application/problem+json", "no such item"},
		{"GET /slow?ms=1", "", 200, "application/json", `"waited": 1`},
		{"GET /slow?ms=1000000", "", 400, "application/problem+json", "ms goes from 0 to 60000."},
		{"GET /status/204", "", 204, "", ""},
		{"PUT /status/418", "", 418, "application/problem+json", "I'm a teapot"},
		{"GET /status/999", "", 400, "application/problem+json", "from 200 to 599"},
		{"GET /error", "", 500, "application/problem+json", "out of beans"},
		{"GET /cookies", "", 200, "application/json", `"visits": 1`},
		{"POST /headers?a=1", "", 200, "application/json", `"url": "/headers?a=1"`},
		{"GET /image.svg", "", 200, "image/svg+xml", "</svg>"},
		{"GET /bytes/0", "", 200, "application/octet-stream", ""},
		{"GET /bytes/999999999", "", 400, "application/problem+json", "number of bytes"},
		{"GET /robots.txt", "", 200, "text/plain; charset=utf-8", "Disallow"},
		{"GET /nowhere", "", 404, "application/problem+json", "GET / lists"},
		{"DELETE /gzip", "", 405, "application/problem+json", "Allow says"},
	} {
		r, body := g.ask(c.line, c.body)
		if r.StatusCode != c.status || r.Header.Get("Content-Type") != c.kind || !strings.Contains(body, c.has) {
			t.Errorf("%s: %d %q\n%s", c.line, r.StatusCode, r.Header.Get("Content-Type"), body)
		}
		if strings.Contains(c.kind, "json") && !json.Valid([]byte(body)) {
			t.Errorf("%s: the body is no JSON:\n%s", c.line, body)
		}
	}
	if r, _ := g.ask("DELETE /gzip", ""); r.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("Allow is %q", r.Header.Get("Allow"))
	}
}

func TestThePageLinksOnlyToWhatIsThere(t *testing.T) {
	g := visit(t)
	_, page := g.ask("GET /", "")
	links := regexp.MustCompile(`href="([a-z][^":]*)"`).FindAllStringSubmatch(page, -1)
	if len(links) < 15 {
		t.Fatalf("the page has %d links", len(links))
	}
	for _, link := range links {
		path := "/" + strings.NewReplacer("&amp;", "&", "n=10", "n=1", "ms=1500", "ms=1").Replace(link[1])
		if r, _ := g.ask("GET "+path, ""); r.StatusCode == 404 || r.StatusCode == 405 {
			t.Errorf("%s: %d", path, r.StatusCode)
		}
	}
}

func TestAnItemLivesFromPostToDelete(t *testing.T) {
	g := visit(t)
	r, body := g.ask("POST /v1/items", `{"id": 5, "name": "Blend", "notes": ["fig"], "cents": 890}`)
	at := r.Header.Get("Location")
	if r.StatusCode != 201 || at != "/v1/items/13" || !strings.Contains(body, `"id": 13`) {
		t.Fatalf("%d %q %s", r.StatusCode, at, body)
	}
	first := r.Header.Get("ETag")
	if r, body := g.ask("GET "+at, "", "If-None-Match: "+first); r.StatusCode != 304 || body != "" {
		t.Errorf("unchanged: %d %q", r.StatusCode, body)
	}
	if _, body := g.ask("PATCH "+at, `{"stock": 3}`); !strings.Contains(body, `"name": "Blend"`) || !strings.Contains(body, `"stock": 3`) {
		t.Errorf("a patch keeps what it does not name: %s", body)
	}
	if r, _ := g.ask("PUT "+at, `{"name": "Late"}`, "If-Match: "+first); r.StatusCode != 412 {
		t.Errorf("a stale If-Match: %d", r.StatusCode)
	}
	if _, body := g.ask("PUT "+at, `{"name": "New"}`); !strings.Contains(body, `"name": "New"`) || !strings.Contains(body, `"cents": 0`) {
		t.Errorf("a put replaces all: %s", body)
	}
	if r, body := g.ask("DELETE "+at, ""); r.StatusCode != 204 || body != "" {
		t.Errorf("%d %q", r.StatusCode, body)
	}
	if r, _ := g.ask("GET "+at, ""); r.StatusCode != 404 {
		t.Errorf("after its deletion: %d", r.StatusCode)
	}
}

func TestTheListLinksToItsNeighbours(t *testing.T) {
	g := visit(t)
	r, _ := g.ask("GET /v1/items?page=2&size=5", "")
	want := `</v1/items?page=1&size=5>; rel="prev", </v1/items?page=3&size=5>; rel="next"`
	if got := strings.Join(r.Header.Values("Link"), ", "); got != want {
		t.Errorf("Link is %s", got)
	}
	if r, _ := g.ask("GET /v1/items?size=100", ""); r.Header.Get("Link") != "" {
		t.Errorf("the only page has neighbours: %s", r.Header.Get("Link"))
	}
}

func TestTheShelfIsBounded(t *testing.T) {
	g := visit(t)
	for i := range maxItems - 12 {
		if _, ok := g.server.items.add(Item{Name: fmt.Sprint("item ", i)}); !ok {
			t.Fatalf("full after %d", i)
		}
	}
	if r, body := g.ask("POST /v1/items", `{"name": "one more"}`); r.StatusCode != 409 || !strings.Contains(body, "full") {
		t.Errorf("%d %s", r.StatusCode, body)
	}
	if r, _ := g.ask("PUT /v1/items/1", `{"name": "`+strings.Repeat("x", maxItemBody)+`"}`); r.StatusCode != 413 {
		t.Errorf("a large body: %d", r.StatusCode)
	}
	if r, _ := g.ask("PUT /v1/items/1", `{"name": "`+strings.Repeat("x", maxText+1)+`"}`); r.StatusCode != 422 {
		t.Errorf("a long name: %d", r.StatusCode)
	}
}

func TestGzipIsGzipAndThePictureIsAPicture(t *testing.T) {
	g := visit(t)
	r, body := g.ask("GET /gzip", "")
	z, err := gzip.NewReader(strings.NewReader(body))
	if err != nil || r.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("%q %v", r.Header.Get("Content-Encoding"), err)
	}
	if plain, err := io.ReadAll(z); err != nil || !json.Valid(plain) || len(plain) < 5*len(body) {
		t.Errorf("%d bytes from %d: %v", len(plain), len(body), err)
	}
	r, body = g.ask("GET /image.png", "")
	if img, err := png.Decode(strings.NewReader(body)); err != nil || img.Bounds().Dx() != pictureWidth {
		t.Errorf("the picture: %v", err)
	}
	if r, body := g.ask("GET /image.png", "", "If-None-Match: "+r.Header.Get("ETag")); r.StatusCode != 304 || body != "" {
		t.Errorf("a picture that is known: %d, %d bytes", r.StatusCode, len(body))
	}
}

func TestBytesAreTheSameInParts(t *testing.T) {
	g := visit(t)
	_, whole := g.ask("GET /bytes/5000", "")
	r, part := g.ask("GET /bytes/5000", "", "Range: bytes=1234-2345")
	if len(whole) != 5000 || r.StatusCode != 206 || part != whole[1234:2346] {
		t.Errorf("%d, %d bytes of %d", r.StatusCode, len(part), len(whole))
	}
	if strings.Count(whole, whole[:16]) > 1 {
		t.Error("the bytes repeat themselves")
	}
}

func TestChunkedEndsWithATrailer(t *testing.T) {
	g := visit(t)
	r, body := g.ask("GET /chunked?n=3", "")
	if body != "1 of 3\n2 of 3\n3 of 3\n" || r.ContentLength != -1 {
		t.Errorf("%d %q", r.ContentLength, body)
	}
	if r.Trailer.Get("X-Lines") != "3" || !strings.HasPrefix(r.Trailer.Get("X-Checksum"), "sha256=") {
		t.Errorf("trailer %v", r.Trailer)
	}
}

func TestRedirectsCountDown(t *testing.T) {
	g := visit(t)
	for path, want := range map[string]string{"/redirect?n=3": "/redirect?n=2", "/redirect": "/v1/items"} {
		if r, _ := g.ask("GET "+path, ""); r.StatusCode != 302 || r.Header.Get("Location") != want {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.Header.Get("Location"))
		}
	}
}

func TestCookiesCountVisits(t *testing.T) {
	g := visit(t)
	r, body := g.ask("GET /cookies", "", "Cookie: visits=6; theme=dark")
	if len(r.Cookies()) != 2 || r.Cookies()[0].Value != "7" || !strings.Contains(body, `"theme": "dark"`) {
		t.Errorf("%v %s", r.Cookies(), body)
	}
}

func hashOf(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }

func TestAnUploadIsMeasured(t *testing.T) {
	g := visit(t)
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	if err := w.WriteField("note", "dark"); err != nil {
		t.Fatal(err)
	}
	part, err := w.CreateFormFile("photo", "beans.png")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write([]byte("beans")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	want := regexp.MustCompile(`(?s)"name": "note".*"size": 4,.*"file": "beans.png".*"size": 5,.*"sha256": "` + hashOf("beans") + `".*"size": 9`)
	if r, body := g.ask("POST /upload", form.String(), "Content-Type: "+w.FormDataContentType()); r.StatusCode != 200 || !want.MatchString(body) {
		t.Errorf("a form: %d %s", r.StatusCode, body)
	}
	if r, body := g.ask("PUT /upload", "beans", "Content-Type: text/plain"); r.StatusCode != 200 || !strings.Contains(body, hashOf("beans")) {
		t.Errorf("raw: %d %s", r.StatusCode, body)
	}
	if r, _ := g.ask("POST /upload", form.String(), "Content-Type: multipart/form-data; boundary=other"); r.StatusCode != 400 {
		t.Errorf("a broken form: %d", r.StatusCode)
	}
}

func TestEventsHaveIdsAndEnd(t *testing.T) {
	g := visit(t)
	r, body := g.ask("GET /events?n=3&ms=1", "")
	if r.Header.Get("Content-Type") != "text/event-stream" || strings.Count(body, "\nid: ") != 2+1 || !strings.HasSuffix(body, "event: end\ndata: {}\n\n") {
		t.Errorf("%s", body)
	}
	if _, body := g.ask("GET /events?n=3&ms=1", "", "Last-Event-ID: 2"); strings.Count(body, "id: ") != 1 || !strings.Contains(body, "id: 3\n") {
		t.Errorf("going on behind 2:\n%s", body)
	}
}

func TestTheWebSocketSaysItBack(t *testing.T) {
	g := visit(t)
	c, _, err := websocket.Dial(t.Context(), g.origin+"/ws", &websocket.DialOptions{
		HTTPClient: &g.client, HTTPHeader: http.Header{"Origin": {"http://elsewhere.test"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []websocket.MessageType{websocket.MessageText, websocket.MessageBinary} {
		if err := c.Write(t.Context(), kind, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		if got, back, err := c.Read(t.Context()); err != nil || got != kind || string(back) != "hello" {
			t.Errorf("%v %q %v", got, back, err)
		}
	}
	if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
}

func TestCloseEndsWhatIsLong(t *testing.T) {
	g := visit(t)
	c, _, err := websocket.Dial(t.Context(), g.origin+"/ws", &websocket.DialOptions{HTTPClient: &g.client})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.CloseNow() }()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, g.origin+"/events?n=1000&ms=10000", nil)
	if err != nil {
		t.Fatal(err)
	}
	events, err := g.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer events.Body.Close()
	closed := make(chan error, 1)
	go func() { closed <- g.server.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Close waits for a stream")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, _, err := c.Read(ctx); err == nil || ctx.Err() != nil {
		t.Errorf("the WebSocket is open still: %v", err)
	}
}
