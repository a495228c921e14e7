package upstream

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

// heardFields is what an origin is told by the pool, without the request line; the pseudonym is PX.
func heardFields(t *testing.T, p *Pool, x *flow.Exchange) string {
	t.Helper()
	head := read(t, send(t, p, x))
	_, fields, _ := strings.Cut(head, "\r\n")
	fields = strings.TrimSuffix(fields, "\r\n\r\n")
	return strings.ReplaceAll(strings.ReplaceAll(fields, p.pseudonym, "PX"), "\r\n", "\n")
}

func TestOrderAndSpellingOfFieldsAreKept(t *testing.T) {
	p := openTo(t, "http://"+serve(t, answering))
	x := ask(t, "GET", "/", "X-Odd-CASE: kept", "accept: a", "ACCEPT: b", "x-empty:", "cookie: a=1; b=2", "X-Utf: Zoë")
	x.Request.Header = append(flow.Header{{Name: "user-agent", Value: "curl"}}, x.Request.Header...)
	x.Request.Header[1].Name = "hOST"
	before := fmt.Sprint(x.Request.Header)
	want := "user-agent: curl\nhOST: shop.localhost\nX-Odd-CASE: kept\naccept: a\nACCEPT: b\nx-empty: \ncookie: a=1; b=2\nX-Utf: Zoë\n" +
		"X-Forwarded-For: 192.0.2.7\nX-Forwarded-Host: shop.localhost\nX-Forwarded-Proto: http\nForwarded: for=192.0.2.7;host=shop.localhost;proto=http\nVia: 1.1 PX"
	if got := heardFields(t, p, x); got != want {
		t.Errorf("the origin heard\n%s\nwant\n%s", got, want)
	}
	if fmt.Sprint(x.Request.Header) != before {
		t.Error("the exchange's own fields were changed")
	}
}

func TestFieldsThatEndHere(t *testing.T) {
	forward := openForward(t, nil, Options{})
	address := serve(t, answering)
	cases := []struct {
		name   string
		fields []string
		want   string // beside Host and Via
	}{
		{"those of a connection", []string{"Connection: keep-alive", "Keep-Alive: timeout=5", "Proxy-Connection: keep-alive", "A: 1"}, "A: 1"},
		{"those it nominates", []string{"Connection: close, X-Mine", "x-mine: 1", "Connection: x-other", "X-Other: 2", "A: 1"}, "A: 1"},
		{"never those that mean something", []string{"Connection: Authorization, cookie, X-Forwarded-For, host, Content-Type", "Authorization: a", "Cookie: b", "X-Forwarded-For: 9.9.9.9", "Content-Type: c"}, "Authorization: a|Cookie: b|X-Forwarded-For: 9.9.9.9|Content-Type: c"},
		{"nor those that guard an answer", []string{"Connection: Cache-Control, If-None-Match, X_Forwarded_For, Access-Control-Request-Method, Via", "Cache-Control: no-store", "If-None-Match: e", "Access-Control-Request-Method: PUT"}, "Cache-Control: no-store|If-None-Match: e|Access-Control-Request-Method: PUT"},
		{"credentials of the proxy", []string{"Proxy-Authorization: Basic x", "Proxy-Authenticate: y", "Authorization: z"}, "Authorization: z"},
		{"TE but for trailers", []string{"TE: gzip, trailers", "Connection: TE"}, "TE: trailers|Connection: TE"},
		{"TE without trailers", []string{"TE: gzip", "Connection: TE"}, ""},
		{"an upgrade that is not asked for", []string{"Upgrade: websocket"}, ""},
		{"an upgrade to HTTP/2", []string{"Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AA"}, ""},
		{"an upgrade", []string{"Connection: Upgrade, X-Mine", "Upgrade: websocket", "X-Mine: 1"}, "Upgrade: websocket|Connection: Upgrade"},
		{"Expect", []string{"Expect: 100-continue"}, ""},
		{"a framing that is not true", []string{"Transfer-Encoding: chunked"}, ""},
		{"a length that is not true", []string{"Content-Length: 5"}, "Content-Length: 0"},
		{"in a forward door nothing is said of the client", []string{"X-Forwarded-For: 1.2.3.4", "Forwarded: for=1.2.3.4"}, "X-Forwarded-For: 1.2.3.4|Forwarded: for=1.2.3.4"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			x := askIn(t.Context(), flow.Forward, "GET", "http://"+address+"/", c.fields...)
			got := heardFields(t, forward, x)
			got = strings.ReplaceAll(strings.Replace(strings.Replace(got, "Host: "+address, "", 1), "\nVia: 1.1 PX", "", 1), "\n", "|")
			if got = strings.Trim(got, "|"); got != c.want {
				t.Errorf("the origin heard %q, want %q", got, c.want)
			}
		})
	}
}

func TestWhoAsksIsToldInTheReverseDoor(t *testing.T) {
	p := openTo(t, "http://"+serve(t, answering))
	given := []string{"X-Forwarded-For: 1.1.1.1", "x-forwarded-host: first.example", "X-Forwarded-For: 2.2.2.2", "X-Forwarded-Proto: https"}
	others := []string{"X-Forwarded-Port: 99", "x_forwarded_for: 6.6.6.6", "X-Forwarded_Proto: https", "X-Forwarded: a", "X-Forwarded-Prefix: /p", "X-Real-IP: 7.7.7.7"}
	said := func(ip, forwarded string) string {
		return "X-Forwarded-For: " + ip + "|X-Forwarded-Host: shop.localhost|X-Forwarded-Proto: http|Forwarded: for=" + forwarded + ";host=shop.localhost;proto=http"
	}
	const ours = "for=192.0.2.7;host=shop.localhost;proto=http"
	cases := []struct {
		name    string
		trusted bool
		client  string
		fields  []string
		want    string
	}{
		{"unknown", false, "192.0.2.7:1", nil, said("192.0.2.7", "192.0.2.7")},
		{"not trusted", false, "192.0.2.7:1", given, "X-Forwarded-For: 192.0.2.7|x-forwarded-host: shop.localhost|X-Forwarded-Proto: http|Forwarded: " + ours},
		{"not trusted, with all that has the name", false, "192.0.2.7:1", others, "X-Real-IP: 7.7.7.7|" + said("192.0.2.7", "192.0.2.7")},
		{"not trusted, with Forwarded", false, "192.0.2.7:1", []string{"forwarded: for=6.6.6.6", "Forwarded: for=7.7.7.7"}, "forwarded: " + ours + "|X-Forwarded-For: 192.0.2.7|X-Forwarded-Host: shop.localhost|X-Forwarded-Proto: http"},
		{"trusted", true, "192.0.2.7:1", given, "X-Forwarded-For: 1.1.1.1, 2.2.2.2, 192.0.2.7|x-forwarded-host: first.example|X-Forwarded-Proto: https"},
		{"trusted, with others", true, "192.0.2.7:1", others[:1], "X-Forwarded-Port: 99|" + said("192.0.2.7", "192.0.2.7")},
		{"trusted, with Forwarded", true, "192.0.2.7:1", []string{"Forwarded: for=1.1.1.1;proto=https", "Forwarded: for=2.2.2.2"}, "Forwarded: for=1.1.1.1;proto=https, for=2.2.2.2, " + ours},
		{"trusted, with both", true, "192.0.2.7:1", []string{"Forwarded: for=1.1.1.1", "X-Forwarded-For: 1.1.1.1"}, "Forwarded: for=1.1.1.1, " + ours + "|X-Forwarded-For: 1.1.1.1, 192.0.2.7|X-Forwarded-Host: shop.localhost|X-Forwarded-Proto: http"},
		{"trusted and silent", true, "192.0.2.7:1", nil, said("192.0.2.7", "192.0.2.7")},
		{"in another spelling", false, "[::ffff:192.0.2.7]:1", nil, said("192.0.2.7", "192.0.2.7")},
		{"by IPv6", false, "[2001:db8::1%eth0]:1", nil, said("2001:db8::1", `"[2001:db8::1]"`)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			x := ask(t, "GET", "/", c.fields...)
			x.Trusted, x.Client = c.trusted, netip.MustParseAddrPort(c.client)
			got := strings.ReplaceAll(heardFields(t, p, x), "\n", "|")
			if got != "Host: shop.localhost|"+c.want+"|Via: 1.1 PX" {
				t.Errorf("the origin heard %q, want %q", got, c.want)
			}
		})
	}
}

func TestHost(t *testing.T) {
	address := serve(t, answering)
	cases := []struct {
		setting string
		door    flow.Door
		host    string // as sent; "-" for none, as from HTTP/2
		want    string
	}{
		{"preserve", flow.Reverse, "Shop.localhost:8080", "Shop.localhost:8080"},
		{"preserve", flow.Reverse, "-", "shop.localhost"},
		{"preserve", flow.Intercept, "other.example", "other.example"},
		{"preserve", flow.Forward, "other.example", "shop.localhost"}, // RFC 9112 §3.2.2
		{"upstream", flow.Reverse, "a", address},
		{"internal.example:99", flow.Reverse, "a", "internal.example:99"},
	}
	for _, c := range cases {
		s := settings("http://" + address)
		s.Host = c.setting
		x := ask(t, "GET", "/")
		x.Door = c.door
		x.Request.Header = nil
		if c.host != "-" {
			x.Request.Header.Add("Host", c.host)
		}
		got, _, _ := strings.Cut(heardFields(t, open(t, s, Options{}), x), "\n")
		if got != "Host: "+c.want {
			t.Errorf("%s, %s door, Host %s: the origin heard %q", c.setting, c.door, c.host, got)
		}
	}
}

func TestViaNamesTheProtocolThatCameIn(t *testing.T) {
	p := openTo(t, "http://"+serve(t, answering))
	for proto, want := range map[string]string{"HTTP/1.1": "1.1", "HTTP/1.0": "1.0", "HTTP/2.0": "2.0", "": "1.1"} {
		x := ask(t, "GET", "/", "Via: 1.0 fred")
		x.Request.Proto = proto
		if got := heardFields(t, p, x); !strings.Contains(got, "Via: 1.0 fred\n") || !strings.HasSuffix(got, "\nVia: "+want+" PX") {
			t.Errorf("%q: the origin heard\n%s", proto, got)
		}
	}
}

func TestFieldsOfAResponseThatEndHere(t *testing.T) {
	p := openTo(t, "http://"+serve(t, func(p *peer) {
		p.head()
		p.say("HTTP/1.1 200 OK\r\nX-Odd-CASE: kept\r\nConnection: X-Mine, Set-Cookie\r\nx-mine: 1\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nKeep-Alive: timeout=5\r\n" +
			"Proxy-Connection: x\r\nUpgrade: h2\r\nProxy-Authenticate: Basic\r\nContent-Length: 2\r\n\r\nok")
		p.rest()
	}))
	r := send(t, p, ask(t, "GET", "/"))
	_ = read(t, r)
	if got := fmt.Sprint(r.Header); got != "[{X-Odd-CASE kept} {Set-Cookie a=1} {set-cookie b=2} {Content-Length 2} {Via 1.1 proxycache}]" {
		t.Errorf("the response's fields are %s", got)
	}
	if !strings.Contains(string(r.RawHead), "Keep-Alive: timeout=5") {
		t.Errorf("the raw head is not as sent: %q", r.RawHead)
	}
}

func TestALoopIsFound(t *testing.T) {
	p := openTo(t, "http://"+serve(t, func(p *peer) { p.t.Error("it was sent") }))
	another := openTo(t, "http://127.0.0.1:1")
	message := refused(t, p, ask(t, "GET", "/", "Via: 1.1 a, 1.1 "+p.pseudonym+" (x), 1.1 b"), problem.Loop)
	if !strings.Contains(message, `upstream "shop"`) {
		t.Errorf("the message is %q", message)
	}
	if p.loops(ask(t, "GET", "/", "Via: 1.1 "+another.pseudonym)) {
		t.Error("another pool of the chain is taken for a loop")
	}
}

func TestTheAuthorityIsQuotedInForwarded(t *testing.T) {
	for authority, want := range map[string]string{
		"shop.localhost": "shop.localhost", "shop:8080": `"shop:8080"`, "[::1]:80": `"[::1]:80"`, "": `""`, `a"b\c`: `"a\"b\\c"`,
	} {
		x := ask(t, "GET", "/")
		x.Request.Authority, x.Client = authority, netip.AddrPort{}
		if got, ip := said(x); got != "for=unknown;host="+want+";proto=http" || ip != "" {
			t.Errorf("%q gives %s and %q", authority, got, ip)
		}
	}
}

func TestViaOfAResponseNamesWhatItCameBy(t *testing.T) {
	for proto, want := range map[string]string{"HTTP/1.1": "1.1 proxycache", "HTTP/1.0": "1.0 proxycache"} {
		p := openTo(t, "http://"+serve(t, func(p *peer) {
			p.head()
			p.say("%s 200 OK\r\nVia: 1.1 origin\r\n\r\n", proto)
		}))
		r := send(t, p, ask(t, "GET", "/"))
		_ = read(t, r)
		if got := r.Header.Values("Via"); len(got) != 2 || got[0] != "1.1 origin" || got[1] != want {
			t.Errorf("%s: Via is %q", proto, got)
		}
	}
	p := openTLS(t, func(http.ResponseWriter, *http.Request) {}, nil)
	r := send(t, p, ask(t, "GET", "/"))
	_ = read(t, r)
	if got := r.Header.Get("Via"); got != "2.0 proxycache" {
		t.Errorf("HTTP/2: Via is %q", got)
	}
}
