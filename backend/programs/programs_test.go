package programs

import (
	"slices"
	"testing"
)

func TestEveryKnownBrowserIsToldOnce(t *testing.T) {
	var ids []string
	for _, p := range Find() {
		ids = append(ids, p.ID)
		if p.Installed != (p.Path != "") || p.Name == "" {
			t.Errorf("%+v", p)
		}
	}
	if want := []string{"chromium", "chrome", "edge", "brave"}; !slices.Equal(ids, want) {
		t.Errorf("found %q, want %q", ids, want)
	}
}

func TestWhereBrowsersAreLookedFor(t *testing.T) {
	env := func(name string) string {
		return map[string]string{"HOME": "/Users/me", "ProgramFiles": `C:\Program Files`, "LocalAppData": `C:\Users\me\AppData\Local`}[name]
	}
	chrome := browsers()[1]
	for system, want := range map[string][]string{
		"linux":   {"google-chrome", "google-chrome-stable"},
		"darwin":  {"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome", "/Users/me/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"},
		"windows": {`C:\Program Files\Google\Chrome\Application\chrome.exe`, `C:\Users\me\AppData\Local\Google\Chrome\Application\chrome.exe`},
	} {
		if got := chrome.places(system, env); !slices.Equal(got, want) {
			t.Errorf("on %s: %q, want %q", system, got, want)
		}
	}
}

func TestFlags(t *testing.T) {
	setup := Setup{ProxyAddress: "127.0.0.1:8080", SPKI: "c3BraQ==", ProfileDir: "/p", StartURL: "http://127.0.0.1:8080/"}
	always := []string{
		"--user-data-dir=/p", "--proxy-server=http://127.0.0.1:8080", "--proxy-bypass-list=<-loopback>",
		"--ignore-certificate-errors-spki-list=c3BraQ==", "--no-first-run", "--no-default-browser-check",
		"--disable-background-networking", "--disable-component-update", "--disable-domain-reliability", "--disable-default-apps",
		"--disable-component-extensions-with-background-pages", "--allow-browser-signin=false", "--disable-sync", "--no-pings", "--disable-features=NetworkTimeServiceQuerying,OptimizationHints,MediaRouter,Translate",
	}
	for _, c := range []struct {
		system string
		euid   int
		want   []string
	}{
		{"linux", 1000, []string{"http://127.0.0.1:8080/"}},
		{"linux", 0, []string{"--no-sandbox", "http://127.0.0.1:8080/"}},
		{"darwin", 0, []string{"http://127.0.0.1:8080/"}},
		{"windows", -1, []string{"http://127.0.0.1:8080/"}},
	} {
		if got, want := flags(setup, c.system, c.euid), slices.Concat(always, c.want); !slices.Equal(got, want) {
			t.Errorf("on %s as %d: %q, want %q", c.system, c.euid, got, want)
		}
	}
	setup.StartURL = ""
	if got := flags(setup, "linux", 1000); !slices.Equal(got, always) {
		t.Errorf("without a page: %q", got)
	}
}
