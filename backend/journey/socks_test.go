package journey

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/proxy"
)

// through is what curl answers through a proxy, or says of it.
func through(t *testing.T, h *house, args ...string) string {
	t.Helper()
	return run(t, "curl", append([]string{"-sS", "--max-time", "20", "--cacert", h.status().Authority.File}, args...)...)
}

func TestCurlThroughSOCKS(t *testing.T) {
	w := openWire(t)
	origin, ca := tlsOrigin(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Method, " ", r.URL) }))
	h := openHouse(t, fmt.Sprintf("[forward]\nca = %q\n", ca))
	at := strings.TrimPrefix(h.proxy(), "http://")
	_, port, _ := net.SplitHostPort(w.address)
	_, secure, _ := net.SplitHostPort(strings.TrimPrefix(origin.URL, "https://"))
	for i, c := range []struct{ flag, url, want, door string }{
		{"--socks5", "http://" + w.address + "/a", `{"heard":true}`, "forward"},
		{"--socks5-hostname", "http://localhost:" + port + "/b", `{"heard":true}`, "forward"},
		{"--socks5", origin.URL + "/c", "GET /c", "intercept"},
		{"--socks5-hostname", "https://localhost:" + secure + "/d", "GET /d", "intercept"},
	} {
		if out := through(t, h, c.flag, at, c.url); out != c.want {
			t.Errorf("%s %s gives %q", c.flag, c.url, out)
		}
		if x := h.finished("", i+1); string(x.Row.Door) != c.door || x.URL != c.url {
			t.Errorf("%s %s is recorded as %s %s", c.flag, c.url, x.Row.Door, x.URL)
		}
	}
}

func TestATunnelThroughSOCKSIsRecordedAsOne(t *testing.T) {
	origin, ca := tlsOrigin(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "untouched") }))
	h := openHouse(t, "pass_through = [\"127.0.0.1\"]\n")
	at := strings.TrimPrefix(h.proxy(), "http://")
	if out := run(t, "curl", "-sS", "--cacert", ca, "--socks5", at, origin.URL); out != "untouched" {
		t.Errorf("curl got %q", out)
	}
	if x := h.finished("", 1); x.Row.Door != "tunnel" || x.Request.Proto != "SOCKS5" || "https://"+x.SentTo != origin.URL {
		t.Errorf("recorded as %s %s to %s", x.Row.Door, x.Request.Proto, x.SentTo)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := taken.Addr().String()
	_ = taken.Close()
	out := run(t, "sh", "-c", "curl -sS --socks5 "+at+" http://"+nobody+"/ 2>&1 || true")
	if !strings.Contains(out, "(5)") {
		t.Errorf("where nothing listens curl says %q", out)
	}
}

func TestTheProxysOwnDoorIsNotReachedThroughSOCKS(t *testing.T) {
	door, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer door.Close()
	go func() {
		for {
			c, err := door.Accept()
			if err != nil {
				return
			}
			t.Error("it was reached")
			_ = c.Close()
		}
	}()
	own := netip.MustParseAddrPort(door.Addr().String())
	for _, tunnelled := range []bool{false, true} {
		config := ""
		if tunnelled {
			config = "pass_through = [\"127.0.0.1\", \"2130706433\", \"localhost\", \"::1\"]\n"
		}
		h := openHouse(t, config)
		h.Refuse(own)
		dialer, err := proxy.SOCKS5("tcp", strings.TrimPrefix(h.proxy(), "http://"), nil, proxy.Direct)
		if err != nil {
			t.Fatal(err)
		}
		for _, host := range []string{"127.0.0.1", "2130706433", "::ffff:127.0.0.1", "localhost", "0.0.0.0", "127.1"} {
			conn, err := dialer.Dial("tcp", net.JoinHostPort(host, fmt.Sprint(own.Port())))
			if err != nil { // a tunnel is refused
				if !tunnelled || !strings.Contains(err.Error(), "not allowed") && !strings.Contains(err.Error(), "host unreachable") {
					t.Errorf("%s: %v", host, err)
				}
				continue
			}
			_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
			fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			answer, err := io.ReadAll(conn)
			if line, _, _ := strings.Cut(string(answer), "\r\n"); err != nil || !strings.Contains(line, " 403 ") && !strings.Contains(line, " 502 ") {
				t.Errorf("%s: %q, %v", host, line, err)
			}
			_ = conn.Close()
		}
	}
}

const guarded = `
[[listen]]
address = "127.0.0.1:0"
accept = ["forward", "connect", "socks5"]
username = "me"
password = "${PROXY_PASSWORD}"
`

func TestAProxyWithAPassword(t *testing.T) {
	t.Setenv("PROXY_PASSWORD", "a word: ü")
	w := openWire(t)
	origin, ca := tlsOrigin(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "heard ", r.Header.Get("Proxy-Authorization"))
	}))
	h := openHouse(t, fmt.Sprintf("%s[forward]\nca = %q\n", guarded, ca))
	at := h.status().Listeners[1].Address
	const right, wrong = "me:a word: ü", "me:a word"
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"forward", []string{"-x", "http://" + at, "--proxy-user", right, "http://" + w.address}, `{"heard":true}200`},
		{"forward, after it was asked", []string{"-x", "http://" + at, "--proxy-anyauth", "--proxy-user", right, "http://" + w.address}, `{"heard":true}200`},
		{"forward, wrong", []string{"-o", "/dev/null", "-x", "http://" + at, "--proxy-user", wrong, "http://" + w.address}, `407`},
		{"forward, without", []string{"-o", "/dev/null", "-x", "http://" + at, "http://" + w.address}, `407`},
		{"connect", []string{"-x", "http://" + at, "--proxy-user", right, origin.URL}, `heard 200`},
		{"connect, after it was asked", []string{"-x", "http://" + at, "--proxy-anyauth", "--proxy-user", right, origin.URL}, `heard 200`},
		{"SOCKS5", []string{"--socks5", at, "--proxy-user", right, origin.URL}, `heard 200`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if out := through(t, h, append(c.args, "-w", "%{http_code}")...); out != c.want {
				t.Errorf("curl got %q, want %q", out, c.want)
			}
		})
	}
	for name, args := range map[string]string{"connect": "-x http://" + at, "connect, wrong": "--proxy-user me:x -x http://" + at, "SOCKS5": "--socks5 " + at, "SOCKS5, wrong": "--proxy-user me:x --socks5 " + at} {
		if out := run(t, "sh", "-c", "curl -sS "+args+" "+origin.URL+" 2>&1 || echo refused"); !strings.HasSuffix(out, "refused\n") {
			t.Errorf("%s: curl got %q", name, out)
		}
	}
	for _, heard := range w.all() {
		if strings.Contains(strings.ToLower(strings.Join(heard.fields, "\n")), "proxy-auth") {
			t.Errorf("the origin heard %q", heard.fields)
		}
	}
}

func TestALoadBalancerInFront(t *testing.T) {
	w := openWire(t)
	const behind = "[[listen]]\naddress = \"127.0.0.1:0\"\naccept = [\"reverse\"]\nproxy_protocol = true\n"
	h := openHouse(t, "trusted = [\"127.0.0.0/8\"]\n"+behind+reverseTo(w.address))
	at := h.status().Listeners[1].Address
	if out := through(t, h, "--haproxy-protocol", "http://"+at+"/a"); out != `{"heard":true}` {
		t.Errorf("curl got %q", out)
	}
	conn, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "PROXY TCP4 192.0.2.7 192.0.2.8 4711 80\r\nGET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	if answer, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 200") {
		t.Errorf("heard %q, %v", answer, err)
	}
	if x := h.finished("", 2); x.ClientConnection.Remote != "192.0.2.7:4711" {
		t.Errorf("recorded as from %+v", x.ClientConnection)
	}
	if fields := strings.Join(w.all()[1].fields, "\n"); !strings.Contains(fields, "X-Forwarded-For: 192.0.2.7") {
		t.Errorf("the origin heard %q", fields)
	}
	if out := run(t, "sh", "-c", "curl -sS http://"+at+"/c 2>&1 || echo refused"); !strings.HasSuffix(out, "refused\n") {
		t.Errorf("without a header curl got %q", out)
	}
}
