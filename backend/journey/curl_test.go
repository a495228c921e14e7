package journey

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"proxycache/backend/core"
	"proxycache/backend/redis/redistest"
)

// run is a program of the machine, as a person would call it.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var out, errs bytes.Buffer
	c := exec.CommandContext(ctx, name, args...)
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, errs.String(), out.String())
	}
	return out.String()
}

func TestCurlThroughTheReverseDoor(t *testing.T) {
	w := openWire(t)
	h := openHouse(t, reverseTo(w.address))
	out := run(t, "curl", "-sS", "-H", "X-Odd-CASE: kept", "--data-binary", "a=1&b=2", h.proxy()+"/v1/items?x=1")
	if out != `{"heard":true}` {
		t.Errorf("curl got %q", out)
	}
	got := w.all()[0]
	if got.line != "POST /v1/items?x=1 HTTP/1.1" || string(got.body) != "a=1&b=2" {
		t.Errorf("the origin heard %q with %q", got.line, got.body)
	}
	if !strings.Contains(strings.Join(got.fields, "\n"), "X-Odd-CASE: kept") {
		t.Errorf("the spelling of a field was lost: %q", got.fields)
	}
	x := h.finished("", 1)
	if x.Row.Door != "reverse" || x.Row.Route != "all" || x.SentTo != w.address {
		t.Errorf("recorded as %+v to %s", x.Row, x.SentTo)
	}
	if body := h.body(x.Row.Seq, "request"); string(body) != "a=1&b=2" {
		t.Errorf("kept request body %q", body)
	}
	if body := h.body(x.Row.Seq, "response"); string(body) != `{"heard":true}` {
		t.Errorf("kept response body %q", body)
	}
}

func TestCurlThroughTheForwardDoor(t *testing.T) {
	w := openWire(t)
	h := openHouse(t, "")
	if out := run(t, "curl", "-sS", "-x", h.proxy(), "http://"+w.address+"/forward"); out != `{"heard":true}` {
		t.Errorf("curl got %q", out)
	}
	x := h.finished("", 1)
	if x.Row.Door != "forward" || x.URL != "http://"+w.address+"/forward" || x.Row.Route != "" {
		t.Errorf("recorded as %+v", x.Row)
	}
	if got := w.all()[0].line; got != "GET /forward HTTP/1.1" {
		t.Errorf("the origin heard %q: it wants the origin-form", got)
	}
}

// tlsOrigin is a server with an authority of its own, which the proxy is told to trust.
func tlsOrigin(t *testing.T, handler http.Handler) (origin *httptest.Server, ca string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "its own authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	ca = filepath.Join(t.TempDir(), "origin-ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	origin = httptest.NewUnstartedServer(handler)
	origin.EnableHTTP2 = true
	origin.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
	origin.StartTLS()
	t.Cleanup(origin.Close)
	return origin, ca
}

func TestCurlThroughInterceptedTLS(t *testing.T) {
	origin, ca := tlsOrigin(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s", r.Method, r.URL)
	}))
	h := openHouse(t, fmt.Sprintf("[forward]\nca = %q\n", ca))
	for _, protocol := range []struct{ flag, want string }{{"--http1.1", "HTTP/1.1"}, {"--http2", "HTTP/2"}} {
		t.Run(protocol.want, func(t *testing.T) {
			before := len(h.rows("").Rows)
			out := run(t, "curl", "-sS", protocol.flag, "--cacert", h.status().Authority.File, "-x", h.proxy(), "-w", " HTTP/%{http_version}", origin.URL+"/secret")
			if want := "GET /secret " + strings.TrimSuffix(protocol.want, ".0"); out != want {
				t.Errorf("curl got %q, want %q", out, want)
			}
			x := h.finished("door = intercept", before+1)
			if x.Row.Scheme != "https" || x.URL != origin.URL+"/secret" {
				t.Errorf("recorded as %+v", x.Row)
			}
			if x.ClientConnection.TLS == "" || x.TargetConnection.TLS == "" {
				t.Errorf("TLS facts are missing: %+v %+v", x.ClientConnection, x.TargetConnection)
			}
		})
	}
}

func TestAnOriginWithAnUnknownAuthorityIsRefusedWithTheReason(t *testing.T) {
	origin, _ := tlsOrigin(t, http.NotFoundHandler())
	h := openHouse(t, "")
	out := run(t, "curl", "-sS", "--cacert", h.status().Authority.File, "-x", h.proxy(), origin.URL+"/")
	if !strings.Contains(out, "502") || !strings.Contains(out, "authority") {
		t.Errorf("the answer does not give the reason: %q", out)
	}
	if x := h.finished("", 1); x.Problem == nil || x.Problem.Kind != "tls_certificate_error" {
		t.Errorf("recorded problem %+v", x.Problem)
	}
}

func TestAPassThroughHostIsTunnelled(t *testing.T) {
	origin, ca := tlsOrigin(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "untouched")
	}))
	h := openHouse(t, "pass_through = [\"127.0.0.1\"]\n")
	if out := run(t, "curl", "-sS", "--cacert", ca, "-x", h.proxy(), origin.URL+"/"); out != "untouched" {
		t.Errorf("curl got %q", out)
	}
	x := h.finished("", 1)
	if x.Row.Door != "tunnel" || x.Row.ResponseSize == 0 {
		t.Errorf("recorded as %+v", x.Row)
	}
}

func TestEventsAreSeenWhileTheyHappen(t *testing.T) {
	next := make(chan string)
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for {
			select {
			case <-r.Context().Done():
				return
			case event, more := <-next:
				if !more {
					return
				}
				fmt.Fprintf(w, "data: %s\n\n", event)
				if err := http.NewResponseController(w).Flush(); err != nil {
					return
				}
			}
		}
	}))
	defer origin.Close()
	h := openHouse(t, reverseTo(strings.TrimPrefix(origin.URL, "http://")))
	c := exec.CommandContext(t.Context(), "curl", "-sSN", h.proxy()+"/events")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	want := "data: one\n\n"
	next <- "one"
	got := make([]byte, len(want))
	if _, err := io.ReadFull(out, got); err != nil || string(got) != want {
		t.Fatalf("curl got %q, %v, before the stream ended", got, err)
	}
	h.eventually("the open stream is in the list as pending", func() bool {
		rows := h.rows("").Rows
		return len(rows) == 1 && rows[0].Micros < 0 && rows[0].Status == 200
	})
	next <- "two"
	close(next)
	rest, err := io.ReadAll(out)
	if err != nil || string(rest) != "data: two\n\n" {
		t.Errorf("then %q, %v", rest, err)
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
	x := h.finished("", 1)
	if body := h.body(x.Row.Seq, "response"); string(body) != "data: one\n\ndata: two\n\n" || x.Row.Type != "sse" {
		t.Errorf("kept %q as %s", body, x.Row.Type)
	}
}

func TestAClientThatLeavesEndsTheStreamAtItsOrigin(t *testing.T) {
	left := make(chan struct{})
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(left)
	}))
	defer origin.Close()
	h := openHouse(t, reverseTo(strings.TrimPrefix(origin.URL, "http://")))
	ctx, leave := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, h.proxy()+"/forever", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	leave()
	_ = answer.Body.Close()
	select {
	case <-left:
	case <-time.After(10 * time.Second):
		t.Fatal("the origin never learned that the client left")
	}
	if x := h.finished("", 1); x.Row.State != "aborted" {
		t.Errorf("recorded as %s", x.Row.State)
	}
}

func TestAWebSocketPasses(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		kind, message, err := c.Read(r.Context())
		if err == nil {
			err = c.Write(r.Context(), kind, append([]byte("heard "), message...))
		}
		if err == nil {
			_ = c.Close(websocket.StatusNormalClosure, "enough")
		}
	}))
	defer origin.Close()
	h := openHouse(t, reverseTo(strings.TrimPrefix(origin.URL, "http://")))
	c, _, err := websocket.Dial(t.Context(), strings.Replace(h.proxy(), "http", "ws", 1)+"/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if err := c.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, message, err := c.Read(t.Context()); err != nil || string(message) != "heard hello" {
		t.Errorf("got %q, %v", message, err)
	}
	_, _, err = c.Read(t.Context())
	if websocket.CloseStatus(err) != websocket.StatusNormalClosure {
		t.Errorf("the close did not pass: %v", err)
	}
	_ = c.CloseNow()
	if x := h.finished("", 1); x.Row.Status != 101 || x.Row.Type != "ws" {
		t.Errorf("recorded as %+v", x.Row)
	}
}

func TestAHeaderOfAMegabyteGetsAClearAnswer(t *testing.T) {
	w := openWire(t)
	h := openHouse(t, reverseTo(w.address))
	c, err := net.Dial("tcp", strings.TrimPrefix(h.proxy(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a\r\nX-Big: "+strings.Repeat("x", 1<<20)+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	if why, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != http.StatusRequestHeaderFieldsTooLarge || len(why) == 0 {
		t.Errorf("answered %s with %q, %v", answer.Status, why, err)
	}
	args := []string{"-sS", "-w", "%{http_code}", "-o", os.DevNull}
	for range 4 { // curl sends no more than that
		args = append(args, "-H", "X-Big: "+strings.Repeat("x", 100_000))
	}
	if out := run(t, "curl", append(args, h.proxy()+"/")...); out != "431" {
		t.Errorf("curl got %s", out)
	}
	if got := run(t, "curl", "-sS", h.proxy()+"/"); got != `{"heard":true}` {
		t.Errorf("the next request got %q", got)
	}
}

func TestReplayAnswersBesideTheOriginal(t *testing.T) {
	w := openWire(t)
	h := openHouse(t, reverseTo(w.address))
	run(t, "curl", "-sS", "--data-binary", "first", h.proxy()+"/echo?x=1")
	x := h.finished("", 1)
	seq, err := h.Replay(t.Context(), core.ReplayRequest{Seq: x.Row.Seq})
	if err != nil {
		t.Fatal(err)
	}
	again := h.finished("", 2)
	if again.Row.Seq != seq || again.Row.ReplayOf != x.Row.Seq || again.Row.Route != "all" {
		t.Errorf("the replay is %+v", again.Row)
	}
	heard := w.all()
	if len(heard) != 2 || heard[1].line != heard[0].line || string(heard[1].body) != "first" {
		t.Errorf("the origin heard %q", heard)
	}
	original, err := h.Exchange(t.Context(), x.Row.Seq)
	if err != nil || len(original.Replays) != 1 || original.Replays[0] != seq {
		t.Errorf("the original's replays are %v, %v", original.Replays, err)
	}
}

func TestTheCurlLineSendsTheSameBytesFromShAndDash(t *testing.T) {
	w := openWire(t)
	h := openHouse(t, reverseTo(w.address))
	bodies := map[string][]byte{
		"quotes and newlines": []byte("it's \"quoted\"\nand $HOME `id` \\n %s\n"),
		"an at sign first":    []byte("@/etc/passwd"),
		"unicode":             []byte(`{"name":"Zoë ☂ 日本"}`),
		"binary":              {0, 1, 2, 0xff, '\r', '\n', '\'', 0x80},
	}
	n := 0
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			request, err := http.NewRequest(http.MethodPost, h.proxy()+"/post?q="+url.QueryEscape("a b&c'"), bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("X-Quote", `it's "here" \ and $HOME`)
			request.Header.Set("Content-Type", "application/octet-stream")
			answer, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			_ = answer.Body.Close()
			n++
			x := h.finished("", n)
			line, err := h.Curl(t.Context(), x.Row.Seq)
			if err != nil {
				t.Fatal(err)
			}
			first := w.all()[len(w.all())-1]
			for _, shell := range []string{"sh", "dash", "bash"} {
				n++
				run(t, shell, "-c", line)
				got := w.all()[len(w.all())-1]
				if got.line != first.line || !bytes.Equal(got.body, body) || field(got, "X-Quote") != field(first, "X-Quote") {
					t.Errorf("%s sent %q with %q and %q; the first was %q with %q\n%s", shell, got.line, got.body, field(got, "X-Quote"), first.line, body, line)
				}
			}
		})
	}
}

func field(h heard, name string) string {
	for _, f := range h.fields {
		if n, v, _ := strings.Cut(f, ":"); strings.EqualFold(n, name) {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

func TestEverythingIsThereAfterARestart(t *testing.T) {
	w := openWire(t)
	h := openHouse(t, reverseTo(w.address))
	for i := range 20 {
		run(t, "curl", "-sS", "-d", fmt.Sprintf("body %d", i), h.proxy()+fmt.Sprintf("/item/%d", i))
	}
	h.finished("", 20)
	place, err := h.MockThis(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	before, text := h.rows(""), h.config().Text
	h.stop()
	h.start()
	after := h.rows("")
	if after.Matching != before.Matching || fmt.Sprint(after.Rows) != fmt.Sprint(before.Rows) {
		t.Errorf("the list was\n%v\nand is\n%v", before.Rows, after.Rows)
	}
	for i, row := range after.Rows {
		if body := h.body(row.Seq, "request"); string(body) != fmt.Sprintf("body %d", i) {
			t.Errorf("body of #%d is %q", row.Seq, body)
		}
	}
	if got := h.config(); got.Text != text || got.Revision != place.Revision {
		t.Errorf("the configuration is another one:\n%s", got.Text)
	}
}

func (h *house) config() core.Config {
	h.t.Helper()
	c, err := h.Config(h.t.Context(), core.Nothing{})
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

func TestMockThisAnswersInFrontOfTheRoute(t *testing.T) {
	w := openWire(t)
	h := openHouse(t, reverseTo(w.address))
	run(t, "curl", "-sS", h.proxy()+"/v1/items")
	x := h.finished("", 1)
	if _, err := h.MockThis(t.Context(), x.Row.Seq); err != nil {
		t.Fatal(err)
	}
	if out := run(t, "curl", "-sS", h.proxy()+"/v1/items"); out != `{"heard":true}` {
		t.Errorf("the mock answered %q", out)
	}
	if n := len(w.all()); n != 1 {
		t.Errorf("the origin heard %d requests", n)
	}
	if mocked := h.finished("", 2); !mocked.Row.Mocked || mocked.Response.Body.Type != "application/json" {
		t.Errorf("recorded as %+v", mocked.Row)
	}
	if run(t, "curl", "-sS", h.proxy()+"/v1/other"); len(w.all()) != 2 {
		t.Error("another path did not reach the origin")
	}
}

func TestABrokenFileKeepsWhatIsInForceAndIsMended(t *testing.T) {
	w := openWire(t)
	h := openHouse(t, reverseTo(w.address))
	file := h.status().ConfigFile
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(good, "\n[[routes]]\nnmae = \"x\"\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	h.eventually("the problem is told", func() bool { return len(h.status().ConfigProblems) > 0 })
	p := h.status().ConfigProblems[0]
	if p.Line == 0 || !strings.Contains(p.Message, "name") {
		t.Errorf("the problem is %+v", p)
	}
	if out := run(t, "curl", "-sS", h.proxy()+"/"); out != `{"heard":true}` {
		t.Errorf("meanwhile the proxy answers %q", out)
	}
	if err := os.WriteFile(file, append(good, "\n[[routes]]\nname = \"x\"\nto = \"origin\"\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	h.eventually("the mended file is in force", func() bool {
		return len(h.status().ConfigProblems) == 0 && len(h.config().Document.Routes) == 2
	})
}

func TestAPortInUseNamesItsHolder(t *testing.T) {
	url, server := redistest.Start(t)
	holder := strings.TrimSuffix(strings.TrimPrefix(url, "redis://"), "/0")
	dir := t.TempDir()
	text := fmt.Sprintf("version = 1\n[[listen]]\naddress = %q\naccept = [\"reverse\"]\n", holder)
	if err := os.WriteFile(filepath.Join(dir, "config.toml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := core.Open(core.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	err = c.Unbound()
	if err == nil || !strings.Contains(err.Error(), "is taken by redis-") || !strings.Contains(err.Error(), fmt.Sprintf("(pid %d)", server.Process.Pid)) {
		t.Errorf("the problem is %v", err)
	}
}

func TestASecondProgramOnTheSameFolderIsRefused(t *testing.T) {
	h := openHouse(t, "")
	c, err := core.Open(core.Options{Dir: h.dir})
	if err == nil {
		_ = c.Close(context.Background())
		t.Fatal("two cores share a folder")
	}
	if !strings.Contains(err.Error(), h.dir) && !strings.Contains(err.Error(), "another") {
		t.Errorf("the error is %v", err)
	}
}

func reverseTo(address string) string {
	return fmt.Sprintf(`
[upstreams.origin]
targets = [{ url = "http://%s" }]

[[routes]]
name = "all"
when = "door = reverse"
to = "origin"
`, address)
}
