package export

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"

	"proxycache/backend/flow"
	"proxycache/backend/problem"
)

func TestWhichNamesHoldSecrets(t *testing.T) {
	for name, want := range map[string][3]bool{ // as a field, a parameter, a member
		"Authorization":        {true, true, true},
		"set-cookie":           {true, true, true},
		"X-Api-Key":            {true, true, true},
		"X-Auth-Token":         {true, true, true},
		"access_token":         {true, true, true},
		"newPassword":          {true, true, true},
		"client_secret":        {true, true, true},
		"X-Amz-Signature":      {true, true, true},
		"user%5Bpassword%5D":   {true, true, true},
		"key":                  {true, true, false}, // in JSON mostly a name
		"subscription-key":     {true, true, false},
		"code":                 {false, true, false},
		"sid":                  {false, true, false},
		"Sec-WebSocket-Key":    {false, false, false},
		"Idempotency-Key":      {false, false, false},
		"author":               {false, false, false},
		"keyword":              {false, false, false},
		"Content-Type":         {false, false, false},
		"zipcode":              {false, false, false},
		"Accept":               {false, false, false},
		"monkeys":              {false, false, false},
		"authenticated":        {false, false, false},
		"Access-Control-Allow": {false, false, false},
	} {
		if got := [3]bool{secretField(name), secretParameter(name), secretMember(name)}; got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestSecretsOfURLs(t *testing.T) {
	for url, want := range map[string]string{
		"/a":                                     "/a",
		"/a?":                                    "/a?",
		"/a?b=1&api_key=x%20y&c":                 "/a?b=1&api_key=redacted&c",
		"/a?token&token=&token=a=b&&":            "/a?token&token=&token=redacted&&",
		"https://h/cb?code=x&state=1#id_token=y": "https://h/cb?code=redacted&state=1#id_token=redacted",
		"/a?user%5Bpassword%5D=x":                "/a?user%5Bpassword%5D=redacted",
	} {
		var b blanks
		if got := b.url(url); got != want {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
	}
}

func TestSecretsOfBodies(t *testing.T) {
	for _, c := range []struct{ kind, body, want string }{
		{"application/json", `{"user":"me","password":"x\"y","n":1}`, `{"user":"me","password":"redacted","n":1}`},
		{"application/json", `{"access_token" : ` + "\n" + ` "x", "max_tokens": 5, "token": null, "t": "token"}`, `{"access_token" : ` + "\n" + ` "redacted", "max_tokens": 5, "token": null, "t": "token"}`},
		{"application/problem+json", `[{"a":{"clientSecret":"x"}},{"tokens":["a", "b"],"b":["c"]}]`, `[{"a":{"clientSecret":"redacted"}},{"tokens":["redacted", "redacted"],"b":["c"]}]`},
		{"application/json", `{"secrets":[{"name":"x"},"y"]}`, `{"secrets":[{"name":"x"},"y"]}`},
		{"application/json", `{"secret":{"inner":"x"}}`, `{"secret":{"inner":"x"}}`},
		{"application/x-ndjson", "{\"token\":\"a\"}\n{\"token\":\"b\"}\n", "{\"token\":\"redacted\"}\n{\"token\":\"redacted\"}\n"},
		{"application/json", `{"password":"never en`, `{"password":"redacted"`},
		{"application/json", `{"name":"never en`, `{"name":"never en`},
		{"application/json", ``, ``},
		{"application/x-www-form-urlencoded; charset=utf-8", `a=1&password=x%26y&b&=&token=`, `a=1&password=redacted&b&=&token=redacted`},
		{"application/x-www-form-urlencoded", `password=` + strings.Repeat("x", 9000) + `&a=1`, `password=redacted&a=1`},
		{"application/x-www-form-urlencoded", `a=` + strings.Repeat("x", 9000) + `&pwd=1`, `a=` + strings.Repeat("x", 9000) + `&pwd=redacted`},
		{"text/plain", `password=x`, `password=x`},
	} {
		for name, in := range map[string]io.Reader{"at once": strings.NewReader(c.body), "byte by byte": iotest.OneByteReader(strings.NewReader(c.body))} {
			got, err := io.ReadAll(iotest.OneByteReader(blankBody(in, c.kind)))
			if err != nil || string(got) != c.want {
				t.Errorf("%s, read %s:\n%.300s\n%.300s, %v; want\n%.300s", c.kind, name, c.body, got, err, c.want)
			}
		}
	}
}

func TestABrokenBodyIsStillAnError(t *testing.T) {
	for _, kind := range []string{"application/json", "application/x-www-form-urlencoded"} {
		in := io.MultiReader(strings.NewReader(`{"a":"b`), iotest.ErrReader(io.ErrUnexpectedEOF))
		if _, err := io.ReadAll(blankBody(in, kind)); err != io.ErrUnexpectedEOF {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// What has no secret comes out as it went in; what has some is JSON still.
func TestBlankingKeepsTheRest(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"token", "password", "a", `\`, `"`, `\"`, ":", "["}))
	var value *rapid.Generator[any]
	value = rapid.Deferred(func() *rapid.Generator[any] {
		return rapid.OneOf(
			rapid.Map(text, func(s string) any { return s }), rapid.Map(rapid.Int(), func(n int) any { return n }), rapid.Just[any](nil),
			rapid.Map(rapid.SliceOfN(value, 0, 3), func(l []any) any { return l }),
			rapid.Map(rapid.MapOfN(text, value, 0, 3), func(m map[string]any) any { return m }),
		)
	})
	rapid.Check(t, func(rt *rapid.T) {
		v := value.Draw(rt, "value")
		in, err := json.Marshal(v)
		if err != nil {
			rt.Fatal(err)
		}
		out, err := io.ReadAll(blankBody(bytes.NewReader(in), "application/json"))
		if err != nil || !json.Valid(out) {
			rt.Fatalf("%s became %s, %v", in, out, err)
		}
		if !strings.Contains(string(in), "token") && !strings.Contains(string(in), "password") && !bytes.Equal(in, out) && !holdsSecret(v) {
			rt.Fatalf("%s became %s", in, out)
		}
	})
}

func holdsSecret(v any) bool {
	switch v := v.(type) {
	case []any:
		for _, inner := range v {
			if holdsSecret(inner) {
				return true
			}
		}
	case map[string]any:
		for name, inner := range v {
			if secretMember(name) || holdsSecret(inner) {
				return true
			}
		}
	}
	return false
}

func TestARedactedExportHoldsNoSecretAnywhere(t *testing.T) {
	const secret = "hunter2hunter2"
	k := newKept()
	form := []byte("user=me&password=" + secret)
	r := k.add(captured("a", "POST", "/login?api_key="+secret+"&x=1", form, "Authorization: Bearer "+secret, "Cookie: session="+secret+"; b=2",
		"Content-Type: application/x-www-form-urlencoded", "Referer: http://a/?token="+secret), form,
		"302 Found", gzipped(t, `{"access_token":"`+secret+`","note":"seen"}`), "Content-Type: application/json", "Content-Encoding: gzip",
		"Set-Cookie: session="+secret+"; Path=/", "Location: /in#access_token="+secret)
	r.RequestTrailer = flow.Header{{Name: "X-Token", Value: secret}}
	r.Problem = problem.New(problem.Refused, "Sending %s: refused.", secret)
	r.Trail = flow.Trail{{
		Cell: "a/headers", Module: "headers", Verdict: flow.Changed, Why: `header.authorization = "Bearer ` + secret + `"`,
		Facts: []flow.Fact{{Name: "key", Value: "POST a /login?api_key=" + secret}},
		Request: &flow.Delta{
			Header: []flow.FieldEdit{{Op: "set", Name: "Authorization", Was: "Bearer " + secret, Now: "Bearer 2" + secret}},
			Line:   [2]string{"POST /login?api_key=" + secret + " HTTP/1.1", "POST /x?api_key=" + secret + " HTTP/1.1"},
		},
	}}
	cut := gzipped(t, `{"access_token":"`+secret+`"}`)
	k.add(captured("a", "PUT", "/zipped", cut, "Content-Type: application/json", "Content-Encoding: gzip"), cut,
		"200 OK", cut[:len(cut)-6], "Content-Type: application/json", "Content-Encoding: gzip")
	for name, text := range map[string][]byte{"HAR": harOf(t, k, Options{Redact: true}), "Postman": postmanOf(t, k, Options{Redact: true})} {
		if at := bytes.Index(text, []byte(secret)); at >= 0 {
			t.Errorf("%s has it: %s", name, text[max(0, at-200):at])
		}
		if strings.Contains(string(text), "H4sI") { // gzip in base64
			t.Errorf("%s has a body that nobody could look into", name)
		}
		if !strings.Contains(string(text), "user=me&password=redacted") || !strings.Contains(string(text), `\"note\":\"seen\"`) {
			t.Errorf("%s lost what is no secret:\n%s", name, text)
		}
	}
	for name, text := range map[string][]byte{"HAR": harOf(t, k, Options{}), "Postman": postmanOf(t, k, Options{})} {
		if !bytes.Contains(text, []byte("Bearer "+secret)) || bytes.Contains(text, []byte(Blank)) {
			t.Errorf("%s is blanked and should not be", name)
		}
	}
}

func TestABlankedFieldOfACollectionIsSwitchedOff(t *testing.T) {
	k := newKept()
	k.add(captured("a", "GET", "/", nil, "Authorization: Bearer x", "Cookie: a=b", "X-Kept: 1"), nil, "200 OK", nil)
	for _, f := range parsed(t, postmanOf(t, k, Options{Redact: true})).Item[0].Item[0].Request.Header {
		if want := f.Key != "X-Kept"; f.Disabled != want {
			t.Errorf("%+v", f)
		}
	}
}

func TestTextIsEscapedAsJSONWants(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.String().Draw(rt, "text")
		var out bytes.Buffer
		j := newJSONWriter(&out)
		j.content(content{utf8: true, open: func() (io.ReadCloser, error) {
			return io.NopCloser(iotest.OneByteReader(strings.NewReader(text))), nil
		}})
		var got string
		if err := j.flush(); err != nil {
			rt.Fatal(err)
		}
		if err := json.Unmarshal(out.Bytes(), &got); err != nil || got != text {
			rt.Fatalf("%q became %s: %q, %v", text, out.Bytes(), got, err)
		}
	})
}
