package upstream

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"proxycache/backend/schema"
)

// asked is what a check of the target at url says; "" when it is healthy.
func asked(t *testing.T, url string, pool func(*Settings), change func(*HealthCheck)) string {
	t.Helper()
	s := settings(url)
	var h HealthCheck
	schema.Defaults(&h)
	if change != nil {
		change(&h)
	}
	if list := h.Check(); len(list) > 0 {
		t.Fatal(list)
	}
	if pool != nil {
		pool(&s)
	}
	s.Health = []HealthCheck{h}
	p := open(t, s, Options{})
	if err := p.try(t.Context(), p.balance.all()[0], p.checks[0]); err != nil {
		return err.Error()
	}
	return ""
}

// clinic answers by the path.
func clinic(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/up", "/base/up":
		_, _ = fmt.Fprintf(w, `{"status": "ok", "proto": %q, "host": %q, "method": %q, "key": %q, "uri": %q}`, r.Proto, r.Host, r.Method, r.Header.Get("X-Key"), r.RequestURI)
	case "/moved":
		http.Redirect(w, r, "/down", http.StatusFound)
	case "/none":
		w.WriteHeader(http.StatusNoContent)
	case "/silent":
		<-r.Context().Done()
	default:
		http.Error(w, "no", http.StatusServiceUnavailable)
	}
}

func TestHTTPChecks(t *testing.T) {
	plainly := serve1(t, clinic)
	ours := newAuthority(t)
	secure := "https://localhost:" + serveTLS(t, ours.leaf(t, -1, 1, "localhost"), clinic)
	trust := func(s *Settings) { s.CA = ours.file }
	cases := []struct {
		name, url string
		pool      func(*Settings)
		change    func(*HealthCheck)
		want      string
	}{
		{"good", plainly, nil, func(h *HealthCheck) { h.Path = "/up" }, ""},
		{"bad", plainly, nil, func(h *HealthCheck) { h.Path = "/down" }, "the status is 503, and 200-399 is healthy"},
		{"a redirection is an answer", plainly, nil, func(h *HealthCheck) { h.Path = "/moved" }, ""},
		{"other statuses", plainly, nil, func(h *HealthCheck) { h.Path, h.Statuses = "/down", []string{"2xx", "503"} }, ""},
		{"not among them", plainly, nil, func(h *HealthCheck) { h.Path, h.Statuses = "/up", []string{"204", "5xx"} }, "the status is 200, and 204, 5xx is healthy"},
		{"the body", plainly, nil, func(h *HealthCheck) { h.Path, h.Body = "/up", `"status": *"ok"` }, ""},
		{"another body", plainly, nil, func(h *HealthCheck) { h.Path, h.Body = "/up", `"status": *"bad"` }, `the body does not hold "status": *"bad"`},
		{"no body", plainly, nil, func(h *HealthCheck) { h.Path, h.Body = "/none", "ok" }, "the body does not hold ok"},
		{"host and fields", plainly, nil, func(h *HealthCheck) {
			h.Path, h.Host, h.Headers, h.Body = "/up", "shop.example", []schema.Pair{{Name: "X-Key", Value: "k"}}, `"shop.example", "method": "GET", "key": "k"`
		}, ""},
		{"HEAD", plainly, nil, func(h *HealthCheck) { h.Method, h.Path = "HEAD", "/up" }, ""},
		{"below the target, with a query", plainly + "/base", nil, func(h *HealthCheck) { h.Path, h.Body = "/up?deep=1", `"uri": "/base/up\?deep=1"` }, ""},
		{"it does not answer", plainly, nil, func(h *HealthCheck) { h.Path, h.Timeout = "/silent", schema.Duration(50*time.Millisecond) }, "no answer within 50ms"},
		{"nothing listens", "http://" + nowhere(t), nil, nil, "nothing listens there"},
		{"HTTP/2 by TLS", secure, trust, func(h *HealthCheck) { h.Path, h.Body = "/up", "HTTP/2.0" }, ""},
		{"HTTP/1 by TLS", secure, func(s *Settings) { trust(s); s.HTTP2 = false }, func(h *HealthCheck) { h.Path, h.Body = "/up", "HTTP/1.1" }, ""},
		{"a certificate that is not trusted", secure, nil, func(h *HealthCheck) { h.Path = "/up" }, "an authority that is not trusted"},
		{"h2c", "h2c://" + serveH2C(t, clinic), nil, func(h *HealthCheck) { h.Path, h.Body = "/up", "HTTP/2.0" }, ""},
		{"a socket", "unix:" + serveUnix(t, clinic), nil, func(h *HealthCheck) { h.Path, h.Body = "/up", `"host": "localhost"` }, ""},
		{"no HTTP", "http://" + serve(t, func(p *peer) { p.say("SSH-2.0-x\r\n") }), nil, nil, "HTTP"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := asked(t, c.url, c.pool, c.change); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
				t.Errorf("it says %q, want %q", got, c.want)
			}
		})
	}
}

func TestTheUserAgentOfACheckIsNamedOnce(t *testing.T) {
	heard := make(chan string, 1)
	url := "http://" + serve(t, func(p *peer) {
		heard <- p.head()
		p.ok("")
	})
	for written, want := range map[string]string{"": "User-Agent: Proxycache health check\r\n", "Mine/1": "User-Agent: Mine/1\r\n"} {
		why := asked(t, url, nil, func(h *HealthCheck) {
			if written != "" {
				h.Headers = []schema.Pair{{Name: "user-agent", Value: written}}
			}
		})
		if got := <-heard; why != "" || strings.Count(got, "User-Agent: ") != 1 || !strings.Contains(got, want) {
			t.Errorf("written %q it says %q: %s", written, got, why)
		}
	}
}

func TestAFieldOfACheckThatIsRefusedIsToldWhatToDo(t *testing.T) {
	var h HealthCheck
	schema.Defaults(&h)
	h.Headers = []schema.Pair{{Name: "Host", Value: "shop.example"}, {Name: "Upgrade", Value: "h2c"}}
	list := h.Check()
	if len(list) != 2 || !strings.Contains(list[0].Message, `write host = "shop.example"`) || !strings.Contains(list[1].Message, "Remove it") {
		t.Errorf("it says %v", list)
	}
}

func TestAnHTTPCheckGoesThroughTheProxyOfThePool(t *testing.T) {
	r := &relay{password: "me:p@ss", names: map[string]string{"app.test:81": serve(t, answering)}}
	proxy := "http://me:p%40ss@" + serve(t, r.http)
	for _, host := range []string{"preserve", "upstream"} {
		if got := asked(t, "http://app.test:81/base", func(s *Settings) { s.Proxy, s.Host = proxy, host }, func(h *HealthCheck) { h.Path = "/up" }); got != "" {
			t.Errorf("with host = %q it says %q", host, got)
		}
	}
	if got := r.asked(); len(got) != 2 || !strings.HasPrefix(got[0], "CONNECT app.test:81 ") || !strings.HasPrefix(got[1], "GET http://app.test:81/base/up ") {
		t.Errorf("the proxy was asked %q", got)
	}
}

func TestTCPChecks(t *testing.T) {
	tcp := func(h *HealthCheck) { h.Type = "tcp" }
	if got := asked(t, "http://"+serve(t, func(p *peer) { p.rest() }), nil, tcp); got != "" {
		t.Errorf("who listens is %q", got)
	}
	if got := asked(t, "http://"+nowhere(t), nil, tcp); !strings.Contains(got, "nothing listens there") || strings.Contains(got, "Start the server") {
		t.Errorf("who does not is %q", got)
	}
	if got := asked(t, "https://"+serve(t, func(p *peer) { p.take(1) }), nil, tcp); !strings.Contains(got, "TLS") {
		t.Errorf("who speaks no TLS is %q", got)
	}
}

func TestGRPCChecks(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, state := grpc.NewServer(), health.NewServer()
	grpc_health_v1.RegisterHealthServer(server, state)
	state.SetServingStatus("shop.Cart", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	bare := grpc.NewServer()
	without, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = bare.Serve(without) }()
	t.Cleanup(bare.Stop)
	for _, c := range []struct{ url, service, want string }{
		{"h2c://" + l.Addr().String(), "", ""},
		{"h2c://" + l.Addr().String(), "shop.Cart", "it says NOT_SERVING"},
		{"h2c://" + l.Addr().String(), "shop.Other", "grpc-status 5 unknown service"},
		{"h2c://" + without.Addr().String(), "", "it has no grpc.health.v1.Health (grpc-status 12)"},
		{"h2c://" + serveH2C(t, clinic), "", "the status is 503"},
	} {
		if got := asked(t, c.url, nil, func(h *HealthCheck) { h.Type, h.Service = "grpc", c.service }); got != c.want {
			t.Errorf("%s %q: %q, want %q", c.url, c.service, got, c.want)
		}
	}
}

func TestMessagesOfTheGRPCHealthProtocol(t *testing.T) {
	if got := fmt.Sprintf("%x", healthRequest("ab")); got != "00000000040a026162" {
		t.Errorf("the request is %s", got)
	}
	if got := fmt.Sprintf("%x", healthRequest("")); got != "0000000000" {
		t.Errorf("the empty request is %s", got)
	}
	cases := []struct {
		frame string
		want  uint64
		fails bool
	}{
		{"\x00\x00\x00\x00\x00", 0, false},
		{"\x00\x00\x00\x00\x02\x08\x01", 1, false},
		{"\x00\x00\x00\x00\x06\x12\x02xx\x08\x02", 2, false},
		{"\x00\x00\x00\x00\x10\x11abcdefgh\x1dabcd\x08\x03", 3, false},
		{"", 0, true}, {"\x01\x00\x00\x00\x00", 0, true}, {"\x00\x00\x00\x00\x03\x08\x01", 0, true}, {"\x00\x00\x00\x00\x01\x08", 0, true},
		{"\x00\x00\x00\x00\x02\x12\x05", 0, true}, {"\x00\x00\x00\x00\x01\x0b", 0, true}, {"\x00\x00\x00\x00\x03\x11ab", 0, true},
		{"\x00\x00\x00\x00\x0b\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 0, true},
	}
	for _, c := range cases {
		if got, err := healthAnswer([]byte(c.frame)); got != c.want || (err != nil) != c.fails {
			t.Errorf("%x is %d, %v", c.frame, got, err)
		}
	}
}

func FuzzHealthAnswer(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x00\x02\x08\x01"))
	f.Add([]byte("\x00\x00\x00\x00\x0b\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, frame []byte) {
		if n, err := healthAnswer(frame); err != nil && n != 0 {
			t.Errorf("%d with %v", n, err)
		}
	})
}

func TestCommandChecks(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the commands of this test are those of Unix")
	}
	command := func(words ...string) func(*HealthCheck) {
		return func(h *HealthCheck) { h.Type, h.Command = "command", words }
	}
	if got := asked(t, "http://192.0.2.1:81", nil, command("sh", "-c", `test "$PROXYCACHE_TARGET" = 192.0.2.1:81`)); got != "" {
		t.Errorf("a good one is %q", got)
	}
	if got := asked(t, "http://192.0.2.1", nil, command("sh", "-c", "echo it is\necho gone >&2; exit 3")); got != "exit status 3: it is gone" {
		t.Errorf("a bad one is %q", got)
	}
	if got := asked(t, "http://192.0.2.1", nil, command("echo", "$(exit 1)", "; false")); got != "" {
		t.Errorf("a shell was asked: %q", got)
	}
	if got := asked(t, "http://192.0.2.1", nil, command(filepath.Join(t.TempDir(), "none"))); !strings.Contains(got, "no such file") {
		t.Errorf("one that is not there is %q", got)
	}
	slow := func(h *HealthCheck) {
		command("sleep", "60")(h)
		h.Timeout = schema.Duration(50 * time.Millisecond)
	}
	if got := asked(t, "http://192.0.2.1", nil, slow); got != "no answer within 50ms" {
		t.Errorf("one that does not end is %q", got)
	}
	var said tail
	_, _ = said.Write([]byte(strings.Repeat("x", 1000)))
	_, _ = said.Write([]byte("end"))
	if got := said.String(); len(got) != maxTail || !strings.HasSuffix(got, "xend") {
		t.Errorf("of a long output are kept %d bytes", len(got))
	}
}

func serve1(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	serveOnListener(t, l, handler)
	return "http://" + l.Addr().String()
}

func serveUnix(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pc") // t.TempDir is too long for a socket on some systems
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	serveOnListener(t, l, handler)
	return path
}

func serveOnListener(t *testing.T, l net.Listener, handler http.HandlerFunc) {
	t.Helper()
	s := &http.Server{Handler: handler, ErrorLog: quietLog}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		_ = s.Close()
		<-ended
	})
}

func TestChecksOfARunningPool(t *testing.T) {
	up := serve1(t, clinic)
	down := serve1(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	s := settings(up, down)
	var h HealthCheck
	schema.Defaults(&h)
	h.Path, h.Interval = "/up", schema.Duration(time.Minute)
	s.Health = []HealthCheck{h}
	p := open(t, s, Options{})
	for end := time.Now().Add(patience); ; {
		states := map[string]State{}
		for _, m := range p.Stats().Targets {
			states["http://"+m.Address] = m.State
		}
		if states[up] == Healthy && states[down] == Unhealthy {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the states are %v", states)
		}
	}
	for range 4 {
		x := ask(t, "GET", "/up")
		_ = read(t, send(t, p, x))
		if "http://"+x.Target != up {
			t.Errorf("it was sent to %s", x.Target)
		}
	}
	if u := p.Stats(); u.Opened != 1 {
		t.Errorf("checks are counted among the connections: %+v", u.Usage)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.try(ctx, p.balance.all()[0], p.checks[0]); err == nil {
		t.Error("a check goes on when the pool has ended")
	}
}
