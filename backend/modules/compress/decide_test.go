package compress

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"proxycache/backend/flow"
)

func TestWhatIsCompressedAndWhatIsLeft(t *testing.T) {
	const html, all = "Content-Type: text/html; charset=utf-8", "Accept-Encoding: gzip, br, zstd"
	for _, c := range []struct {
		name   string
		values map[string]any
		sent   []string
		status int
		given  []string
		length int64 // of the body; 0 is 4096
		coding string
		vary   bool
		why    string // of the trail
	}{
		{name: "the first of the list", sent: []string{all}, given: []string{html}, coding: "zstd", vary: true, why: "the first of the list that the client takes with q=1"},
		{name: "another order", values: map[string]any{"codings": []any{"br", "gzip"}}, sent: []string{all}, given: []string{html}, coding: "br", vary: true},
		{name: "the client's weights", sent: []string{"Accept-Encoding: zstd;q=0.25, gzip;q=0.5"}, given: []string{html}, coding: "gzip", vary: true, why: "the client takes none with more than q=0.5"},
		{name: "an error's page", sent: []string{all}, status: 503, given: []string{html}, coding: "zstd", vary: true},
		{name: "identity named", sent: []string{all}, given: []string{html, "Content-Encoding: identity"}, coding: "zstd", vary: true},
		{name: "no Accept-Encoding", given: []string{html}, vary: true, why: "the client names no codings"},
		{name: "none of ours", sent: []string{"Accept-Encoding: compress"}, given: []string{html}, vary: true, why: "the client takes none of the codings"},
		{name: "plain rather", sent: []string{"Accept-Encoding: identity, gzip;q=0.5"}, given: []string{html}, vary: true, why: "the client wants it plain rather"},
		{name: "nothing acceptable", sent: []string{"Accept-Encoding: identity;q=0"}, given: []string{html}, vary: true, why: "the client excludes a plain answer and takes none of the codings"},
		{name: "a picture", sent: []string{all}, given: []string{"Content-Type: image/png"}, why: "type image/png is not in the list"},
		{name: "an svg", sent: []string{all}, given: []string{"Content-Type: image/svg+xml"}, coding: "zstd", vary: true},
		{name: "excepted", values: map[string]any{"except": []any{"text/html"}}, sent: []string{all}, given: []string{html}, why: "type text/html is excepted"},
		{name: "no type", sent: []string{all}, why: "it has no type"},
		{name: "small", sent: []string{all}, given: []string{html}, length: 1023, why: "its 1023 bytes are less than min_size"},
		{name: "just large enough", sent: []string{all}, given: []string{html}, length: 1024, coding: "zstd", vary: true},
		{name: "small, an event stream", sent: []string{all}, given: []string{"Content-Type: text/event-stream"}, length: 10, coding: "zstd", vary: true},
		{name: "gRPC", values: map[string]any{"types": []any{"*/*"}}, sent: []string{all}, given: []string{"Content-Type: application/grpc+proto"}, why: "gRPC compresses its messages itself"},
		{name: "no-transform of the server", sent: []string{all}, given: []string{html, "Cache-Control: public, No-Transform"}, why: "the server says no-transform"},
		{name: "no-transform of the client", sent: []string{all, "Cache-Control: no-transform"}, given: []string{html}, why: "the client says no-transform"},
		{name: "a part", sent: []string{all, "Range: bytes=0-9"}, status: 206, given: []string{html, "Content-Range: bytes 0-9/4096"}, vary: true, why: "it is a part of the whole (206)"},
		{name: "a part of a type that is left", sent: []string{all, "Range: bytes=0-9"}, status: 206, given: []string{"Content-Type: image/png", "Content-Range: bytes 0-9/4096"}, why: "it is a part of the whole (206)"},
		{name: "a part of what is not to be transformed", sent: []string{all, "Range: bytes=0-9"}, status: 206, given: []string{html, "Cache-Control: no-transform", "Content-Range: bytes 0-9/4096"}, why: "it is a part of the whole (206)"},
		{name: "the whole instead of a part", sent: []string{all, "Range: bytes=0-9"}, given: []string{html}, vary: true, why: "the client asked for a part"},
		{name: "coded already", sent: []string{all}, given: []string{html, "Content-Encoding: br"}, vary: true, why: "it is in br already, which the client takes"},
		{name: "coded, unknown", sent: []string{all}, given: []string{html, "Content-Encoding: exi"}, why: "it is in exi, which is not undone here"},
		{name: "coded too often", given: []string{html, "Content-Encoding: gzip, gzip, gzip, gzip"}, why: "it is in gzip, gzip, gzip, gzip, which is not undone here"},
		{name: "coded, and decompress is off", values: map[string]any{"decompress": false}, given: []string{html, "Content-Encoding: br"}, why: "it is in br, and decompress is off"},
		{name: "coded, and plain excluded", sent: []string{"Accept-Encoding: identity;q=0, exi"}, given: []string{html, "Content-Encoding: br"}, vary: true, why: "the client takes neither its coding nor it without one"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.length == 0 {
				c.length = 4096
			}
			p, data := policyOf(t, c.values), page(int(c.length))
			b := bodyOf(data)
			given := answer(b, c.length, append(c.given, fmt.Sprintf("Content-Length: %d", c.length), `ETag: "v1"`, "Accept-Ranges: bytes")...)
			if c.status != 0 {
				given.Status = c.status
			}
			before := fmt.Sprint(given.Header)
			x := asks("GET", c.sent...)
			r, err := p.Apply(x, gives(given))
			if err != nil {
				t.Fatal(err)
			}
			if had := given.Header.Joined("Content-Encoding"); c.coding == "" && r.Header.Joined("Content-Encoding") != had {
				t.Errorf("Content-Encoding is %q, was %q", r.Header.Joined("Content-Encoding"), had)
			}
			if c.coding != "" && (r.Header.Joined("Content-Encoding") != c.coding || r.ContentLength != -1 || r.Header.Has("Content-Length") || r.Header.Has("Accept-Ranges") || r.Header.Get("ETag") != `W/"v1"`) {
				t.Errorf("the head is %v with the length %d", r.Header, r.ContentLength)
			}
			if c.coding == "" && !c.vary && fmt.Sprint(r.Header) != before {
				t.Errorf("the head became %v", r.Header)
			}
			if r.Header.HasToken("Vary", "Accept-Encoding") != c.vary {
				t.Errorf("Vary is %q", r.Header.Joined("Vary"))
			}
			if got := fact(x, "left") + fact(x, "why"); c.why != "" && got != c.why {
				t.Errorf("told as %q, want %q", got, c.why)
			}
			if got := read(t, decode(t, c.coding, r.Body)); !bytes.Equal(got, data) {
				t.Errorf("%d bytes came, want %d", len(got), len(data))
			}
			if err := r.Body.Close(); err != nil || !b.closed.Load() {
				t.Errorf("closed %v, %v", b.closed.Load(), err)
			}
			atRest(t, p)
		})
	}
}

func TestAHeadIsLikeThatOfGet(t *testing.T) {
	for _, c := range []struct {
		name   string
		length int64
		lines  []string
		want   string
	}{
		{"compressed", 5000, []string{"Content-Type: text/css", "Content-Length: 5000", `ETag: "a"`}, `Content-Type: text/css|ETag: W/"a"|Content-Encoding: zstd|Vary: Accept-Encoding`},
		{"small", 50, []string{"Content-Type: text/css", "Content-Length: 50", `ETag: "a"`}, `Content-Type: text/css|Content-Length: 50|ETag: "a"`},
		{"of unknown length", -1, []string{"Content-Type: text/css", `ETag: "a"`}, `Content-Type: text/css|ETag: W/"a"|Vary: Accept-Encoding`},
		{"an event stream", -1, []string{"Content-Type: text/event-stream"}, `Content-Type: text/event-stream|Content-Encoding: zstd|Vary: Accept-Encoding`},
		{"undone and compressed", 900, []string{"Content-Type: text/css", "Content-Length: 900", "Content-Encoding: br"}, `Content-Type: text/css|Content-Encoding: zstd|Vary: Accept-Encoding`},
		{"undone", 900, []string{"Content-Type: image/x-big", "Content-Length: 900", "Content-Encoding: br"}, `Content-Type: image/x-big|Vary: Accept-Encoding`},
	} {
		p := policyOf(t, nil)
		r, err := p.Apply(asks("HEAD", "Accept-Encoding: zstd"), gives(answer(flow.NoBody, c.length, c.lines...)))
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, f := range r.Header {
			lines = append(lines, f.Name+": "+f.Value)
		}
		if got := strings.Join(lines, "|"); got != c.want || r.Body != flow.NoBody {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		atRest(t, p)
	}
}

func TestDigestsOfOtherBytesGoAndVaryGrows(t *testing.T) {
	p := policyOf(t, nil)
	given := answer(bodyOf(page(4096)), -1, "Content-Type: text/css", "Vary: Origin", "Repr-Digest: sha-256=:x:", "content-digest: sha-256=:y:", "Content-MD5: z", "Digest: q", "Vary: X-Tenant", "ETag: W/\"w\"")
	given.Trailer = func() flow.Header { return fields("Server-Timing: db;dur=2", "Content-Digest: sha-256=:t:") }
	x := asks("GET", "Accept-Encoding: gzip")
	r, err := p.Apply(x, gives(given))
	if err != nil {
		t.Fatal(err)
	}
	read(t, r.Body)
	if got := fmt.Sprint(r.Header); got != `[{Content-Type text/css} {Vary Origin, X-Tenant, Accept-Encoding} {ETag W/"w"} {Content-Encoding gzip}]` {
		t.Errorf("the head is %s", got)
	}
	if got := fmt.Sprint(r.Trailer()); got != "[{Server-Timing db;dur=2}]" {
		t.Errorf("the trailer is %s", got)
	}
	if fact(x, "dropped") != "Repr-Digest, content-digest, Content-MD5, Digest" {
		t.Errorf("facts %v", x.Trail[0].Facts)
	}
	if err := r.Body.Close(); err != nil {
		t.Error(err)
	}
}

func TestANotModifiedHasTheTagThatTheClientKnows(t *testing.T) {
	for _, c := range []struct{ sent, tag, want, vary string }{
		{`If-None-Match: "x", W/"v1"`, `"v1"`, `W/"v1"`, "Accept-Encoding"},
		{`If-None-Match: "v1"`, `"v1"`, `"v1"`, ""},
		{`If-None-Match: W/"v1"`, `W/"v1"`, `W/"v1"`, ""},
		{`If-None-Match: *`, `"v1"`, `"v1"`, ""},
	} {
		given := answer(flow.NoBody, 5000, "ETag: "+c.tag)
		given.Status = 304
		r, err := policyOf(t, nil).Apply(asks("GET", "Accept-Encoding: gzip", c.sent), gives(given))
		if err != nil || r.Header.Get("ETag") != c.want || r.Header.Joined("Vary") != c.vary || r.ContentLength != 5000 {
			t.Errorf("%s, %s: %v %v", c.sent, c.tag, r.Header, err)
		}
	}
}

func TestTheServerIsAskedAsTheSettingSays(t *testing.T) {
	const all = "zstd, br, gzip"
	for _, c := range []struct {
		setting string
		sent    []string
		want    string
	}{
		{"client", []string{"Accept-Encoding: br"}, "br"},
		{"client", nil, ""},
		{"none", []string{"Accept-Encoding: br", "accept-encoding: gzip"}, "identity"},
		{"none", nil, "identity"},
		{"all", nil, all},
		{"all", []string{"Accept-Encoding: gzip"}, all},
		{"all", []string{"Accept-Encoding: gzip", "Range: bytes=0-1"}, "gzip"},
		{"all", []string{"Accept-Encoding: gzip", "Cache-Control: no-transform"}, "gzip"},
		{"all", []string{"Content-Type: application/grpc"}, ""},
		{"none", []string{"Accept-Encoding: gzip", "Upgrade: websocket"}, "gzip"},
	} {
		x := asks("GET", c.sent...)
		var got string
		_, err := policyOf(t, map[string]any{"accept_encoding": c.setting}).Apply(x, func(x *flow.Exchange) (*flow.Response, error) {
			got = x.Request.Header.Joined("Accept-Encoding")
			return flow.NewResponse(204, "", nil), nil
		})
		if err != nil || got != c.want {
			t.Errorf("%s, %q: the server is asked for %q, want %q, %v", c.setting, c.sent, got, c.want, err)
		}
	}
}

func TestWhoRepeatsFindsWhatTheClientAsked(t *testing.T) {
	p, data := policyOf(t, map[string]any{"accept_encoding": "all"}), page(3000)
	x := asks("GET", "Accept-Encoding: gzip;q=0.5")
	for range 2 {
		r, err := p.Apply(x, gives(answer(bodyOf(coded(t, "br", data)), -1, "Content-Type: image/x-big", "Content-Encoding: br")))
		if err != nil || r.Header.Has("Content-Encoding") || x.Request.Header.Get("Accept-Encoding") != "gzip;q=0.5" {
			t.Errorf("%v asks for %v, %v", x.Request.Header, r, err)
		}
		if got := read(t, r.Body); !bytes.Equal(got, data) {
			t.Errorf("%d bytes", len(got))
		}
		if err := r.Body.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestWhatWasAskedForHereIsUndoneThoughItIsNotToBeTransformed(t *testing.T) {
	p, data := policyOf(t, map[string]any{"accept_encoding": "all"}), page(3000)
	x := asks("GET", "Accept-Encoding: gzip")
	r, err := p.Apply(x, gives(answer(bodyOf(coded(t, "br", data)), -1, "Content-Type: text/css", "Cache-Control: no-transform", "Content-Encoding: br")))
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, r.Body); !bytes.Equal(got, data) || r.Header.Has("Content-Encoding") {
		t.Errorf("%d bytes with %v", len(got), r.Header)
	}
	if err := r.Body.Close(); err != nil {
		t.Error(err)
	}
}

func TestBeyondMaxStreamsNothingIsCompressedAndNothingUndone(t *testing.T) {
	p, data := policyOf(t, map[string]any{"max_streams": int64(1)}), page(3000)
	first, err := p.Apply(asks("GET", "Accept-Encoding: gzip"), gives(answer(bodyOf(data), 3000, "Content-Type: text/css")))
	if err != nil {
		t.Fatal(err)
	}
	if s := p.State(); s.Level != "warn" || !strings.Contains(s.Summary, "all 1 streams") {
		t.Errorf("the state is %+v", s)
	}
	x := asks("GET", "Accept-Encoding: gzip")
	r, err := p.Apply(x, gives(answer(bodyOf(data), 3000, "Content-Type: text/css")))
	if err != nil || r.Header.Has("Content-Encoding") || r.ContentLength != 3000 || fact(x, "left") != "max_streams answers are being compressed" {
		t.Errorf("%v, %v", r, err)
	}
	b := bodyOf(coded(t, "gzip", data))
	_, err = p.Apply(asks("GET"), gives(answer(b, -1, "Content-Type: text/css", "Content-Encoding: gzip")))
	if err == nil || !strings.Contains(err.Error(), "max_streams") || !b.closed.Load() {
		t.Errorf("%v, closed %v", err, b.closed.Load())
	}
	if err := first.Body.Close(); err != nil {
		t.Fatal(err)
	}
	atRest(t, p)
	if figure(p, "skipped_total", "busy") != 1 || figure(p, "refused_total", "") != 1 {
		t.Errorf("%+v", p.State().Figures)
	}
}
