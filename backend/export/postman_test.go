package export

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

func postmanOf(t *testing.T, k *kept, o Options) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := Postman(&out, "Test", k, o); err != nil {
		t.Fatal(err)
	}
	if k.open != 0 {
		t.Errorf("%d bodies were left open", k.open)
	}
	validate(t, schema(t, "testdata/postman-2.1.schema.json"), out.Bytes())
	return out.Bytes()
}

// runNewman sends the requests of a collection as Postman does.
func runNewman(t *testing.T, collection []byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "collection.json")
	if err := os.WriteFile(file, collection, 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := node(t, oracle(t, "newman/bin/newman.js"), "run", file, "--color", "off", "--disable-unicode", "--timeout-request", "10000"); err != nil {
		t.Fatalf("newman: %v\n%s\n%.6000s", err, out, collection)
	}
}

func TestNewmanSendsWhatWasRecorded(t *testing.T) {
	w := openWire(t)
	k := newKept()
	ok := func(method, target string, body []byte, fields ...string) {
		k.add(captured(w.address, method, target, body, fields...), body, "200 OK", []byte("ok"), "Content-Type: text/plain")
	}
	ok("GET", "/", nil)
	ok("GET", "/v1/items?x=1&x=2&y=&z&=&&q=a%20b+c", nil, "Accept: */*", "User-Agent: me/1", "Accept-Encoding: gzip")
	ok("GET", "/odd/'quotes'/{braces}/[x]|^?q='\"<>`{}[]|", nil)
	ok("GET", "/a//b/", nil)
	ok("GET", "/v1/:id/x;y=1?", nil)
	ok("GET", "/caf\xc3\xa9?\xff", nil)
	ok("GET", "/%2Fencoded%zz?%", nil)
	ok("HEAD", "/head", nil)
	ok("DELETE", "/v1/items/1", nil, "Authorization: Bearer abc.def", "Cookie: own=1", "X-Empty:", "X-Odd-CASE: kept")
	ok("GET", "/v1/search", []byte(`{"q":1}`), "Content-Type: application/json")
	ok("POST", "/v1/items", []byte("{\n \"name\": \"Zoë ☂\",\r\n \"url\": \"http://x//y\" }"), "Content-Type: application/json")
	ok("POST", "/v1/comments", []byte(`{"a":1 /* kept */} // kept`), "Content-Type: application/json")
	ok("POST", "/v1/form", []byte("a=1&b=%20+&c&=&&d='"), "Content-Type: application/x-www-form-urlencoded")
	ok("PUT", "/v1/untyped", []byte("hello // there"))
	ok("POST", "/v1/bytes", everyByte(), "Content-Type: application/octet-stream")
	ok("POST", "/v1/literal/{{path}}?q={{$guid}}", []byte(`{{name}} {{ a b }} {{}} {{$guid}} {{{{x}}}} {{$timestamp`), "Content-Type: text/plain", "X-Literal: {{$randomInt}} {{name}}")
	ok("GET", "/v1/latin", nil, "X-Latin: caf\xe9", "X-UTF-8: café ☂")
	ok("POST", "/v1/utf8", []byte("x"), "Content-Type: text/plain", "X-UTF-8: café")
	ok("POST", "/none", nil)
	ok("REPORT", "/odd-method", []byte("x"), "Content-Type: text/plain")
	runNewman(t, postmanOf(t, k, Options{Version: "test"}))

	all := w.take()
	if len(all) != len(k.records) {
		t.Errorf("the origin heard %d requests, %d were recorded", len(all), len(k.records))
	}
	for _, r := range k.records {
		i := slices.IndexFunc(all, func(h heard) bool { return h.line == r.Method+" "+r.Target+" HTTP/1.1" })
		if i < 0 {
			t.Errorf("never heard: %s %q", r.Method, r.Target)
			continue
		}
		if body := k.bodies[r.RequestBody.Hash]; !bytes.Equal(all[i].body, body) {
			t.Errorf("%s %s: the body was %q, want %q", r.Method, r.Target, all[i].body, body)
		}
		for _, f := range endToEnd(r, fieldsOf(r.RequestHead)) {
			if got := all[i].fields.Values(f.Name); len(got) != 1 || got[0] != f.Value {
				t.Errorf("%s %s: %s is %q, want %q", r.Method, r.Target, f.Name, got, f.Value)
			}
		}
		for _, name := range []string{"User-Agent", "Accept", "Accept-Encoding", "Content-Type", "Cookie"} {
			if was := fieldsOf(r.RequestHead); !was.Has(name) && all[i].fields.Has(name) && name != "Cookie" {
				t.Errorf("%s %s: %s was added", r.Method, r.Target, name)
			}
		}
	}
	for _, h := range all {
		if i := slices.IndexFunc(k.records, func(r *flow.Record) bool { return h.line == r.Method+" "+r.Target+" HTTP/1.1" }); i < 0 {
			t.Errorf("nobody asked for %q", h.line)
		}
	}
}

// collection is what the tests look at of one.
type collection struct {
	Info     struct{ Name, Description string }
	Item     []node1
	Variable []struct{ Key, Value string }
}

type node1 struct {
	Name    string
	Item    []node1
	Request *struct {
		Method, Description string
		URL                 struct{ Raw string }
		Header              []pmHeader
		Body                *struct {
			Mode, Raw string
			File      struct{ Content string }
		}
	}
	Response []struct {
		Name, Status, Body string
		Code               int
		Header             []pmHeader
	}
}

func parsed(t *testing.T, text []byte) collection {
	t.Helper()
	var c collection
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	return c
}

// outline is the tree in a few words, a line a node.
func outline(items []node1, indent string) string {
	out := ""
	for _, n := range items {
		out += indent + n.Name
		for _, r := range n.Response {
			out += " → " + r.Name
		}
		out += "\n" + outline(n.Item, indent+"  ")
	}
	return out
}

func TestTheTreeOfACollection(t *testing.T) {
	k := newKept()
	add := func(authority, method, target, status, answer string) *flow.Record {
		return k.add(captured(authority, method, target, nil), nil, status, []byte(answer), "Content-Type: text/plain")
	}
	add("shop.localhost:8080", "GET", "/v1/items", "200 OK", "a")
	add("shop.localhost:8080", "GET", "/v1/items", "200 OK", "a") // the same again
	add("shop.localhost:8080", "GET", "/v1/items", "200 OK", "b")
	add("shop.localhost:8080", "GET", "/v1/items", "429 Too Many Requests", "")
	add("shop.localhost:8080", "GET", "/v1/items/1?full=1", "404 Not Found", "")
	add("shop.localhost:8080", "GET", "/v1/items/2", "", "")
	add("shop.localhost:8080", "GET", "/a/b/c/d", "204 No Content", "")
	add("shop.localhost:8080", "GET", "/", "200 ", "x")
	add("shop_localhost:8080", "GET", "/", "200 OK", "x") // its variable would have the same name
	add("shop.localhost:8080", "GET", "/", "200 OK", "secure").Scheme = "https"
	k.add(&flow.Record{Door: flow.Tunnel, Method: "CONNECT", Authority: "bank.example:443"}, nil, "200 OK", nil)
	k.add(captured("shop.localhost:8080", "GET", "/ws", nil, "Connection: Upgrade", "Upgrade: websocket"), nil, "101 Switching Protocols", nil)
	k.add(&flow.Record{Door: flow.Reverse, Scheme: "http", Authority: "shop.localhost:8080", RequestHead: []byte("\x00\r\n\r\n"), Problem: problem.New(problem.BadRequest, "no")}, nil, "400 Bad Request", nil)
	c := parsed(t, postmanOf(t, k, Options{Version: "1.2"}))
	const want = `shop.localhost:8080
  GET / → 200
  v1
    GET /v1/items → 200 OK → 200 OK → 429 Too Many Requests
    items
      GET /v1/items/1?full=1 → 404 Not Found
      GET /v1/items/2
  a/b/c
    GET /a/b/c/d → 204 No Content
shop_localhost:8080
  GET / → 200 OK
https://shop.localhost:8080
  GET / → 200 OK
`
	if got := outline(c.Item, ""); got != want {
		t.Errorf("the tree is\n%s\nwant\n%s", got, want)
	}
	if len(c.Variable) != 3 || c.Variable[0].Key != "url_shop_localhost_8080" || c.Variable[0].Value != "http://shop.localhost:8080" ||
		c.Variable[1].Key != "url_shop_localhost_8080_2" || c.Variable[2].Value != "https://shop.localhost:8080" {
		t.Errorf("the variables are %+v", c.Variable)
	}
	if !strings.Contains(c.Info.Description, "Proxycache 1.2.") || !strings.Contains(c.Info.Description, "3 tunnels, WebSockets and requests that were turned away") {
		t.Errorf("the description is %q", c.Info.Description)
	}
}

func TestARequestHasTenExamplesAtMost(t *testing.T) {
	k := newKept()
	for i := range 13 {
		k.add(captured("a", "GET", "/", nil), nil, "200 OK", []byte{byte('a' + i)}, "Content-Type: text/plain")
	}
	it := parsed(t, postmanOf(t, k, Options{})).Item[0].Item[0]
	if len(it.Response) != 10 || it.Request.Description != "3 more answers were recorded." {
		t.Errorf("%d examples, %q", len(it.Response), it.Request.Description)
	}
}

func TestExamplesShowWhatWasSaid(t *testing.T) {
	k := newKept()
	zipped := gzipped(t, "plain words")
	k.add(captured("a", "GET", "/1", nil), nil, "200 OK", zipped, "Content-Type: text/plain", "Content-Encoding: gzip", "Content-Length: 1", "X-Kept: 1")
	k.add(captured("a", "GET", "/2", nil), nil, "200 OK", []byte{0xff, 0xd8}, "Content-Type: image/jpeg")
	k.add(captured("a", "GET", "/3", nil), nil, "200 OK", []byte("\"\\\n\r\t\x00\x1f</script> ☂"), "Content-Type: text/plain")
	items := parsed(t, postmanOf(t, k, Options{})).Item[0].Item
	first := items[0].Response[0]
	if first.Body != "plain words" || first.Code != 200 || first.Status != "OK" {
		t.Errorf("unpacked: %+v", first)
	}
	if got := names(first.Header); got != "Content-Type X-Kept" {
		t.Errorf("its fields are %s", got)
	}
	if second := items[1].Response[0]; second.Body != "" || second.Name != "200 OK (2 bytes that are no text)" {
		t.Errorf("bytes: %+v", second)
	}
	if third := items[2].Response[0]; third.Body != "\"\\\n\r\t\x00\x1f</script> ☂" {
		t.Errorf("signs: %q", third.Body)
	}
}

func names(h []pmHeader) string {
	var out []string
	for _, f := range h {
		out = append(out, f.Key)
	}
	return strings.Join(out, " ")
}

func TestABodyThatIsNotWholeIsLeftOut(t *testing.T) {
	k := newKept()
	partly := k.add(captured("a", "POST", "/1", []byte("hel")), []byte("hel"), "200 OK", nil)
	partly.RequestBody.Size = 5
	gone := k.add(captured("a", "POST", "/2", []byte("x")), []byte("x"), "200 OK", []byte("y"))
	gone.RequestBody.Hash, gone.ResponseBody.Hash = "gone", "gone"
	items := parsed(t, postmanOf(t, k, Options{})).Item[0].Item
	for i, want := range []string{"Only 3 of the 5 bytes of its body were kept, so it is left out.", "The body is not kept any more."} {
		if r := items[i].Request; r.Body != nil || r.Description != want {
			t.Errorf("%d: %+v", i, r)
		}
	}
}

func TestAnErrorOfTheSourceEndsTheExport(t *testing.T) {
	k := newKept()
	k.add(captured("a", "GET", "/", nil), nil, "200 OK", nil)
	k.err = problem.New(problem.Unavailable, "The disk is gone.")
	for name, write := range map[string]func() error{
		"Postman": func() error { return Postman(&bytes.Buffer{}, "x", k, Options{}) },
		"HAR":     func() error { return HAR(&bytes.Buffer{}, k, Options{}) },
	} {
		if err := write(); problem.KindOf(err) != problem.Unavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
}
