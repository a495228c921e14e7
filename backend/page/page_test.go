package page

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestAPageHasTheFormThatIsAskedFor(t *testing.T) {
	p := Page{Status: 503, Title: "Un<available>", Detail: `Too many "requests" & <more>.`, ID: "0197", Kind: "unavailable"}
	for _, c := range []struct{ accept, contentType, holds string }{
		{"", "text/plain; charset=utf-8", "503 Un<available>\n\nToo many \"requests\" & <more>.\n\nProxycache exchange 0197\n"},
		{"*/*", "text/plain; charset=utf-8", "exchange 0197"},
		{"Text/HTML, application/json", "text/html; charset=utf-8", "<h1>503 Un&lt;available&gt;</h1>\n<p>Too many &#34;requests&#34; &amp; &lt;more&gt;.</p>\n<p><small>Proxycache exchange 0197</small></p>\n</html>\n"},
		{"application/json", "application/problem+json", `"instance":"urn:uuid:0197","kind":"unavailable"}` + "\n"},
		{"application/problem+JSON", "application/problem+json", `"status":503`},
	} {
		contentType, body := p.In(c.accept)
		if contentType != c.contentType || !strings.Contains(string(body), c.holds) {
			t.Errorf("Accept %q gives %s:\n%s\nwithout %q", c.accept, contentType, body, c.holds)
		}
	}
}

func TestAPageWithoutAnExchangeNamesNone(t *testing.T) {
	p := Page{Status: 400, Title: "Bad Request", Detail: "No Host."}
	for _, accept := range []string{"text/html", "application/json", "text/plain"} {
		if _, body := p.In(accept); strings.Contains(string(body), "exchange") || strings.Contains(string(body), "urn:") {
			t.Errorf("Accept %q names an exchange:\n%s", accept, body)
		}
	}
	_, body := p.In("application/json")
	var fields map[string]any
	if err := json.Unmarshal(body, &fields); err != nil || len(fields) != 4 {
		t.Errorf("%s: %v", body, err)
	}
}

func TestProxyStatusIsAStructuredField(t *testing.T) {
	for details, want := range map[string]string{
		"no route":             `proxycache; error=destination_not_found; details="no route"`,
		"\"a\\b\"\r\nX: ü – 1": `proxycache; error=destination_not_found; details="'a'b'X:   1"`,
	} {
		if got := ProxyStatus("destination_not_found", details); got != want {
			t.Errorf("%q gives\n%s\nwant\n%s", details, got, want)
		}
	}
}
