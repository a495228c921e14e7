package export

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

func gzipped(t *testing.T, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func harOf(t *testing.T, k *kept, o Options) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := HAR(&out, k, o); err != nil {
		t.Fatal(err)
	}
	if k.open != 0 {
		t.Errorf("%d bodies were left open", k.open)
	}
	lib := oracle(t, "har-schema/lib")
	files := []string{filepath.Join(lib, "har.json")}
	for _, name := range strings.Fields("afterRequest beforeRequest browser cache content cookie creator entry header log page pageTimings postData query request response timings") {
		files = append(files, filepath.Join(lib, name+".json"))
	}
	validate(t, schema(t, files...), out.Bytes())
	return out.Bytes()
}

// archive is what the tests look at of one.
type archive struct {
	Log struct {
		Creator harCreator
		Entries []struct {
			harEntry
			Request struct {
				harRequest
				PostData *struct {
					harPostData
					Text string
				}
			}
			Response struct {
				harResponse
				Content struct {
					harContent
					Text *string
				}
			}
			Cache   map[string]string
			Timings harTimings
			Own     own `json:"_proxycache"`
		}
	}
}

func opened(t *testing.T, text []byte) archive {
	t.Helper()
	var a archive
	if err := json.Unmarshal(text, &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// varied are exchanges of every kind.
func varied(t *testing.T) *kept {
	k := newKept()
	json := []byte(`{"name":"Zoë"}`)
	first := k.add(captured("shop.localhost:8080", "POST", "/v1/items?q=a%20b&q=2&flag", json, "Content-Type: application/json", "Cookie: a=1; b=2"), json,
		"201 Created", []byte("made ☂ \"it\"\n"), "Content-Type: text/plain", "Set-Cookie: s=1; Path=/; HttpOnly; Secure; SameSite=Lax; Expires=Wed, 09 Jun 2027 10:18:14 GMT", "Location: /v1/items/1")
	first.Timing = flow.Timing{
		DNSStart: ms(1), DNSDone: ms(2), ConnectStart: ms(2), ConnectDone: ms(4), TLSStart: ms(4), TLSDone: ms(9),
		SendStart: ms(9), Sent: ms(10), FirstByte: ms(30), Done: ms(35),
	}
	first.TargetConn = flow.Conn{Local: "127.0.0.1:50000", Remote: "[::1]:3000"}
	first.Trail = flow.Trail{
		{Cell: "shop/ratelimit", Module: "ratelimit", Verdict: flow.Passed, Facts: []flow.Fact{{Name: "left", Value: "99"}}, Before: 1500 * time.Nanosecond},
		{Cell: "shop/headers", Module: "headers", Verdict: flow.Changed, Request: &flow.Delta{Header: []flow.FieldEdit{{Op: "add", Name: "X-A", Now: "1"}}, Line: [2]string{"GET / HTTP/1.1", "GET /x HTTP/1.1"}}},
	}
	first.RequestTrailer = flow.Header{{Name: "X-Sum", Value: "1"}}
	k.add(captured("a", "GET", "/gz", nil), nil, "200 OK", gzipped(t, strings.Repeat("again ", 100)), "Content-Type: text/plain", "Content-Encoding: gzip")
	k.add(captured("a", "PUT", "/bytes", []byte{0, 0xff}), []byte{0, 0xff}, "200 OK", []byte{0xff, 0xd8}, "Content-Type: image/jpeg")
	k.add(captured("a", "GET", "/odd/{x}/|\"<\xe9%zz?\xff", nil, "X-Latin: caf\xe9"), nil, "404 Nicht gef\xfcnden", nil)
	k.add(&flow.Record{Door: flow.Tunnel, State: flow.Done, Method: "CONNECT", Scheme: "https", Authority: "[::1]:443", RequestProto: "HTTP/1.1"}, nil, "200 OK", nil)
	k.add(captured("a", "GET", "/ws", nil, "Connection: Upgrade", "Upgrade: websocket"), nil, "101 Switching Protocols", nil).Timing.Done = ms(5)
	failed := k.add(captured("a", "GET", "/refused", nil), nil, "", nil)
	failed.State, failed.Problem = flow.Errored, problem.New(problem.Refused, "Connecting to a: refused. Start it.")
	k.add(captured("a", "GET", "/pending", nil), nil, "", nil).State = flow.Pending
	mocked := k.add(captured("a", "GET", "/mock", nil), nil, "200 OK", []byte("m"))
	mocked.Mocked, mocked.Timing = true, flow.Timing{Done: ms(2)}
	cut := k.add(captured("a", "GET", "/cut", nil), nil, "200 OK", []byte("abc"), "Content-Type: text/plain")
	cut.ResponseBody.Size = 10
	k.add(captured("a", "GET", "/not-gzip", nil), nil, "200 OK", []byte("no"), "Content-Type: text/plain", "Content-Encoding: gzip")
	return k
}

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

func TestAnArchiveTellsEveryKindOfExchange(t *testing.T) {
	text := harOf(t, varied(t), Options{Version: "1.2"})
	a := opened(t, text)
	if a.Log.Creator != (harCreator{"Proxycache", "1.2"}) {
		t.Errorf("made by %+v", a.Log.Creator)
	}
	e := a.Log.Entries
	first := e[0]
	if first.StartedDateTime != "2026-11-24T10:00:00.123Z" || first.ServerIPAddress != "::1" || first.Connection != "50000" {
		t.Errorf("the entry is %+v", first.harEntry)
	}
	if want := (harTimings{Blocked: 1, DNS: 1, Connect: 7, SSL: 5, Send: 1, Wait: 20, Receive: 5}); first.Timings != want || first.Time != 35 {
		t.Errorf("the timings are %+v of %v, want %+v", first.Timings, first.Time, want)
	}
	if q := first.Request.QueryString; len(q) != 3 || q[0].Value != "a b" || q[2].Name != "flag" {
		t.Errorf("the query is %+v", q)
	}
	if c := first.Request.Cookies; len(c) != 2 || c[1].Name != "b" || c[1].Value != "2" {
		t.Errorf("the cookies are %+v", c)
	}
	if c := first.Response.Cookies; len(c) != 1 || c[0] != (harCookie{"s", "1", "/", "", "2027-06-09T10:18:14Z", true, true, "Lax"}) {
		t.Errorf("the new cookies are %+v", c)
	}
	if first.Request.PostData.Text != `{"name":"Zoë"}` || first.Request.PostData.Encoding != "" || *first.Response.Content.Text != "made ☂ \"it\"\n" {
		t.Errorf("the bodies are %+v and %q", first.Request.PostData, *first.Response.Content.Text)
	}
	if first.Response.RedirectURL != "/v1/items/1" || first.Response.StatusText != "Created" || first.Response.HeadersSize <= 0 {
		t.Errorf("the answer is %+v", first.Response.harResponse)
	}
	if s := first.Own.Trail; len(s) != 2 || s[0].Before != 0.0015 || s[0].Facts[0].Value != "99" || s[1].Request.Fields[0].Now != "1" || s[1].Request.Line[1] != "GET /x HTTP/1.1" || s[0].Request != nil {
		t.Errorf("the trail is %+v", s)
	}
	if gz := e[1].Response; *gz.Content.Text != strings.Repeat("again ", 100) || gz.Content.Size != 600 || *gz.Content.Compression != 600-gz.BodySize {
		t.Errorf("unpacked: %+v", gz.Content.harContent)
	}
	for _, b := range []struct{ got, encoding, want string }{
		{e[2].Request.PostData.Text, e[2].Request.PostData.Encoding, "\x00\xff"},
		{*e[2].Response.Content.Text, e[2].Response.Content.Encoding, "\xff\xd8"},
	} {
		if raw, err := base64.StdEncoding.DecodeString(b.got); b.encoding != "base64" || string(raw) != b.want {
			t.Errorf("bytes: %+v, %v", b, err)
		}
	}
	if e[3].Request.URL != "http://a/odd/%7Bx%7D/%7C%22%3C%E9%25zz?%FF" || e[3].Own.Target == "" || e[3].Request.Headers[1].Value != "café" || e[3].Response.StatusText != "Nicht gefünden" {
		t.Errorf("odd signs: %+v %q", e[3].Request, e[3].Response.StatusText)
	}
	if e[4].Request.URL != "https://[::1]:443/" || !strings.Contains(e[4].Comment, "tunnel") {
		t.Errorf("the tunnel is %+v", e[4])
	}
	if e[5].ResourceType != "websocket" || e[5].Response.Status != 101 {
		t.Errorf("the WebSocket is %+v", e[5])
	}
	if e[6].Response.Status != 0 || e[6].Error != "Connecting to a: refused. Start it." || e[6].Own.State != "error" || e[6].Response.HeadersSize != -1 {
		t.Errorf("the refused one is %+v", e[6])
	}
	if !strings.Contains(e[7].Comment, "not over") || e[7].Timings != (harTimings{-1, -1, -1, -1, 0, 0, 0}) || e[7].Time != 0 {
		t.Errorf("the pending one is %+v", e[7])
	}
	if want := (harTimings{-1, -1, -1, -1, 0, 2, 0}); e[8].Timings != want || !e[8].Own.Mocked || e[8].Time != 2 {
		t.Errorf("the mock took %+v", e[8].Timings)
	}
	if *e[9].Response.Content.Text != "abc" || e[9].Comment != "Response: The body was kept in part." {
		t.Errorf("the cut one: %+v", e[9])
	}
	if *e[10].Response.Content.Text != "no" || e[10].Response.Content.Compression != nil {
		t.Errorf("what is no gzip: %+v", e[10].Response.Content)
	}
	if n := strings.Count(string(text), `"cache":{}`); n != len(e) {
		t.Errorf("%d of %d entries have their cache", n, len(e))
	}
}

func TestAnotherValidatorTakesTheArchive(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.har")
	if err := os.WriteFile(file, harOf(t, varied(t), Options{}), 0o600); err != nil {
		t.Fatal(err)
	}
	const script = `require(process.argv[1]).har(JSON.parse(require('fs').readFileSync(process.argv[2]))).then(
		() => console.log('valid'), e => { console.log(JSON.stringify(e.errors)); process.exit(1) })`
	if out, err := node(t, "-e", script, oracle(t, "har-validator"), file); err != nil || out != "valid\n" {
		t.Errorf("%v: %s", err, out)
	}
}

func TestAnEmptyArchiveIsOne(t *testing.T) {
	if e := opened(t, harOf(t, newKept(), Options{})).Log.Entries; e == nil || len(e) != 0 {
		t.Errorf("the entries are %v", e)
	}
}

// limited fails like a full disk.
type limited struct{ left int }

func (l *limited) Write(p []byte) (int, error) {
	if l.left -= len(p); l.left < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

func TestAFullDiskIsToldAndNothingIsLeftOpen(t *testing.T) {
	k := newKept()
	long := bytes.Repeat([]byte("0123456789"), 50_000)
	for i := range 5 {
		k.add(captured("a", "PUT", "/", long), long, "200 OK", append(long, byte('0'+i)), "Content-Type: text/plain")
	}
	for _, room := range []int{0, 1 << 16, 1 << 19, 1 << 20} {
		if err := HAR(&limited{room}, k, Options{}); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("HAR with %d bytes of room: %v", room, err)
		}
		if err := Postman(&limited{room}, "x", k, Options{}); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("Postman with %d bytes of room: %v", room, err)
		}
	}
	if k.open != 0 {
		t.Errorf("%d bodies were left open", k.open)
	}
}

func TestUTF8IsSeenAcrossPieces(t *testing.T) {
	for text, want := range map[string]bool{"": true, "abc": true, "Zoë ☂ 日本 🐝": true, "\xff": false, "caf\xe9": false, "☂\xe2\x98": false, "\xed\xa0\x80": false, "a\xf0\x9f\x90x": false} {
		for size := 1; size <= 5; size++ {
			var check utf8Check
			for at := 0; at < len(text); at += size {
				if _, err := check.Write([]byte(text[at:min(at+size, len(text))])); err != nil {
					t.Fatal(err)
				}
			}
			if check.valid() != want {
				t.Errorf("%q in pieces of %d: %v", text, size, check.valid())
			}
		}
	}
}

func TestAnArchiveIsWrittenAsItIsRead(t *testing.T) {
	k := newKept()
	body := bytes.Repeat([]byte("0123456789"), 20_000)
	for range 20 {
		k.add(captured("a", "GET", "/", nil), nil, "200 OK", body, "Content-Type: text/plain")
	}
	var out bytes.Buffer
	if err := HAR(&out, watched{k, &out, len(body), t}, Options{}); err != nil {
		t.Fatal(err)
	}
}

// watched checks at each record that those before it have been written.
type watched struct {
	*kept
	out  *bytes.Buffer
	each int
	t    *testing.T
}

func (w watched) Records(yield func(*flow.Record, error) bool) {
	n := 0
	for r, err := range w.kept.Records {
		if held := n*w.each - w.out.Len(); held > 64<<10 {
			w.t.Errorf("before record %d, %d bytes are held back", n+1, held)
		}
		n++
		if !yield(r, err) {
			return
		}
	}
}
